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
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::{ChallengeAnswer, Refusal, Seen, Webhook};
use serde_json::{Value, json};

/// Preset name by the scheme's name in the vectors, where they differ.
const RENAMED: [(&str, &str); 3] = [
    ("standard-webhooks", "standardwebhooks"),
    ("google-ads", "googleads"),
    ("hubspot-v3", "hubspot"),
];

/// Schemes that are no presets: judged elsewhere, or not supported.
const ELSEWHERE: [&str; 7] = [
    // Not a sender's: RFC 9421 and HubSpot's retired v1 are refused by design, as unknown presets.
    "hubspot-v1",
    "rfc9421",
    // `allowedCidrs`: see the test of addresses.
    "ip-allow",
    // See the test of handshakes.
    "linkedin-handshake",
    "meta-handshake",
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
    let (mut judged, mut elsewhere) = (0, BTreeSet::new());
    for line in data("vectors.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let scheme = text(&vector, "scheme");
        if ELSEWHERE.contains(&scheme) {
            elsewhere.insert(scheme.to_owned());
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
    assert_eq!(elsewhere, ELSEWHERE.iter().map(|s| (*s).to_owned()).collect());
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
        let Some(known) = leadgate_receiver::source::preset::find(preset) else {
            continue;
        };
        let kind = if known.auth.as_ref().is_some_and(|auth| auth.hmac.is_some()) {
            "hmac"
        } else {
            "token"
        };
        let auth = json!({kind: {"secretRefs": secret_refs(&vector)}});
        let answer = verdict(&vector, preset, &auth);
        assert_eq!(
            answer.is_ok(),
            expected(&vector),
            "{preset}/{} -> {answer:?}",
            text(&vector, "name")
        );
        *judged.entry(preset.to_owned()).or_insert(0) += 1;
    }
    let with_vectors = [
        "acuity",
        "calcom",
        "calendly",
        "customerio",
        "cvent",
        "formstack",
        "generic",
        "github",
        "googleads",
        "hubspot",
        "intercom",
        "linkedin",
        "mandrill",
        "mautic",
        "meta",
        "segment",
        "shopify",
        "slack",
        "standardwebhooks",
        "stripe",
        "svix",
        "tally",
        "tiktok",
        "twilio",
        "typeform",
        "webflow",
        "woocommerce",
        "wpforms",
        "zoom",
    ];
    assert_eq!(
        judged.keys().map(String::as_str).collect::<Vec<_>>(),
        with_vectors
    );
    assert!(judged.values().all(|n| *n >= 4), "{judged:?}");
}

/// Example payloads by preset, with a header that carries the submission's id where one does.
const PAYLOADS: [(&str, &str, Option<&str>); 17] = [
    ("calendly", "calendly.json", None),
    ("elementor", "elementor.txt", None),
    ("generic", "generic.json", None),
    ("googleads", "google_ads_lead_form.json", None),
    ("gravityforms", "gravityforms.json", None),
    ("intercom", "intercom_contact_lead_created.json", None),
    ("jotform", "jotform.txt", None),
    ("mailchimp", "mailchimp_subscribe.txt", None),
    (
        "shopify",
        "shopify_customer_create.json",
        Some("x-shopify-webhook-id"),
    ),
    ("standardwebhooks", "standard_webhooks.json", Some("webhook-id")),
    ("svix", "standard_webhooks.json", Some("svix-id")),
    ("tally", "tally.json", None),
    ("twilio", "twilio_sms.txt", None),
    ("typeform", "typeform.json", None),
    ("unbounce", "unbounce.txt", None),
    ("webflow", "webflow.json", None),
    ("zoom", "zoom_webinar_registration.json", None),
];

/// Thin payloads: what names them, and what is refused until their answers are fetched.
const THIN: [(&str, &str); 2] = [("meta", "meta_leadgen.json"), ("linkedin", "linkedin_lead.json")];

#[test]
fn each_example_payload_gives_the_lead_that_a_person_reads_in_it() {
    let expectations: Value = serde_json::from_str(&data("payloads/EXPECT.json")).unwrap();
    for (preset, file, id_header) in PAYLOADS {
        let expect = &expectations[file];
        let webhook = unauthenticated(preset);
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
            // A national number stays as the sender wrote it: no region is set here.
            assert_eq!(
                draft.lead.get(field),
                expect[name].as_str(),
                "{preset} {file} {name}"
            );
        }
        match expect["idempotency_id"].as_str() {
            Some(id) => assert_eq!(draft.lead.get(Field::SubmissionId), Some(id), "{preset} {file}"),
            None => assert_eq!(draft.key.from, "digest", "{preset} {file}"),
        }
    }
}

