//! Names of members are the sender's choice, as values are: they may be personal data, a megabyte, or a forged log line.

use std::fs;

use leadgate_tests::receiver::{Options, Receiver};
use serde_json::{Value, json};

use super::{JSON, PERSON, Rig, assert_refused, manifests, path, signature};

/// Refuses every member but these, at every level.
const SCHEMA: &str = "
    schema:
      type: object
      properties:
        email: {type: string}
        firstName: {type: string}
        submissionId: {type: string}
        nested: {type: object, properties: {known: {type: string}}, additionalProperties: {type: integer}}
      additionalProperties: false
";

#[tokio::test(flavor = "multi_thread")]
async fn names_stand_in_no_answer_no_list_and_no_log() {
    let yaml = manifests().replace(
        "    required: [email]\n",
        &format!("    required: [email]{SCHEMA}"),
    );
    let rig = Rig {
        receiver: Receiver::start(Options::new(yaml)).await.unwrap(),
    };
    let forged = format!("{PERSON}@private.example\n2026-01-01 INFO forged \u{1b}[31m\u{202e}");
    let long = PERSON.repeat(1000);
    for (body, field, word) in [
        (json!({&*forged: 1}), "", "that the schema does not list"),
        (json!({&*long: 1}), "", "that the schema does not list"),
        (json!({"nested": {&*forged: "x"}}), "/nested/*", "integer"),
        (json!({"nested": {"known": 1}}), "/nested/known", "string"),
    ] {
        let body = body.to_string();
        let answer = rig.signed(&[JSON], body.as_bytes()).await;
        assert_refused(&answer, 400, word);
        let problem = answer.json();
        let error = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["reason"] == "Schema")
            .unwrap()
            .clone();
        assert_eq!(error["field"], field, "{problem}");
        assert!(error["message"].as_str().unwrap().contains(word), "{problem}");
        assert!(answer.body.len() < 2048, "{}", answer.body.len());
    }
    let list = json!(rig.rejected().await).to_string();
    for part in [PERSON, "forged", "\u{1b}", "\u{202e}"] {
        assert!(!list.contains(part), "{list}");
        assert!(!rig.receiver.log().contains(part), "{}", rig.receiver.log());
    }
    rig.survived().await;
}

/// However much is wrong, what is said of it stays short.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_short() {
    let rule = format!(
        "{{expression: 'false', message: {}, field: company}}",
        "long ".repeat(40)
    );
    let rules = vec![rule; 20].join(", ");
    let yaml = manifests().replace("    rules: [", &format!("    rules: [{rules}, "));
    let rig = Rig {
        receiver: Receiver::start(Options::new(yaml)).await.unwrap(),
    };
    let body = json!({"email": "ada@example.com"}).to_string();
    assert_refused(&rig.signed(&[JSON], body.as_bytes()).await, 400, "rules");
    for item in rig.rejected().await {
        assert!(item["message"].as_str().unwrap().len() <= 1024, "{item}");
    }
    let log = rig.receiver.log();
    let line = log.lines().find(|line| line.contains("InvalidLead")).unwrap();
    let message: Value = serde_json::from_str(line).unwrap();
    assert!(message["message"].as_str().unwrap().len() <= 1024, "{line}");
}

/// Strangers can do much wrong, often, and it is not the operator's trouble: nothing is logged above `info`.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_cause_no_warnings() {
    let rig = Rig::start().await;
    // HTTP/2: streams that are opened and reset until the server has enough.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in (1_u32..4001).step_by(2) {
        bytes.extend_from_slice(&[0, 0, 6, 1, 5]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(&[0x82, 0x86, 0x84, 0x41, 1, b'a']);
        bytes.extend_from_slice(&[0, 0, 4, 3, 0]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 8]);
    }
    for bytes in [
        bytes,
        b"\x16\x03\x01 no TLS here".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frames".to_vec(),
        format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            path("generic")
        )
        .into_bytes(),
    ] {
        let mut wire = rig.wire().await;
        let _ = wire.send(bytes).await;
        // Half of these are answered, all of them are ended.
        let _ = wire.send(b"\0".repeat(100_000)).await;
        wire.closed().await.unwrap();
    }
    let forged = signature(b"something else");
    for _ in 0..10 {
        rig.post("generic", &[("X-Webhook-Signature", &forged), JSON], b"{}")
            .await;
    }
    rig.survived().await;
    let log = fs::read_to_string(rig.receiver.folder().join("log")).unwrap();
    let loud: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("\"level\":\"WARN\"") || line.contains("\"level\":\"ERROR\""))
        // There is no CRM in these tests, and their secrets are short, which the receiver says at its start.
        .filter(|line| !line.contains("delivery::preflight") && !line.contains("fewer than 16 bytes"))
        .collect();
    assert!(loud.is_empty(), "{loud:?}");
}
