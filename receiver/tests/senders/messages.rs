//! HTTP Message Signatures (RFC 9421): what is believed, and what is refused with which reason.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::Webhook;
use leadgate_receiver::source::auth::{AuthError, RawRequest};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

const NOW: i64 = 1_790_000_000;
const KEY: &str = "a key of the sender";
const BODY: &[u8] = br#"{"email":"ada@example.com"}"#;
const URL: &str = "https://leads.example.com/in";
const QUERY: &str = "src=a";
/// What is covered unless a test says otherwise.
const USUAL: &[&str] = &["@method", "@target-uri", "content-digest"];

fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body)))
}

/// A request as a signer makes it, written without the code under test.
struct Message {
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    inputs: Vec<String>,
    signatures: Vec<String>,
}

impl Message {
    fn new() -> Self {
        Self {
            headers: vec![
                ("content-digest", digest(BODY)),
                ("content-type", "application/json".to_owned()),
            ],
            body: BODY.to_vec(),
            inputs: Vec::new(),
            signatures: Vec::new(),
        }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn value(&self, component: &str) -> String {
        match component {
            "@method" => "POST".to_owned(),
            "@target-uri" => format!("{URL}?{QUERY}"),
            "@authority" => "leads.example.com".to_owned(),
            "@scheme" => "https".to_owned(),
            "@path" => "/in".to_owned(),
            "@query" => format!("?{QUERY}"),
            "@request-target" => format!("/in?{QUERY}"),
            name => {
                let lines = self.headers.iter().filter(|(known, _)| *known == name);
                lines
                    .map(|(_, value)| value.trim())
                    .collect::<Vec<_>>()
                    .join(", ")
            }
        }
    }

    fn params(components: &[&str], parameters: &str) -> String {
        let quoted: Vec<String> = components.iter().map(|name| format!("\"{name}\"")).collect();
        format!("({}){parameters}", quoted.join(" "))
    }

    fn base(&self, components: &[&str], parameters: &str) -> String {
        let mut base = String::new();
        for name in components {
            writeln!(base, "\"{name}\": {}", self.value(name)).unwrap();
        }
        format!(
            "{base}\"@signature-params\": {}",
            Self::params(components, parameters)
        )
    }

    /// Signed so under a label.
    fn signed(mut self, label: &str, components: &[&str], parameters: &str, key: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(self.base(components, parameters).as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        self.inputs
            .push(format!("{label}={}", Self::params(components, parameters)));
        self.signatures.push(format!("{label}=:{signature}:"));
        self
    }

    fn input(mut self, text: &str) -> Self {
        self.inputs = vec![text.to_owned()];
        self
    }

    fn signature(mut self, text: &str) -> Self {
        self.signatures = vec![text.to_owned()];
        self
    }

    fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }
}

/// Signed as most do.
fn usual() -> Message {
    Message::new().signed("sig1", USUAL, &created(NOW), KEY)
}

fn covering(components: &[&str]) -> Message {
    Message::new().signed("sig1", components, &created(NOW), KEY)
}

fn with(parameters: &str) -> Message {
    Message::new().signed("sig1", USUAL, parameters, KEY)
}

fn created(time: i64) -> String {
    format!(";created={time}")
}

fn webhook(scheme: &Value, public_url: Option<&str>, secrets: &[&str]) -> Result<Webhook, String> {
    let refs: Vec<Value> = (0..secrets.len())
        .map(|n| json!({"name": "s", "key": n.to_string()}))
        .collect();
    let mut hmac = json!({"secretRefs": refs, "messageSignature": {}});
    for (name, value) in scheme.as_object().unwrap() {
        hmac[name] = value.clone();
    }
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {"publicUrl": public_url, "auth": {"hmac": hmac}, "sinks": [{"name": "crm"}]}
    }))
    .unwrap();
    let read = |_: &str, key: &str| Ok(secrets[key.parse::<usize>().unwrap()].as_bytes().to_vec());
    Webhook::compile(&object, &read).map_err(|e| e.join("; "))
}

fn judged(
    webhook: &Webhook,
    message: &Message,
    method: &Method,
    query: Option<&str>,
) -> Result<(), AuthError> {
    let mut headers = HeaderMap::new();
    let lines = |name: &'static str, lines: &[String]| {
        lines
            .iter()
            .map(move |line| (name, line.clone()))
            .collect::<Vec<_>>()
    };
    let all = message.headers.iter().cloned();
    let all = all.chain(lines("signature-input", &message.inputs));
    for (name, value) in all.chain(lines("signature", &message.signatures)) {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value).unwrap(),
        );
    }
    let verified = webhook.verifier.verify(&RawRequest {
        method,
        query,
        headers: &headers,
        body: &message.body,
        now: u64::try_from(NOW).unwrap() * 1000,
    });
    verified.map(drop)
}

