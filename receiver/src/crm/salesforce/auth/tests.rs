use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;
use axum::{Router, response::IntoResponse};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::*;
use crate::throttle::Unlimited;

fn openssl(words: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new("openssl")
        .args(words)
        .output()
        .expect("this test needs openssl: apt-get install openssl");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn an_assertion_is_signed_short_lived_and_names_user_and_audience() {
    for traditional in [false, true] {
        let mut words = vec!["genrsa"];
        words.extend(traditional.then_some("-traditional"));
        words.push("2048");
        let key = rsa_key(&openssl(&words)).unwrap();
        let jwt = assertion(
            &key,
            "client",
            "user@example.com",
            "https://login.salesforce.com",
            1000,
        )
        .unwrap();
        let parts: Vec<&str> = jwt.split('.').collect();
        let decoded = |n: usize| URL_SAFE_NO_PAD.decode(parts[n]).unwrap();
        let claims: Value = serde_json::from_slice(&decoded(1)).unwrap();
        assert_eq!(
            claims,
            json!({"iss": "client", "sub": "user@example.com", "aud": "https://login.salesforce.com", "exp": 1120})
        );
        assert_eq!(
            serde_json::from_slice::<Value>(&decoded(0)).unwrap()["alg"],
            "RS256"
        );
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
        let signed = format!("{}.{}", parts[0], parts[1]);
        public.verify(signed.as_bytes(), &decoded(2)).unwrap();
        assert!(public.verify(b"something else", &decoded(2)).is_err());
    }
}

#[test]
fn what_is_no_rsa_key_is_refused_with_a_remedy() {
    let elliptic = openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
    ]);
    let short = openssl(&["genrsa", "1024"]);
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (pem, part) in [
        (elliptic.as_slice(), "openssl genrsa 2048"),
        (short.as_slice(), "2048 to 4096 bits"),
        (encrypted.as_slice(), "without a passphrase"),
        (b"hello".as_slice(), "no private key in PEM"),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".as_slice(),
            "cannot be used",
        ),
    ] {
        let error = rsa_key(pem).map(|_| ()).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

/// A token endpoint that counts, and gives a new token each time.
async fn endpoint(status: u16) -> (String, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let router = Router::new().route(
        "/services/oauth2/token",
        post(move || {
            let n = counted.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                let body = if status == 200 {
                    json!({"access_token": format!("token{n}")})
                } else {
                    json!({"error": "invalid_grant"})
                };
                (http::StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, count)
}

fn rig(url: String) -> (Auth, SignIn) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let sign_in = SignIn::ClientCredentials {
        url,
        client_id: "id".to_owned(),
        client_secret: "s3cret".to_owned(),
    };
    assert!(!format!("{sign_in:?}").contains("s3cret"));
    (
        Auth::new(Client::new(true, None).unwrap(), Duration::from_secs(5)),
        sign_in,
    )
}

#[tokio::test]
async fn all_callers_share_one_sign_in_for_each_expiry() {
    let (url, count) = endpoint(200).await;
    let (auth, sign_in) = rig(url);
    let first = futures::future::join_all((0..20).map(|_| auth.session(&sign_in, &Unlimited))).await;
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let first: Vec<AccessToken> = first.into_iter().map(Result::unwrap).collect();
    assert!(first.iter().all(|session| session.header == "Bearer token1"));
    // All twenty are told that it expired, some of them after the renewal.
    let second = futures::future::join_all(first.iter().map(|session| async {
        auth.expired(session).await;
        auth.session(&sign_in, &Unlimited).await.unwrap()
    }))
    .await;
    assert_eq!(count.load(Ordering::SeqCst), 2);
    assert!(second.iter().all(|session| session.header == "Bearer token2"));
}

#[tokio::test]
async fn a_refused_sign_in_is_not_repeated_at_once() {
    let (url, count) = endpoint(400).await;
    let (auth, sign_in) = rig(url);
    for _ in 0..5 {
        let answer = auth.session(&sign_in, &Unlimited).await.unwrap_err();
        let Answer::Pause(left, why) = answer else {
            panic!("{answer:?}")
        };
        assert!(
            left <= Duration::from_mins(1) && left > Duration::from_secs(50),
            "{left:?}"
        );
        assert_eq!(why.reason, "InvalidCredentials");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
