//! One lead that HubSpot, or something before it, does not take stops nobody else.

use leadgate_tests::hubspot::{Config, Fault, Rule};
use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use crate::{backlog, lead};

const MODES: [&str; 3] = ["Auto", "Single", "Batch"];

fn poison() -> Value {
    json!({"email": "poison@example.com", "firstName": "see <script>", "submissionId": "poison"})
}

/// What happens to every request that carries the poisoned lead.
fn blocked(fault: Fault) -> Rule {
    Rule {
        path: String::new(),
        body: "<script".into(),
        fault,
    }
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
        policy: None,
    }
}

/// The poisoned lead comes first, then thirty others.
async fn with_poison(mode: &str, fault: Fault, change: impl FnOnce(&mut HubSpotSink)) -> Rig {
    let mut rig = Rig::with(|sink| {
        sink.suspend = true;
        sink.hubspot = format!(", upsert: {mode}");
        change(sink);
    })
    .await;
    rig.hubspot
        .change_faults(|plan| plan.rules = vec![blocked(fault)]);
    let leads: Vec<Value> = [poison()]
        .into_iter()
        .chain((0..30).map(|n| lead(&format!("good{n}"))))
        .collect();
    backlog(&mut rig, &leads).await;
    rig
}

async fn thirty_arrive(rig: &Rig, what: &str) {
    rig.until(&format!("the thirty others arrive: {what}"), || async {
        rig.hubspot.contacts().len() >= 30
    })
    .await;
    let status = rig.sink_status().await;
    assert!(rig.hubspot.records_per_email().values().all(|count| *count == 1));
    assert_eq!(status["pausedReason"], Value::Null, "{what}: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firewall_that_blocks_one_lead_delays_no_other_and_is_named() {
    for mode in MODES {
        let rig = with_poison(mode, Fault::Page { code: 403 }, |_| {}).await;
        thirty_arrive(&rig, mode).await;
        rig.until("the reason is told", || async {
            let status = rig.sink_status().await;
            status["lastError"]["reason"] == "ForeignAnswer"
                && status["lastError"]["message"]
                    .as_str()
                    .is_some_and(|message| message.contains("403 with an HTML page"))
        })
        .await;
        let status = rig.sink_status().await;
        assert_eq!(status["leads"]["pending"], 1, "{mode}: {status}");
        assert_eq!(status["leads"]["dead"], 0, "{mode}: {status}");
        assert_eq!(status["preflight"]["credentials"]["ok"], true, "{mode}: {status}");

        // As soon as it is let through it arrives.
        rig.hubspot.change_faults(|plan| plan.rules.clear());
        rig.arrived("poison").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_one_lead_makes_fail_opens_the_circuit_for_nobody() {
    for mode in MODES {
        for fault in [status(500), Fault::DelayAnswer { millis: 1_500 }, Fault::Close] {
            let what = format!("{mode} {fault:?}");
            let rig = with_poison(mode, fault, |_| {}).await;
            thirty_arrive(&rig, &what).await;
            rig.lead("late").await;
            rig.arrived("late").await;
        }
    }
}

/// HubSpot's own 403: a permission that one of the lead's properties needs, say. Others pass, so the token is not to blame.
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_one_lead_lacks_does_not_pause_the_sink_while_others_pass() {
    let rig = Rig::with(|sink| sink.hubspot = ", upsert: Single".into()).await;
    rig.hubspot
        .change_faults(|plan| plan.rules = vec![blocked(status(403))]);
    rig.lead("first").await;
    rig.arrived("first").await;
    assert_eq!(rig.post(&poison()).await.status, 200);
    rig.until("the lead was refused", || async {
        rig.sink_status().await["lastError"]["reason"] == "MissingScopes"
    })
    .await;
    let paused = rig.sink_status().await["pausedReason"].clone();
    assert_eq!(paused, Value::Null);
    rig.lead("second").await;
    rig.arrived("second").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_is_never_let_through_is_dead_when_it_is_too_old() {
    let age = |sink: &mut HubSpotSink| sink.delivery = sink.delivery.replace("maxAge: 72h", "maxAge: 1m");
    let rig = with_poison("Auto", Fault::Page { code: 403 }, age).await;
    thirty_arrive(&rig, "Auto").await;
    rig.dead_letter_count("dead", 1).await;
    let dead = rig.dead_letters("dead").await.remove(0);
    assert_eq!(dead["reason"], "RetriesExhausted", "{dead}");
    assert!(dead["message"].as_str().unwrap().contains("HTML page"), "{dead}");
    let path = format!("/deadletters/{}", dead["id"].as_str().unwrap());
    let shown = rig.get(&path).await;
    let answer = shown["items"][0]["answer"].as_str().unwrap_or_default();
    assert!(answer.contains("<title>403"), "{shown}");
}

/// The page stands before the whole account: the sink pauses, and names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_firewall_that_blocks_everything_pauses_the_sink_until_it_lets_through() {
    let rig = Rig::start().await;
    rig.hubspot.change_faults(|plan| {
        plan.rules = vec![Rule {
            path: String::new(),
            body: String::new(),
            fault: Fault::Page { code: 403 },
        }];
    });
    // What was found before is not believed for ever.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    rig.lead("ada").await;
    rig.until("the sink pauses", || async {
        rig.sink_status().await["pausedReason"] == "ForeignAnswer"
    })
    .await;
    assert!(rig.dead_letters("dead").await.is_empty());
    rig.hubspot.change_faults(|plan| plan.rules.clear());
    rig.arrived("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_batch_calls_are_refused_as_a_whole_leads_go_one_by_one_and_the_status_says_so() {
    for fault in [
        Fault::Page { code: 404 },
        Fault::Page { code: 405 },
        Fault::Page { code: 403 },
        status(403),
        status(404),
    ] {
        let mut rig = Rig::with(|sink| {
            sink.suspend = true;
            sink.hubspot = ", upsert: Batch".into();
        })
        .await;
        rig.hubspot.change_faults(|plan| {
            plan.rules = vec![Rule {
                path: "/batch/".into(),
                body: String::new(),
                fault: fault.clone(),
            }];
        });
        let leads: Vec<Value> = (0..20).map(|n| lead(&format!("p{n}"))).collect();
        backlog(&mut rig, &leads).await;
        rig.until(&format!("all arrive: {fault:?}"), || async {
            rig.hubspot.contacts().len() == 20
        })
        .await;
        rig.until("the status says so", || async {
            rig.sink_status().await["notice"]["reason"] == "BatchRefused"
        })
        .await;
        assert!(rig.dead_letters("dead").await.is_empty(), "{fault:?}");
    }
}

/// A page with status 200 is no record: neither lost nor doubled.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_place_of_a_record_is_no_delivery() {
    for mode in MODES {
        let mut rig = Rig::on(Config::default(), |sink| {
            sink.suspend = true;
            sink.hubspot = format!(", upsert: {mode}");
        })
        .await;
        rig.hubspot
            .script(std::iter::repeat_n(Fault::Page { code: 200 }, 3));
        let leads: Vec<Value> = (0..8).map(|n| lead(&format!("p{n}"))).collect();
        backlog(&mut rig, &leads).await;
        rig.until(&format!("all eight are in HubSpot: {mode}"), || async {
            rig.hubspot.contacts().len() == 8
        })
        .await;
        crate::drained(&rig).await;
        let status = rig.sink_status().await;
        assert_eq!(status["leads"]["delivered"], 8, "{mode}: {status}");
        assert!(rig.hubspot.records_per_email().values().all(|count| *count == 1));
    }
}
