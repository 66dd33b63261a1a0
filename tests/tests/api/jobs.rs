//! One action on many leads.

use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use super::{ended, found, get, keeping, post, reloaded, send, text};

const RIGHT: &str = "      lastName: payload.lastName\n";
const WRONG: &str = "      lastName: payload.firstName\n";

async fn delivered(rig: &Rig, count: usize) {
    rig.until(&format!("{count} are delivered"), || async {
        found(rig, json!({"state": "Delivered", "outcome": "Accepted"}))
            .await
            .len()
            == count
    })
    .await;
}

async fn post_lead(rig: &Rig, name: &str, last: &str) -> String {
    let body = json!({"email": format!("{name}@example.com"), "firstName": name, "lastName": last,
        "submissionId": format!("{name}-{last}")});
    let answer = rig.post(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    text(&answer.json()["id"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_was_wrong_is_seen_corrected_and_repaired() {
    const LEADS: usize = 60;
    // Given leads that were delivered with a wrong mapping, one person of whom has sent a newer lead since,
    let mut rig = Rig::start().await;
    rig.receiver
        .write_manifest("web.yaml", &keeping((RIGHT, WRONG)))
        .unwrap();
    reloaded(&rig, 1.0).await;
    let mut sent = Vec::new();
    for n in 0..LEADS {
        sent.push(post_lead(&rig, &format!("person{n}"), "Right").await);
    }
    delivered(&rig, LEADS).await;
    let wrong = rig.hubspot.contact("person1@example.com").unwrap();
    assert_eq!(wrong.get("lastname"), "person1", "{wrong:?}");

    // when the corrected webhook is compared, then each lead is shown with the field that changes,
    let corrected = keeping((RIGHT, RIGHT));
    let manifest: Value = serde_saphyr::from_str(corrected.split("---").next().unwrap()).unwrap();
    let diff = post(&rig, "/webhooks/default/web/diff", json!({"manifest": manifest})).await;
    assert_eq!(
        (&diff["compared"], diff["items"].as_array().unwrap().len()),
        (&json!(LEADS), LEADS)
    );
    let change = &diff["items"][0]["fields"][0];
    assert_eq!(
        (&change["field"], &change["to"]),
        (&json!("lastName"), &json!("Right")),
        "{diff}"
    );

    // and when it is applied, a newer lead comes, and all are replayed,
    rig.receiver.write_manifest("web.yaml", &corrected).unwrap();
    reloaded(&rig, 2.0).await;
    let newer = post_lead(&rig, "person0", "Newer").await;
    delivered(&rig, LEADS + 1).await;
    let asked = json!({"action": "Replay", "set": "delivered", "filter": {"webhook": "web"}, "share": 100});
    let mut dry = asked.clone();
    dry["dryRun"] = json!(true);
    let dry = post(&rig, "/jobs", dry).await;
    assert_eq!(
        (&dry["done"], dry["sample"].as_array().unwrap().len()),
        (&json!(LEADS + 1), 10),
        "{dry}"
    );
    let job = post(&rig, "/jobs", asked).await;
    // (killed again and again in the middle, it goes on)
    for pause in [0, 30, 120] {
        tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
        rig.receiver.kill();
        rig.receiver.restart().await.unwrap();
    }
    let job = ended(&rig, job["id"].as_str().unwrap()).await;
    assert_eq!(
        (&job["state"], &job["by"]),
        (&json!("Completed"), &json!("eve")),
        "{job}"
    );

    // then each lead was replayed once, whatever the kills, but for the one that a newer lead has overtaken,
    assert_eq!((&job["done"], &job["kept"]), (&json!(LEADS), &json!(1)), "{job}");
    assert_eq!(job["left"][0]["id"], json!(sent.remove(0)), "{job}");
    sent.push(newer.clone());
    for id in sent {
        let story = get(&rig, &format!("/leads/{id}")).await;
        let events = story["events"].as_array().unwrap();
        let replays = events.iter().filter(|event| event["event"] == "Replayed");
        assert_eq!(replays.count(), 1, "{story}");
    }

    // and each person has one record with the right name, and what was newer stands.
    rig.until("all are repaired", || async {
        (1..LEADS).all(|n| {
            let contact = rig.hubspot.contact(&format!("person{n}@example.com")).unwrap();
            contact.get("lastname") == "Right"
        })
    })
    .await;
    let first = rig.hubspot.contact("person0@example.com").unwrap();
    assert_eq!(first.get("lastname"), "Newer");
    assert_eq!(rig.hubspot.contacts().len(), LEADS);
    let story = get(&rig, &format!("/leads/{newer}")).await;
    assert_eq!(story["outcome"], "Accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_begun_once_listed_and_cancelled() {
    let rig = Rig::start().await;
    post(&rig, "/sinks/default/hubspot/pause", json!({})).await;
    for n in 0..5 {
        rig.lead(&format!("person{n}")).await;
    }
    let asked = json!({"action": "Discard", "set": "pending", "filter": {"email": "person3@example.com"}});
    let job = post(&rig, "/jobs", asked).await;
    let job = ended(&rig, job["id"].as_str().unwrap()).await;
    assert_eq!((&job["done"], &job["kept"]), (&json!(1), &json!(0)), "{job}");
    assert!(
        !job.to_string().contains("example.com"),
        "the address is not kept: {job}"
    );
    assert_eq!(
        job["hiddenFilter"],
        json!(["email"]),
        "that there was one is: {job}"
    );
    let acts = get(&rig, "/audit").await;
    let begun = &acts["items"][0];
    assert_eq!(
        (&begun["act"], &begun["of"]),
        (&json!("JobCreated"), &job["id"]),
        "{acts}"
    );
    assert_eq!(rig.dead_letters("pending").await.len(), 4);
    let listed = get(&rig, "/jobs").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let gone = found(&rig, json!({"state": "Discarded"})).await;
    let story = get(&rig, &format!("/leads/{}", gone[0])).await;
    let last = story["events"].as_array().unwrap().last().unwrap().clone();
    assert!(text(&last["by"]).starts_with("eve (job "), "{story}");
    // A job that has ended cannot be cancelled, and says so.
    let cancelled = send(&rig, "DELETE", &format!("/jobs/{}", text(&job["id"])), &json!({})).await;
    assert_eq!(cancelled.json()["state"], "Completed");
}
