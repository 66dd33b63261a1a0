//! Signature headers of every scheme: without the secret nobody is believed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::Webhook;
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::preset;
use serde_json::{Value, json};

use super::choices::Choices;
use super::{in_time, vectors};

/// Text, hex and base64 at once, so that every scheme takes it; no vector was made with it.
const OURS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static WEBHOOKS: LazyLock<BTreeMap<&'static str, Webhook>> = LazyLock::new(webhooks);
static VECTORS: LazyLock<Vec<Value>> = LazyLock::new(vectors);

fn webhooks() -> BTreeMap<&'static str, Webhook> {
    let compile = |name| {
        let known = preset::find(name).unwrap();
        let signed = known.auth.as_ref().is_some_and(|auth| auth.hmac.is_some());
        let kind = if signed { "hmac" } else { "token" };
        webhook(name, &json!({kind: {"secretRefs": [{"name": "s", "key": "k"}]}}))
    };
    let messages = json!({"hmac": {"secretRefs": [{"name": "s", "key": "k"}], "messageSignature": {}}});
    preset::names()
        .map(|name| (name, compile(name)))
        .chain([("rfc9421", webhook("generic", &messages))])
        .collect()
}

fn webhook(source: &str, auth: &Value) -> Webhook {
    let mut auth = auth.clone();
    auth["challengeTokenSecretRef"] = json!({"name": "s", "key": "k"});
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {
            "source": source, "publicUrl": "https://leads.example.com/in", "sinks": [{"name": "crm"}], "auth": auth
        }
    }))
    .unwrap();
    Webhook::compile(&object, &|_, _| Ok(OURS.into())).unwrap_or_else(|e| panic!("{source}: {e:?}"))
}

fn headers_of(vector: &Value, choices: &mut Choices<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in vector["headers"].as_object().unwrap() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        for _ in 0..=usize::from(choices.once_in(8)) {
            let value = choices.changed(value.as_str().unwrap().as_bytes());
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(&name, value);
            }
        }
    }
    headers
}

#[test]
fn nobody_is_believed_without_the_secret() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let vector = choices.of(&VECTORS);
        // Mostly the vector's own scheme; sometimes another's headers.
        let scheme = vector["scheme"].as_str().unwrap();
        let webhook = WEBHOOKS
            .get(scheme)
            .filter(|_| !choices.once_in(4))
            .unwrap_or_else(|| WEBHOOKS.values().nth(choices.below(WEBHOOKS.len())).unwrap());
        let headers = headers_of(vector, &mut choices);
        let body = match vector["body_b64"].as_str() {
            Some(text) => STANDARD.decode(text).unwrap(),
            None => vector["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
        };
        let body = choices.changed(&body);
        let url = vector["url"].as_str().unwrap();
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let query = String::from_utf8_lossy(&choices.changed(query.as_bytes())).into_owned();
        let request = RawRequest {
            method: &Method::POST,
            query: Some(&query),
            headers: &headers,
            body: &body,
            now: vector["now"].as_u64().unwrap_or_default() * 1000,
        };
        let answer = in_time("verification", || webhook.verifier.verify(&request));
        assert!(answer.is_err(), "{}", webhook.id);
    });
}