/// By a webhook whose `messageSignature` is this.
fn verdict(rules: &Value, message: &Message) -> Result<(), AuthError> {
    let webhook = webhook(&json!({"messageSignature": rules}), Some(URL), &[KEY]).unwrap();
    judged(&webhook, message, &Method::POST, Some(QUERY))
}

#[test]
fn what_fulfils_the_rules_is_believed() {
    let sha512 = format!("md5=:AA==:, sha-512=:{}:", STANDARD.encode(Sha512::digest(BODY)));
    let proxy = "proxy=(\"signature\";key=\"sig1\");created=1";
    #[rustfmt::skip]
    let table = [
        ("the usual", json!({}), usual()),
        ("more than must be", json!({}), covering(&["content-type", "@target-uri", "@method", "content-digest", "@query"])),
        ("every part of the URL", json!({"components": ["@authority", "@scheme", "@path", "@query", "@request-target", "content-digest"]}),
            covering(&["@authority", "@scheme", "@path", "@query", "@request-target", "content-digest"])),
        ("only the body, as the webhook allows", json!({"components": ["content-digest"]}), covering(&["content-digest"])),
        ("sha-512 beside a digest that nobody knows", json!({}),
            Message::new().header("content-digest", &sha512).signed("sig1", USUAL, &created(NOW), KEY)),
        ("its key id", json!({"keyIds": ["old", "new"]}), with(&format!("{};keyid=\"new\"", created(NOW)))),
        ("its algorithm, nonce, tag and what is not registered", json!({}),
            with(&format!("{};alg=\"hmac-sha256\";nonce=\"n\";tag=\"t\";x=:AA==:;y", created(NOW)))),
        ("as old as may be", json!({}), with(&created(NOW - 305))),
        ("a clock that is fast", json!({}), with(&created(NOW + 5))),
        ("a tolerance of its own", json!({"toleranceSeconds": 3600, "skewSeconds": 60}), with(&created(NOW - 3660))),
        ("a skew of its own", json!({"skewSeconds": 60}), with(&created(NOW + 60))),
        ("not yet expired", json!({}), with(&format!("{};expires={NOW}", created(NOW - 9)))),
        ("the right one of two", json!({}),
            usual().signed("sig2", USUAL, &created(NOW), "another key")),
        ("the right one of two, in another order", json!({}),
            Message::new().signed("sig2", USUAL, &created(NOW), "another key").signed("sig1", USUAL, &created(NOW), KEY)),
        ("the label asked for", json!({"label": "b"}),
            Message::new().signed("a", USUAL, &created(1), KEY).signed("b", USUAL, &created(NOW), KEY)),
    ];
    for (what, rules, message) in table {
        assert_eq!(verdict(&rules, &message), Ok(()), "{what}");
    }
    // A proxy's signature, which this receiver could not verify, beside the sender's.
    let mut message = usual();
    message.inputs.insert(0, proxy.to_owned());
    message.signatures.insert(0, "proxy=:AA==:".to_owned());
    assert_eq!(verdict(&json!({}), &message), Ok(()));
}

