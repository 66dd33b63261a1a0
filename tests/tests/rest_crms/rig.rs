//! An example, its stand-in and a receiver.

use std::path::Path;
use std::time::{Duration, Instant};

use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::rest_crms::{
    ActiveCampaign, Api, Close, Crm, DjangoCrm, Dynamics, EspoCrm, Odoo, Pipedrive, Zoho,
};
use leadgate_tests::wire::{exchange, request};
use leadgate_tests::{manifests, signing};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "the-right-secret";
pub(crate) const HMAC: &str = "website-s3cret";

/// An example and its stand-in.
pub(crate) struct Case {
    /// The manifest's file and the sink's name.
    pub(crate) name: &'static str,
    pub(crate) api: Option<Box<dyn Api>>,
    /// Address in the manifest -> path that stays.
    pub(crate) addresses: &'static [(&'static str, &'static str)],
    /// The Secret's keys: what stands for the placeholder.
    pub(crate) secret: &'static str,
    /// Of the CRM's refusal, in the dead letter.
    pub(crate) words: &'static str,
    /// A property that the message names.
    pub(crate) named: &'static str,
}

pub(crate) fn case(name: &'static str, api: impl Api) -> Case {
    Case {
        name,
        api: Some(Box::new(api)),
        addresses: &[],
        secret: "token: SECRET",
        words: "",
        named: "",
    }
}

pub(crate) fn all(name: &str) -> Case {
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

pub(crate) fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/crms")
}

/// Replaces what must be there.
pub(crate) fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the manifest has no `{from}`:\n{text}");
    text.replace(from, to)
}

pub(crate) struct Rig {
    pub(crate) crm: Crm,
    pub(crate) receiver: Receiver,
}

impl Rig {
    /// With `privacy.crm: Delete`.
    pub(crate) async fn erasing(mut case: Case) -> Self {
        let crm = Crm::start(case.api.take().unwrap()).await;
        let mut options = options(&case, SECRET, &crm.url());
        let (_, sink) = &mut options.manifests[0];
        *sink = replace(sink, "spec:\n  rest:", "spec:\n  privacy: {crm: Delete}\n  rest:");
        let receiver = Receiver::start(options).await.unwrap();
        Self { crm, receiver }
    }

    pub(crate) async fn start(mut case: Case, secret: &str) -> Self {
        let crm = Crm::start(case.api.take().unwrap()).await;
        Self::join(&case, secret, crm).await
    }

    /// A receiver with a queue of its own, for a CRM that is there already.
    pub(crate) async fn join(case: &Case, secret: &str, crm: Crm) -> Self {
        let receiver = Receiver::start(options(case, secret, &crm.url())).await.unwrap();
        Self { crm, receiver }
    }

    /// Posts a lead and says what it was answered.
    pub(crate) async fn post(&self, submission: &str, email: &str, last_name: &str) -> String {
        post(&self.receiver, submission, email, last_name).await
    }

    /// The same with a lead of one's own.
    pub(crate) async fn post_lead(&self, lead: &Value) -> String {
        post_lead(&self.receiver, lead).await
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Crm) -> bool) {
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
    pub(crate) async fn settled(&self) {
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

    pub(crate) async fn pending(&self) -> u64 {
        let status = self.receiver.status().await.unwrap();
        status["sinks"][0]["leads"]["pending"]
            .as_u64()
            .unwrap_or_else(|| panic!("{status}"))
    }

    /// The leads of a set, with everything that is known of them.
    pub(crate) async fn dead_letters(&self, set: &str) -> Vec<Value> {
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

    /// A call of the API.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let call = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        exchange(self.receiver.admin_address(), call)
            .await
            .unwrap()
            .json()
    }

    pub(crate) async fn admin(&self, path: &str) -> Vec<Value> {
        let (_, text) = self.receiver.admin(path).await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["items"].as_array().unwrap().clone()
    }
}

/// The example's manifest with the CRM's address and secret, and the webhook `website`.
pub(crate) fn options(case: &Case, secret: &str, url: &str) -> Options {
    let mut manifest = std::fs::read_to_string(folder().join(format!("{}.yaml", case.name))).unwrap();
    for (address, stays) in case.addresses {
        manifest = replace(&manifest, address, &format!("{stays}{url}"));
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
    options
}

/// Posts a lead to a receiver and says what it was answered.
pub(crate) async fn post(receiver: &Receiver, submission: &str, email: &str, last_name: &str) -> String {
    let lead = json!({
        "submissionId": submission, "email": email, "firstName": "Ada", "lastName": last_name,
        "phone": "+4930901820123",
    });
    post_lead(receiver, &lead).await
}

/// The same with a lead of one's own.
pub(crate) async fn post_lead(receiver: &Receiver, lead: &Value) -> String {
    let body = lead.to_string();
    let headers = signing::generic(HMAC, body.as_bytes());
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    let post = request("POST", "/webhooks/default/website", &all, body.as_bytes());
    let answer = exchange(receiver.address(), post).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["status"].as_str().unwrap().to_owned()
}
