//! HTTP Message Signatures by the program itself: `--check`, `try`, and over the wire.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::receiver::{Options, Receiver, binary};
use sha2::{Digest as _, Sha256};

const URL: &str = "https://leads.example.com/in";
const QUERY: &str = "src=a%20b&x";
const BODY: &str = r#"{"email":"ada@example.com","lastName":"Lovelace"}"#;

fn manifests(public_url: &str) -> String {
    format!(
        "{}---
apiVersion: v1
kind: Secret
metadata: {{name: signers}}
stringData: {{lead-key-1: {}}}
---
apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {{name: web}}
spec:
  {public_url}
  auth:
    hmac:
      secretRefs: [{{name: signers, key: lead-key-1}}]
      secret: {{encoding: base64}}
      messageSignature: {{keyIds: [lead-key-1]}}
  sinks: [{{name: hubspot}}]
",
        HubSpotSink::new("http://127.0.0.1:9", "t").yaml(),
        STANDARD.encode("the key"),
    )
}

/// The headers of a signed lead.
fn headers() -> Vec<(&'static str, String)> {
    let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(BODY)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let params = format!(
        "(\"@method\" \"@target-uri\" \"content-type\" \"content-digest\");created={now};keyid=\"lead-key-1\";alg=\"hmac-sha256\""
    );
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": {URL}?{QUERY}\n\"content-type\": application/json\n\
         \"content-digest\": {digest}\n\"@signature-params\": {params}"
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(b"the key").unwrap();
    mac.update(base.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    vec![
        ("Content-Type", "application/json".to_owned()),
        ("Content-Digest", digest),
        ("Signature-Input", format!("sig1={params}")),
        ("Signature", format!("sig1=:{signature}:")),
    ]
}

fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(binary(false).unwrap())
        .args(arguments)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn try_out(folder: &Path, body: &str) -> (bool, String) {
    let payload = folder.join("lead.json");
    std::fs::write(&payload, body).unwrap();
    let (folder, payload) = (folder.display().to_string(), payload.display().to_string());
    let mut arguments: Vec<String> = [
        "try",
        "--manifests",
        &folder,
        "--webhook",
        "web",
        "--payload",
        &payload,
        "--query",
        QUERY,
    ]
    .map(str::to_owned)
    .to_vec();
    for (name, value) in headers() {
        arguments.extend(["--header".to_owned(), format!("{name}: {value}")]);
    }
    run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn check_and_try_know_message_signatures() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("all.yaml");
    let check = || run(&["--check", "--manifests", folder.path().to_str().unwrap()]);

    std::fs::write(&manifest, manifests("source: generic")).unwrap();
    let (fine, text) = check();
    assert!(!fine && text.contains("publicUrl is missing"), "{text}");

    std::fs::write(&manifest, manifests(&format!("publicUrl: {URL}"))).unwrap();
    let (fine, text) = check();
    assert!(fine, "{text}");
    let (fine, text) = try_out(folder.path(), BODY);
    assert!(fine && text.contains("authentication  accepted"), "{text}");
    let (fine, text) = try_out(folder.path(), "{}");
    assert!(!fine && text.contains("the body digest does not match"), "{text}");
}

#[tokio::test]
async fn a_signed_lead_is_accepted_over_the_wire_and_a_changed_one_is_not() {
    let receiver = Receiver::start(Options::new(manifests(&format!("publicUrl: {URL}"))))
        .await
        .unwrap();
    let post = async |query: &str, body: &'static str, host: &str| {
        let url = format!("{}?{query}", receiver.webhook("web"));
        let mut request = reqwest::Client::new().post(url).header("host", host).body(body);
        for (name, value) in headers() {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // What stands in Host is not asked: an edge may change it.
    for host in ["leads.example.com", "10.0.0.1"] {
        let (status, text) = post(QUERY, BODY, host).await;
        assert_eq!(status, 200, "{text}");
    }
    for (what, query, body) in [
        ("another body", QUERY, "{\"email\":\"eve@example.com\"}"),
        ("another query", "src=b", BODY),
        ("a query written otherwise", "src=a+b&x", BODY),
    ] {
        let (status, text) = post(query, body, "leads.example.com").await;
        assert_eq!(status, 401, "{what}: {text}");
        assert!(text.contains("does not match"), "{what}: {text}");
    }
}
