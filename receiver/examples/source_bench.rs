//! What one lead costs before the queue: verification, parsing, mapping and validation, in microseconds on one core.
//! `cargo run --release --example source_bench`; part of `make bench`.
#![allow(clippy::cast_precision_loss)]

use std::hint::black_box;
use std::time::Instant;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::Webhook;
use leadgate_receiver::source::auth::RawRequest;
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "bench-secret";
const ROUNDS: u32 = 20_000;

fn webhook(spec: &Value) -> Webhook {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "bench"}, "spec": spec
    }))
    .unwrap();
    Webhook::compile(&object, &|_, _| Ok(SECRET.as_bytes().to_vec())).unwrap()
}

fn digest(body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

fn measure(name: &str, webhook: &Webhook, header: &'static str, signature: &str, body: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert(header, signature.parse().unwrap());
    let request = RawRequest {
        method: &Method::POST,
        query: None,
        headers: &headers,
        body,
        now: 0,
    };
    let time = |work: &dyn Fn()| {
        (0..ROUNDS / 10).for_each(|_| work());
        let began = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
    };
    let verify = time(&|| {
        black_box(webhook.verifier.verify(&request)).unwrap();
    });
    let take = time(&|| {
        black_box(webhook.leads(&request)).unwrap();
    });
    println!(
        "{name:<34}{:>6} bytes  verify {verify:>6.1} µs  parse, map, validate {take:>6.1} µs  together {:>6.1} µs",
        body.len(),
        verify + take
    );
}

fn main() {
    let auth = json!({"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}});
    let sinks = json!([{"name": "crm"}]);
    let small = json!({
        "submissionId": "0123456789abcdef", "email": "ada.lovelace@example.com", "firstName": "Ada", "lastName": "Lovelace",
        "phone": "+442071838750", "company": "Analytical Engines", "message": "x".repeat(250)
    })
    .to_string();
    let signature = format!("sha256={}", hex::encode(digest(small.as_bytes())));
    let generic = webhook(&json!({"source": "generic", "auth": auth, "sinks": sinks}));
    measure(
        "generic",
        &generic,
        "x-webhook-signature",
        &signature,
        small.as_bytes(),
    );

    let answers: Vec<Value> = (0..8)
        .map(|n| json!({"field": {"id": format!("f{n}"), "type": "short_text", "ref": format!("ref_{n}")}, "type": "text", "text": "an answer of some length"}))
        .chain([
            json!({"field": {"id": "e", "type": "email", "ref": "email"}, "type": "email", "email": "zoe@example.com"}),
            json!({"field": {"id": "p", "type": "phone", "ref": "phone"}, "type": "phone_number", "phone_number": "+4930901820"}),
            json!({"field": {"id": "n", "type": "short_text", "ref": "first_name"}, "type": "text", "text": "Zoë"}),
        ])
        .collect();
    let typeform_body = json!({"event_id": "e", "event_type": "form_response", "form_response": {
        "form_id": "lT4Z3j", "token": "a3a12ec67a1365927098a606107fac15", "submitted_at": "2026-09-21T13:33:20Z",
        "hidden": {"padding": "x".repeat(600)}, "answers": answers}})
    .to_string();
    let signature = format!(
        "sha256={}",
        base64::engine::general_purpose::STANDARD.encode(digest(typeform_body.as_bytes()))
    );
    let typeform = webhook(&json!({"source": "typeform", "auth": auth, "sinks": sinks}));
    measure(
        "typeform",
        &typeform,
        "typeform-signature",
        &signature,
        typeform_body.as_bytes(),
    );
}
