//! What senders ask before they send leads.

use http::{HeaderMap, HeaderName, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::{ChallengeAnswer, Parsed, Webhook};
use serde_json::{Value, json};

use super::{data, text};

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
    match webhook.parse(&request) {
        Ok(Parsed::Challenge(answer)) => given(answer),
        // An event, be it a lead or not: no handshake's answer.
        Ok(_) | Err(_) => (200, None),
    }
}
