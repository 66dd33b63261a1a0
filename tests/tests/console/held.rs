//! Held leads: the list names the records that fit, and a person chooses without seeing the payload.

use leadgate_console::Rights;
use serde_json::json;

use super::Rig;
use super::visitor::Visitor;

const PHONE: &str = "+4930123456";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_chosen_from_the_list() {
    // Given two leads that may be Ada, by their phone number
    let rig = Rig::with(|sink| sink.more = "matching: {onPartialMatch: Hold}".into()).await;
    let person = |name: &str| json!({"email": format!("{name}@example.com"), "phone": PHONE, "firstName": name, "submissionId": name});
    assert_eq!(rig.post(&person("ada")).await.status, 200);
    rig.arrived("ada").await;
    let ada = rig.hubspot.contact("ada@example.com").unwrap().id.to_string();
    let mut ids = Vec::new();
    for (name, count) in [("bob", 1), ("cleo", 2)] {
        let answer = rig.post(&person(name)).await;
        ids.push(answer.json()["id"].as_str().unwrap().to_owned());
        rig.dead_letter_count("held", count).await;
    }
    let rights = |update| Visitor {
        rig: &rig,
        rights: Rights {
            see: true,
            update,
            ..Rights::default()
        },
    };
    let (decider, viewer) = (rights(true), rights(false));
    let list = decider.get("/console/default/needs/held").await.1;
    let pick = |id: &str, record: &str| format!("{id} default/hubspot {record}").trim().to_owned();
    for choice in [pick(&ids[0], &ada), pick(&ids[0], "")] {
        assert!(
            list.contains(&format!("name=\"pick\" value=\"{choice}\"")),
            "{choice}\n{list}"
        );
    }
    assert!(!list.contains(PHONE) && !list.contains("bob@"), "{list}");
    assert!(
        !viewer
            .get("/console/default/needs/held")
            .await
            .1
            .contains("name=\"pick\"")
    );
    // When one is decided to be Ada, and the other somebody new
    let form = |choice: String| {
        let choice = choice.replace('/', "%2F").replace(' ', "+");
        format!("set=held&pick={choice}")
    };
    let refused = viewer
        .post("/console/default/act", &form(pick(&ids[0], &ada)))
        .await;
    assert_eq!(refused.0, 403);
    for choice in [pick(&ids[0], &ada), pick(&ids[1], "")] {
        let (status, text) = decider.post("/console/default/act", &form(choice)).await;
        assert_eq!(status, 303, "{text}");
    }
    // Then so it is
    rig.arrived("bob").await;
    rig.arrived("cleo").await;
    let record = |name: &str| {
        rig.hubspot
            .contact(&format!("{name}@example.com"))
            .unwrap()
            .id
            .to_string()
    };
    assert_eq!(record("bob"), ada);
    assert_ne!(record("cleo"), ada);
    assert_eq!(rig.hubspot.contacts().len(), 2);
}
