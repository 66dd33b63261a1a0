use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use leadgate_crds::reason::FailureReason;

use super::*;
use crate::throttle::Unlimited;

/// A token endpoint that takes a moment, and counts.
async fn endpoint(status: StatusCode, expires_in: Value) -> (Auth, Arc<AtomicU64>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |form: String| {
        let (counted, expires_in) = (Arc::clone(&counted), expires_in.clone());
        async move {
            assert_eq!(form, "grant_type=client_credentials&client_secret=s3cret");
            let n = counted.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
            let body = if status.is_success() {
                json!({"access_token": format!("t{n}"), "token_type": "Bearer", "expires_in": expires_in})
            } else {
                json!({"error": "invalid_client", "error_description": "s3cret is wrong"})
            };
            (status, Json(body))
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/token", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let flow = ClientCredentials {
        token_url: format!("http://{address}/token"),
        form: "grant_type=client_credentials&client_secret=s3cret".to_owned(),
        scheme: "Zoho-oauthtoken".to_owned(),
    };
    (Auth::ClientCredentials(flow), calls)
}

/// What many callers at once get.
async fn crowd(tokens: &Tokens, auth: &Auth) -> Vec<Result<Credentials, Outcome>> {
    let client = Client::new(true, None).unwrap();
    let one = || tokens.credentials(auth, &client, Duration::from_secs(5), &Unlimited);
    futures::future::join_all((0..20).map(|_| one())).await
}

fn value(credentials: &Credentials) -> &str {
    credentials.value.to_str().unwrap()
}

#[tokio::test]
async fn twenty_callers_share_one_token_and_one_renewal() {
    let (auth, calls) = endpoint(StatusCode::OK, json!(3600)).await;
    let tokens = Tokens::default();
    let first = crowd(&tokens, &auth).await;
    assert!(
        first
            .iter()
            .all(|got| value(got.as_ref().unwrap()) == "Zoho-oauthtoken t1")
    );
    // All of them are refused, one renews.
    for credentials in &first {
        tokens.refused(credentials.as_ref().unwrap()).await;
    }
    let second = crowd(&tokens, &auth).await;
    assert!(
        second
            .iter()
            .all(|got| value(got.as_ref().unwrap()) == "Zoho-oauthtoken t2")
    );
    // One who was slow to hear of the old token's end takes nobody's new one away.
    tokens.refused(first.first().unwrap().as_ref().unwrap()).await;
    assert_eq!(crowd(&tokens, &auth).await.len(), 20);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(!format!("{auth:?} {tokens:?}").contains("s3cret") && !format!("{tokens:?}").contains("t2"));
}

#[tokio::test]
async fn a_token_is_renewed_when_it_ends() {
    // Some endpoints write the seconds as a text.
    let (auth, calls) = endpoint(StatusCode::OK, json!("1")).await;
    let tokens = Tokens::default();
    crowd(&tokens, &auth).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    crowd(&tokens, &auth).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_refused_client_pauses_the_sink_and_is_asked_once_for_all_who_wait() {
    let (auth, calls) = endpoint(StatusCode::UNAUTHORIZED, Value::Null).await;
    for got in crowd(&Tokens::default(), &auth).await {
        let Err(Outcome::Pause { pause, why }) = got else {
            panic!("{got:?}")
        };
        assert_eq!(
            (pause, why.reason),
            (RETRY_AFTER_MISCONFIGURED, FailureReason::InvalidCredentials)
        );
        assert!(
            why.message.contains("(invalid_client)") && !why.message.contains("s3cret"),
            "{}",
            why.message
        );
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_token_endpoints_answer() {
    let reply = |status, headers: &[(HeaderName, &'static str)], text: &str| {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        Reply::new(status, headers, text.to_owned())
    };
    let told = |reply: Reply| match read(&reply, "Bearer") {
        Ok((value, life)) => format!("{} {life:?}", value.to_str().unwrap()),
        Err(Outcome::Pause { pause, why }) => format!("pause {} {}", pause.as_secs(), why.reason),
        Err(Outcome::Retry { after, why, in_doubt }) => format!("retry {after:?} {} {in_doubt}", why.reason),
        Err(other) => format!("{other:?}"),
    };
    let table = [
        (reply(200, &[], r#"{"access_token": "a"}"#), "Bearer a None"),
        (
            reply(200, &[], r#"{"access_token": "a", "expires_in": 60}"#),
            "Bearer a Some(60s)",
        ),
        // Zoho's way to refuse.
        (
            reply(200, &[], r#"{"error": "invalid_client"}"#),
            "pause 60 InvalidCredentials",
        ),
        (
            reply(400, &[], r#"{"error": "invalid_scope"}"#),
            "pause 60 InvalidCredentials",
        ),
        (
            reply(429, &[(http::header::RETRY_AFTER, "77")], ""),
            "pause 77 RateLimited",
        ),
        (reply(301, &[], ""), "pause 60 Redirected"),
        // Neither says anything of the client's secret.
        (
            reply(200, &[], "<html>maintenance</html>"),
            "pause 60 ForeignAnswer",
        ),
        (reply(403, &[], "<html>blocked</html>"), "pause 60 ForeignAnswer"),
        (
            reply(503, &[(http::header::RETRY_AFTER, "5")], ""),
            "retry Some(5s) Unavailable false",
        ),
    ];
    for (reply, expected) in table {
        assert_eq!(told(reply), expected);
    }
}
