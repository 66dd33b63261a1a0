//! The manifests of `examples/crms`, run by the real receiver against stand-ins for their CRMs. Only addresses, Secrets
//! and the search lag are replaced.

mod audit;
mod fleet;
mod rig;

use std::time::{Duration, Instant};

use leadgate_tests::rest_crms::{Api, Crm, Dynamics, EspoCrm, Mishap, REFUSED, REFUSED_NUMBER, Zoho};

use serde_json::json;

use rig::{Rig, SECRET, all, folder, options};

/// The whole life of a sink: create, resend, update, a lookalike, bad data, a rate limit, a lost answer.
async fn lives(name: &str) {
    let case = all(name);
    let (words, named) = (case.words, case.named);
    let rig = Rig::start(case, SECRET).await;
    let crm = &rig.crm;

    assert_eq!(rig.post("1", "ada+web@example.com", "Lovelace").await, "accepted");
    rig.until("the first lead is created", |crm| {
        crm.of("ada+web@example.com").len() == 1
    })
    .await;
    rig.settled().await;
    let calls = crm.requests().len();
    assert_eq!(
        rig.post("1", "ada+web@example.com", "Lovelace").await,
        "duplicate"
    );

    // The same person, written differently: her record is updated.
    assert_eq!(rig.post("2", "ADA+Web@Example.COM", "King").await, "accepted");
    rig.until("the second lead updates", |crm| {
        crm.of("ada+web@example.com")[0].name.contains("King")
    })
    .await;
    assert!(crm.requests().len() > calls);

    // Another person whose address is a part of hers.
    rig.post("3", "web@example.com", "Webb").await;
    rig.post("4", "da+web@example.com", "Dalton").await;
    rig.until("lookalikes get records of their own", |crm| {
        crm.records().len() == 3
    })
    .await;

    // What the CRM will never take is dead at once, with its words; the message has no personal data.
    rig.post("5", &format!("eve{REFUSED}"), "Eve").await;
    rig.settled().await;
    let dead = rig.dead_letters("dead").await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    let (message, answer) = (
        dead[0]["message"].as_str().unwrap(),
        dead[0]["answer"].as_str().unwrap(),
    );
    assert_eq!(dead[0]["reason"], "Refused", "{dead:?}");
    assert!(answer.contains(words), "{answer}");
    assert!(message.contains(named) && !message.contains("eve@"), "{message}");

    // A limit is kept in full, and the lead arrives after it.
    crm.mishap(Mishap::Limited(2));
    let began = Instant::now();
    rig.post("6", "lim@example.com", "Limited").await;
    rig.until("the limited lead arrives", |crm| {
        crm.of("lim@example.com").len() == 1
    })
    .await;
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(crm.early(), 0, "requests came before the limit was over");

    // An answer lost after the write makes no second record, and neither does what follows.
    crm.mishap(Mishap::LostWrite);
    rig.post("7", "lost@example.com", "Lost").await;
    rig.post("8", "Lost@example.com", "Found").await;
    rig.until("the lost lead is there", |crm| {
        crm.calm()
            && crm
                .of("lost@example.com")
                .iter()
                .any(|record| record.name.contains("Found"))
    })
    .await;
    rig.settled().await;

    for email in ["ada+web", "web", "da+web", "lim", "lost"] {
        let email = format!("{email}@example.com");
        assert_eq!(crm.of(&email).len(), 1, "{email}: {:?}", crm.records());
    }
    assert_eq!(crm.records().len(), 5);
    assert_eq!(
        (
            rig.dead_letters("dead").await.len(),
            rig.dead_letters("held").await.len()
        ),
        (1, 0)
    );
    let log = rig.receiver.log();
    assert!(!log.contains("@example.com") && !log.contains(SECRET), "{log}");
}

