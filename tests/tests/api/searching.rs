//! Did Ada's lead arrive, when, as which record, and if not, why?

use leadgate_tests::hubspot::Fault;
use leadgate_tests::rig::Rig;
use serde_json::json;

use super::{found, get, post, send, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_delivered_lead_tells_its_story_and_is_found_by_what_is_known_of_it() {
    // Given two leads that were delivered, one of them twice sent,
    let rig = Rig::start().await;
    let unavailable = Fault::Status {
        code: 503,
        retry_after: None,
        policy: None,
    };
    rig.hubspot.script([unavailable]);
    let ada = rig.lead("ada").await;
    rig.arrived("ada").await;
    let bob = rig.lead("bob").await;
    rig.arrived("bob").await;
    assert_eq!(rig.lead("ada").await, ada, "a resend");
    let delivered = || async { found(&rig, json!({"state": "Delivered"})).await.len() == 2 };
    rig.until("both are delivered", delivered).await;

    // when somebody asks for ada, by whatever spelling of her address,
    for filter in [
        json!({"email": "ada@example.com"}),
        json!({"email": " ADA@Example.COM "}),
        json!({"submission": "ada"}),
        json!({"webhook": "web", "sink": "hubspot", "email": "ada@example.com", "until": "2099-01-01T00:00:00Z"}),
    ] {
        let leads = found(&rig, filter.clone()).await;
        assert!(
            leads.contains(&ada) && !leads.contains(&bob),
            "{filter}: {leads:?}"
        );
        assert_eq!(
            leads.len(),
            if filter["sink"].is_null() { 2 } else { 1 },
            "{filter}: the resend is told too"
        );
    }

    // then the story tells each attempt, in order, and as which record it arrived.
    let story = get(&rig, &format!("/leads/{ada}")).await;
    assert_eq!(story["outcome"], "Accepted", "{story}");
    let delivery = &story["sinks"][0];
    assert_eq!(
        (&delivery["sink"], &delivery["state"]),
        (&json!("default/hubspot"), &json!("Delivered"))
    );
    let events: Vec<String> = story["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| text(&event["event"]))
        .collect();
    assert_eq!(events, ["Received", "Retried", "Delivered"], "{story}");
    assert_eq!(
        (&story["events"][1]["status"], &story["events"][1]["attempt"]),
        (&json!(503), &json!(1))
    );
    let record = text(&delivery["record"]);
    assert!(!record.is_empty(), "{story}");
    assert_eq!(
        found(&rig, json!({"record": record})).await,
        std::slice::from_ref(&ada)
    );
    let resend = post(&rig, "/leads/search", json!({"filter": {"outcome": "Duplicate"}})).await;
    assert_eq!(resend["items"][0]["reason"], json!(ada), "{resend}");
    assert!(!story.to_string().contains("example.com"), "{story}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_became_a_lead_is_told_too() {
    let rig = Rig::start().await;
    let answer = rig
        .post(&json!({"email": "not an address", "submissionId": "x"}))
        .await;
    assert_eq!(answer.status, 400);
    let rejected = post(&rig, "/leads/search", json!({"filter": {"outcome": "Rejected"}})).await;
    assert_eq!(rejected["items"][0]["reason"], "InvalidLead", "{rejected}");
    assert_eq!(found(&rig, json!({"reason": "InvalidLead"})).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_they_ended() {
    let rig = Rig::start().await;
    let mut sent = Vec::new();
    for n in 0..7 {
        sent.push(rig.lead(&format!("person{n}")).await);
    }
    let (mut seen, mut after) = (Vec::new(), serde_json::Value::Null);
    loop {
        let mut search = json!({"filter": {"webhook": "web"}, "limit": 3});
        if !after.is_null() {
            search["after"] = after;
        }
        let page = post(&rig, "/leads/search", search).await;
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|lead| text(&lead["id"])),
        );
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    sent.reverse();
    assert_eq!(seen, sent, "newest first, each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_survives_a_crash_and_a_person_can_pause_a_sink() {
    let mut rig = Rig::start().await;
    let paused = post(&rig, "/sinks/default/hubspot/pause", json!({"seconds": 3600})).await;
    assert_eq!(paused["paused"], true);
    let ada = rig.lead("ada").await;
    let reason = || async { rig.sink_status().await["pausedReason"] == "PausedByPerson" };
    rig.until("the sink says why it is paused", reason).await;
    rig.receiver.kill();
    rig.receiver.restart().await.unwrap();
    let story = get(&rig, &format!("/leads/{ada}")).await;
    assert_eq!(story["sinks"][0]["state"], "Pending", "{story}");
    assert_eq!(
        send(&rig, "POST", "/sinks/default/hubspot/resume", &json!({}))
            .await
            .status,
        200
    );
    rig.arrived("ada").await;
}

/// What left a set is not in it, whatever the ledger tells of it: the list is what a job on the set would find.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_in_a_set_finds_what_is_there_now() {
    // Given a lead that was delivered, without its payload being kept, and two requests that were rejected,
    let rig = Rig::start().await;
    rig.lead("ada").await;
    rig.arrived("ada").await;
    for id in ["x", "y"] {
        let answer = rig
            .post(&json!({"email": "not an address", "submissionId": id}))
            .await;
        assert_eq!(answer.status, 400);
    }
    let in_set = |set: &str| {
        let search = json!({"set": set, "filter": {"webhook": "web"}, "limit": 1000});
        async {
            post(&rig, "/leads/search", search).await["items"]
                .as_array()
                .unwrap()
                .clone()
        }
    };
    let rejected = in_set("rejected").await;
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    assert_eq!(
        (&rejected[0]["outcome"], &rejected[0]["reason"]),
        (&json!("Rejected"), &json!("InvalidLead"))
    );

    // when one of these is discarded,
    let gone = text(&rejected[0]["id"]);
    let answer = send(&rig, "DELETE", &format!("/leads/{gone}?set=rejected"), &json!({})).await;
    assert_eq!(answer.status, 204);

    // then it is in no set, though the ledger tells of it, and a job finds as many.
    assert_eq!(in_set("rejected").await.len(), 1);
    assert_eq!(found(&rig, json!({"outcome": "Rejected"})).await.len(), 2);
    let job = json!({"action": "Discard", "set": "rejected", "filter": {"webhook": "web"}, "dryRun": true});
    assert_eq!(post(&rig, "/jobs", job).await["done"], 1);
    for set in ["delivered", "dead", "held", "unrouted", "pending"] {
        assert_eq!(in_set(set).await, Vec::<serde_json::Value>::new(), "{set}");
    }
    // A set says where leads are, and its cursor belongs to it.
    let refused = json!({"set": "dead", "filter": {"state": "Held"}});
    assert_eq!(send(&rig, "POST", "/leads/search", &refused).await.status, 400);
    rig.post(&json!({"email": "no", "submissionId": "z"})).await;
    let page = post(&rig, "/leads/search", json!({"set": "rejected", "limit": 1})).await;
    let next = json!({"set": "dead", "limit": 1, "after": page["next"]});
    assert!(page["next"].is_string(), "{page}");
    assert_eq!(send(&rig, "POST", "/leads/search", &next).await.status, 400);
}
