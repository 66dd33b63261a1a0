//! Whatever a sender does wrong, by accident or on purpose: it gets a 4xx that says why, nobody else notices, and
//! neither payloads nor secrets show in the log or in an answer.

mod bodies;
mod names;
mod proofs;
mod random;
mod secrets;
mod transport;
mod values;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, Wire, exchange, request};
use serde_json::{Value, json};

/// Stands in every secret: it must show nowhere.
const SECRET: &str = "canary-s3cret";
/// Stands in payloads: it must show in no answer and no log.
const PERSON: &str = "canary.person";
/// A key of Standard Webhooks.
const STANDARD_KEY: &str = "whsec_Y2FuYXJ5LXMzY3JldC1jYW5hcnktczNjcmV0";
const MAX_BYTES: usize = 16_384;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// A webhook's name and its `source` and `auth`.
const WEBHOOKS: &[(&str, &str, &str)] = &[
    (
        "generic",
        "generic",
        "{hmac: {secretRefs: [{name: s, key: hmac}]}}",
    ),
    (
        "typeform",
        "typeform",
        "{hmac: {secretRefs: [{name: s, key: hmac}]}}",
    ),
    ("stripe", "stripe", "{hmac: {secretRefs: [{name: s, key: hmac}]}}"),
    (
        "standard",
        "standardwebhooks",
        "{hmac: {secretRefs: [{name: s, key: standard}]}}",
    ),
    (
        "custom",
        "generic",
        "{hmac: {algorithm: sha512, secretRefs: [{name: s, key: hmac}, {name: s, key: next}], signature: {header: X-Acme, \
         encoding: base64}, timestamp: {header: X-Acme-Time, unit: milliseconds, toleranceSeconds: 60}, signed: \
         '{timestamp}:{method}:{body}'}}",
    ),
    (
        "token",
        "generic",
        "{token: {secretRefs: [{name: s, key: hmac}]}}",
    ),
    (
        "bearer",
        "generic",
        "{token: {secretRefs: [{name: s, key: hmac}], header: Authorization, scheme: Bearer}}",
    ),
    (
        "query",
        "generic",
        "{token: {secretRefs: [{name: s, key: hmac}], query: key}}",
    ),
    (
        "inbody",
        "generic",
        "{token: {secretRefs: [{name: s, key: hmac}], json: /google_key}}",
    ),
    ("basic", "generic", "{basic: {secretRef: {name: s}}}"),
];

fn manifests() -> String {
    let mut sink = HubSpotSink::new("http://127.0.0.1:9", "pat-canary-s3cret");
    sink.suspend = true;
    let mut yaml = sink.yaml();
    yaml.push_str(&format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: default}}\nstringData: {{hmac: {SECRET}, next: \
         {SECRET}-2, standard: {STANDARD_KEY}, username: {SECRET}-user, password: {SECRET}-password}}\n"
    ));
    for (name, source, auth) in WEBHOOKS {
        yaml.push_str(&format!(
            "---
apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {{name: {name}, namespace: default}}
spec:
  source: {source}
  auth: {auth}
  payload:
    maxBytes: {MAX_BYTES}
    required: [email]
    maxLengths: {{firstName: 40}}
    rules: [{{expression: \"lead.?company.orValue('') != '{PERSON}'\", message: no test companies, field: company}}]
  sinks: [{{name: hubspot}}]
"
        ));
    }
    yaml
}

/// A receiver with a webhook of each kind, and nothing delivered.
struct Rig {
    receiver: Receiver,
}

impl Rig {
    async fn start() -> Self {
        let receiver = Receiver::start(Options::new(manifests())).await.unwrap();
        Self { receiver }
    }

    /// Sends bytes on a connection of their own.
    async fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        exchange(self.receiver.address(), bytes).await.unwrap()
    }

    async fn wire(&self) -> Wire {
        Wire::connect(self.receiver.address()).await.unwrap()
    }

    async fn post(&self, webhook: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.raw(request("POST", &path(webhook), headers, body)).await
    }

    /// To the generic webhook, validly signed: what is wrong is the body.
    async fn signed(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let signature = signature(body);
        let mut all = vec![("X-Webhook-Signature", signature.as_str())];
        all.extend_from_slice(headers);
        self.post("generic", &all, body).await
    }

    /// Afterwards: the receiver lives, takes a good lead, and kept the canaries to itself.
    async fn survived(&self) {
        // Another one each time: the same would be a duplicate.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let body = lead(&format!("after{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let answer = self.signed(&[JSON], &body).await;
        assert_eq!(
            (answer.status, answer.json()["status"].clone()),
            (200, json!("accepted")),
            "{}",
            answer.text()
        );
        let (status, _) = self.receiver.admin("/livez").await.unwrap();
        assert_eq!(status, 200);
        let log = self.receiver.log();
        for canary in [SECRET, PERSON, STANDARD_KEY, "panicked"] {
            assert!(
                !log.contains(canary),
                "{canary} is in the log:\n{}",
                lines_with(&log, canary)
            );
        }
    }

    /// What the rejected set holds.
    async fn rejected(&self) -> Vec<Value> {
        let (status, text) = self
            .receiver
            .admin("/deadletters?set=rejected&limit=1000")
            .await
            .unwrap();
        assert_eq!(status, 200, "{text}");
        serde_json::from_str::<Value>(&text).unwrap()["items"]
            .as_array()
            .unwrap()
            .clone()
    }
}

fn lines_with(log: &str, what: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(what)).take(3).collect();
    lines.join("\n")
}

fn path(webhook: &str) -> String {
    format!("/webhooks/default/{webhook}")
}

/// A good lead.
fn lead(id: &str) -> Vec<u8> {
    json!({"email": format!("{PERSON}.{id}@example.com"), "firstName": PERSON, "submissionId": id})
        .to_string()
        .into_bytes()
}

/// The generic sender's signature.
fn signature(body: &[u8]) -> String {
    signing::generic(SECRET, body)[0].1.clone()
}

/// A refusal with a reason, that quotes nothing.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert!(answer.is_problem(), "{what}: {answer:?}");
    assert_discreet(answer, what);
}

#[track_caller]
fn assert_discreet(answer: &Answer, what: &str) {
    let text = format!("{:?} {}", answer.headers, answer.text());
    for canary in [SECRET, PERSON, STANDARD_KEY] {
        assert!(!text.contains(canary), "{what} quotes {canary}: {text}");
    }
}

/// Resident memory in MiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// A bound on what must be prompt, with room for a busy machine.
const PROMPT: Duration = Duration::from_secs(5);