/// A name that stands is not replaced by half of one, or by an address; where none stands, what there is will do.
async fn leaves_names(name: &str) {
    let rig = Rig::start(all(name), SECRET).await;
    rig.post("1", "ada@example.com", "Lovelace").await;
    rig.settled().await;
    let before = rig.crm.records();
    let mut leads = vec![json!({"submissionId": "2", "email": "ada@example.com"})];
    // Where first and last name are fields of their own, each has its value.
    leads.push(json!({"submissionId": "3", "email": "ada@example.com", "firstName": "Ada"}));
    for lead in &leads {
        rig.post_lead(lead).await;
        rig.settled().await;
    }
    assert_eq!(rig.crm.records(), before, "{name}");

    rig.post_lead(&json!({"submissionId": "4", "email": "nameless@example.com"}))
        .await;
    rig.post_lead(&json!({"submissionId": "5", "email": "first@example.com", "firstName": "Grace"}))
        .await;
    rig.post("6", "last@example.com", "Hopper").await;
    rig.settled().await;
    let only = |email: &str| {
        let found = rig.crm.of(email);
        assert_eq!(found.len(), 1, "{name}: {:?}", rig.crm.records());
        found[0].fields.to_string()
    };
    only("nameless@example.com");
    assert!(
        only("first@example.com").contains("Grace"),
        "{name}: a first name is dropped"
    );
    // The name comes later: it stands where there was none.
    let whole = only("last@example.com");
    assert!(
        whole.contains("Ada") && whole.contains("Hopper"),
        "{name}: {whole}"
    );
    rig.post("7", "nameless@example.com", "Lovelace").await;
    rig.settled().await;
    assert!(only("nameless@example.com").contains("Lovelace"), "{name}");
    assert_eq!(
        (
            rig.dead_letters("dead").await.len(),
            rig.dead_letters("held").await.len()
        ),
        (0, 0),
        "{name}"
    );
}

/// Wrong credentials stop the sink; no lead dies of them.
async fn stops(name: &str) {
    let rig = Rig::start(all(name), "a-wrong-secret").await;
    for n in 0..3 {
        rig.post(&n.to_string(), &format!("p{n}@example.com"), "Patient")
            .await;
    }
    rig.until("the CRM was asked", |crm| !crm.requests().is_empty())
        .await;
    let began = Instant::now();
    let paused = loop {
        let status = rig.receiver.status().await.unwrap();
        if !status["sinks"][0]["pausedUntil"].is_null() {
            break status;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{name}: never paused: {status}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(rig.pending().await, 3, "{name}: {paused}");
    assert_eq!(rig.crm.records(), [], "{name}");
    assert!(rig.dead_letters("dead").await.is_empty() && rig.dead_letters("held").await.is_empty());
    let log = rig.receiver.log();
    assert!(
        log.contains("InvalidCredentials") && !log.contains("a-wrong-secret"),
        "{name}: {log}"
    );
    // Those that were under way when it was found out, and no more.
    assert!(rig.crm.requests().len() <= 6, "{name}: {:?}", rig.crm.requests());
}

macro_rules! examples {
    ($($test:ident: $name:literal,)*) => {
        $(
            mod $test {
                #[tokio::test(flavor = "multi_thread")]
                async fn takes_leads() {
                    super::lives($name).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn leaves_names_that_stand() {
                    super::leaves_names($name).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn stops_at_wrong_credentials() {
                    super::stops($name).await;
                }
            }
        )*
        /// What has a test.
        const TESTED: &[&str] = &[$($name),*];
    };
}

examples! {
    activecampaign: "activecampaign",
    close: "close",
    django_crm: "django-crm",
    dynamics_365: "dynamics-365",
    espocrm: "espocrm",
    odoo: "odoo",
    pipedrive: "pipedrive",
    zoho: "zoho",
}

#[test]
fn every_example_has_a_test() {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        // Salesforce has a client and tests of its own.
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("\n  rest:\n"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, TESTED);
}

/// A search that lags: the CRM refuses the second record, and the first is found and updated.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_leads_to_the_record_that_is_there() {
    for name in ["espocrm", "django-crm"] {
        let rig = Rig::start(all(name), SECRET).await;
        rig.post("1", "ada@example.com", "Lovelace").await;
        rig.until("created", |crm| crm.records().len() == 1).await;
        rig.settled().await;
        // Forget the record that the queue remembers: another receiver with a queue of its own feeds the same CRM.
        let other = Rig::join(&all(name), SECRET, rig.crm).await;
        other.crm.mishap(Mishap::BlindLookup);
        other.post("2", "ada@example.com", "King").await;
        other
            .until("updated", |crm| crm.records()[0].name == "King")
            .await;
        assert_eq!(other.crm.records().len(), 1, "{name}");
        assert!(other.crm.calm());
        assert_eq!(
            other.dead_letters("dead").await.len() + other.dead_letters("held").await.len(),
            0
        );
    }
}

/// EspoCRM takes people of the same name for duplicates: that is for a person to decide.
#[tokio::test(flavor = "multi_thread")]
async fn a_namesake_is_held_and_not_overwritten() {
    let rig = Rig::start(all("espocrm"), SECRET).await;
    rig.post("1", "ada@example.com", "Lovelace").await;
    rig.until("created", |crm| crm.records().len() == 1).await;
    rig.post("2", "ada.lovelace@example.org", "Lovelace").await;
    rig.settled().await;
    let held = rig.dead_letters("held").await;
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0]["reason"], "RecordConflict");
    assert!(
        held[0]["answer"].as_str().unwrap().contains("duplicate"),
        "{held:?}"
    );
    assert_eq!(rig.crm.records()[0].email, "ada@example.com");
}

/// A lead with only a number finds the record whose number sales typed as they dial it.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_typed_is_found() {
    let typed = json!({"name": "By hand", "phone": "(650) 253-0000", "contact_name": "Grace Hopper"});
    let case = rig::Case {
        api: Some(Box::new(leadgate_tests::rest_crms::Odoo::new(SECRET).with(typed))),
        ..all("odoo")
    };
    let rig = Rig::start(case, SECRET).await;
    rig.post_lead(&json!({"submissionId": "1", "phone": "+16502530000", "firstName": "Grace"}))
        .await;
    rig.post_lead(&json!({"submissionId": "2", "phone": "+16502530001", "firstName": "Ada"}))
        .await;
    rig.settled().await;
    let records = rig.crm.records();
    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(records[0].name, "Grace Hopper");
    assert!(rig.dead_letters("dead").await.is_empty() && rig.dead_letters("held").await.is_empty());
}

