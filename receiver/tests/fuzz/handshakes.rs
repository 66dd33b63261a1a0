//! Handshakes, the senders' own and any that a user may write: no answer is a valid signature of anything.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method};
use leadgate_crds::lead_webhook::{Challenge as ChallengeData, Format, HmacAlgorithm, SignatureEncoding};
use leadgate_receiver::source::auth::{HmacScheme, HmacVerifier, RawRequest, Verifier};
use leadgate_receiver::source::preset;
use leadgate_receiver::source::{Challenge, ChallengeAnswer, ChallengeKey};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::choices::Choices;
use super::in_time;

const KEY: &[u8] = b"the signing key";
const NOW: u64 = 1_790_000_000;

/// What an attacker would have signed, as lead or as challenge.
const WISHES: &[&str] = &[
    "123e4567-e89b-42d3-a456-426614174000",
    "abcDEF123_-",
    "hmacsha256={\"email\":\"a@example.com\"}",
    "{\"email\":\"a@example.com\"}",
    "email=a%40example.com",
    "email=a@example.com",
    "v0:1790000000:{\"email\":\"a@example.com\"}",
    "1790000000.{}",
    "1790000000",
    "true",
    "[]",
    "a",
    "",
];
const TEMPLATES: &[&str] = &[
    "{body}",
    "{timestamp}{body}",
    "{timestamp}.{body}",
    "v0:{timestamp}:{body}",
    "hmacsha256={body}",
    "x{body}",
    "v1-{body}-{timestamp}",
    "{method}{url}{body}{timestamp}",
    "{params}",
];
const PATTERNS: &[&str] = &[
    ".*",
    "(?s).*",
    "[\\s\\S]*",
    "[A-Za-z0-9]+",
    ".{1,500}",
    "[^x]*|x",
    "(",
    "(?-u:\\xff)",
];

/// A scheme that signs with `KEY`, and the handshakes that go with it.
struct Party {
    verifier: Verifier,
    challenges: Vec<Challenge>,
    signed: String,
    encoding: SignatureEncoding,
    prefix: String,
    header: String,
    timestamp: Option<(String, String)>,
}

fn party(scheme: &HmacScheme, data: &[ChallengeData]) -> Result<Party, String> {
    let signature = scheme.signature.clone().unwrap();
    let signed = scheme.signed.clone().unwrap_or_else(|| "{body}".to_owned());
    let key = ChallengeKey {
        bytes: KEY.to_vec(),
        algorithm: scheme.algorithm.unwrap_or_default(),
        signed: signed.clone(),
    };
    let compile = |data| Challenge::compile(data, Some(b"verify".to_vec()), Some(&key));
    let secrets = [("s".to_owned(), KEY.to_vec())];
    let verifier = HmacVerifier::compile(
        scheme,
        &secrets,
        Some("https://leads.example.com/in"),
        Format::Auto,
    )?;
    Ok(Party {
        verifier: Verifier::Hmac(Box::new(verifier)),
        challenges: data.iter().map(compile).collect::<Result<_, _>>()?,
        signed,
        encoding: signature.encoding.unwrap_or_default(),
        prefix: signature.prefix.unwrap_or_default(),
        header: signature.header.unwrap_or_default(),
        timestamp: scheme.timestamp.as_ref().map(|t| {
            (
                t.header.clone().unwrap_or_default(),
                t.prefix.clone().unwrap_or_default(),
            )
        }),
    })
}

/// How often a stranger got a digest to try.
static ATTACKS: AtomicUsize = AtomicUsize::new(0);
static KNOWN: LazyLock<Vec<Party>> = LazyLock::new(known);

/// The senders' own.
fn known() -> Vec<Party> {
    let with_key = |name| {
        let preset = preset::find(name)?;
        let scheme = preset.auth.as_ref()?.hmac.as_ref()?;
        (!preset.challenges.is_empty()).then(|| party(scheme, &preset.challenges).unwrap())
    };
    preset::names().filter_map(with_key).collect()
}

/// What a user may write, well or badly; `None`: it is refused.
fn own(choices: &mut Choices<'_>) -> Option<Party> {
    let place = *choices.of(&["header", "query"]);
    let scheme: HmacScheme = serde_json::from_value(json!({
        "signature": {"header": "x-sig", "encoding": choices.of(&["hex", "base64"])},
        "timestamp": {"header": "x-time"},
        "signed": choices.of(TEMPLATES),
    }))
    .unwrap();
    let answer = *choices.of(&["Hmac", "Hmac", "Echo", "Ok"]);
    let mut data = json!({
        "method": choices.of(&["GET", "POST"]),
        "answer": answer,
        "verified": choices.once_in(2),
        "extract": {place: "challenge"},
        "pattern": choices.of(PATTERNS),
        "fields": if answer == "Hmac" { json!(["plain", "signed"]) } else { json!([]) },
    });
    if data["method"] == "POST" {
        data["when"] = choices
            .of(&[json!({"json": {"/a": "b"}}), json!({"body": ".*"})])
            .clone();
    }
    let data: ChallengeData = serde_json::from_value(data).unwrap();
    party(&scheme, &[data]).ok()
}