#[test]
fn whatever_is_not_proven_is_refused_with_its_reason() {
    let uncovered = |left_out: &str| {
        let rest: Vec<&str> = USUAL.iter().copied().filter(|c| *c != left_out).collect();
        covering(&rest)
    };
    let other = br#"{"email":"eve@example.com"}"#;
    let input = |text: &str| usual().input(text);
    #[rustfmt::skip]
    let table = [
        ("no Signature-Input", json!({}), Message { inputs: Vec::new(), ..usual() }, "Missing"),
        ("no Signature", json!({}), Message { signatures: Vec::new(), ..usual() }, "Missing"),
        ("no Content-Digest", json!({}), Message { headers: Vec::new(), ..usual() }, "Missing"),
        ("a signature under another label", json!({}), usual().signature("sig2=:AA==:"), "Missing"),
        ("none with the label", json!({"label": "b"}), usual(), "Missing"),
        ("no created", json!({}), with(";keyid=\"k\""), "Missing"),
        ("a header that is not there", json!({}), covering(&["@method", "@target-uri", "content-digest", "x-none"]), "Missing"),
        ("body without method", json!({}), uncovered("@method"), "Uncovered"),
        ("body without URL", json!({}), uncovered("@target-uri"), "Uncovered"),
        ("no body", json!({}), uncovered("content-digest"), "Uncovered"),
        ("nothing at all", json!({}), covering(&[]), "Uncovered"),
        ("a header that the webhook demands", json!({"components": ["content-digest", "x-id"]}), usual(), "Uncovered"),
        ("another body", json!({}), usual().body(other), "Mismatch"),
        ("another body with its digest", json!({}), usual().body(other).header("content-digest", &digest(other)), "Mismatch"),
        ("another body with both digests", json!({}), usual().body(other)
            .header("content-digest", &format!("{}, sha-512=:AA==:", digest(other))), "Mismatch"),
        ("a digest that nobody knows", json!({}), Message::new().header("content-digest", "md5=:AA==:")
            .signed("sig1", USUAL, &created(NOW), KEY), "Unsupported"),
        ("a digest twice", json!({}), usual().header("content-digest", "sha-256=:AA==:, sha-256=:AA==:"), "Repeated"),
        ("a digest that is no bytes", json!({}), usual().header("content-digest", "sha-256=abc"), "Malformed"),
        ("a digest that is no field", json!({}), usual().header("content-digest", "sha-256=:AA=="), "Malformed"),
        ("another type", json!({}), covering(&["@method", "@target-uri", "content-digest", "content-type"])
            .header("content-type", "text/plain"), "Mismatch"),
        ("another key", json!({}), Message::new().signed("sig1", USUAL, &created(NOW), "guessed"), "Mismatch"),
        ("no bytes", json!({}), usual().signature("sig1=::"), "Mismatch"),
        ("text for bytes", json!({}), usual().signature("sig1=\"a\""), "Missing"),
        ("too old", json!({}), with(&created(NOW - 306)), "Stale"),
        ("too far in the future", json!({}), with(&created(NOW + 6)), "Stale"),
        ("the year 30000000", json!({}), with(";created=999999999999999"), "Stale"),
        ("before all time", json!({}), with(";created=-999999999999999"), "Stale"),
        ("expired", json!({}), with(&format!("{};expires={}", created(NOW - 60), NOW - 6)), "Expired"),
        ("a time as text", json!({}), with(&format!(";created=\"{NOW}\"")), "Malformed"),
        ("a time with a fraction", json!({}), with(&format!(";created={NOW}.5")), "Malformed"),
        ("a date", json!({}), with(&format!(";created=@{NOW}")), "Malformed"),
        ("an end that is no time", json!({}), with(&format!("{};expires=never", created(NOW))), "Malformed"),
        ("another key id", json!({"keyIds": ["k"]}), with(&format!("{};keyid=\"l\"", created(NOW))), "UnknownKey"),
        ("no key id", json!({"keyIds": ["k"]}), usual(), "UnknownKey"),
        ("a key id that is no text", json!({"keyIds": ["k"]}), with(&format!("{};keyid=k", created(NOW))), "UnknownKey"),
        ("another algorithm", json!({}), with(&format!("{};alg=\"hmac-sha512\"", created(NOW))), "Unsupported"),
        ("the algorithm of another kind of key", json!({}), with(&format!("{};alg=\"ed25519\"", created(NOW))), "Unsupported"),
        ("a part of the query", json!({}), input("sig1=(\"@method\" \"@target-uri\" \"content-digest\" \"@query-param\";name=\"a\");created=1790000000"), "Unsupported"),
        ("the status of an answer", json!({}), covering(&["@method", "@target-uri", "content-digest", "@status"]), "Unsupported"),
        ("its own parameters", json!({}), covering(&["@method", "@target-uri", "content-digest", "@signature-params"]), "Unsupported"),
        ("a component of the request to an answer", json!({}), input("sig1=(\"@method\";req \"@target-uri\" \"content-digest\");created=1790000000"), "Unsupported"),
        ("a strict field", json!({}), input("sig1=(\"@method\" \"@target-uri\" \"content-digest\";sf);created=1790000000"), "Unsupported"),
        ("a part of a field", json!({}), input("sig1=(\"@method\" \"@target-uri\" \"content-digest\";key=\"sha-256\");created=1790000000"), "Unsupported"),
        ("a field as bytes", json!({}), input("sig1=(\"@method\" \"@target-uri\" \"content-digest\";bs);created=1790000000"), "Unsupported"),
        ("a component twice", json!({}), covering(&["@method", "@target-uri", "content-digest", "@method"]), "Repeated"),
        ("a parameter twice", json!({}), with(&format!(";created=1{}", created(NOW))), "Repeated"),
        ("a label twice", json!({}), usual().signed("sig1", USUAL, &created(NOW), KEY), "Repeated"),
        ("capitals", json!({}), covering(&["@method", "@target-uri", "content-digest", "Content-Type"]), "Malformed"),
        ("no list", json!({}), input("sig1=a"), "Malformed"),
        ("tokens", json!({}), input("sig1=(a b c);created=1790000000"), "Malformed"),
        ("no field", json!({}), input("sig1=(\"@method\""), "Malformed"),
        ("more labels than anybody has", json!({}), input(&(0..9).map(|n| format!("s{n}=()")).collect::<Vec<_>>().join(",")), "Malformed"),
        ("longer than anybody writes", json!({}), input(&format!("sig1=();a=\"{}\"", "x".repeat(17_000))), "Malformed"),
    ];
    for (what, rules, message, reason) in table {
        let error = verdict(&rules, &message).expect_err(what);
        assert_eq!(error.reason(), reason, "{what}: {error}");
    }
}

