//! A lead that kills its receiver is tried three times, and holds up nobody else.

use leadgate_tests::hubspot::{FaultPlan, Millis};
use serde_json::json;

use super::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_whose_worker_dies_three_times_is_dead_and_the_others_arrive() {
    // Given a contact that is known, so that each attempt at it is one write,
    let mut rig = Rig::with(|sink| sink.delivery = sink.delivery.replace("timeout: 1s", "timeout: 3s")).await;
    rig.lead("poison").await;
    rig.arrived("poison").await;
    // and a CRM that does not answer.
    let hang = FaultPlan {
        latency: Millis::fixed(60_000),
        ..FaultPlan::default()
    };
    rig.hubspot.set_faults(hang);
    let poison = json!({"email": "poison@example.com", "firstName": "again", "submissionId": "again"});
    let id = rig.post(&poison).await.json()["id"].as_str().unwrap().to_owned();

    // When the receiver is killed in the middle of each of three attempts,
    for attempt in 1..=3 {
        let begun = 1 + attempt;
        rig.until(&format!("attempt {attempt} is under way"), || async {
            rig.hubspot.write_count() >= begun
        })
        .await;
        rig.receiver.kill();
        if attempt == 3 {
            rig.hubspot.set_faults(FaultPlan::default());
        }
        rig.receiver.restart().await.unwrap();
    }

    // Then there is no fourth: the lead is dead with its reason,
    rig.lead("good").await;
    rig.arrived("good").await;
    rig.dead_letter_count("dead", 1).await;
    let dead = rig.dead_letters("dead").await.remove(0);
    assert_eq!(
        (&dead["id"], &dead["reason"]),
        (&json!(id), &json!("DeliveryCrashed"))
    );
    assert_eq!(rig.sink_status().await["lastError"]["reason"], "DeliveryCrashed");
    let of_poison = || {
        let writes = rig.hubspot.writes().len();
        writes - usize::from(rig.hubspot.contact("good@example.com").is_some())
    };
    assert_eq!(
        of_poison(),
        4,
        "one that was delivered, three that were not settled"
    );

    // and a person may try again.
    let replayed = rig
        .call("POST", &format!("/deadletters/{id}/replay"))
        .await
        .json();
    assert_eq!(replayed["items"][0]["replayed"], true, "{replayed}");
    rig.until("nothing is pending", || async {
        rig.sink_status().await["leads"]["pending"] == 0
    })
    .await;
    assert!(rig.dead_letters("dead").await.is_empty());
}