/// Odoo keeps a lead for each enquiry.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_enquiries_the_newest_is_updated() {
    let typed = |name: &str| json!({"name": name, "email_from": "ada@example.com", "contact_name": name});
    let odoo = leadgate_tests::rest_crms::Odoo::new(SECRET)
        .with(typed("Old"))
        .with(typed("New"));
    let case = rig::Case {
        api: Some(Box::new(odoo)),
        ..all("odoo")
    };
    let rig = Rig::start(case, SECRET).await;
    rig.post("1", "ada@example.com", "Lovelace").await;
    rig.settled().await;
    let names: Vec<_> = rig.crm.records().into_iter().map(|record| record.name).collect();
    assert_eq!(names, ["Old", "Ada Lovelace"]);
    assert!(rig.dead_letters("dead").await.is_empty() && rig.dead_letters("held").await.is_empty());
}

/// A call by phone is a lead too, and the second one is the same person's.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_only_a_number_arrives_once() {
    for name in ["espocrm", "odoo", "pipedrive", "zoho"] {
        let rig = Rig::start(all(name), SECRET).await;
        let call = |n: &str| json!({"submissionId": n, "phone": "+4930901820", "firstName": "Ada", "lastName": "Lovelace"});
        rig.post_lead(&call("1")).await;
        rig.until("created", |crm| crm.records().len() == 1).await;
        rig.settled().await;
        // Another receiver does not remember the record.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let other = Rig::join(&all(name), SECRET, rig.crm).await;
        other.post_lead(&call("2")).await;
        other.settled().await;
        assert_eq!(other.crm.records().len(), 1, "{name}: {:?}", other.crm.records());
        for set in ["dead", "held"] {
            let left = other.dead_letters(set).await;
            assert!(left.is_empty(), "{name}: {left:?}");
        }
    }
}

