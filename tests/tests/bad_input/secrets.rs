//! Who does not know the secret that a sender repeats in each request: 401, and the right one is kept nowhere.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::proofs::{judge, row};
use super::{JSON, Rig, SECRET, assert_discreet, lead};

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_secret_is_the_right_one_in_the_right_place() {
    let rig = Rig::start().await;
    let body = lead("token");
    let key = |what: &str, value: &str, status| row(what, &[("X-API-Key", value)], status);
    let rows = vec![
        key("right", SECRET, 200),
        row("missing", &[], 401),
        key("empty", "", 401),
        key("truncated", &SECRET[..SECRET.len() - 1], 401),
        key("lengthened", &format!("{SECRET}x"), 401),
        key("another case", &SECRET.to_ascii_uppercase(), 401),
        row("twice", &[("X-API-Key", SECRET), ("x-api-key", SECRET)], 401),
        row("elsewhere", &[("Authorization", SECRET)], 401),
        row("not UTF-8 would be", &[("X-API-Key", "\u{fffd}")], 401),
    ];
    judge(&rig, "token", &body, rows).await;

    let bearer = |what: &str, value: &str, status| row(what, &[("Authorization", value)], status);
    let rows = vec![
        bearer("right", &format!("Bearer {SECRET}"), 200),
        bearer("its scheme in small letters", &format!("bearer {SECRET}"), 200),
        bearer("no scheme", SECRET, 401),
        bearer("another scheme", &format!("Basic {SECRET}"), 401),
        bearer("scheme alone", "Bearer", 401),
        bearer("two tokens", &format!("Bearer {SECRET} {SECRET}"), 401),
    ];
    judge(&rig, "bearer", &body, rows).await;

    let credentials = |text: String| format!("Basic {}", STANDARD.encode(text));
    let right = credentials(format!("{SECRET}-user:{SECRET}-password"));
    let rows = vec![
        bearer("right", &right, 200),
        bearer("wrong password", &credentials(format!("{SECRET}-user:x")), 401),
        bearer("wrong user", &credentials(format!("x:{SECRET}-password")), 401),
        bearer("no colon", &credentials(SECRET.to_owned()), 401),
        bearer("not base64", "Basic %%%", 401),
        bearer("empty", "Basic ", 401),
        row(
            "twice",
            &[("Authorization", &right), ("Authorization", &right)],
            401,
        ),
        row("missing", &[], 401),
    ];
    judge(&rig, "basic", &body, rows).await;

    for (what, query, status) in [
        ("right", format!("?key={SECRET}"), 200),
        ("missing", String::new(), 401),
        ("empty", "?key=".to_owned(), 401),
        ("wrong", "?key=x".to_owned(), 401),
        ("twice, right first", format!("?key={SECRET}&key=x"), 401),
        (
            "twice under an encoded name",
            format!("?key={SECRET}&%6bey={SECRET}"),
            401,
        ),
        ("not UTF-8", "?key=%ff".to_owned(), 401),
    ] {
        let path = format!("/webhooks/default/query{query}");
        let bytes = leadgate_tests::wire::request("POST", &path, &[JSON], &body);
        let answer = rig.raw(bytes).await;
        assert_eq!(answer.status, status, "query, {what}: {}", answer.text());
        assert_discreet(&answer, what);
    }
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_payload_is_judged_and_never_kept() {
    let rig = Rig::start().await;
    for (what, body, status) in [
        (
            "right",
            format!(r#"{{"google_key":"{SECRET}","email":"a@example.com"}}"#),
            200,
        ),
        (
            "wrong",
            r#"{"google_key":"x","email":"a@example.com"}"#.to_owned(),
            401,
        ),
        (
            "a list",
            format!(r#"{{"google_key":["{SECRET}"],"email":"a@example.com"}}"#),
            401,
        ),
        ("missing", r#"{"email":"a@example.com"}"#.to_owned(), 401),
        (
            "named twice",
            format!(r#"{{"google_key":"x","google_key":"{SECRET}"}}"#),
            401,
        ),
        ("no JSON", format!("google_key={SECRET}"), 401),
        (
            "right, but no lead",
            format!(r#"{{"google_key":"{SECRET}"}}"#),
            400,
        ),
    ] {
        let answer = rig.post("inbody", &[JSON], body.as_bytes()).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        assert_discreet(&answer, what);
    }
    for item in rig.rejected().await {
        let (_, text) = rig
            .receiver
            .admin(&format!("/deadletters/{}", item["id"].as_str().unwrap()))
            .await
            .unwrap();
        assert!(!text.contains(SECRET), "{text}");
    }
    rig.survived().await;
}
