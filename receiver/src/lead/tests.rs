#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn lead(fields: &[(Field, &str)]) -> Lead {
    let mut lead = Lead::new();
    for (field, text) in fields {
        lead.set(*field, *text);
    }
    lead
}

#[test]
fn one_person_written_in_many_ways_is_one_contact() {
    let table = [
        (Field::Email, " Ada@Example.COM ", "ada@example.com"),
        (Field::Email, "ÄNNE@example.com", "änne@example.com"),
        (Field::Phone, "030 901820", "+4930901820"),
        (Field::Phone, "+49 (30) 901820", "+4930901820"),
        (Field::Phone, "0049 30 901820", "+4930901820"),
        (Field::Phone, "+15550109999", "+15550109999"),
        (Field::Phone, "call me", "call me"),
        (
            Field::CapturedAt,
            "2026-11-23T10:00:00+01:00",
            "2026-11-23T09:00:00Z",
        ),
        (Field::CapturedAt, "2026-11-23 09:00:00", "2026-11-23T09:00:00Z"),
        (Field::CapturedAt, "2026-11-23", "2026-11-23T00:00:00Z"),
        (Field::CapturedAt, "1790000000", "2026-09-21T14:13:20Z"),
        (Field::CapturedAt, "1790000000123", "2026-09-21T14:13:20.123Z"),
        (
            Field::CapturedAt,
            "Mon, 23 Nov 2026 09:00:00 +0000",
            "2026-11-23T09:00:00Z",
        ),
    ];
    for (field, given, expected) in table {
        let mut lead = lead(&[(field, given)]);
        normalise(&mut lead, Some("DE"));
        assert_eq!(lead.get(field), Some(expected), "{given}");
    }
    // Without a region, a national number stays as it was written.
    assert_eq!(phone("(030) 901820", None), "(030) 901820");
}

#[test]
fn a_full_name_is_split_only_when_the_sender_did_not() {
    for (full, first, last) in [
        ("Li Wei", Some("Li"), Some("Wei")),
        ("Anna  Maria Braun", Some("Anna Maria"), Some("Braun")),
        ("Cher", Some("Cher"), None),
    ] {
        let mut lead = lead(&[(Field::FullName, full)]);
        normalise(&mut lead, None);
        assert_eq!(
            (lead.get(Field::FirstName), lead.get(Field::LastName)),
            (first, last)
        );
    }
    let mut split = lead(&[(Field::FullName, "A B"), (Field::LastName, "Given")]);
    normalise(&mut split, None);
    assert_eq!(
        (split.get(Field::FirstName), split.get(Field::LastName)),
        (None, Some("Given"))
    );
}

#[test]
fn every_problem_is_reported_at_once_and_no_value_is_quoted() {
    let mut bad = lead(&[
        (Field::Email, "a..b@x"),
        (Field::Phone, "x"),
        (Field::FirstName, "abcdef"),
        (Field::CapturedAt, "soon"),
    ]);
    bad.set_custom("note", json!("y".repeat(20_000)));
    let limits = Limits {
        required: vec!["company".to_owned(), "custom.budget".to_owned()],
        longest: BTreeMap::from([("firstName".to_owned(), 5)]),
    };
    let problems = validate(&bad, &limits);
    let found: Vec<_> = problems.iter().map(|p| (p.field.as_str(), p.reason)).collect();
    assert_eq!(
        found,
        [
            ("email", "InvalidEmail"),
            ("phone", "InvalidPhone"),
            ("capturedAt", "InvalidTime"),
            ("company", "Required"),
            ("custom.budget", "Required"),
            ("firstName", "TooLong"),
            ("custom.note", "TooLong"),
        ]
    );
    assert!(problems.iter().all(|p| !p.message.contains("a..b")));
    assert_eq!(
        validate(&Lead::new(), &Limits::default())[0].reason,
        "ContactMissing"
    );
    assert_eq!(
        validate(&lead(&[(Field::Phone, "+4930901820")]), &Limits::default()),
        []
    );
}

#[test]
fn digests_keep_parts_apart() {
    assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
    assert_eq!(digest(["a"]).len(), 22);
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing_more(email in ".{0,40}", phone in "[+0-9 ()a-z-]{0,30}", name in ".{0,40}", time in ".{0,30}") {
        let mut once = lead(&[(Field::Email, &email), (Field::Phone, &phone), (Field::FullName, &name), (Field::CapturedAt, &time)]);
        normalise(&mut once, Some("GB"));
        let mut twice = once.clone();
        normalise(&mut twice, Some("GB"));
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn no_text_makes_normalising_or_validating_panic(text in "\\PC{0,300}", region in proptest::option::of("[A-Z]{2}")) {
        let mut any = Lead::new();
        for field in Field::ALL {
            any.set(*field, text.as_str());
        }
        normalise(&mut any, region.as_deref());
        let _ = validate(&any, &Limits::default());
    }
}
