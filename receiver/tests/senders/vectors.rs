//! Requests that the senders' SDKs signed, and what was made of them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::Webhook;
use leadgate_receiver::source::auth::RawRequest;
use serde_json::{Value, json};

use super::{data, text};

/// Preset name by the scheme's name in the vectors, where they differ.
const RENAMED: [(&str, &str); 3] = [
    ("standard-webhooks", "standardwebhooks"),
    ("google-ads", "googleads"),
    ("hubspot-v3", "hubspot"),
];

/// Schemes that are judged elsewhere.
const ELSEWHERE: [&str; 5] = [
    // `allowedCidrs`: see the test of addresses.
    "ip-allow",
    // See the test of handshakes.
    "linkedin-handshake",
    "meta-handshake",
    "slack-handshake",
    "zoom-handshake",
];

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
    let verified = webhook.verifier.verify(&request);
    verified.map(drop).map_err(|e| e.to_string())
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

/// Shopify's and Svix' newer requests carry the same under other names.
#[test]
fn the_newer_names_of_headers_are_known_and_the_older_ones_go_first() {
    let mut judged = 0;
    for line in data("vectors.jsonl").lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let (scheme, old, new) = match text(&vector, "scheme") {
            "shopify" => ("shopify", "x-shopify-", "shopify-"),
            "svix" => ("svix", "svix-", "webhook-"),
            _ => continue,
        };
        let auth = json!({"hmac": {"secretRefs": secret_refs(&vector)}});
        let mut renamed = vector.clone();
        renamed["headers"] = vector["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.to_lowercase().replace(old, new), value.clone()))
            .collect();
        let answer = verdict(&renamed, scheme, &auth);
        assert_eq!(
            answer.is_ok(),
            expected(&vector),
            "{scheme}/{}: {answer:?}",
            text(&vector, "name")
        );
        // A good signature under the newer name does not help a bad one under the older.
        if vector["valid"] == true {
            for (name, _) in vector["headers"].as_object().unwrap() {
                let is_signature =
                    name.to_lowercase().contains("hmac") || name.to_lowercase().contains("signature");
                if is_signature {
                    renamed["headers"][name] = json!("v1,AAAA");
                }
            }
            assert!(
                verdict(&renamed, scheme, &auth).is_err(),
                "{scheme}/{}",
                text(&vector, "name")
            );
        }
        judged += 1;
    }
    assert!(judged > 15, "{judged}");
}

#[test]
fn a_scheme_whose_signature_leaves_the_body_out_is_refused_when_it_is_loaded() {
    let compile = |scheme: Value| {
        let mut hmac = json!({"secretRefs": [{"name": "s", "key": "k0"}], "signature": {"header": "x-s"},
            "timestamp": {"header": "x-t"}, "id": {"header": "x-id"}});
        hmac.as_object_mut()
            .unwrap()
            .extend(scheme.as_object().unwrap().clone());
        let vector = json!({"url": "https://a.example.com/in", "method": "POST", "secret": "key", "now": 0,
            "headers": {}, "body": ""});
        verdict(&vector, "generic", &json!({"hmac": hmac})).unwrap_err()
    };
    let covered = [
        json!({"signed": "{timestamp}.{body}"}),
        json!({"signed": "{url}{params}"}),
        json!({"signed": "{url}", "bodyDigest": {"query": "sha"}}),
        json!({"signed": "{timestamp}.{id}", "bodyDigest": {"header": "x-id"}}),
        json!({}),
    ];
    for scheme in covered {
        assert!(
            compile(scheme.clone()).starts_with("the request has no"),
            "{scheme}"
        );
    }
    for scheme in [
        json!({"signed": "t.body"}),
        json!({"signed": "{timestamp}.{id}"}),
        json!({"signed": "{url}"}),
    ] {
        assert!(
            compile(scheme.clone()).contains("one signature would be valid for every lead"),
            "{scheme}"
        );
    }
    for scheme in [
        json!({"signed": "{timestamp}", "bodyDigest": {"header": "x-digest"}}),
        json!({"signed": "{timestamp}", "bodyDigest": {"query": "sha"}}),
    ] {
        assert!(
            compile(scheme.clone()).contains("hmac.bodyDigest: the digest itself must be signed"),
            "{scheme}"
        );
    }
}

#[test]
fn what_does_not_match_is_called_by_its_name() {
    let answer = |auth: Value, headers: Value, url: &str| {
        let vector = json!({"url": url, "method": "POST", "secret": "key", "now": 0, "headers": headers,
            "body_b64": STANDARD.encode(r#"{"k":"other"}"#)});
        verdict(&vector, "generic", &auth).unwrap_err()
    };
    let refs = json!([{"name": "s", "key": "k0"}]);
    let url = "https://a.example.com/in";
    for (auth, headers, url, expected) in [
        (
            json!({"token": {"secretRefs": refs}}),
            json!({"x-api-key": "other"}),
            url,
            "the token in the header",
        ),
        (
            json!({"token": {"secretRefs": refs, "query": "t"}}),
            json!({}),
            "https://a.example.com/in?t=o",
            "the token in the query",
        ),
        (
            json!({"token": {"secretRefs": refs, "json": "/k"}}),
            json!({}),
            url,
            "the token in the body",
        ),
        (
            json!({"hmac": {"secretRefs": refs, "signature": {"header": "x-s"}}}),
            json!({"x-s": "00"}),
            url,
            "sign the raw body",
        ),
        (
            json!({"hmac": {"secretRefs": refs, "signature": {"header": "x-s"}, "signed": "{url}{body}"}}),
            json!({"x-s": "00"}),
            url,
            "publicUrl is the URL as the sender calls it",
        ),
        (
            json!({"hmac": {"secretRefs": refs, "signature": {"header": "x-s"}, "signed": "{url}{params}"}}),
            json!({"x-s": "00", "content-type": "application/json"}),
            url,
            "this body is not a form",
        ),
    ] {
        let given = answer(auth, headers, url);
        assert!(given.contains(expected), "{expected}: {given}");
        assert_eq!(given.contains("sign"), !expected.contains("token"), "{given}");
    }
}

/// SHA-256 with the key before the text can be continued by anybody who saw one signature. What comes between is no text.
#[test]
fn a_lengthened_body_is_refused_where_the_scheme_is_no_hmac() {
    use sha2::{Digest as _, Sha256};
    let auth = json!({"hmac": {"algorithm": "keyed-sha256", "signature": {"header": "x-s"},
        "secretRefs": [{"name": "s", "key": "k0"}]}});
    let judge = |body: &[u8]| {
        let signature = Sha256::new_with_prefix(b"key").chain_update(body).finalize();
        let vector = json!({"url": "https://a.example.com/in", "method": "POST", "secret": "key", "now": 0,
            "headers": {"x-s": hex::encode(signature)}, "body_b64": STANDARD.encode(body)});
        verdict(&vector, "generic", &auth)
    };
    let text = r#"{"email":"ada@example.com"}"#.as_bytes();
    assert_eq!(judge(text), Ok(()));
    // The padding that SHA-256 put after key and text, then the attacker's own.
    let mut longer = text.to_vec();
    longer.push(0x80);
    longer.resize(64 - 3 - 8, 0);
    longer.extend((u64::try_from(3 + text.len()).unwrap() * 8).to_be_bytes());
    longer.extend(br#","email":"eve@example.com"}"#);
    let answer = judge(&longer).unwrap_err();
    assert!(answer.contains("body"), "{answer}");
}