#[test]
fn a_signature_is_for_one_method_and_one_url() {
    let usual_webhook = webhook(&json!({}), Some(URL), &[KEY]).unwrap();
    let elsewhere = webhook(&json!({}), Some("https://leads.example.com/other"), &[KEY]).unwrap();
    for (what, webhook, method, query) in [
        ("another URL", &elsewhere, Method::POST, Some(QUERY)),
        ("another method", &usual_webhook, Method::PUT, Some(QUERY)),
        ("another query", &usual_webhook, Method::POST, Some("src=b")),
        ("no query", &usual_webhook, Method::POST, None),
    ] {
        let answer = judged(webhook, &usual(), &method, query);
        assert_eq!(answer, Err(AuthError::Mismatch("signature")), "{what}");
    }
    // Without publicUrl what stands in Host is not asked.
    let rules = json!({"messageSignature": {"components": ["@method", "content-digest"]}});
    let no_url = webhook(&rules, None, &[KEY]).unwrap();
    let without = covering(&["@method", "content-digest", "@query"]);
    assert_eq!(judged(&no_url, &without, &Method::POST, Some(QUERY)), Ok(()));
    let with = covering(&["@method", "content-digest", "@authority"]).header("host", "leads.example.com");
    let error = judged(&no_url, &with, &Method::POST, Some(QUERY)).unwrap_err();
    assert!(error.to_string().contains("publicUrl"), "{error}");
}

#[test]
fn lines_of_one_header_are_one_value() {
    let mut message = Message::new();
    message.headers.push(("x-tag", " a ".to_owned()));
    message.headers.push(("x-tag", "b".to_owned()));
    let components = &["@method", "@target-uri", "content-digest", "x-tag"];
    let message = message.signed("sig1", components, &created(NOW), KEY);
    assert!(message.base(components, "").contains("\"x-tag\": a, b\n"));
    assert_eq!(verdict(&json!({}), &message), Ok(()));
}

#[test]
fn a_key_is_changed_without_a_gap() {
    let both = webhook(&json!({}), Some(URL), &["old", "new"]).unwrap();
    for (key, believed) in [("old", true), ("new", true), ("older", false)] {
        let message = Message::new().signed("sig1", USUAL, &created(NOW), key);
        let answer = judged(&both, &message, &Method::POST, Some(QUERY));
        assert_eq!(answer.is_ok(), believed, "{key}");
    }
}

#[test]
fn ed25519_is_verified_with_the_public_key() {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let public = STANDARD.encode(pair.public_key().as_ref());
    let scheme = json!({"algorithm": "ed25519", "secret": {"encoding": "base64"}});
    let webhook = webhook(&scheme, Some(URL), &[&public]).unwrap();
    let parameters = format!("{};alg=\"ed25519\"", created(NOW));
    let message = with(&parameters);
    let base = message.base(USUAL, &parameters);
    let signature = STANDARD.encode(pair.sign(base.as_bytes()).as_ref());
    let right = message.signature(&format!("sig1=:{signature}:"));
    assert_eq!(judged(&webhook, &right, &Method::POST, Some(QUERY)), Ok(()));
    // The public key is no secret: who uses it as one is not believed.
    let key = STANDARD.decode(&public).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(base.as_bytes());
    let forged = STANDARD.encode(mac.finalize().into_bytes());
    let forged = with(&parameters).signature(&format!("sig1=:{forged}:"));
    assert!(judged(&webhook, &forged, &Method::POST, Some(QUERY)).is_err());
}

#[test]
fn a_scheme_that_proves_too_little_is_refused_when_it_is_loaded() {
    for (scheme, public_url, words) in [
        (json!({}), None, "spec.publicUrl: this sender signs the URL"),
        (
            json!({"algorithm": "sha512"}),
            Some(URL),
            "hmac.algorithm: a messageSignature",
        ),
        (
            json!({"messageSignature": {"components": ["@method"]}}),
            Some(URL),
            "name content-digest",
        ),
        (
            json!({"messageSignature": {"components": ["content-digest", "@query-param"]}}),
            Some(URL),
            "`@query-param` is neither",
        ),
        (
            json!({"messageSignature": {"components": ["content-digest", "X-Id"]}}),
            Some(URL),
            "`X-Id` is neither",
        ),
        (json!({}), Some("leads"), "spec.publicUrl: it is not a URL"),
    ] {
        let error = webhook(&scheme, public_url, &[KEY]).unwrap_err();
        assert!(error.contains(words), "{words} is not in: {error}");
    }
    let empty = webhook(&json!({}), Some(URL), &[""]).unwrap_err();
    assert!(empty.contains("it is empty"), "{empty}");
}