/// A webhook of this preset that lets anybody post, for what does not concern proof.
fn unauthenticated(preset: &str) -> Webhook {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {"source": preset, "auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]}
    }))
    .unwrap();
    Webhook::compile(&object, &|_, _| Err("no secret".to_owned()))
        .unwrap_or_else(|e| panic!("{preset}: {e:?}"))
}

#[test]
fn a_thin_payload_is_refused_with_the_reason_and_never_becomes_an_empty_lead() {
    for (preset, file) in THIN {
        let body = bytes(&format!("payloads/{file}"));
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: &body,
            now: 0,
        };
        let refusal = unauthenticated(preset)
            .read(&request, |_, _| panic!("a lead"))
            .unwrap_err();
        let Refusal::Invalid(problems) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(
            problems.iter().any(|p| p.reason == "ContactMissing"),
            "{problems:?}"
        );
    }
}

#[test]
fn handshakes_are_answered_as_the_senders_expect_and_sign_nothing_for_strangers() {
    let mut judged = 0;
    for line in data("vectors.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let Some(preset) = text(&vector, "scheme").strip_suffix("-handshake") else {
            continue;
        };
        let name = format!("{preset}/{}: {}", text(&vector, "name"), text(&vector, "why"));
        let (status, body) = handshake(preset, &vector);
        match (vector["valid"].as_bool().unwrap(), vector["expect_body"].as_str()) {
            (true, expected) => assert_eq!((status, body.as_deref()), (200, expected), "{name}"),
            // What a receiver must not answer.
            (false, Some(forbidden)) => assert_ne!(body.as_deref(), Some(forbidden), "{name}"),
            (false, None) => {
                assert_eq!(body, None, "{name}");
                assert_eq!(
                    u64::from(status),
                    vector["expect_status"].as_u64().unwrap(),
                    "{name}"
                );
            }
        }
        judged += 1;
    }
    assert_eq!(judged, 20);
}

/// The way of a request through the receiver's handshakes: status, and the answer if one is given.
fn handshake(preset: &str, vector: &Value) -> (u16, Option<String>) {
    let mut auth = json!({"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}});
    if preset == "meta" {
        auth["challengeTokenSecretRef"] = json!({"name": "s", "key": "k"});
    }
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {"source": preset, "auth": auth, "sinks": [{"name": "crm"}]}
    }))
    .unwrap();
    let webhook = Webhook::compile(&object, &|_, _| Ok(text(vector, "secret").as_bytes().to_vec())).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in vector["headers"].as_object().unwrap() {
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.as_str().unwrap().parse().unwrap(),
        );
    }
    let request = RawRequest {
        method: &Method::from_bytes(text(vector, "method").as_bytes()).unwrap(),
        query: text(vector, "url").split_once('?').map(|(_, query)| query),
        headers: &headers,
        body: text(vector, "body").as_bytes(),
        now: vector["now"].as_u64().unwrap() * 1000,
    };
    let given = |answer| match answer {
        ChallengeAnswer::Answer(_, body) | ChallengeAnswer::AfterVerification(_, body) => (200, Some(body)),
        ChallengeAnswer::Refuse(status, _) => (status, None),
    };
    if let Some(answer) = webhook
        .challenges
        .iter()
        .find_map(|c| c.before_verification(&request))
    {
        return given(answer);
    }
    if request.method == Method::GET {
        return (400, None);
    }
    if webhook.verifier.verify(&request).is_err() {
        return (401, None);
    }
    match webhook.read(&request, |_, _| {}) {
        Ok(Seen::Challenge(answer)) => given(answer),
        // An event, be it a lead or not: no handshake's answer.
        Ok(_) | Err(_) => (200, None),
    }
}

#[test]
fn every_preset_compiles_with_nothing_but_its_secrets() {
    let names: Vec<&str> = leadgate_receiver::source::preset::names().collect();
    assert_eq!(names.len(), 37, "{names:?}");
    for name in names {
        unauthenticated(name);
    }
}