/// An erasure deletes the person's record, after the rate limit and a lost answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_deletes_the_record() {
    let rig = Rig::erasing(all("espocrm")).await;
    rig.post("1", "ada@example.com", "Lovelace").await;
    rig.post("2", "grace@example.com", "Hopper").await;
    rig.until("created", |crm| crm.records().len() == 2).await;
    rig.settled().await;
    rig.crm.mishap(Mishap::LostWrite);
    let erasure = rig
        .call(
            "POST",
            "/privacy/erasures",
            &json!({"person": {"email": "ada@example.com"}}),
        )
        .await;
    rig.until("deleted", |crm| crm.of("ada@example.com").is_empty())
        .await;
    let path = format!("/privacy/erasures/{}", erasure["id"].as_str().unwrap());
    let began = Instant::now();
    let ended = loop {
        let now = rig.call("GET", &path, &json!({})).await;
        if now["state"] != "Running" {
            break now;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{now}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(ended["state"], "Completed", "{ended}");
    assert_eq!(ended["records"][0]["erasure"], "Deleted", "{ended}");
    assert_eq!(rig.crm.records().len(), 1);
    let deletions = rig.crm.requests();
    let deletions = deletions.iter().filter(|line| line.starts_with("DELETE"));
    assert_eq!(deletions.count(), 2, "a lost answer is asked for again");
}

/// Sandbox first, then production: the ids that the queue remembers are the sandbox's.
#[tokio::test]
async fn a_record_of_one_account_is_none_of_anothers() {
    // Given a person whose lead made record 1, and another account in which record 1 is somebody else,
    let rig = Rig::start(all("pipedrive"), SECRET).await;
    rig.post("1", "ada@example.com", "Lovelace").await;
    rig.until("the first account has her", |crm| {
        crm.of("ada@example.com").len() == 1
    })
    .await;
    rig.settled().await;
    let mut case = all("pipedrive");
    let other = Crm::start(case.api.take().unwrap()).await;
    let boss = json!({"name": "The Boss", "emails": [{"value": "boss@example.com"}]});
    let created = reqwest::Client::new()
        .post(format!("{}/api/v2/persons", other.url()))
        .header("x-api-token", SECRET)
        .json(&boss)
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 201);

    // when the sink is pointed at it,
    let changed = options(&case, SECRET, &other.url());
    let (name, manifest) = &changed.manifests[0];
    rig.receiver.write_manifest(name, manifest).unwrap();
    rig.receiver
        .until("the new sink asks its CRM", Duration::from_secs(30), || async {
            other.requests().len() > 1
        })
        .await;
    rig.post("2", "ada@example.com", "King").await;
    rig.settled().await;

    // then she is looked for there, and nobody is overwritten.
    let mut records: Vec<_> = other.records().into_iter().map(|r| (r.email, r.name)).collect();
    records.sort();
    assert_eq!(
        records,
        [
            ("ada@example.com".to_owned(), "Ada King".to_owned()),
            ("boss@example.com".to_owned(), "The Boss".to_owned()),
        ]
    );
    assert_eq!(rig.crm.of("ada@example.com")[0].name, "Ada Lovelace");
}

/// A lead that sales typed, or one with further addresses, is the person's.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_others_made_is_found_by_each_of_its_addresses() {
    let addresses = json!([{"emailAddress": "ada.work@example.com"}, {"emailAddress": "o'ada@example.com"}]);
    let typed = json!({"emailaddress1": "O'Ada@example.com", "lastname": "Typed"});
    let second = json!({"Email": "ada.work@example.com", "Secondary_Email": "o'ada@example.com", "Last_Name": "Second"});
    let further =
        json!({"emailAddress": "ada.work@example.com", "emailAddressData": addresses, "lastName": "Further"});
    let cases: [(&str, Box<dyn Api>); 3] = [
        ("dynamics-365", Box::new(Dynamics::new(SECRET).with(typed))),
        ("zoho", Box::new(Zoho::new(SECRET).with(second))),
        ("espocrm", Box::new(EspoCrm::new(SECRET).with(further))),
    ];
    for (name, api) in cases {
        let case = rig::Case {
            api: Some(api),
            ..all(name)
        };
        let rig = Rig::start(case, SECRET).await;
        rig.post("1", "o'ada@example.com", "Lovelace").await;
        rig.settled().await;
        let records = rig.crm.records();
        assert_eq!(records.len(), 1, "{name}: {records:?}");
        assert_eq!(records[0].name, "Lovelace", "{name}");
        assert!(
            name == "dynamics-365" || records[0].email == "ada.work@example.com",
            "{name}: the first address is replaced"
        );
        assert!(rig.dead_letters("dead").await.is_empty() && rig.dead_letters("held").await.is_empty());
    }
}

/// A property that the CRM names costs that property, not the person.
#[tokio::test(flavor = "multi_thread")]
async fn the_person_arrives_without_a_number_that_the_crm_refuses() {
    for name in ["dynamics-365", "zoho", "espocrm"] {
        let rig = Rig::start(all(name), SECRET).await;
        rig.post_lead(
            &json!({"submissionId": "1", "email": "ada@example.com", "lastName": "Lovelace",
            "company": "Analytical", "phone": REFUSED_NUMBER}),
        )
        .await;
        rig.settled().await;
        let dead = rig.dead_letters("dead").await;
        assert!(dead.is_empty(), "{name}: {dead:?}");
        let records = rig.crm.records();
        assert_eq!(records.len(), 1, "{name}");
        assert!(!records[0].fields.to_string().contains(REFUSED_NUMBER), "{name}");
    }
}
