//! Handshakes that a user writes: answered as told, refused where an answer would help to forge a lead.
#![allow(clippy::needless_pass_by_value)]

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::{ChallengeAnswer, Parsed, Webhook};
use serde_json::{Value, json};
use sha2::Sha256;

const KEY: &str = "the signing key";

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn compile(source: &str, auth: Value) -> Result<Webhook, String> {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {"source": source, "auth": auth, "sinks": [{"name": "crm"}]}
    }))
    .unwrap();
    let read = |_: &str, key: &str| match key {
        "empty" => Ok(Vec::new()),
        "verify" => Ok(b"my token\n".to_vec()),
        _ => Ok(KEY.into()),
    };
    Webhook::compile(&object, &read).map_err(|errors| errors.join("\n"))
}

/// A webhook with one handshake, whose leads are signed over this template.
fn with(signed: &str, challenge: Value) -> Result<Webhook, String> {
    compile(
        "generic",
        json!({
            "hmac": {"secretRefs": [{"name": "s", "key": "k"}], "signed": signed, "timestamp": {"header": "x-time"}},
            "challengeTokenSecretRef": {"name": "s", "key": "verify"},
            "challenges": [challenge],
        }),
    )
}

fn get<'a>(query: &'a str, headers: &'a HeaderMap) -> RawRequest<'a> {
    RawRequest {
        method: &Method::GET,
        query: Some(query),
        headers,
        body: &[],
        now: 1_790_000_000_000,
    }
}

fn asked(webhook: &Webhook, query: &str) -> Option<ChallengeAnswer> {
    webhook.challenges[0].before_verification(&get(query, &HeaderMap::new()))
}

#[test]
fn an_echo_is_given_for_the_right_token_and_a_plain_challenge_only() {
    let webhook = with(
        "{body}",
        json!({"method": "GET", "when": {"query": {"mode": "subscribe"}}, "token": {"query": "t"},
            "extract": {"query": "c"}, "pattern": "(?s).*", "answer": "Echo", "otherwise": 403}),
    )
    .unwrap();
    let text = ChallengeAnswer::Answer("text/plain", "abc-123".to_owned());
    assert_eq!(asked(&webhook, "mode=subscribe&t=my+token&c=abc-123"), Some(text));
    assert_eq!(asked(&webhook, "mode=other&t=my+token&c=abc-123"), None);
    for (query, status) in [
        ("mode=subscribe&t=another&c=abc", 403),
        ("mode=subscribe&c=abc", 403),
        ("mode=subscribe&t=my+token", 403),
        ("mode=subscribe&t=my+token&c=a&c=b", 400),
        // The pattern allows anything; the receiver does not.
        ("mode=subscribe&t=my+token&c=%3Cscript%3E", 400),
        ("mode=subscribe&t=my+token&c=a%0Ab", 400),
        ("mode=subscribe&t=my+token&c=a%20b", 400),
        ("mode=subscribe&t=my+token&c=%C3%A9", 400),
    ] {
        let answer = asked(&webhook, query);
        assert!(
            matches!(answer, Some(ChallengeAnswer::Refuse(given, _)) if given == status),
            "{query}: {answer:?}"
        );
    }
    let long = format!("mode=subscribe&t=my+token&c={}", "a".repeat(201));
    assert!(matches!(
        asked(&webhook, &long),
        Some(ChallengeAnswer::Refuse(400, _))
    ));
}

#[test]
fn a_stranger_gets_a_signature_of_nothing_that_a_lead_could_be() {
    let oracle = json!({"method": "GET", "extract": {"query": "c"}, "pattern": "(?s).*", "answer": "Hmac",
        "fields": ["challenge", "answer"]});
    // A lead's signed text may equal a challenge: refused when it is loaded.
    for signed in [
        "{body}",
        "{timestamp}{body}",
        "{body}{timestamp}",
        "v1{body}",
        "a-{body}_b",
        "{params}",
        "{method}{body}",
    ] {
        let error = with(signed, oracle.clone()).unwrap_err();
        assert!(
            error.contains("spec.auth.challenges[0].answer"),
            "{signed}: {error}"
        );
        assert!(error.contains("set verified: true"), "{signed}: {error}");
    }
    // It cannot: answered, but only for what no lead's text looks like.
    for signed in [
        "{timestamp}.{body}",
        "v0:{timestamp}:{body}",
        "hmacsha256={body}",
        "{body} ",
    ] {
        let webhook = with(signed, oracle.clone()).unwrap();
        let Some(ChallengeAnswer::Answer("application/json", answer)) = asked(&webhook, "c=abc-123") else {
            panic!("{signed}")
        };
        assert_eq!(
            answer,
            format!("{{\"challenge\":\"abc-123\",\"answer\":\"{}\"}}", sign("abc-123"))
        );
        let wishes = [
            signed
                .replace("{timestamp}", "1790000000")
                .replace("{body}", "{}"),
            signed.replace("{timestamp}", "1790000000").replace("{body}", ""),
            signed.replace("{timestamp}", "").replace("{body}", ""),
            "{\"email\":\"a@example.com\"}".to_owned(),
        ];
        for wish in wishes {
            let query = format!("c={}", leadgate_receiver::expression::percent_encode(&wish));
            let answer = asked(&webhook, &query);
            assert!(
                matches!(answer, Some(ChallengeAnswer::Refuse(400, _))),
                "{wish}: {answer:?}"
            );
        }
    }
}

