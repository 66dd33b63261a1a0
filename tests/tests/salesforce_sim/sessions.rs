//! The token endpoint's three flows, and the end of a session.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use leadgate_tests::salesforce::Config;
use leadgate_tests::signing::{RsaKey, unix_now};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Sim, code};

const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[tokio::test]
async fn a_session_expires_for_everybody_and_a_new_sign_in_replaces_it() {
    let mut sim = Sim::new(Config::default()).await;
    let (_, same) = sim.sign_in(&[("grant_type", "client_credentials")]).await;
    assert_eq!(same["access_token"], sim.token);
    assert_eq!(sim.send(Method::GET, "/limits", Value::Null).await.0, 200);
    sim.salesforce.expire_sessions();
    let (status, body) = sim.send(Method::GET, "/limits", Value::Null).await;
    assert_eq!((status, code(&body)), (401, "INVALID_SESSION_ID"));
    let (_, new) = sim.sign_in(&[("grant_type", "client_credentials")]).await;
    assert_ne!(new["access_token"], sim.token);
    new["access_token"].as_str().unwrap().clone_into(&mut sim.token);
    assert_eq!(sim.send(Method::GET, "/limits", Value::Null).await.0, 200);
    let books = sim.salesforce.stats();
    assert_eq!((books.sign_ins, books.expired, books.refused_sign_ins), (3, 1, 0));
}

#[tokio::test]
async fn wrong_apps_secrets_tokens_and_flows_are_refused() {
    let sim = Sim::new(Config::default()).await;
    let refresh = sim.salesforce.config().refresh_token.clone();
    let good = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
    ];
    assert_eq!(sim.sign_in(&good).await.0, 200);
    for (form, status, error) in [
        (
            vec![("grant_type", "client_credentials"), ("client_secret", "x")],
            401,
            "invalid_client",
        ),
        (
            vec![("grant_type", "client_credentials"), ("client_id", "x")],
            400,
            "invalid_client_id",
        ),
        (
            vec![("grant_type", "refresh_token"), ("refresh_token", "x")],
            400,
            "invalid_grant",
        ),
        (vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (
            vec![("grant_type", BEARER), ("assertion", "a.b.c")],
            400,
            "invalid_grant",
        ),
    ] {
        let (seen, body) = sim.sign_in(&form).await;
        assert_eq!((seen, &body["error"]), (status, &json!(error)), "{form:?}");
        assert!(body.get("access_token").is_none());
    }
}

#[tokio::test]
async fn an_assertion_must_be_signed_and_fresh_and_name_user_app_and_audience() {
    let (key, other) = (RsaKey::generate(), RsaKey::generate());
    let sim = Sim::new(Config {
        public_key: Some(key.public()),
        ..Config::default()
    })
    .await;
    let config = sim.salesforce.config();
    let claims = |change: Value| {
        let mut claims = json!({"iss": config.client_id, "sub": config.username, "aud": config.audience, "exp": unix_now() + 120});
        claims
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        claims
    };
    let jwt = |key: &RsaKey, claims: &Value| {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&json!({"alg": "RS256"})), encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())))
    };
    for (assertion, status) in [
        (jwt(&key, &claims(json!({}))), 200),
        (jwt(&other, &claims(json!({}))), 400),
        (jwt(&key, &claims(json!({"exp": unix_now() + 600}))), 400),
        (jwt(&key, &claims(json!({"exp": unix_now() - 1}))), 400),
        (
            jwt(&key, &claims(json!({"aud": "https://test.salesforce.com"}))),
            400,
        ),
        (jwt(&key, &claims(json!({"sub": "somebody@example.com"}))), 400),
        (jwt(&key, &claims(json!({"iss": "other"}))), 400),
    ] {
        let (seen, body) = sim
            .sign_in(&[("grant_type", BEARER), ("assertion", &assertion)])
            .await;
        assert_eq!(seen, status, "{body}");
    }
}
