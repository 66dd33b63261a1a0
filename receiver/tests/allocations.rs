//! How often accepting a lead asks the allocator: what a lead costs beyond its bytes is seen here first. A program of its
//! own: the allocator counts. Fewer is better: then lower the bound.

use std::hint::black_box;

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::{Kept, Webhook};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &[u8] = b"a secret of these tests only";

/// Allocations of one request, from its bytes to the lead as the queue takes it.
fn allocations(spec: &Value, header: &'static str, body: &Value) -> u64 {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "web"}, "spec": spec
    }))
    .unwrap();
    let webhook = Webhook::compile(&object, &|_, _| Ok(SECRET.to_vec())).unwrap();
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert(header, format!("sha256={signature}").parse().unwrap());
    let request = RawRequest {
        method: &Method::POST,
        query: None,
        headers: &headers,
        body: body.as_bytes(),
        now: 0,
    };
    let accept = || {
        webhook.verifier.verify(&request).unwrap();
        black_box(webhook.leads(&request, &Kept::Whole)).unwrap();
    };
    // What is made once, such as the tables of phone numbers, is no cost of a lead.
    accept();
    allocation_counter::measure(accept).count_total
}

#[test]
fn accepting_a_lead_takes_no_more_allocations_than_it_did() {
    let auth = json!({"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}});
    let sinks = json!([{"name": "crm"}]);
    let json = json!({
        "submissionId": "0123456789abcdef", "email": "ada.lovelace@example.com", "firstName": "Ada", "lastName": "Lovelace",
        "phone": "+442071838750", "company": "Analytical Engines", "message": "x".repeat(250)
    });
    let own = allocations(
        &json!({"source": "generic", "auth": auth, "sinks": sinks}),
        "x-webhook-signature",
        &json,
    );
    let answers: Vec<Value> = (0..8)
        .map(|n| json!({"field": {"id": format!("f{n}"), "type": "short_text", "ref": format!("ref_{n}")}, "type": "text", "text": "an answer"}))
        .chain([
            json!({"field": {"id": "e", "type": "email", "ref": "email"}, "type": "email", "email": "zoe@example.com"}),
            json!({"field": {"id": "n", "type": "short_text", "ref": "first_name"}, "type": "text", "text": "Zoe"}),
        ])
        .collect();
    let form = allocations(
        &json!({"source": "typeform", "auth": {"hmac": {"secretRefs": [{"name": "s", "key": "k"}],
            "signature": {"header": "X-Form-Signature", "prefix": "sha256=", "encoding": "hex"}}}, "sinks": sinks}),
        "x-form-signature",
        &json!({"event_type": "form_response", "form_response": {"token": "a3a12ec67a13", "submitted_at": "2026-09-21T13:33:20Z", "answers": answers}}),
    );
    assert!(
        own <= 67 && form <= 226,
        "{own} for JSON of one's own, {form} for a form"
    );
}
