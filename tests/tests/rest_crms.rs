//! The manifests of `examples/crms`, run by the real receiver against stand-ins for their CRMs. Only addresses, Secrets
//! and the search lag are replaced.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::Path;
use std::time::{Duration, Instant};

use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::rest_crms::{
    ActiveCampaign, Api, Close, Crm, DjangoCrm, Dynamics, EspoCrm, Mishap, Odoo, Pipedrive, REFUSED, Zoho,
};
use leadgate_tests::wire::{exchange, request};
use leadgate_tests::{manifests, signing};
use serde_json::{Value, json};

const SECRET: &str = "the-right-secret";
const HMAC: &str = "website-s3cret";

/// An example and its stand-in.
struct Case {
    /// The manifest's file and the sink's name.
    name: &'static str,
    api: Option<Box<dyn Api>>,
    /// Address in the manifest -> path that stays.
    addresses: &'static [(&'static str, &'static str)],
    /// The Secret's keys: what stands for the placeholder.
    secret: &'static str,
    /// Of the CRM's refusal, in the dead letter.
    words: &'static str,
    /// A property that the message names.
    named: &'static str,
}

fn case(name: &'static str, api: impl Api) -> Case {
    Case {
        name,
        api: Some(Box::new(api)),
        addresses: &[],
        secret: "token: SECRET",
        words: "",
        named: "",
    }
}

fn all(name: &str) -> Case {
    match name {
        "django-crm" => Case {
            addresses: &[("https://crm.example.com", "")],
            words: "Enter a valid email address.",
            named: "email",
            ..case("django-crm", DjangoCrm::new(SECRET))
        },
        "pipedrive" => Case {
            addresses: &[("https://api.pipedrive.com", "")],
            words: "value is not an email address",
            ..case("pipedrive", Pipedrive::new(SECRET))
        },
        "zoho" => Case {
            addresses: &[
                ("https://www.zohoapis.com", ""),
                ("https://accounts.zoho.com", ""),
            ],
            secret: "clientId: client, clientSecret: SECRET",
            words: "INVALID_DATA",
            named: "Email",
            ..case("zoho", Zoho::new(SECRET))
        },
        "dynamics-365" => Case {
            addresses: &[
                ("baseUrl: https://example.crm.dynamics.com", "baseUrl: "),
                ("https://login.microsoftonline.com", ""),
            ],
            secret: "clientId: client, clientSecret: SECRET",
            words: "The value of 'emailaddress1' is not valid.",
            ..case("dynamics-365", Dynamics::new(SECRET))
        },
        "odoo" => Case {
            addresses: &[("https://example.odoo.com", "")],
            secret: "apiKey: SECRET",
            words: "The email address is not valid.",
            ..case("odoo", Odoo::new(SECRET))
        },
        "close" => Case {
            addresses: &[("https://api.close.com", "")],
            secret: "apiKey: SECRET, password: \"\"",
            words: "Invalid email address.",
            named: "emails",
            ..case("close", Close::new(SECRET))
        },
        "activecampaign" => Case {
            addresses: &[("https://example.api-us1.com", "")],
            words: "Contact Email Address is not valid.",
            named: "email",
            ..case("activecampaign", ActiveCampaign::new(SECRET))
        },
        "espocrm" => Case {
            addresses: &[("https://crm.example.com", "")],
            secret: "apiKey: SECRET",
            words: "Field validation failure",
            named: "emailAddress",
            ..case("espocrm", EspoCrm::new(SECRET))
        },
        other => panic!("no case {other}"),
    }
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/crms")
}

/// Replaces what must be there.
fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the manifest has no `{from}`:\n{text}");
    text.replace(from, to)
}

struct Rig {
    crm: Crm,
    receiver: Receiver,
}

impl Rig {
    async fn start(mut case: Case, secret: &str) -> Self {
        let crm = Crm::start(case.api.take().unwrap()).await;
        Self::join(&case, secret, crm).await
    }

