//! Who is not believed: 401 before anything is parsed or stored.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use leadgate_tests::signing::{self, unix_now};
use sha2::Sha512;

use super::{JSON, Rig, SECRET, STANDARD_KEY, assert_discreet, assert_refused, lead, signature};

/// What is wrong, the headers, and the expected status.
pub(super) type Row = (String, Vec<(String, String)>, u16);

pub(super) fn row(what: &str, headers: &[(&str, &str)], status: u16) -> Row {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    (what.to_owned(), headers, status)
}

pub(super) async fn judge(rig: &Rig, webhook: &str, body: &[u8], rows: Vec<Row>) {
    for (what, headers, status) in rows {
        let mut all = vec![JSON];
        all.extend(
            headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let answer = rig.post(webhook, &all, body).await;
        let what = format!("{webhook}: {what}");
        if status == 200 {
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            assert_discreet(&answer, &what);
        } else {
            assert_refused(&answer, status, &what);
        }
    }
}

/// Spoils a signature in every way that people and machines do.
fn spoiled(header: &str, good: &str, prefix: &str) -> Vec<Row> {
    let mac = good.strip_prefix(prefix).unwrap();
    let h = |value: &str| vec![(header.to_owned(), value.to_owned())];
    let mut flipped = mac.to_owned();
    let last = if mac.starts_with('A') { "B" } else { "A" };
    flipped.replace_range(0..1, last);
    vec![
        ("right".into(), h(good), 200),
        ("missing".into(), vec![], 401),
        ("empty".into(), h(""), 401),
        ("prefix alone".into(), h(prefix), 401),
        ("one digit changed".into(), h(&format!("{prefix}{flipped}")), 401),
        ("truncated".into(), h(&good[..good.len() - 4]), 401),
        ("lengthened".into(), h(&format!("{good}00")), 401),
        ("written twice in one".into(), h(&format!("{good}{good}")), 401),
        ("not of its alphabet".into(), h(&format!("{prefix}!!{mac}")), 401),
        ("another prefix".into(), h(&format!("sha1={mac}")), 401),
        (
            "two headers, the right one first".into(),
            [h(good), h("00")].concat(),
            401,
        ),
        ("two headers, both right".into(), [h(good), h(good)].concat(), 401),
        ("very long".into(), h(&"a".repeat(4096)), 401),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_of_the_body_is_right_or_refused() {
    let rig = Rig::start().await;
    let body = lead("proof");
    let good = signature(&body);
    let mut rows = spoiled("X-Webhook-Signature", &good, "sha256=");
    let mac = good.strip_prefix("sha256=").unwrap();
    // Hexadecimal digits are compared as what they mean; this preset's prefix may be left out.
    rows.push(row(
        "capital digits",
        &[(
            "X-Webhook-Signature",
            &format!("sha256={}", mac.to_ascii_uppercase()),
        )],
        200,
    ));
    rows.push(row("no prefix", &[("x-webhook-signature", mac)], 200));
    rows.push(row(
        "a capital prefix",
        &[("X-Webhook-Signature", &format!("SHA256={mac}"))],
        401,
    ));
    let other = signing::generic("another", &body)[0].1.clone();
    rows.push(row("another secret", &[("X-Webhook-Signature", &other)], 401));
    let empty = signing::generic("", &body)[0].1.clone();
    rows.push(row("the empty secret", &[("X-Webhook-Signature", &empty)], 401));
    judge(&rig, "generic", &body, rows).await;

    let body = br#"{"event_type":"form_response","form_response":{"token":"t1","answers":[{"type":"email","email":"a@example.com"}]}}"#;
    let good = signing::typeform(SECRET, body)[0].1.clone();
    let mut rows = spoiled("Typeform-Signature", &good, "sha256=");
    let mac = good.strip_prefix("sha256=").unwrap();
    rows.push(row("no prefix", &[("Typeform-Signature", mac)], 401));
    rows.push(row(
        "base64 in capitals",
        &[(
            "Typeform-Signature",
            &format!("sha256={}", mac.to_ascii_uppercase()),
        )],
        401,
    ));
    rows.push(row(
        "without its padding",
        &[("Typeform-Signature", good.trim_end_matches('='))],
        401,
    ));
    rows.push(row(
        "hexadecimal instead",
        &[("Typeform-Signature", &signature(body))],
        401,
    ));
    judge(&rig, "typeform", body, rows).await;
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_of_signing_counts_within_its_tolerance_on_both_sides_and_is_part_of_the_proof() {
    let rig = Rig::start().await;
    let body = br#"{"id":"evt_1","type":"customer.created","data":{"object":{"email":"a@example.com"}}}"#;
    let now = unix_now();
    let at = |seconds: u64| signing::stripe(SECRET, body, seconds)[0].1.clone();
    let fresh = at(now);
    let (t, v1) = fresh.split_once(',').unwrap();
    let h = |what: &str, value: &str, status| row(what, &[("Stripe-Signature", value)], status);
    let rows = vec![
        h("now", &fresh, 200),
        h("just inside the past edge", &at(now - 270), 200),
        h("outside the past edge", &at(now - 301), 401),
        h("just inside the future edge", &at(now + 270), 200),
        h("outside the future edge", &at(now + 360), 401),
        h("in 1970", &at(0), 401),
        h("milliseconds", &at(now * 1000), 401),
        h("beyond 64 bits", &format!("t=99999999999999999999999,{v1}"), 401),
        h("no number", &format!("t=now,{v1}"), 401),
        h("signed number", &format!("t=+{now},{v1}"), 401),
        h("a fraction", &format!("t={now}.0,{v1}"), 401),
        h(
            "another time under the same signature",
            &format!("t={},{v1}", now - 1),
            401,
        ),
        h("no time", v1, 401),
        h("an empty time", &format!("t=,{v1}"), 401),
        h("two times", &format!("{t},t={},{v1}", now - 1), 401),
        h("no signature", t, 401),
        h("an older version only", &fresh.replace("v1=", "v0="), 401),
        h(
            "one of several signatures is right",
            &format!("{t},v1={},{v1}", "0".repeat(64)),
            200,
        ),
        h(
            "a right one behind more than any sender lists",
            &format!("{t},{}{v1}", "v1=00,".repeat(64)),
            401,
        ),
    ];
    judge(&rig, "stripe", body, rows).await;

    let id = "msg_1";
    let headers = signing::standard_webhooks(STANDARD_KEY, b"{\"email\":\"a@example.com\"}", id, now);
    let (time, mac) = (headers[1].1.as_str(), headers[2].1.as_str());
    let with = |what: &str, id: &str, time: &str, mac: &str, status| {
        row(
            what,
            &[
                ("webhook-id", id),
                ("webhook-timestamp", time),
                ("webhook-signature", mac),
            ],
            status,
        )
    };
    let rows = vec![
        with("right", id, time, mac, 200),
        with("another id", "msg_2", time, mac, 401),
        with("an empty id", "", time, mac, 401),
        with(
            "a list with strangers",
            id,
            time,
            &format!("v1a,AAAA v2,x {mac}"),
            200,
        ),
        with(
            "the asymmetric version",
            id,
            time,
            &mac.replace("v1,", "v1a,"),
            401,
        ),
        with("commas for blanks", id, time, &format!("v1,AAAA,{mac}"), 401),
        with("a time of tomorrow", id, &(now + 86_400).to_string(), mac, 401),
        row(
            "no id",
            &[("webhook-timestamp", time), ("webhook-signature", mac)],
            401,
        ),
    ];
    judge(&rig, "standard", b"{\"email\":\"a@example.com\"}", rows).await;
    rig.survived().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_of_ones_own_holds_as_well_as_a_preset() {
    let rig = Rig::start().await;
    let body = lead("custom");
    let now = unix_now() * 1000;
    let sign = |secret: &str, time: u64, method: &str| {
        let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}:{method}:").as_bytes());
        mac.update(&body);
        STANDARD.encode(mac.finalize().into_bytes())
    };
    let with = |what: &str, mac: &str, time: &str, status| {
        row(what, &[("X-Acme", mac), ("X-Acme-Time", time)], status)
    };
    let good = sign(SECRET, now, "POST");
    let time = now.to_string();
    let rows = vec![
        with("right", &good, &time, 200),
        with(
            "the second secret",
            &sign(&format!("{SECRET}-2"), now, "POST"),
            &time,
            200,
        ),
        with(
            "a third secret",
            &sign(&format!("{SECRET}-3"), now, "POST"),
            &time,
            401,
        ),
        with("signed for GET", &sign(SECRET, now, "GET"), &time, 401),
        with(
            "past",
            &sign(SECRET, now - 61_000, "POST"),
            &(now - 61_000).to_string(),
            401,
        ),
        with(
            "future",
            &sign(SECRET, now + 90_000, "POST"),
            &(now + 90_000).to_string(),
            401,
        ),
        with(
            "seconds",
            &sign(SECRET, now / 1000, "POST"),
            &(now / 1000).to_string(),
            401,
        ),
        with("another time", &good, &(now + 1).to_string(), 401),
        row("no time", &[("X-Acme", &good)], 401),
        row(
            "two times",
            &[("X-Acme", &good), ("X-Acme-Time", &time), ("X-Acme-Time", &time)],
            401,
        ),
    ];
    judge(&rig, "custom", &body, rows).await;
    rig.survived().await;
}

/// Nothing is read before it is known who wrote it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_verified_is_not_parsed_and_not_kept() {
    let rig = Rig::start().await;
    let forged = ("X-Webhook-Signature", "sha256=00");
    let huge = format!("{{\"email\":\"{}\"}}", "x".repeat(8000));
    for (what, content_type, body) in [
        ("broken JSON", "application/json", "{"),
        ("an unknown type", "text/xml", "<a/>"),
        ("nothing", "application/json", ""),
        ("a form that is none", "application/x-www-form-urlencoded", "%ff"),
        ("no lead", "application/json", "{}"),
        ("a large one", "application/json", huge.as_str()),
    ] {
        let headers = [
            forged,
            ("Content-Type", content_type),
            ("Content-Encoding", "gzip"),
        ];
        for headers in [&headers[..2], &headers[..]] {
            let answer = rig.post("generic", headers, body.as_bytes()).await;
            assert_refused(&answer, 401, what);
        }
    }
    assert!(rig.rejected().await.is_empty());
    rig.survived().await;
}