/// What is signed of a message holds quotation marks and blanks, which no challenge does.
#[test]
fn a_stranger_gets_no_signature_of_a_message() {
    let webhook = compile(
        "generic",
        json!({
            "hmac": {"secretRefs": [{"name": "s", "key": "k"}], "messageSignature": {"components": ["content-digest"]}},
            "challenges": [{"method": "GET", "extract": {"query": "c"}, "pattern": "(?s).*", "answer": "Hmac",
                "fields": ["plain", "signed"]}],
        }),
    )
    .unwrap();
    let answer = ChallengeAnswer::Answer(
        "application/json",
        format!(r#"{{"plain":"abc-123","signed":"{}"}}"#, sign("abc-123")),
    );
    assert_eq!(asked(&webhook, "c=abc-123"), Some(answer));
    for base in [
        "%22content-digest%22%3A+sha-256%3D%3AAA%3D%3D%3A%0A%22%40signature-params%22%3A+%28%22content-digest%22%29",
        "%22%40signature-params%22%3A+%28%29",
        "%22",
        "a%0Ab",
    ] {
        let answer = asked(&webhook, &format!("c={base}"));
        assert!(
            matches!(answer, Some(ChallengeAnswer::Refuse(400, _))),
            "{base}: {answer:?}"
        );
    }
}

#[test]
fn who_has_the_key_may_be_answered_whatever_is_signed() {
    let webhook = with(
        "{body}",
        json!({"method": "GET", "verified": true, "extract": {"query": "c"}, "pattern": "[a-z]+", "answer": "Hmac",
            "fields": ["c", "a"]}),
    )
    .unwrap();
    let answer = asked(&webhook, "c=abc");
    assert!(
        matches!(answer, Some(ChallengeAnswer::AfterVerification(..))),
        "{answer:?}"
    );

    let webhook = with(
        "{body}",
        json!({"method": "POST", "when": {"json": {"/type": "ping"}}, "extract": {"json": "/nonce"}, "pattern": "(?s).*",
            "answer": "Hmac", "fields": ["nonce", "proof"]}),
    )
    .unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    for (nonce, answered) in [("abc123", true), ("{\"email\":\"a@example.com\"}", false)] {
        let body = json!({"type": "ping", "nonce": nonce}).to_string();
        let request = RawRequest {
            method: &Method::POST,
            body: body.as_bytes(),
            ..get("", &headers)
        };
        // Without proof there is no answer.
        assert_eq!(webhook.challenges[0].before_verification(&request), None);
        assert!(webhook.verifier.verify(&request).is_err());
        let parsed = webhook.parse(&request).unwrap();
        let Parsed::Challenge(answer) = parsed else {
            panic!("{parsed:?}")
        };
        let expected = format!("{{\"nonce\":\"{nonce}\",\"proof\":\"{}\"}}", sign(nonce));
        let given = answer == ChallengeAnswer::Answer("application/json", expected);
        assert_eq!(given, answered, "{answer:?}");
    }
}

#[test]
fn a_probe_is_short_and_gets_no_answer_but_ok() {
    let probe = |answer: &str| json!({"method": "POST", "when": {"body": "(?s).*"}, "answer": answer});
    let webhook = with("{body}", probe("Ok")).unwrap();
    let headers = HeaderMap::new();
    for (length, answered) in [(0, true), (256, true), (257, false)] {
        let body = "a".repeat(length);
        let request = RawRequest {
            method: &Method::POST,
            body: body.as_bytes(),
            ..get("", &headers)
        };
        let answer = webhook.challenges[0].before_verification(&request);
        assert_eq!(answer.is_some(), answered, "{length}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_its_field_and_the_remedy() {
    let hmac = json!({"secretRefs": [{"name": "s", "key": "k"}], "signature": {"header": "x-s"}});
    let token = json!({"secretRefs": [{"name": "s", "key": "k"}]});
    let echo = json!({"method": "GET", "extract": {"query": "c"}, "pattern": "a", "answer": "Echo"});
    let with = |name: &str, value: Value| {
        let mut challenge = echo.clone();
        challenge[name] = value;
        json!({"hmac": hmac, "challenges": [echo, challenge]})
    };
    let signed = json!({"method": "GET", "verified": true, "extract": {"query": "c"}, "pattern": "a", "answer": "Hmac",
        "fields": ["a", "b"]});
    for (auth, field, remedy) in [
        (
            with("pattern", json!("(")),
            "challenges[1].pattern",
            "regular expression",
        ),
        (
            with("pattern", json!("(a{1000}){1000}")),
            "challenges[1].pattern",
            "too large",
        ),
        (with("pattern", Value::Null), "challenges[1].extract", "pattern"),
        (
            with("extract", json!({"json": "/c"})),
            "challenges[1].when",
            "use when.query",
        ),
        (
            with("extract", json!({"header": "a b"})),
            "challenges[1].extract",
            "not a header name",
        ),
        (with("answer", json!("Hmac")), "challenges[1].fields", "name two"),
        (
            with("method", json!("POST")),
            "challenges[1].when",
            "set exactly one of when.json and when.body",
        ),
        (
            json!({"token": token, "challenges": [signed]}),
            "challenges[0].answer",
            "set auth.hmac",
        ),
        (
            json!({"hmac": {"secretRefs": [{"name": "s", "key": "empty"}], "signature": {"header": "x-s"}},
                "challenges": [echo]}),
            "hmac.secretRefs",
            "it is empty",
        ),
        (
            json!({"hmac": hmac, "challengeTokenSecretRef": {"name": "s", "key": "empty"},
                "challenges": [{"method": "GET", "token": {"query": "t"}, "extract": {"query": "c"}, "pattern": "a",
                    "answer": "Echo"}]}),
            "challenges[0].token",
            "is empty",
        ),
    ] {
        let error = compile("generic", auth).unwrap_err();
        assert!(error.contains(&format!("spec.auth.{field}")), "{field}: {error}");
        assert!(error.contains(remedy), "{field}: {error}");
        assert!(!error.contains(KEY), "{error}");
    }
}

/// Mandrill asks with HEAD, and posts an empty list under a key that everybody knows, before it saves the URL.
#[test]
fn mandrills_set_up_is_answered_and_its_test_key_signs_nothing() {
    let object: LeadWebhook = serde_json::from_value(json!({
        "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "w"},
        "spec": {"source": "mandrill", "publicUrl": "https://leads.example.com/in", "sinks": [{"name": "crm"}],
            "auth": {"hmac": {"secretRefs": [{"name": "s", "key": "k"}]}}}
    }))
    .unwrap();
    let webhook = Webhook::compile(&object, &|_, _| Ok(KEY.into())).unwrap();
    let headers = HeaderMap::new();
    let answer = |method: &Method, body: &str| {
        let request = RawRequest {
            method,
            query: None,
            body: body.as_bytes(),
            ..get("", &headers)
        };
        let mut challenges = webhook.challenges.iter();
        challenges.find_map(|challenge| challenge.before_verification(&request))
    };
    let ok = Some(ChallengeAnswer::Answer("text/plain", String::new()));
    assert_eq!(answer(&Method::HEAD, ""), ok);
    assert_eq!(answer(&Method::GET, ""), ok);
    assert_eq!(answer(&Method::POST, "mandrill_events=%5B%5D"), ok);
    assert_eq!(answer(&Method::POST, "mandrill_events=[]"), ok);
    for lead in [
        "",
        "mandrill_events=%5B%7B%7D%5D",
        "mandrill_events=[]&mandrill_events=[{}]",
        "x=1&mandrill_events=[]",
    ] {
        assert_eq!(answer(&Method::POST, lead), None, "{lead}");
    }
}

#[test]
fn own_handshakes_take_the_place_of_the_presets() {
    let own = json!({"method": "GET", "extract": {"query": "mine"}, "pattern": "[a-z]+", "answer": "Echo"});
    let hmac = json!({"secretRefs": [{"name": "s", "key": "k"}]});
    let meta = compile("meta", json!({"hmac": hmac})).unwrap();
    assert_eq!(meta.challenges.len(), 1);
    let webhook = compile("meta", json!({"hmac": hmac, "challenges": [own]})).unwrap();
    assert_eq!(webhook.challenges.len(), 1);
    let text = ChallengeAnswer::Answer("text/plain", "abc".to_owned());
    assert_eq!(asked(&webhook, "mine=abc"), Some(text));
    assert!(matches!(
        asked(&meta, "hub.mode=subscribe&hub.verify_token=x&hub.challenge=1"),
        Some(ChallengeAnswer::Refuse(403, _))
    ));
}