    /// A receiver with a queue of its own, for a CRM that is there already.
    async fn join(case: &Case, secret: &str, crm: Crm) -> Self {
        let mut manifest = std::fs::read_to_string(folder().join(format!("{}.yaml", case.name))).unwrap();
        for (address, stays) in case.addresses {
            manifest = replace(&manifest, address, &format!("{stays}{}", crm.url()));
        }
        let (sink, _) = manifest.split_once("stringData:").unwrap();
        let mut manifest = format!(
            "{sink}stringData: {{{}}}\n",
            case.secret.replace("SECRET", secret)
        );
        if manifest.contains("lag: 30s") {
            // The stand-ins' searches lag for less than a second.
            manifest = replace(&manifest, "lag: 30s", "lag: 2s");
        }
        let mut options = Options::new(manifest);
        let webhook = manifests::mapped_webhook("website", HMAC);
        let webhook = replace(&webhook, "{name: hubspot}", &format!("{{name: {}}}", case.name));
        options.manifests.push(("website.yaml".into(), webhook));
        let receiver = Receiver::start(options).await.unwrap();
        Self { crm, receiver }
    }

    /// Posts a lead and says what it was answered.
    async fn post(&self, submission: &str, email: &str, last_name: &str) -> String {
        let body = json!({
            "submissionId": submission, "email": email, "firstName": "Ada", "lastName": last_name,
            "phone": "+4930901820123",
        })
        .to_string();
        let headers = signing::generic(HMAC, body.as_bytes());
        let mut all = vec![("Content-Type", "application/json")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        let post = request("POST", "/webhooks/default/website", &all, body.as_bytes());
        let answer = exchange(self.receiver.address(), post).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["status"].as_str().unwrap().to_owned()
    }

    async fn until(&self, what: &str, holds: impl Fn(&Crm) -> bool) {
        let began = Instant::now();
        while !holds(&self.crm) {
            assert!(
                began.elapsed() < Duration::from_mins(1),
                "never: {what}\n{:?}\n{:?}\n{}",
                self.crm.records(),
                self.crm.requests(),
                self.receiver.log_tail(20)
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until every lead is delivered, dead or held.
    async fn settled(&self) {
        let began = Instant::now();
        while self.pending().await > 0 {
            assert!(
                began.elapsed() < Duration::from_mins(1),
                "leads wait for ever: {:?}\n{}",
                self.crm.requests(),
                self.receiver.log_tail(20)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn pending(&self) -> u64 {
        let status = self.receiver.status().await.unwrap();
        status["sinks"][0]["leads"]["pending"]
            .as_u64()
            .unwrap_or_else(|| panic!("{status}"))
    }

    /// The leads of a set, with everything that is known of them.
    async fn parked(&self, set: &str) -> Vec<Value> {
        let listed = self.admin(&format!("/deadletters?set={set}")).await;
        let mut all = Vec::new();
        for lead in listed {
            all.extend(
                self.admin(&format!("/deadletters/{}", lead["id"].as_str().unwrap()))
                    .await,
            );
        }
        all
    }

    async fn admin(&self, path: &str) -> Vec<Value> {
        let (_, text) = self.receiver.admin(path).await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["items"].as_array().unwrap().clone()
    }
}

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
    let dead = rig.parked("dead").await;
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
        (rig.parked("dead").await.len(), rig.parked("held").await.len()),
        (1, 0)
    );
    let log = rig.receiver.log();
    assert!(!log.contains("@example.com") && !log.contains(SECRET), "{log}");
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
    assert!(rig.parked("dead").await.is_empty() && rig.parked("held").await.is_empty());
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
            other.parked("dead").await.len() + other.parked("held").await.len(),
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
    let held = rig.parked("held").await;
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0]["reason"], "RecordConflict");
    assert!(
        held[0]["answer"].as_str().unwrap().contains("duplicate"),
        "{held:?}"
    );
    assert_eq!(rig.crm.records()[0].email, "ada@example.com");
}
