//! One bit of what was signed is changed, anywhere: the request is refused, whatever the sender's scheme.

use std::collections::BTreeSet;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::auth::{RawRequest, Verifier};
use leadgate_receiver::source::{Webhook, preset};
use serde_json::{Value, json};

/// Vectors with one signature, made by the senders' own SDKs.
const PLAIN: [&str; 5] = [
    "payload",
    "small",
    "inside_tolerance",
    "header_name_other_case",
    "ok",
];
/// Schemes that sign the decoded fields in order: different bytes can mean the same fields.
const SIGN_FIELDS: [&str; 2] = ["mandrill", "twilio"];

struct Request {
    webhook: Webhook,
    method: Method,
    query: Option<String>,
    headers: Vec<(HeaderName, Vec<u8>)>,
    body: Vec<u8>,
    now: u64,
}

impl Request {
    fn new(vector: &Value, source: &str) -> Option<Self> {
        let text = |name: &str| vector[name].as_str().unwrap_or_default();
        let (url, query) = text("url")
            .split_once('?')
            .map_or((text("url"), None), |(u, q)| (u, Some(q)));
        let object: LeadWebhook = serde_json::from_value(json!({
            "metadata": {"name": "v", "namespace": "d"},
            "spec": {"source": source, "publicUrl": url, "auth": {"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}}, "sinks": [{"name": "crm"}]}
        }))
        .unwrap();
        let webhook = Webhook::compile(&object, &|_, _| Ok(text("secret").as_bytes().to_vec())).ok()?;
        let headers = vector["headers"].as_object().unwrap().iter();
        Some(Self {
            webhook,
            method: text("method").parse().unwrap(),
            query: query.map(str::to_owned),
            headers: headers
                .map(|(name, value)| (name.parse().unwrap(), value.as_str().unwrap().as_bytes().to_vec()))
                .collect(),
            body: vector["body_b64"].as_str().map_or_else(
                || text("body").as_bytes().to_vec(),
                |encoded| STANDARD.decode(encoded).unwrap(),
            ),
            now: vector["now"].as_u64().unwrap() * 1000,
        })
    }

    /// `None`: no such request can be sent.
    fn accepted(&self, headers: &[(HeaderName, Vec<u8>)], body: &[u8]) -> Option<bool> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        let request = RawRequest {
            method: &self.method,
            query: self.query.as_deref(),
            headers: &map,
            body,
            now: self.now,
        };
        Some(self.webhook.verifier.verify(&request).is_ok())
    }
}

#[test]
fn no_bit_of_what_was_signed_can_be_changed() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/senders/vectors.jsonl");
    let mut judged = BTreeSet::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let scheme = vector["scheme"].as_str().unwrap();
        let source = match scheme {
            "standard-webhooks" => "standardwebhooks",
            "hubspot-v3" => "hubspot",
            other => other,
        };
        let is_plain = PLAIN.contains(&vector["name"].as_str().unwrap());
        if !is_plain || vector["valid"] != true || preset::find(source).is_none() {
            continue;
        }
        let Some(request) = Request::new(&vector, source) else {
            continue;
        };
        if !matches!(request.webhook.verifier, Verifier::Hmac(_)) {
            continue;
        }
        assert_eq!(
            request.accepted(&request.headers, &request.body),
            Some(true),
            "{source}"
        );
        judged.insert(source.to_owned());

        if !SIGN_FIELDS.contains(&source) {
            for at in 0..request.body.len() {
                let mut body = request.body.clone();
                body[at] ^= 1 << (at % 8);
                assert_eq!(
                    request.accepted(&request.headers, &body),
                    Some(false),
                    "{source}: byte {at} of the body"
                );
            }
        }
        let shorter = &request.body[..request.body.len() - 1];
        assert_eq!(
            request.accepted(&request.headers, shorter),
            Some(false),
            "{source}: cut off"
        );

        for (n, (name, value)) in request.headers.iter().enumerate() {
            let mut without = request.headers.clone();
            without.remove(n);
            if name == "content-type" || request.accepted(&without, &request.body) == Some(true) {
                // Not part of the proof.
                continue;
            }
            for (at, bit) in (0..value.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut headers = request.headers.clone();
                headers[n].1[at] ^= 1 << bit;
                // Hexadecimal digits mean the same in either case.
                let same = headers[n].1.eq_ignore_ascii_case(value);
                let accepted = request.accepted(&headers, &request.body) == Some(true);
                assert!(!accepted || same, "{source}: bit {bit} of byte {at} of {name}");
            }
        }
    }
    for source in [
        "generic",
        "github",
        "typeform",
        "shopify",
        "stripe",
        "calendly",
        "standardwebhooks",
    ] {
        assert!(judged.contains(source), "{source} was not judged: {judged:?}");
    }
}
