//! The senders' own SDKs made these vectors and payloads: whatever they sign is accepted, whatever was tampered
//! with is refused, and each example payload gives the lead that a person would read in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::lead::Field;
use leadgate_receiver::source::Webhook;
use leadgate_receiver::source::auth::RawRequest;
use serde_json::{Value, json};

/// Preset name by the scheme's name in the vectors, where they differ.
const RENAMED: [(&str, &str); 1] = [("standard-webhooks", "standardwebhooks")];

/// Schemes whose vectors need what a later release brings: handshakes, address lists, RFC 9421, HubSpot v1.
const LATER: [&str; 7] = [
    "hubspot-v1",
    "ip-allow",
    "linkedin-handshake",
    "meta-handshake",
    "rfc9421",
    "slack-handshake",
    "zoom-handshake",
];

fn data(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/senders")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/data/senders")
            .join(name),
    )
    .unwrap()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_default()
}

/// The vector's request, judged by a webhook that has this `auth` and `source`.
fn verdict(vector: &Value, source: &str, auth: &Value) -> Result<(), String> {
    let url = text(vector, "url");
    let (base, query) = url
        .split_once('?')
        .map_or((url, None), |(base, query)| (base, Some(query)));
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "v", "namespace": "d"},
        "spec": {"source": source, "publicUrl": base, "auth": auth, "sinks": [{"name": "crm"}]}
    }))
    .map_err(|e| format!("{e}"))?;
    let mut secrets: BTreeMap<String, String> =
        BTreeMap::from([("k0".to_owned(), text(vector, "secret").to_owned())]);
    for (n, also) in vector["also_secrets"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        secrets.insert(format!("k{}", n + 1), also.as_str().unwrap().to_owned());
    }
    let read = |_: &str, key: &str| {
        secrets
            .get(key)
            .map(|s| s.as_bytes().to_vec())
            .ok_or_else(|| format!("no key {key}"))
    };
    let webhook = Webhook::compile(&object, &read).map_err(|e| e.join("; "))?;
    let mut headers = HeaderMap::new();
    for (name, value) in vector["headers"].as_object().unwrap() {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_str().unwrap().as_bytes()).map_err(|e| e.to_string())?,
        );
    }
    let body = match vector["body_b64"].as_str() {
        Some(encoded) => STANDARD.decode(encoded).unwrap(),
        None => text(vector, "body").as_bytes().to_vec(),
    };
    let request = RawRequest {
        method: &Method::from_bytes(text(vector, "method").as_bytes()).unwrap(),
        query,
        headers: &headers,
        body: &body,
        now: vector["now"].as_u64().unwrap_or(0) * 1000,
    };
    webhook.verifier.verify(&request).map_err(|e| e.to_string())
}

fn secret_refs(vector: &Value) -> Vec<Value> {
    let more = vector["also_secrets"].as_array().map_or(0, Vec::len);
    (0..=more)
        .map(|n| json!({"name": "s", "key": format!("k{n}")}))
        .collect()
}

/// Hex digits are decoded and compared as bytes, so their case does not matter (SavvyCal sends capitals).
fn expected(vector: &Value) -> bool {
    vector["valid"].as_bool().unwrap() || vector["policy"] == "hex-case"
}

#[test]
fn what_the_sdks_sign_is_accepted_and_what_was_changed_is_refused_by_the_general_model() {
    let model: Value = serde_json::from_str(&data("presets.json")).unwrap();
    let (mut judged, mut later) = (0, BTreeSet::new());
    for line in data("vectors.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let scheme = text(&vector, "scheme");
        if LATER.contains(&scheme) {
            later.insert(scheme.to_owned());
            continue;
        }
        let mut auth = model
            .get(scheme)
            .unwrap_or_else(|| panic!("no scheme {scheme}"))
            .clone();
        let kind = auth.as_object().unwrap().keys().next().unwrap().clone();
        auth[&kind]["secretRefs"] = secret_refs(&vector).into();
        let answer = verdict(&vector, "generic", &auth);
        let name = format!(
            "{scheme}/{}: {} -> {answer:?}",
            text(&vector, "name"),
            text(&vector, "why")
        );
        assert_eq!(answer.is_ok(), expected(&vector), "{name}");
        judged += 1;
    }
    assert_eq!(later, LATER.iter().map(|s| (*s).to_owned()).collect());
    assert!(judged > 250, "{judged} vectors were judged");
}

#[test]
fn shipped_presets_agree_with_the_sdks_when_only_the_secret_is_named() {
    let mut judged = BTreeMap::new();
    for line in data("vectors.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let scheme = text(&vector, "scheme");
        let preset = RENAMED
            .iter()
            .find(|(from, _)| *from == scheme)
            .map_or(scheme, |(_, to)| *to);
        if leadgate_receiver::source::preset::find(preset).is_none() {
            continue;
        }
        let auth = json!({"hmac": {"secretRefs": secret_refs(&vector)}});
        let answer = verdict(&vector, preset, &auth);
        assert_eq!(
            answer.is_ok(),
            expected(&vector),
            "{preset}/{} -> {answer:?}",
            text(&vector, "name")
        );
        *judged.entry(preset.to_owned()).or_insert(0) += 1;
    }
    for preset in [
        "generic",
        "github",
        "typeform",
        "shopify",
        "stripe",
        "calendly",
        "standardwebhooks",
    ] {
        assert!(
            judged.get(preset).is_some_and(|n| *n >= 5),
            "{preset}: {judged:?}"
        );
    }
}

/// Example payloads of the presets that exist, with a header that carries the submission's id where one does.
const PAYLOADS: [(&str, &str, Option<&str>); 5] = [
    ("generic", "generic.json", None),
    ("typeform", "typeform.json", None),
    (
        "shopify",
        "shopify_customer_create.json",
        Some("x-shopify-webhook-id"),
    ),
    ("calendly", "calendly.json", None),
    ("standardwebhooks", "standard_webhooks.json", Some("webhook-id")),
];

#[test]
fn each_example_payload_gives_the_lead_that_a_person_reads_in_it() {
    let expectations: Value = serde_json::from_str(&data("payloads/EXPECT.json")).unwrap();
    for (preset, file, id_header) in PAYLOADS {
        let expect = &expectations[file];
        let object: LeadWebhook = serde_json::from_value(json!({
            "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
            "spec": {"source": preset, "auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]}
        }))
        .unwrap();
        let webhook = Webhook::compile(&object, &|_, _| Err("no secret".to_owned())).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", text(expect, "content_type").parse().unwrap());
        if let Some(name) = id_header {
            headers.insert(name, text(expect, "idempotency_id").parse().unwrap());
        }
        let body = bytes(&format!("payloads/{file}"));
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: &body,
            now: 0,
        };
        let mut drafts = Vec::new();
        webhook
            .read(&request, |draft, _| drafts.push(draft))
            .unwrap_or_else(|e| panic!("{file}: {e:?}"));
        let [draft] = drafts.as_slice() else {
            panic!("{file}: {} leads", drafts.len())
        };
        for (field, name) in [
            (Field::Email, "email"),
            (Field::Phone, "phone"),
            (Field::FirstName, "first_name"),
            (Field::LastName, "last_name"),
        ] {
            assert_eq!(draft.lead.get(field), expect[name].as_str(), "{file} {name}");
        }
        assert_eq!(
            draft.lead.get(Field::SubmissionId),
            expect["idempotency_id"].as_str(),
            "{file}"
        );
    }
}
