//! Traces: what they tell of a lead, what is never in them, and that nothing depends on who collects them.

mod collector;
mod collectors;
mod told;

use std::time::Duration;

use collector::Collector;
use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver, program};
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, exchange, request};
use serde_json::{Value, json};

const SECRET: &str = "traced-s3cret-of-the-webhook";
const PATIENCE: Duration = Duration::from_mins(1);
/// A lead's sender, as none of its spans calls it.
const ADA: &str = "ada.lovelace";
const STRANGER: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

struct Scene {
    hubspot: HubSpot,
    sink: HubSpotSink,
    receiver: Receiver,
}

impl Scene {
    async fn start(environment: &[(&str, &str)], change: impl FnOnce(&mut HubSpotSink)) -> Self {
        let hubspot = HubSpot::start(Config::default()).await.unwrap();
        let mut sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
        change(&mut sink);
        let webhook =
            mapped_webhook("web", SECRET).replacen("  sinks:", "  retention: {payloads: 1h}\n  sinks:", 1);
        let mut options = Options::new(sink.yaml());
        options.manifests.push(("web.yaml".into(), webhook));
        options.environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let receiver = Receiver::start(options).await.unwrap();
        Self {
            hubspot,
            sink,
            receiver,
        }
    }

    async fn post(&self, body: &Value, more: &[(&str, &str)]) -> Answer {
        let body = body.to_string().into_bytes();
        let signature = signing::generic(SECRET, &body)[0].1.clone();
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("X-Webhook-Signature", signature.as_str()),
        ];
        headers.extend_from_slice(more);
        let bytes = request("POST", "/webhooks/default/web?utm=ada.lovelace", &headers, &body);
        exchange(self.receiver.address(), bytes).await.unwrap()
    }

    /// Sends a lead that is taken; returns its id.
    async fn lead(&self, name: &str) -> String {
        let traceparent = format!("00-{}-{}-01", STRANGER.0, STRANGER.1);
        let body = json!({
            "email": format!("{name}@example.com"), "firstName": "Augusta",
            "phone": (name == ADA).then_some("+4930901821"),
            "submissionId": format!("form-{name}"), "note": "confidential"
        });
        let answer = self
            .post(
                &body,
                &[
                    ("traceparent", &traceparent),
                    ("tracestate", "who=ada.lovelace"),
                    ("User-Agent", "Mallory"),
                ],
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.receiver
            .until(what, PATIENCE, || std::future::ready(holds()))
            .await;
    }

    async fn arrived(&self, name: &str) {
        let email = format!("{name}@example.com");
        self.until("the lead is in the CRM", || {
            self.hubspot.contact(&email).is_some()
        })
        .await;
    }

    async fn dropped(&self) -> f64 {
        let name = "leadgate_trace_spans_dropped_total";
        self.receiver.metric(name, &[]).await.unwrap()
    }

    fn lines(&self, with: &str) -> usize {
        self.receiver
            .log()
            .lines()
            .filter(|line| line.contains(with))
            .count()
    }
}

/// What `kubectl leadgate` says.
async fn leadgate(scene: &Scene, arguments: &[&str]) -> String {
    let program = tokio::task::spawn_blocking(|| program("kubectl-leadgate", false));
    let output = tokio::process::Command::new(program.await.unwrap().unwrap())
        .args(arguments)
        .args(["--server", &format!("http://{}", scene.receiver.admin_address())])
        .env_remove("KUBECONFIG")
        .output()
        .await
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn endpoint(collector: &Collector) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
    ]
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// What is in a lead, or comes from its sender, beside the ids of its trace.
const NEVER_TOLD: &[&str] = &[
    ADA,
    "example.com",
    "Augusta",
    "4930901821",
    "form-",
    "confidential",
    "Mallory",
    "utm",
    "who=",
    SECRET,
];

/// Nothing of it is anywhere in what was exported.
fn tells_nothing_personal(collector: &Collector) {
    let bytes = collector.bytes();
    assert!(!bytes.is_empty());
    for word in NEVER_TOLD {
        let is_there = bytes
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
        assert!(!is_there, "{word} was exported");
    }
}
