//! What can be read and is no lead: refused with every reason, kept for a person to see, quoted nowhere else.

use serde_json::{Value, json};

use super::{JSON, PERSON, Rig, assert_discreet, assert_refused};

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_lead_is_told_every_field_and_reason_at_once_and_kept_for_a_person() {
    let rig = Rig::start().await;
    let body = json!({
        "email": PERSON,
        "phone": "x",
        "firstName": PERSON.repeat(10),
        "company": PERSON,
        "createdAt": PERSON,
    });
    let answer = rig.signed(&[JSON], body.to_string().as_bytes()).await;
    assert_refused(&answer, 400, "everything wrong");
    let problem = answer.json();
    let found: Vec<(&str, &str)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["field"].as_str().unwrap(), e["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("email", "InvalidEmail"),
            ("phone", "InvalidPhone"),
            ("firstName", "TooLong"),
            ("company", "RuleFailed"),
        ],
        "{problem}"
    );
    for error in problem["errors"].as_array().unwrap() {
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
    }

    // The sender is told an id; under it, and only there, stands what it sent.
    let id = problem["id"].as_str().unwrap();
    assert!(rig.receiver.log().contains(id), "the log names the id");
    let list = rig.rejected().await;
    assert!(list.iter().any(|item| item["id"] == id), "{list:?}");
    assert!(
        !json!(list).to_string().contains(PERSON),
        "a list shows no payloads: {list:?}"
    );
    let (status, text) = rig.receiver.admin(&format!("/deadletters/{id}")).await.unwrap();
    assert_eq!(status, 200);
    let kept: Value = serde_json::from_str(&text).unwrap();
    let kept_body = kept["items"][0]["body"]["body"].as_str().unwrap();
    assert_eq!(kept_body, body.to_string(), "{kept}");
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_values_are_no_reason_to_stumble() {
    let rig = Rig::start().await;
    for (what, body, statuses) in [
        (
            "huge integers",
            r#"{"email":"n@example.com","id":123456789012345678901234567890}"#,
            &[200][..],
        ),
        (
            "a phone as a number",
            r#"{"email":"p@example.com","phone":442071838750}"#,
            &[200],
        ),
        (
            "an id of 64 bits",
            r#"{"email":"i@example.com","id":18446744073709551615}"#,
            &[200],
        ),
        (
            "NUL in a name",
            r#"{"email":"nul@example.com","firstName":"a\u0000b"}"#,
            &[200],
        ),
        ("NUL in an e-mail", r#"{"email":"nul\u0000@example.com"}"#, &[200]),
        (
            "half an emoji",
            r#"{"email":"half@example.com","firstName":"Ada \ud83d"}"#,
            &[200],
        ),
        (
            "a time in words",
            r#"{"email":"time@example.com","createdAt":"canary.person"}"#,
            &[200],
        ),
        (
            "line breaks in an e-mail",
            r#"{"email":"a@example.com\r\nBcc: canary.person@example.com"}"#,
            &[400],
        ),
        (
            "an object for an e-mail",
            r#"{"email":{"canary.person":1}}"#,
            &[400],
        ),
        ("a list of lists", r#"{"email":[["a@example.com"]]}"#, &[400]),
        ("an empty list", "[]", &[400]),
        ("a list of scalars", "[1,2]", &[400]),
        ("an empty object", "{}", &[400]),
        ("blank e-mail", r#"{"email":"  "}"#, &[400]),
        ("boolean e-mail", r#"{"email":true}"#, &[400]),
        (
            "names of members that look like code",
            r#"{"email":"c@example.com","__proto__":{"a":1},"$where":"1"}"#,
            &[200],
        ),
        (
            "a member without a name",
            r#"{"":"canary.person","email":"e@example.com"}"#,
            &[200],
        ),
        (
            "right-to-left and combining marks",
            "{\"email\":\"rtl@example.com\",\"firstName\":\"\u{202e}e\u{301}\u{1f9d1}\"}",
            &[200],
        ),
    ] {
        let answer = rig.signed(&[JSON], body.as_bytes()).await;
        assert!(
            statuses.contains(&answer.status),
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(answer.status == 200 || answer.is_problem(), "{what}: {answer:?}");
        assert_discreet(&answer, what);
    }
    rig.survived().await;
}
