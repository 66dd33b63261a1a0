//! Leads that wait or went nowhere: told of, found, sent on, in order.

use leadgate_tests::hubspot::{Fault, HubSpot};
use leadgate_tests::manifests::mapped_webhook;
use serde_json::{Value, json};

use super::dead_letters::broken;
use super::{Rig, SECRET};
fn busy(code: u16, retry_after: Option<u64>) -> Fault {
    Fault::Status {
        code,
        retry_after,
        policy: None,
    }
}

/// Sends a lead of `person` as the submission `id`; returns the lead's id.
async fn submit(rig: &Rig, person: &str, name: &str, id: &str) -> String {
    let body = json!({"email": format!("{person}@example.com"), "firstName": name, "submissionId": id});
    let answer = rig.post(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["status"], "accepted", "{}", answer.text());
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn first_name(crm: &HubSpot, person: &str) -> Option<String> {
    let contact = crm.contact(&format!("{person}@example.com"))?;
    contact.properties.get("firstname").cloned()
}

async fn until_named(rig: &Rig, person: &str, name: &str) {
    rig.until(&format!("{person} is {name}"), || async {
        first_name(&rig.hubspot, person).as_deref() == Some(name)
    })
    .await;
}

fn webhook_to(sinks: &str) -> String {
    mapped_webhook("web", SECRET).replace("sinks: [{name: hubspot}]", &format!("sinks: {sinks}"))
}

async fn sink_named(rig: &Rig, name: &str) -> Value {
    let status = rig.get("/status").await;
    let sinks = status["sinks"].as_array().unwrap().clone();
    sinks
        .into_iter()
        .find(|sink| sink["name"] == name)
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_a_renamed_sink_are_told_of_moved_and_delivered_when_it_is_back() {
    // Given two leads that wait for a sink,
    let rig = Rig::with(|sink| sink.suspend = true).await;
    let (moved, _) = (rig.lead("ada").await, rig.lead("bea").await);
    // when the sink gets another name, and the webhook follows,
    let mut running = rig.sink.clone();
    running.suspend = false;
    let renamed = running
        .yaml()
        .replace("name: hubspot, namespace", "name: main, namespace");
    rig.receiver.write_manifest("leadgate.yaml", &renamed).unwrap();
    rig.receiver
        .write_manifest("web.yaml", &webhook_to("[{name: main}]"))
        .unwrap();
    // then they are counted where they are, with a problem in words,
    rig.until("the sink is told of", || async {
        sink_named(&rig, "default/hubspot").await["orphaned"] == true
    })
    .await;
    let orphan = sink_named(&rig, "default/hubspot").await;
    assert_eq!(orphan["leads"]["pending"], 2, "{orphan}");
    assert!(
        orphan["problem"].as_str().unwrap().contains("not configured"),
        "{orphan}"
    );
    assert_eq!(sink_named(&rig, "default/main").await["orphaned"], false);
    rig.until("the webhook has another sink", || async {
        rig.get("/status").await["webhooks"][0]["sinks"][0]["name"] == "main"
    })
    .await;
    let routes = rig.get("/status").await["webhooks"][0]["sinks"].clone();
    assert_eq!(
        (&routes[1]["name"], &routes[1]["named"], &routes[1]["pending"]),
        (&json!("hubspot"), &json!(false), &json!(2)),
        "{routes}"
    );
    let metric = rig
        .receiver
        .metric("leadgate_orphaned_leads", &["default/hubspot"]);
    assert!((metric.await.unwrap() - 2.0).abs() < 0.1);
    rig.until("the log says it", || async {
        rig.receiver.log().contains("which is not configured")
    })
    .await;
    assert_eq!(rig.receiver.log().matches("which is not configured").count(), 1);
    // and a person can list and move them,
    let listed = rig.get("/deadletters?set=pending&sink=hubspot").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "{listed}");
    assert!(!listed.to_string().contains("example.com"), "{listed}");
    let answer = rig
        .call("POST", &format!("/deadletters/{moved}/move?to=main"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    rig.arrived("ada").await;
    assert!(rig.hubspot.contact("bea@example.com").is_none());
    // and they are delivered as soon as the sink is there again, though no webhook names it.
    let both = format!("{renamed}---\n{}", running.yaml().split("---\n").next().unwrap());
    rig.receiver.write_manifest("leadgate.yaml", &both).unwrap();
    rig.arrived("bea").await;
    rig.until("nobody is left", || async {
        let status = rig.get("/status").await;
        status["webhooks"][0]["sinks"].as_array().unwrap().len() == 1
    })
    .await;
    let metric = rig.receiver.metric("leadgate_orphaned_leads", &[]);
    assert!(metric.await.unwrap() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_no_sink_takes_is_kept_and_goes_on_when_one_does() {
    let rig = Rig::start().await;
    let picky = webhook_to("[{name: hubspot, when: \"lead.firstName == 'in'\"}]");
    rig.receiver.write_manifest("web.yaml", &picky).unwrap();
    rig.until("the webhook is read again", || async {
        rig.receiver
            .metric("leadgate_config_reloads_total", &[])
            .await
            .unwrap()
            > 1.0
    })
    .await;
    let id = submit(&rig, "ada", "out", "1").await;
    let resend = json!({"email": "ada@example.com", "firstName": "out", "submissionId": "1"});
    assert_eq!(rig.post(&resend).await.json()["status"], "duplicate");
    submit(&rig, "bea", "in", "2").await;
    rig.arrived("bea").await;
    let webhook = rig.get("/status").await["webhooks"][0].clone();
    assert_eq!(webhook["leads"]["unrouted"], 1, "{webhook}");
    assert!(
        webhook["hints"][0].as_str().unwrap().contains("otherwise"),
        "{webhook}"
    );
    assert!((rig.receiver.metric("leadgate_unrouted_leads", &[]).await.unwrap() - 1.0).abs() < 0.1);
    let kept = rig.dead_letters("unrouted").await;
    assert_eq!(
        (&kept[0]["id"], &kept[0]["reason"]),
        (&json!(id), &json!("NoSink"))
    );
    // Not yet:
    let replayed = rig
        .call("POST", &format!("/deadletters/{id}/replay"))
        .await
        .json();
    assert_eq!(replayed["items"][0]["replayed"], false, "{replayed}");
    // A sink for what no other takes.
    let otherwise = webhook_to("[{name: hubspot, otherwise: true}]");
    rig.receiver.write_manifest("web.yaml", &otherwise).unwrap();
    rig.until("it is routed", || async {
        let replayed = rig.call("POST", "/deadletters/replay?set=unrouted").await.json();
        replayed["replayed"] == 1
    })
    .await;
    rig.arrived("ada").await;
    assert!(rig.dead_letters("unrouted").await.is_empty());
    submit(&rig, "cleo", "out", "3").await;
    rig.arrived("cleo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_too_coarse_loses_no_lead_and_is_told() {
    let rig = Rig::start().await;
    submit(&rig, "ada", "ada", "12").await;
    submit(&rig, "bob", "bob", "12").await;
    rig.arrived("ada").await;
    rig.arrived("bob").await;
    for name in ["ada", "bob"] {
        let resend = json!({"email": format!("{name}@example.com"), "firstName": name, "submissionId": "12"});
        assert_eq!(rig.post(&resend).await.json()["status"], "duplicate", "{name}");
    }
    // A sender that stamps its attempts sends the same lead.
    let stamped = json!({"email": "bob@example.com", "firstName": "bob", "submissionId": "12", "attempt": 2});
    assert_eq!(rig.post(&stamped).await.json()["status"], "duplicate");
    let webhook = rig.get("/status").await["webhooks"][0].clone();
    assert_eq!(
        (&webhook["leads"]["keyConflicts"], &webhook["leads"]["duplicates"]),
        (&json!(1), &json!(3)),
        "{webhook}"
    );
    assert!(
        webhook["hints"][0].as_str().unwrap().contains("idempotency.key"),
        "{webhook}"
    );
    assert!(
        (rig.receiver
            .metric("leadgate_key_conflicts_total", &[])
            .await
            .unwrap()
            - 1.0)
            .abs()
            < 0.1
    );
    assert_eq!(rig.receiver.log().matches("the key is not unique").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_leads_of_one_person_are_replayed_in_their_order() {
    let mut rig = Rig::with(broken).await;
    for name in ["one", "two", "three"] {
        submit(&rig, "ada", name, name).await;
    }
    let other = submit(&rig, "bea", "bea", "bea").await;
    rig.dead_letter_count("dead", 4).await;
    let unfit = rig.call("POST", "/deadletters/replay?record=5").await;
    assert_eq!(unfit.status, 400, "{}", unfit.text());
    rig.change_sink(|sink| sink.properties = String::new());
    rig.until("the sink is read again", || async {
        rig.receiver
            .metric("leadgate_config_reloads_total", &[])
            .await
            .unwrap()
            > 1.0
    })
    .await;
    let none = rig.call("POST", "/deadletters/replay?reason=Other").await.json();
    assert_eq!(
        (&none["replayed"], &none["next"]),
        (&json!(0), &Value::Null),
        "{none}"
    );
    // Two at a time.
    let mut page = rig
        .call("POST", "/deadletters/replay?sink=hubspot&limit=2")
        .await
        .json();
    assert_eq!(page["replayed"], 2, "{page}");
    let next = page["next"].as_str().unwrap().to_owned();
    page = rig
        .call(
            "POST",
            &format!("/deadletters/replay?sink=hubspot&limit=2&after={next}"),
        )
        .await
        .json();
    assert_eq!(
        (&page["replayed"], &page["next"]),
        (&json!(2), &Value::Null),
        "{page}"
    );
    until_named(&rig, "ada", "three").await;
    rig.arrived("bea").await;
    rig.until("nothing is pending", || async {
        rig.sink_status().await["leads"]["pending"] == 0
    })
    .await;
    assert_eq!(first_name(&rig.hubspot, "ada").as_deref(), Some("three"));
    assert!(rig.dead_letters("dead").await.is_empty(), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_lead_does_not_undo_a_newer_one_in_silence() {
    let mut rig = Rig::with(broken).await;
    let old = submit(&rig, "ada", "old", "1").await;
    rig.dead_letter_count("dead", 1).await;
    rig.change_sink(|sink| sink.properties = String::new());
    rig.until("the sink is read again", || async {
        rig.receiver
            .metric("leadgate_config_reloads_total", &[])
            .await
            .unwrap()
            > 1.0
    })
    .await;
    submit(&rig, "ada", "new", "2").await;
    until_named(&rig, "ada", "new").await;
    rig.until("it is told", || async {
        rig.dead_letters("dead").await[0]["overtaken"] == true
    })
    .await;
    let refused = rig.call("POST", &format!("/deadletters/{old}/replay")).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("force=true"), "{}", refused.text());
    let many = rig.call("POST", "/deadletters/replay").await.json();
    assert_eq!(
        (&many["replayed"], &many["kept"][0]["id"]),
        (&json!(0), &json!(old)),
        "{many}"
    );
    assert_eq!(first_name(&rig.hubspot, "ada").as_deref(), Some("new"));
    // A person may want it so.
    let forced = rig
        .call("POST", &format!("/deadletters/{old}/replay?force=true"))
        .await;
    assert_eq!(forced.json()["items"][0]["replayed"], true, "{}", forced.text());
    until_named(&rig, "ada", "old").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_waits_tells_why_and_is_made_due_or_discarded() {
    let rig = Rig::with(|sink| {
        sink.delivery = sink.delivery.replace(
            "initialBackoff: 100ms, maxBackoff: 2s",
            "initialBackoff: 1h, maxBackoff: 1h",
        );
    })
    .await;
    rig.hubspot.script([busy(503, None), busy(503, None)]);
    let (ada, bea) = (rig.lead("ada").await, rig.lead("bea").await);
    rig.until("both were tried", || async {
        let pending = rig.dead_letters("pending").await;
        // An attempt counts from its claim on; it has an outcome when there is a reason.
        pending.len() == 2 && pending.iter().all(|lead| lead["reason"] == "Unavailable")
    })
    .await;
    let shown = rig.get(&format!("/deadletters/{ada}")).await["items"][0].clone();
    assert_eq!(
        (&shown["set"], &shown["reason"]),
        (&json!("pending"), &json!("Unavailable")),
        "{shown}"
    );
    assert!(
        !shown["message"].as_str().unwrap().is_empty() && shown["dueAt"].is_string(),
        "{shown}"
    );
    assert_eq!(shown["body"]["lead"]["email"], "ada@example.com", "{shown}");
    let replayed = rig.call("POST", &format!("/deadletters/{ada}/replay")).await;
    assert_eq!(replayed.status, 400, "{}", replayed.text());
    // What waits goes only if it is meant.
    assert_eq!(
        rig.call("DELETE", &format!("/deadletters/{bea}")).await.status,
        400
    );
    assert_eq!(
        rig.call("DELETE", &format!("/deadletters/{bea}?set=pending"))
            .await
            .status,
        204
    );
    let due = rig.call("POST", &format!("/deadletters/{ada}/expedite")).await;
    assert_eq!(due.json()["items"][0]["due"], true, "{}", due.text());
    rig.arrived("ada").await;
    let leads = rig.sink_status().await["leads"].clone();
    assert_eq!(
        (&leads["pending"], &leads["discarded"]),
        (&json!(0), &json!(1)),
        "{leads}"
    );
    assert!(rig.hubspot.contact("bea@example.com").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_resumed_by_a_person() {
    let rig = Rig::start().await;
    rig.hubspot.script([busy(429, Some(3000))]);
    rig.lead("ada").await;
    rig.until("the sink is paused", || async {
        rig.sink_status().await["pausedUntil"].is_string()
    })
    .await;
    assert_eq!(rig.call("POST", "/sinks/default/other/resume").await.status, 404);
    assert_eq!(
        rig.call("POST", "/sinks/default/hubspot/resume").await.status,
        200
    );
    rig.arrived("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_be_short_and_mistakes_are_told_as_problems() {
    let rig = Rig::start().await;
    for path in [
        "/deadletters?sink=hubspot",
        "/deadletters?sink=default/hubspot&webhook=web",
    ] {
        assert_eq!(rig.call("GET", path).await.status, 200, "{path}");
    }
    for (path, word) in [
        ("/deadletters?sink=nope", "default/hubspot"),
        ("/deadletters?webhook=nope", "default/web"),
        ("/deadletters?set=foo", "unrouted"),
        ("/deadletters?sinks=x", "sinks"),
        ("/deadletters?after=!", "next"),
    ] {
        let answer = rig.call("GET", path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(
            answer.is_problem() && answer.text().contains(word),
            "{path}: {}",
            answer.text()
        );
    }
}
