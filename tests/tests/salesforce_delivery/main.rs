//! Leads on their way into a simulated Salesforce: through the real receiver, and batches through its client.

mod audit;
mod batches;
mod contacts;
mod limits;
mod preflight;
mod receiver;
mod trouble;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use leadgate_crds::CrmSink;
use leadgate_receiver::config::Sink;
use leadgate_receiver::crm::{self, Crm, Throttle, Throttled, Upsert};
use leadgate_receiver::queue::CrmHealth;
use leadgate_tests::manifests::SalesforceSink;
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::salesforce::{Config, Lead, Salesforce};
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, exchange, request};
use serde_json::{Value, json};

const SECRET: &str = "delivery-s3cret";
/// Generous, for busy machines.
const PATIENCE: Duration = Duration::from_mins(1);

/// A receiver that delivers to a simulator; two webhooks feed it.
struct Rig {
    salesforce: Salesforce,
    receiver: Receiver,
}

impl Rig {
    async fn start() -> Self {
        Self::with(Config::default(), |_, _| {}).await
    }

    async fn with(config: Config, change: impl FnOnce(&mut SalesforceSink, &Salesforce)) -> Self {
        let salesforce = Salesforce::start(config).await.unwrap();
        let mut sink = SalesforceSink::new(&salesforce);
        change(&mut sink, &salesforce);
        let mut options = Options::new(sink.yaml());
        for name in ["web", "ads"] {
            let webhook = SalesforceSink::webhook(name, SECRET);
            options.manifests.push((format!("{name}.yaml"), webhook));
        }
        let receiver = Receiver::start(options).await.unwrap();
        let rig = Self { salesforce, receiver };
        // The look before the first lead is over: what tests script is for their own requests.
        rig.until("the sink was looked at", || async {
            let stats = rig.salesforce.stats();
            stats.requests.contains_key("GET describe 200") || stats.refused_sign_ins > 0
        })
        .await;
        rig
    }

    async fn post_to(&self, webhook: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let signature = signing::generic(SECRET, body.as_bytes())[0].1.clone();
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Webhook-Signature", signature.as_str()),
        ];
        let bytes = request(
            "POST",
            &format!("/webhooks/default/{webhook}"),
            &headers,
            body.as_bytes(),
        );
        let answer = exchange(self.receiver.address(), bytes).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// Sends a lead of this name.
    async fn lead(&self, name: &str) {
        self.post_to("web", &person(name)).await;
    }

    async fn until<F: Future<Output = bool>>(&self, what: &str, holds: impl FnMut() -> F) {
        self.receiver.until(what, PATIENCE, holds).await;
    }

    async fn get(&self, path: &str) -> Value {
        let (status, text) = self.receiver.admin(path).await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn sink_status(&self) -> Value {
        self.get("/status").await["sinks"][0].clone()
    }

    /// Waits until so many leads were delivered.
    async fn delivered(&self, count: u64) {
        self.until(&format!("{count} delivered"), || async {
            self.sink_status().await["leads"]["delivered"] == count
        })
        .await;
    }

    /// Waits for one lead in a set, and gives it.
    async fn dead_letters(&self, set: &str) -> Value {
        let path = format!("/deadletters?set={set}&limit=10");
        self.until(&format!("one is {set}"), || async {
            self.get(&path).await["items"].as_array().unwrap().len() == 1
        })
        .await;
        self.get(&path).await["items"][0].clone()
    }

    /// The one record with this e-mail address.
    fn record(&self, email: &str) -> Lead {
        one(&self.salesforce, email)
    }
}

fn one(salesforce: &Salesforce, email: &str) -> Lead {
    let mut found = salesforce.with_email(email);
    assert_eq!(found.len(), 1, "{email}: {found:?}");
    found.remove(0)
}

fn person(name: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "firstName": name, "lastName": "Lovelace", "company": "Engines",
           "submissionId": name})
}

/// A throttle that is open.
struct Unlimited;

#[async_trait]
impl Throttle for Unlimited {
    async fn acquire(&self) -> Result<(), Throttled> {
        Ok(())
    }

    async fn report(&self, _: CrmHealth, _: Duration) {}
}

/// The receiver's own client, as a sink of this manifest has it.
fn client(sink: &SalesforceSink) -> Arc<dyn Crm> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let yaml = sink.yaml();
    let (manifest, _) = yaml.split_once("---").unwrap();
    let object: CrmSink = serde_saphyr::from_str(manifest).unwrap();
    let secrets = sink.secret.clone();
    let read = move |_: &str, key: &str| {
        let found = secrets.iter().find(|(known, _)| known == key);
        found
            .map(|(_, value)| value.clone().into_bytes())
            .ok_or_else(|| "no such key".to_owned())
    };
    let compiled = Sink::compile(&object, &read).unwrap();
    compiled.crm.connect(reqwest::Client::new().into())
}

/// A lead as delivery hands it over.
fn upsert(name: &str) -> Upsert {
    let email = format!("{name}@example.com");
    Upsert {
        properties: vec![
            ("Email".to_owned(), json!(email)),
            ("FirstName".to_owned(), json!(name)),
            ("LastName".to_owned(), json!("Lovelace")),
            ("Company".to_owned(), json!("Engines")),
        ],
        lead: json!({"email": email, "firstName": name, "submissionId": name}),
        payload: json!({}),
        webhook: json!({"name": "web", "namespace": "default"}),
        ..Upsert::default()
    }
}

async fn deliver(client: &Arc<dyn Crm>, batch: Vec<Upsert>) -> Vec<crm::Outcome> {
    let count = batch.len();
    let outcomes = client.upsert(&batch, &Unlimited).await;
    assert_eq!(outcomes.len(), count);
    outcomes
}
