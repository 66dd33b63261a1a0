//! Leads that wait for a person: dead ones and rejected ones, seen, repaired and sent on, or discarded.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use leadgate_tests::hubspot::Fault;
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use serde_json::{Value, json};

use super::{Rig, SECRET};

/// A mapping that the CRM refuses.
const BROKEN: &str =
    "    email: lead.email\n    firstname: lead.firstName\n    no_such_property: lead.firstName";

/// A sink of which the CRM refuses every lead.
pub(super) fn broken(sink: &mut HubSpotSink) {
    sink.properties = BROKEN.into();
    sink.delivery = sink.delivery.replacen('{', "{onRefusedProperty: Dead, ", 1);
}

/// Waits until the receiver has read its changed manifests.
async fn reloaded(rig: &Rig) {
    rig.until("the manifests are read again", || async {
        let reloads = rig.receiver.metric("leadgate_config_reloads_total", &[]);
        reloads.await.unwrap() > 1.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_crm_refuses_is_dead_with_its_reason_and_arrives_once_the_mapping_is_repaired() {
    let mut rig = Rig::with(broken).await;
    let mut ids = Vec::new();
    for name in ["ada", "bea", "cleo", "dora", "eva"] {
        ids.push(rig.lead(name).await);
    }
    rig.dead_letter_count("dead", 5).await;

    // Status and log say which property, and never who.
    let status = rig.sink_status().await;
    assert_eq!(status["leads"]["dead"], 5, "{status}");
    assert_eq!(status["lastError"]["reason"], "UnknownProperty", "{status}");
    assert!(
        status["lastError"]["message"]
            .as_str()
            .unwrap()
            .contains("no_such_property"),
        "{status}"
    );
    let route = rig.get("/status").await["webhooks"][0]["sinks"][0].clone();
    assert_eq!(
        (&route["name"], &route["dead"]),
        (&json!("hubspot"), &json!(5)),
        "{route}"
    );
    let log = rig.receiver.log();
    assert!(
        log.contains("no_such_property") && log.contains(&ids[0]),
        "{}",
        rig.receiver.log_tail(5)
    );
    assert!(!log.contains("example.com"), "{}", rig.receiver.log_tail(5));

    // Pages, each lead once, without payloads.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = rig.get(&format!("/deadletters?limit=2{after}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(
            items.len() <= 2 && !page.to_string().contains("example.com"),
            "{page}"
        );
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    seen.sort();
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(seen, sorted);
    for (filter, count) in [
        ("sink=default/hubspot", 5),
        ("sink=hubspot", 5),
        ("webhook=default/web", 5),
        ("webhook=default/other", 0),
        ("set=held", 0),
        ("set=rejected", 0),
    ] {
        let page = rig.get(&format!("/deadletters?{filter}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{filter}: {page}");
    }

    // One of them in full.
    let shown = rig.get(&format!("/deadletters/{}", ids[0])).await["items"][0].clone();
    assert_eq!(shown["reason"], "UnknownProperty");
    assert_eq!(shown["body"]["payload"]["email"], "ada@example.com", "{shown}");
    assert_eq!(shown["body"]["lead"]["email"], "ada@example.com", "{shown}");
    assert!(
        shown["answer"]
            .as_str()
            .unwrap()
            .contains("PROPERTY_DOESNT_EXIST"),
        "{shown}"
    );
    assert_eq!(
        (&shown["attempts"], &shown["webhook"]),
        (&json!(1), &json!("default/web"))
    );

    // Repaired, replayed, arrived.
    rig.change_sink(|sink| sink.properties = String::new());
    reloaded(&rig).await;
    let replayed = rig.call("POST", &format!("/deadletters/{}/replay", ids[0])).await;
    assert_eq!(
        replayed.json()["items"][0]["replayed"],
        true,
        "{}",
        replayed.text()
    );
    rig.arrived("ada").await;
    rig.dead_letter_count("dead", 4).await;

    // Discarded: gone, and counted.
    assert_eq!(
        rig.call("DELETE", &format!("/deadletters/{}", ids[1]))
            .await
            .status,
        204
    );
    assert_eq!(
        rig.call("GET", &format!("/deadletters/{}", ids[1])).await.status,
        404
    );
    assert_eq!(
        rig.call("DELETE", &format!("/deadletters/{}", ids[1]))
            .await
            .status,
        404
    );
    let status = rig.sink_status().await;
    assert_eq!(
        (&status["leads"]["dead"], &status["leads"]["discarded"]),
        (&json!(3), &json!(1)),
        "{status}"
    );
    assert!(rig.hubspot.contact("bea@example.com").is_none());

    for (method, path, status) in [
        ("GET", "/deadletters/unknown", 404),
        ("POST", "/deadletters/unknown/replay", 404),
        ("POST", &format!("/deadletters/{}/replay", ids[0]), 404),
        ("GET", "/deadletters?set=lost", 400),
        ("GET", "/deadletters?limit=many", 400),
        ("GET", "/deadletters?sinks=x", 400),
        ("POST", "/deadletters", 405),
    ] {
        assert_eq!(rig.call(method, path).await.status, status, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_is_read_again_once_the_webhook_is_repaired() {
    let rig = Rig::start().await;
    let gzip = |body: &Value| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body.to_string().as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let plain = json!({"mail": "plain@example.com", "submissionId": "r1"});
    let zipped = json!({"mail": "zipped@example.com", "submissionId": "r2"});
    let hopeless = json!({"submissionId": "r3"});
    let id = |answer: leadgate_tests::wire::Answer| {
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let plain = id(rig.post(&plain).await);
    let zipped = id(rig
        .post_raw(&gzip(&zipped), &[("Content-Encoding", "gzip")])
        .await);
    let hopeless = id(rig.post(&hopeless).await);
    rig.dead_letter_count("rejected", 3).await;
    let shown = rig.get(&format!("/deadletters/{plain}")).await["items"][0].clone();
    assert_eq!(
        (&shown["set"], &shown["reason"]),
        (&json!("rejected"), &json!("InvalidLead")),
        "{shown}"
    );
    assert!(shown["message"].as_str().unwrap().contains("email"), "{shown}");
    assert!(
        shown["body"]["body"]
            .as_str()
            .unwrap()
            .contains("plain@example.com"),
        "{shown}"
    );

    // Not repaired yet: it says so, and keeps it.
    let replayed = rig
        .call("POST", &format!("/deadletters/{plain}/replay"))
        .await
        .json();
    assert_eq!(replayed["items"][0]["replayed"], false, "{replayed}");
    assert_eq!(replayed["items"][0]["errors"][0]["field"], "email", "{replayed}");
    rig.dead_letter_count("rejected", 3).await;

    let repaired = mapped_webhook("web", SECRET).replace("payload.email", "payload.mail");
    rig.receiver.write_manifest("web.yaml", &repaired).unwrap();
    reloaded(&rig).await;
    for (id, name) in [(plain, "plain"), (zipped, "zipped")] {
        let replayed = rig
            .call("POST", &format!("/deadletters/{id}/replay"))
            .await
            .json();
        assert_eq!(replayed["items"][0]["replayed"], true, "{name}: {replayed}");
        rig.arrived(name).await;
    }
    let replayed = rig
        .call("POST", &format!("/deadletters/{hopeless}/replay"))
        .await
        .json();
    assert_eq!(replayed["items"][0]["replayed"], false, "{replayed}");
    rig.dead_letter_count("rejected", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_the_good_arrive_and_the_bad_are_kept_one_by_one() {
    let rig = Rig::start().await;
    let lenient = "  payload:\n    items: payload.items\n    onInvalid: DropField\n    lead:\n";
    let batches = |email: &str| {
        mapped_webhook("web", SECRET)
            .replace("  payload:\n    lead:\n", lenient)
            .replace("payload.email", email)
            .replace("payload.phone", "item.phone")
            .replace(
                "idempotency: {key: payload.submissionId",
                "idempotency: {key: item.id",
            )
    };
    rig.receiver
        .write_manifest("web.yaml", &batches("item.email"))
        .unwrap();
    reloaded(&rig).await;
    let body = json!({"items": [
        {"email": "first@example.com", "id": "1", "phone": "ab"},
        {"mail": "second@example.com", "id": "2"},
        {"email": "third@example.com", "id": "3"},
    ]});
    let answer = rig.post(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = answer.json();
    let items = told["items"].as_array().unwrap();
    assert_eq!(told["status"], "accepted", "{told}");
    assert_eq!(
        items
            .iter()
            .map(|item| item["status"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["accepted", "rejected", "accepted"],
        "{told}"
    );
    assert_eq!(items[0]["notes"][0]["reason"], "InvalidPhone", "{told}");
    assert_eq!(items[1]["errors"][0]["reason"], "ContactMissing", "{told}");
    rig.arrived("first").await;
    rig.arrived("third").await;
    let left_out = ["default/web", "\"phone\"", "InvalidPhone"];
    let counted = rig
        .receiver
        .metric("leadgate_fields_left_out_total", &left_out)
        .await;
    assert!((counted.unwrap() - 1.0).abs() < f64::EPSILON);

    // A resend is known, and the bad one is still bad.
    let again = rig.post(&body).await.json();
    assert_eq!(
        (&again["status"], &again["items"][1]["status"]),
        (&json!("duplicate"), &json!("rejected")),
        "{again}"
    );

    // It waits by itself, and goes on by itself.
    let bad = items[1]["id"].as_str().unwrap();
    let shown = rig.get(&format!("/deadletters/{bad}")).await["items"][0].clone();
    assert_eq!(
        shown["body"]["body"], r#"{"id":"2","mail":"second@example.com"}"#,
        "{shown}"
    );
    rig.receiver
        .write_manifest("web.yaml", &batches("item.mail"))
        .unwrap();
    rig.until("the repaired manifest is read", || async {
        let replayed = rig
            .call("POST", &format!("/deadletters/{bad}/replay"))
            .await
            .json();
        replayed["items"][0]["replayed"] == true
    })
    .await;
    rig.arrived("second").await;
}

/// How long to retry counts from the replay: else a lead that is old by then would be given up at the first failure.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_lead_is_retried_however_old_it_is() {
    let mut rig = Rig::with(|sink| {
        broken(sink);
        sink.delivery = sink.delivery.replace("maxAge: 72h", "maxAge: 1m");
    })
    .await;
    let id = rig.lead("old").await;
    rig.dead_letter_count("dead", 1).await;
    rig.change_sink(|sink| sink.properties = String::new());
    // Older than the minute that leads of this sink are retried for.
    tokio::time::sleep(std::time::Duration::from_secs(62)).await;
    rig.hubspot.script([Fault::Status {
        code: 503,
        retry_after: None,
        policy: None,
    }]);
    let replayed = rig.call("POST", &format!("/deadletters/{id}/replay")).await;
    assert_eq!(
        replayed.json()["items"][0]["replayed"],
        true,
        "{}",
        replayed.text()
    );
    rig.arrived("old").await;
    assert!(rig.dead_letters("dead").await.is_empty());
}