/// Requests for which a stranger got an answer that holds a digest: try it as a lead's signature in every way.
fn attack(party: &Party, challenge: &str, digest: &str) {
    ATTACKS.fetch_add(1, Ordering::Relaxed);
    let bytes = hex::decode(digest).unwrap();
    let signature = match party.encoding {
        SignatureEncoding::Hex => digest.to_owned(),
        SignatureEncoding::Base64 => STANDARD.encode(bytes),
    };
    let now = NOW.to_string();
    // The body for which the template gives the challenge, if there is one.
    let literal = |template: &str| template.replace("{timestamp}", &now).replace("{method}", "POST");
    let (before, after) = party.signed.split_once("{body}").unwrap_or(("", ""));
    let (before, after) = (literal(before), literal(after));
    let inner = challenge
        .strip_prefix(before.as_str())
        .and_then(|rest| rest.strip_suffix(after.as_str()));
    for body in [
        challenge,
        "",
        inner.unwrap_or_default(),
        "{\"email\":\"a@example.com\"}",
    ] {
        let mut headers = HeaderMap::new();
        let mut line = format!("{}{signature}", party.prefix);
        if let Some((name, prefix)) = &party.timestamp {
            if *name == party.header {
                line = format!("{prefix}{now},{line}");
            } else if let Ok(name) = name.parse::<http::HeaderName>() {
                headers.insert(name, HeaderValue::from_str(&format!("{prefix}{now}")).unwrap());
            }
        }
        let name: http::HeaderName = party.header.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(&line).unwrap());
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: body.as_bytes(),
            now: NOW * 1000,
        };
        assert!(
            party.verifier.verify(&request).is_err(),
            "{body} is signed by a handshake"
        );
    }
}

#[test]
fn no_answer_to_a_stranger_signs_a_lead() {
    assert!(
        KNOWN.len() >= 4,
        "{} presets have handshakes and a key",
        KNOWN.len()
    );
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let made;
        let party = if choices.once_in(2) {
            choices.of(&KNOWN)
        } else {
            let Some(own) = own(&mut choices) else { return };
            made = own;
            &made
        };
        let wish = if choices.once_in(3) {
            String::from_utf8_lossy(&choices.rest(40)).into_owned()
        } else {
            let wish = *choices.of(WISHES);
            String::from_utf8_lossy(&choices.changed(wish.as_bytes())).into_owned()
        };
        let text = utf8_percent_encode(&wish, NON_ALPHANUMERIC).to_string();
        let query = format!("challenge={text}&challengeCode={text}&hub.mode=subscribe&hub.verify_token=verify&hub.challenge={text}");
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&wish) {
            headers.insert("challenge", value);
        }
        let body = json!({"a": "b", "event": "endpoint.url_validation", "type": "url_verification",
            "challenge": wish, "payload": {"plainToken": wish}});
        let body = body.to_string();
        let method = choices.of(&[Method::GET, Method::POST]).clone();
        let request = RawRequest {
            method: &method,
            query: Some(&query),
            headers: &headers,
            body: if method == Method::GET { &[] } else { body.as_bytes() },
            now: NOW * 1000,
        };
        for challenge in &party.challenges {
            let answer = in_time("a handshake", || challenge.before_verification(&request));
            if let Some(ChallengeAnswer::Answer(kind, answer)) = answer {
                judge(party, &wish, kind, &answer);
            }
        }
    });
    assert!(ATTACKS.load(Ordering::Relaxed) > 0, "no handshake was answered");
}

fn judge(party: &Party, wish: &str, kind: &str, answer: &str) {
    if kind == "application/json" {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let (mut challenge, mut digest) = ("", "");
        for value in answer.as_object().unwrap().values() {
            let text = value.as_str().unwrap();
            // The digest is the one that the wish is not.
            if text == wish {
                challenge = text;
            } else {
                digest = text;
            }
        }
        assert_eq!((challenge, digest.len()), (wish, 64), "{answer}");
        attack(party, challenge, digest);
    } else {
        assert_eq!(kind, "text/plain");
        assert!(answer.is_empty() || answer == wish);
        assert!(
            !answer.contains(['<', '>', '"', '\'', '&', '\n', ' ']),
            "{answer}"
        );
    }
}

/// The guard is what keeps the target above quiet: with a template that a challenge can equal, the attack works.
#[test]
fn the_attack_works_where_the_guard_is_taken_away() {
    let scheme: HmacScheme =
        serde_json::from_value(json!({"signature": {"header": "x-sig"}, "signed": "{body}"})).unwrap();
    let open = json!({"method": "GET", "answer": "Hmac", "extract": {"query": "c"}, "pattern": ".*", "fields": ["a", "b"]});
    let open: ChallengeData = serde_json::from_value(open).unwrap();
    let refused = party(&scheme, std::slice::from_ref(&open)).err().unwrap();
    assert!(refused.contains("set verified: true"), "{refused}");
    // The same handshake, compiled for another template, answers; and its answer signs a body for this one.
    let key = ChallengeKey {
        bytes: KEY.to_vec(),
        algorithm: HmacAlgorithm::Sha256,
        signed: "v0:{body}".to_owned(),
    };
    let challenge = Challenge::compile(&open, None, Some(&key)).unwrap();
    let request = RawRequest {
        method: &Method::GET,
        query: Some("c=abc"),
        headers: &HeaderMap::new(),
        body: &[],
        now: 0,
    };
    let Some(ChallengeAnswer::Answer(_, answer)) = challenge.before_verification(&request) else {
        panic!("no answer")
    };
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let victim = party(&scheme, &[]).unwrap();
    let attacked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        attack(&victim, "abc", answer["b"].as_str().unwrap());
    }));
    assert!(attacked.is_err());
}
