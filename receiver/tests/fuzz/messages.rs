//! HTTP Message Signatures: any headers against a webhook whose key is known here, so that the signature itself is right
//! and all that is left is whether it covers what it must.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::Webhook;
use leadgate_receiver::source::auth::RawRequest;
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha512};

use super::choices::Choices;
use super::in_time;

const KEY: &str = "a key that only the sender has";
const NOW: u64 = 1_790_000_000;
const URL: &str = "https://leads.example.com/in";
const NEEDED: [&str; 3] = ["@method", "@target-uri", "content-digest"];
/// What signers cover, may not cover, and cannot.
const COMPONENTS: &[&str] = &[
    "\"@method\"",
    "\"@target-uri\"",
    "\"content-digest\"",
    "\"content-type\"",
    "\"@authority\"",
    "\"@scheme\"",
    "\"@path\"",
    "\"@query\"",
    "\"@request-target\"",
    "\"@status\"",
    "\"@query-param\";name=\"a\"",
    "\"@method\";req",
    "\"content-digest\";sf",
    "\"content-digest\";bs",
    "\"content-digest\";key=\"sha-256\"",
    "\"@signature-params\"",
    "\"x-none\"",
    "\"Content-Type\"",
    "\"content-digest \"",
    "content-digest",
    "\"\"",
];
const PARAMETERS: &[&str] = &[
    ";created=1790000000",
    ";created=1790000000",
    ";created=1",
    ";created=\"1790000000\"",
    ";created=1790000000.0",
    ";created",
    ";expires=1790000100",
    ";expires=1",
    ";keyid=\"k\"",
    ";alg=\"hmac-sha256\"",
    ";alg=\"none\"",
    ";alg=\"\"",
    ";nonce=\"n\"",
];

static WEBHOOK: LazyLock<Webhook> = LazyLock::new(|| {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {"publicUrl": URL, "sinks": [{"name": "crm"}], "auth": {"hmac": {
            "secretRefs": [{"name": "s", "key": "k"}], "messageSignature": {}}}}
    }))
    .unwrap();
    Webhook::compile(&object, &|_, _| Ok(KEY.into())).unwrap()
});

/// How often a signer was believed: else the targets would prove nothing.
static BELIEVED: AtomicUsize = AtomicUsize::new(0);

fn several<'t>(choices: &mut Choices<'_>, all: &[&'t str], most: usize) -> Vec<&'t str> {
    (0..choices.below(most + 1)).map(|_| *choices.of(all)).collect()
}

fn signature(base: &str, key: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(base.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn headers(all: &[(&str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in all {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
    }
    headers
}

fn is_believed(headers: &HeaderMap, query: Option<&str>, body: &[u8]) -> bool {
    let request = RawRequest {
        method: &Method::POST,
        query,
        headers,
        body,
        now: NOW * 1000,
    };
    in_time("verification", || WEBHOOK.verifier.verify(&request)).is_ok()
}

/// A signer who has the key, but covers what it likes: believed only where method, URL and body are covered, and with a
/// time.
#[test]
fn a_signature_that_leaves_something_out_is_not_believed() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let body = choices.rest(16);
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&body)));
        let mut components = several(&mut choices, COMPONENTS, 6);
        if choices.once_in(2) {
            components.splice(0..0, COMPONENTS[..3].iter().copied());
        }
        let parameters = several(&mut choices, PARAMETERS, 3).concat();
        let params = format!("({}){parameters}", components.join(" "));
        let mut base = String::new();
        for component in &components {
            let value = match component.trim_matches('"') {
                "@method" => "POST",
                "@target-uri" => "https://leads.example.com/in?a=b",
                "@authority" => "leads.example.com",
                "@scheme" => "https",
                "@path" => "/in",
                "@query" => "?a=b",
                "@request-target" => "/in?a=b",
                "content-digest" => &digest,
                "content-type" => "application/json",
                _ => "",
            };
            writeln!(base, "{component}: {value}").unwrap();
        }
        base.push_str("\"@signature-params\": ");
        base.push_str(&params);
        let all = headers(&[
            ("content-type", b"application/json"),
            ("content-digest", digest.as_bytes()),
            ("signature-input", format!("s={params}").as_bytes()),
            ("signature", format!("s=:{}:", signature(&base, KEY)).as_bytes()),
        ]);
        if is_believed(&all, Some("a=b"), &body) {
            BELIEVED.fetch_add(1, Ordering::Relaxed);
            let covered: BTreeSet<&str> = components.iter().map(|name| name.trim_matches('"')).collect();
            assert!(NEEDED.iter().all(|name| covered.contains(name)), "{params}");
            assert_eq!(parameters.matches(";created=1790000000").count(), 1, "{params}");
            assert!(components.iter().all(|name| !name.contains(';')), "{params}");
        }
    });
    assert!(BELIEVED.load(Ordering::Relaxed) > 0, "no signer was believed");
}

/// What was signed, and anything made of its headers, body and query: believed only if what was signed is unchanged.
#[test]
fn nothing_that_was_signed_can_be_changed() {
    let body = br#"{"email":"ada@example.com"}"#;
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)));
    let params = "(\"@method\" \"@target-uri\" \"content-digest\");created=1790000000";
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": {URL}?a=b\n\"content-digest\": {digest}\n\"@signature-params\": {params}"
    );
    let (input, signature) = (format!("s={params}"), format!("s=:{}:", signature(&base, KEY)));
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let mut change = |text: &[u8]| match choices.below(3) {
            0 => choices.changed(text),
            1 => choices.rest(64),
            _ => text.to_vec(),
        };
        let (input, signature) = (change(input.as_bytes()), change(signature.as_bytes()));
        let (query, sent) = (change(b"a=b"), change(body));
        let digest = if choices.once_in(2) {
            // Of the changed body, as an attacker would send it.
            let (short, long) = (Sha256::digest(&sent), Sha512::digest(&sent));
            let (short, long) = (STANDARD.encode(short), STANDARD.encode(long));
            format!("sha-256=:{short}:, sha-512=:{long}:").into_bytes()
        } else {
            choices.changed(digest.as_bytes())
        };
        let query = String::from_utf8_lossy(&query).into_owned();
        let all = headers(&[
            ("content-digest", &digest),
            ("signature-input", &input),
            ("signature", &signature),
        ]);
        if is_believed(&all, Some(&query), &sent) {
            assert_eq!((sent.as_slice(), query.as_str()), (body.as_slice(), "a=b"));
        }
    });
}
