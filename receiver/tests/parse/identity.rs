//! Which submission a request is.

use super::*;

/// The chain: expression, header, submissionId, eventId, e-mail and time, digest of the body.
#[test]
fn the_first_identity_that_a_submission_has_is_its_identity() {
    // A sender whose preset knows no identity.
    let plain = webhook(&json!({"source": "cf7"}));
    let keyed = webhook(&json!({"idempotency": {"key": "payload.form.id", "window": "1h"}}));
    let header = [("X-Idempotency-Key", "k1")];
    let key = |webhook: &Webhook, with: &[(&str, &str)], body: Value| {
        let lead = leads(parse(webhook, with, &body)).remove(0);
        (lead.dedupe, lead.window)
    };
    let email = "a@example.com";
    // Two requests, and whether they are the same submission.
    for (what, webhook, one, two, same) in [
        (
            "expression",
            &keyed,
            json!({"email": email, "form": {"id": 1}}),
            json!({"email": "b@example.com", "form": {"id": "1"}}),
            true,
        ),
        (
            "another id",
            &keyed,
            json!({"email": email, "form": {"id": 1}}),
            json!({"email": email, "form": {"id": 2}}),
            false,
        ),
        (
            "submissionId",
            &plain,
            json!({"email": email, "submissionId": "s"}),
            json!({"email": "b@example.com", "submissionId": "s"}),
            true,
        ),
        (
            "submissionId before eventId",
            &plain,
            json!({"email": email, "submissionId": "s", "eventId": 1}),
            json!({"email": email, "submissionId": "s", "eventId": 2}),
            true,
        ),
        (
            "eventId",
            &plain,
            json!({"email": email, "eventId": "e", "n": 1}),
            json!({"email": email, "eventId": "e", "n": 2}),
            true,
        ),
        (
            "a submissionId is no eventId",
            &plain,
            json!({"email": email, "submissionId": "s"}),
            json!({"email": email, "eventId": "s"}),
            false,
        ),
        (
            "e-mail and time",
            &plain,
            json!({"email": email, "at": "2026-01-01T00:00:00Z", "n": 1}),
            json!({"email": "A@example.com ", "at": 1_767_225_600, "n": 2}),
            true,
        ),
        (
            "another time",
            &plain,
            json!({"email": email, "at": 1_767_225_600}),
            json!({"email": email, "at": 1_767_225_601}),
            false,
        ),
        (
            "the body",
            &plain,
            json!({"email": email, "n": 1}),
            json!({"email": email, "n": 1}),
            true,
        ),
        (
            "another body",
            &plain,
            json!({"email": email, "n": 1}),
            json!({"email": email, "n": 2}),
            false,
        ),
        (
            "blank ids do not count",
            &plain,
            json!({"email": email, "submissionId": " ", "n": 1}),
            json!({"email": email, "submissionId": " ", "n": 2}),
            false,
        ),
    ] {
        assert_eq!(
            key(webhook, &[], one).0 == key(webhook, &[], two).0,
            same,
            "{what}"
        );
    }
    let with_header = |n: u8| key(&plain, &header, json!({"email": email, "submissionId": n})).0;
    assert_eq!(
        with_header(1),
        with_header(2),
        "the header goes before submissionId"
    );
    let expression_first = |n: &str| {
        key(
            &keyed,
            &[("X-Idempotency-Key", n)],
            json!({"email": email, "form": {"id": 1}}),
        )
        .0
    };
    assert_eq!(expression_first("1"), expression_first("2"));
    // A person may send the same form twice and mean it: only a short while.
    let minutes = |body: Value| key(&plain, &[], body).1.as_secs() / 60;
    assert_eq!(minutes(json!({"email": email})), 10);
    assert_eq!(minutes(json!({"email": email, "eventId": 1})), 24 * 60);
    // No webhook's identities collide with another's, and none shows whom it is about.
    let lead = leads(parse(&plain, &[], &json!({"email": email, "at": 5}))).remove(0);
    for text in [lead.dedupe.as_str(), lead.contact.as_str()] {
        assert!(!text.contains("example") && text.len() == 22, "{text}");
    }
}
