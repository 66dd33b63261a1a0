//! Handshakes of one's own over HTTP: what a sender asks, and what a stranger gets.

use hmac::{Hmac, KeyInit as _, Mac as _};
use leadgate_tests::receiver::{Options, Receiver};
use sha2::Sha256;

const KEY: &str = "the signing key";

const MANIFESTS: &str = r#"
apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {name: partner}
spec:
  auth:
    hmac:
      secretRefs: [{name: s, key: k}]
      signature: {header: X-Sig}
    challenges:
      - method: GET
        when: {query: {mode: subscribe}}
        extract: {query: challenge}
        pattern: "[A-Za-z0-9]{8,64}"
        answer: Echo
      - method: POST
        when: {json: {/type: ping}}
        extract: {json: /nonce}
        pattern: "[a-f0-9]{8}"
        answer: Hmac
        fields: [nonce, proof]
      - method: POST
        when: {body: "(?s).*example.*|hello=1"}
        answer: Ok
  sinks: [{name: crm}]
---
apiVersion: leadgate.dev/v1alpha1
kind: CrmSink
metadata: {name: crm}
spec: {hubspot: {tokenSecretRef: {name: s, key: k}, baseUrl: 'http://127.0.0.1:9'}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {k: the signing key}
"#;

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[tokio::test]
async fn own_handshakes_are_answered_and_sign_nothing_for_strangers() {
    let receiver = Receiver::start(Options::new(MANIFESTS)).await.unwrap();
    let (client, url) = (reqwest::Client::new(), receiver.webhook("partner"));
    let get = async |query: &str| {
        let answer = client.get(format!("{url}?{query}")).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.text().await.unwrap())
    };
    let post = async |body: &str, signature: Option<String>| {
        let mut request = client.post(&url).header("content-type", "application/json");
        if let Some(signature) = signature {
            request = request.header("x-sig", signature);
        }
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let echoed = (200, "text/plain".to_owned(), "abcDEF123".to_owned());
    assert_eq!(get("mode=subscribe&challenge=abcDEF123").await, echoed);
    assert_eq!(get("mode=subscribe&challenge=%3Cb%3Eabcdefgh").await.0, 400);
    assert_eq!(get("challenge=abcDEF123").await.0, 405);
    // HEAD is GET without the answer's body (RFC 9110).
    for (query, status) in [
        ("mode=subscribe&challenge=abcDEF123", 200),
        ("challenge=abcDEF123", 405),
    ] {
        let answer = client.head(format!("{url}?{query}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query}");
        assert!(answer.bytes().await.unwrap().is_empty());
    }

    let ping = r#"{"type":"ping","nonce":"0123abcd"}"#;
    let (status, answer) = post(ping, Some(sign(ping))).await;
    assert_eq!(
        (status, answer),
        (
            200,
            format!(r#"{{"nonce":"0123abcd","proof":"{}"}}"#, sign("0123abcd"))
        )
    );
    assert_eq!(post(ping, None).await.0, 401);
    assert_eq!(post(ping, Some(sign("0123abcd"))).await.0, 401);
    // Who has the key is signed nothing but a challenge either.
    let greedy = r#"{"type":"ping","nonce":"{\"email\":\"a@b.c\"}"}"#;
    assert_eq!(post(greedy, Some(sign(greedy))).await.0, 400);

    // The last handshake's pattern is careless: it fits a lead too.
    assert_eq!(post("hello=1", None).await, (200, String::new()));
    let lead = r#"{"email":"ada@example.com"}"#;
    let (status, answer) = post(lead, Some(sign(lead))).await;
    assert_eq!(status, 200);
    assert!(
        answer.contains("accepted"),
        "a signed lead was taken for a probe: {answer}"
    );
    let long = format!(r#"{{"email":"ada@example.com","message":"{}"}}"#, "a".repeat(300));
    assert_eq!(post(&long, None).await.0, 401);
    assert!(
        (receiver
            .metric("leadgate_requests_total", &["outcome=\"challenge\""])
            .await
            .unwrap()
            - 6.0)
            .abs()
            < 0.5
    );
}
