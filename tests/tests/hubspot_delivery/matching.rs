//! Which record is the lead's, and who decides when that is not clear.

use std::time::Duration;

use leadgate_tests::hubspot::Config;
use leadgate_tests::rig::Rig;
use serde_json::{Value, json};

use crate::{backlog, drained};

const PHONE: &str = "+4930123456";

/// A CRM that knows Ada by e-mail address and phone number.
async fn with_ada(more: &str) -> Rig {
    let more = more.to_owned();
    let rig = Rig::with(move |sink| sink.more = more).await;
    let ada = json!({"email": "ada@example.com", "phone": PHONE, "firstName": "Ada", "submissionId": "ada"});
    assert_eq!(rig.post(&ada).await.status, 200);
    rig.arrived("ada").await;
    rig
}

fn bob() -> Value {
    json!({"email": "bob@example.com", "phone": PHONE, "firstName": "Bob", "submissionId": "bob"})
}

async fn hold_bob(rig: &Rig) -> (String, String) {
    assert_eq!(rig.post(&bob()).await.status, 200);
    rig.dead_letter_count("held", 1).await;
    let held = rig.dead_letters("held").await.remove(0);
    let ada = rig.hubspot.contact("ada@example.com").unwrap();
    assert_eq!(held["reason"], "PartialMatch", "{held}");
    assert_eq!(held["candidates"], json!([ada.id.to_string()]), "{held}");
    assert_eq!(rig.hubspot.contacts().len(), 1);
    (held["id"].as_str().unwrap().to_owned(), ada.id.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_match_waits_for_a_person_who_names_the_record() {
    let rig = with_ada("matching: {onPartialMatch: Hold}").await;
    let (id, record) = hold_bob(&rig).await;
    let nonsense = rig
        .call("POST", &format!("/deadletters/{id}/replay?record=../x"))
        .await;
    assert_eq!(nonsense.status, 400, "{}", nonsense.text());
    let both = rig
        .call(
            "POST",
            &format!("/deadletters/{id}/replay?record={record}&create=true"),
        )
        .await;
    assert_eq!(both.status, 400, "{}", both.text());
    let resolved = rig
        .call("POST", &format!("/deadletters/{id}/replay?record={record}"))
        .await;
    assert_eq!(resolved.status, 200, "{}", resolved.text());
    rig.arrived("bob").await;
    assert_eq!(rig.hubspot.contacts().len(), 1, "the record that was named");
    assert_eq!(
        rig.hubspot.contact("bob@example.com").unwrap().id.to_string(),
        record
    );
}

/// Another record, or a new one, would be somebody else's decision.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_chosen_and_is_not_there_is_asked_about_again() {
    let rig = with_ada("matching: {onPartialMatch: Hold}").await;
    let (id, _) = hold_bob(&rig).await;
    let resolved = rig
        .call("POST", &format!("/deadletters/{id}/replay?record=999999"))
        .await;
    assert_eq!(resolved.status, 200, "{}", resolved.text());
    rig.until("it is held again, and says why", || async {
        let held = rig.dead_letters("held").await;
        held.first().is_some_and(|lead| lead["reason"] == "RecordGone")
    })
    .await;
    assert_eq!(rig.hubspot.contacts().len(), 1, "nobody was created");
    let told = rig.dead_letters("held").await[0]["message"].to_string();
    assert!(told.contains("no record 999999"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_say_that_it_is_somebody_new_or_throw_it_away() {
    let rig = with_ada("matching: {onPartialMatch: Hold}").await;
    let (id, record) = hold_bob(&rig).await;
    let resolved = rig
        .call("POST", &format!("/deadletters/{id}/replay?create=true"))
        .await;
    assert_eq!(resolved.status, 200, "{}", resolved.text());
    rig.arrived("bob").await;
    let bob = rig.hubspot.contact("bob@example.com").unwrap();
    assert_ne!(bob.id.to_string(), record);
    assert_eq!(
        rig.hubspot.contact("ada@example.com").unwrap().get("firstname"),
        "Ada"
    );

    let eve = json!({"email": "eve@example.com", "phone": PHONE, "submissionId": "eve"});
    assert_eq!(rig.post(&eve).await.status, 200);
    rig.dead_letter_count("held", 1).await;
    let held = rig.dead_letters("held").await.remove(0);
    assert_eq!(held["reason"], "SeveralRecords", "{held}");
    let id = held["id"].as_str().unwrap();
    assert_eq!(
        rig.call("DELETE", &format!("/deadletters/{id}")).await.status,
        204
    );
    assert!(rig.hubspot.contact("eve@example.com").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_match_updates_or_creates_where_the_sink_says_so() {
    let rig = with_ada("matching: {onPartialMatch: Update}").await;
    assert_eq!(rig.post(&bob()).await.status, 200);
    rig.arrived("bob").await;
    assert_eq!(rig.hubspot.contacts().len(), 1);

    let rig = with_ada("matching: {onPartialMatch: Create}").await;
    assert_eq!(rig.post(&bob()).await.status, 200);
    rig.arrived("bob").await;
    assert_eq!(rig.hubspot.contacts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sales_typed_stands_and_what_is_empty_is_filled() {
    for mode in ["Single", "Batch"] {
        let rig = Rig::with(|sink| {
            sink.more = "matching: {overwrite: IfEmpty, overwriteProperties: {lastname: Always}}".into();
            sink.hubspot = format!(", upsert: {mode}");
        })
        .await;
        let first =
            json!({"email": "ada@example.com", "firstName": "Ada", "lastName": "Old", "submissionId": "1"});
        rig.post(&first).await;
        rig.arrived("ada").await;
        let second = json!({"email": "ada@example.com", "firstName": "Adelheid", "lastName": "New", "phone": PHONE, "submissionId": "2"});
        rig.post(&second).await;
        drained(&rig).await;
        let ada = rig.hubspot.contact("ada@example.com").unwrap();
        assert_eq!(
            (ada.get("firstname"), ada.get("lastname"), ada.get("phone")),
            ("Ada", "New", PHONE),
            "{mode}"
        );
        // Nothing to fill: nothing is written.
        let writes = rig.hubspot.write_count();
        rig.post(&json!({"email": "ada@example.com", "firstName": "Eva", "submissionId": "3"}))
            .await;
        drained(&rig).await;
        assert_eq!(rig.hubspot.write_count(), writes, "{mode}");
    }
}

/// HubSpot's search shows a new record after up to 30 s: until then the queue knows where the contact's leads went.
#[tokio::test(flavor = "multi_thread")]
async fn the_search_lags_and_yet_a_person_has_one_record() {
    let crm = Config {
        search_lag: Duration::from_secs(30),
        ..Config::default()
    };
    let rig = Rig::on(crm, |_| {}).await;
    for n in 0..5 {
        let lead = json!({"phone": PHONE, "firstName": format!("Ada {n}"), "submissionId": format!("{n}")});
        assert_eq!(rig.post(&lead).await.status, 200);
    }
    drained(&rig).await;
    let contacts = rig.hubspot.contacts();
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].get("firstname"), "Ada 4");
}

/// Whether HubSpot finds a contact by its further addresses no document says; written again, such a one becomes the
/// primary address.
#[tokio::test(flavor = "multi_thread")]
async fn a_lead_from_a_further_address_leaves_the_primary_one_alone() {
    for found_by_further_address in [true, false] {
        for mode in ["Single", "Batch"] {
            let crm = Config {
                found_by_further_address,
                ..Config::default()
            };
            let rig = Rig::on(crm, |sink| sink.hubspot = format!(", upsert: {mode}")).await;
            let ada = rig
                .hubspot
                .add(&[("email", "ada.work@example.com"), ("firstname", "A.")]);
            rig.hubspot.add_address(ada, "ada.private@example.com");
            // The second lead knows the record that the first went to.
            for name in ["Ada", "Adelheid"] {
                let lead =
                    json!({"email": "ada.private@example.com", "firstName": name, "submissionId": name});
                assert_eq!(rig.post(&lead).await.status, 200);
                rig.until(&format!("{name} is written"), || async {
                    let contacts = rig.hubspot.contacts();
                    contacts.iter().any(|contact| contact.get("firstname") == name)
                })
                .await;
            }
            let contacts = rig.hubspot.contacts();
            let what = format!("found {found_by_further_address}, {mode}: {contacts:?}");
            assert_eq!(contacts.len(), 1, "{what}");
            assert_eq!(contacts[0].get("email"), "ada.work@example.com", "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_found_however_sales_typed_it() {
    for (calculated_phone, typed) in [
        (true, "(650) 253-0000"),
        (true, "650.253.0000"),
        (true, "+1 650 253 0000"),
        (false, "(650) 253-0000"),
        (false, "6502530000"),
        (false, "+1 650-253-0000"),
    ] {
        let crm = Config {
            calculated_phone,
            ..Config::default()
        };
        let rig = Rig::on(crm, |_| {}).await;
        let contact = rig.hubspot.add(&[("firstname", "A."), ("phone", typed)]);
        let lead = json!({"phone": "+16502530000", "firstName": "Ada", "submissionId": "1"});
        assert_eq!(rig.post(&lead).await.status, 200);
        drained(&rig).await;
        let contacts = rig.hubspot.contacts();
        assert_eq!(contacts.len(), 1, "{typed}: {contacts:?}");
        assert_eq!(
            (contacts[0].id, contacts[0].get("firstname")),
            (contact, "Ada"),
            "{typed}"
        );
    }
}

/// In a batch too a number is compared as a number: whose it is, is for a person to say.
#[tokio::test(flavor = "multi_thread")]
async fn a_typed_number_of_another_contact_is_seen_in_a_batch() {
    let mut rig = Rig::with(|sink| {
        sink.suspend = true;
        sink.hubspot = ", upsert: Batch".into();
    })
    .await;
    rig.hubspot
        .add(&[("email", "ada@example.com"), ("phone", "(650) 253-0000")]);
    let leads: Vec<Value> = (0..40)
        .map(|n| {
            let phone = format!("+1650253{n:04}");
            json!({"email": format!("p{n}@example.com"), "phone": phone, "submissionId": format!("{n}")})
        })
        .collect();
    crate::backlog(&mut rig, &leads).await;
    drained(&rig).await;
    let held = rig.dead_letters("held").await;
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0]["reason"], "PartialMatch", "{held:?}");
    assert_eq!(rig.hubspot.contacts().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_new_contacts_only_never_reaches_one_that_is_there() {
    for mode in ["Single", "Batch"] {
        let mut rig = Rig::with(|sink| {
            sink.hubspot = format!(", upsert: {mode}");
            sink.more = "createOnly: {company: \"'from a form'\", lastname: lead.email}".into();
        })
        .await;
        rig.hubspot.add(&[
            ("email", "there@example.com"),
            ("lastname", "Typed"),
            ("company", "Typed Ltd"),
        ]);
        rig.change_sink(|sink| sink.suspend = true);
        let mut leads: Vec<Value> = (0..6)
            .map(|n| json!({"email": format!("new{n}@example.com"), "submissionId": n.to_string()}))
            .collect();
        leads.push(json!({"email": "there@example.com", "firstName": "Ada", "submissionId": "there"}));
        backlog(&mut rig, &leads).await;
        drained(&rig).await;
        let contact = |email: &str| rig.hubspot.contact(email).unwrap();
        let new = contact("new3@example.com");
        assert_eq!(
            (new.get("company"), new.get("lastname")),
            ("from a form", "new3@example.com"),
            "{mode}"
        );
        let there = contact("there@example.com");
        assert_eq!(
            (
                there.get("firstname"),
                there.get("lastname"),
                there.get("company")
            ),
            ("Ada", "Typed", "Typed Ltd"),
            "{mode}"
        );
        assert_eq!(rig.hubspot.contacts().len(), 7, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_known_by_the_mobile_number_too() {
    let rig = Rig::with(|sink| {
        sink.properties =
            "    email: lead.email\n    firstname: lead.firstName\n    mobilephone: \"lead.firstName == 'Ada' ? '(030) 123456' : null\"\n    phone: \"lead.firstName == 'Ada' ? null : lead.phone\"".into();
    })
    .await;
    let ada = json!({"email": "ada@example.com", "firstName": "Ada", "submissionId": "ada"});
    assert_eq!(rig.post(&ada).await.status, 200);
    rig.arrived("ada").await;
    let call = json!({"phone": PHONE, "firstName": "Ada L.", "submissionId": "call"});
    assert_eq!(rig.post(&call).await.status, 200);
    rig.until("the call is her record's", || async {
        rig.hubspot
            .contact("ada@example.com")
            .is_some_and(|contact| contact.get("firstname") == "Ada L.")
    })
    .await;
    assert_eq!(rig.hubspot.contacts().len(), 1);
}
