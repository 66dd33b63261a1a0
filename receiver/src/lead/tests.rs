mod names;
mod phones;

use std::collections::BTreeMap;

use leadgate_crds::lead_webhook::OnInvalid;
use proptest::prelude::*;
use serde_json::json;

use super::normalise::normalise;
use super::validate::validate;
use super::*;
use crate::time::instant;

fn lead(fields: &[(Field, &str)]) -> Lead {
    let mut lead = Lead::new();
    for (field, text) in fields {
        lead.set(*field, *text);
    }
    lead
}

#[test]
fn a_stored_lead_is_written_as_it_was_with_what_this_version_does_not_know() {
    let mut stored = json!({"custom": {"budget": 1}, "aField": "of a later version", "zzz": [1]});
    for field in Field::ALL {
        stored[field.name()] = field.name().into();
    }
    for other in [json!("a text"), json!(null), json!(7)] {
        stored["phone"] = other;
        let lead = Lead::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_string(&lead).unwrap(), stored.to_string());
        assert_eq!(lead.get(Field::Phone), stored["phone"].as_str());
        assert!(lead.has("phone") && lead.has("zzz") && lead.has("custom.budget"));
        let mut changed = lead.clone();
        changed.set(Field::Phone, "112");
        assert_eq!(changed.get(Field::Phone), Some("112"));
        changed.remove("phone");
        assert!(!changed.has("phone"));
        assert_eq!(lead.into_value(), stored);
    }
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
    assert_eq!(phone("(030) 901820", None).number, "(030) 901820");
}

#[test]
fn an_email_address_is_freed_of_what_was_pasted_with_it() {
    for (typed, expected) in [
        ("\u{200b}ada@example.com", "ada@example.com"),
        ("\u{feff}ada@example.com\u{a0}", "ada@example.com"),
        ("ada\u{200d}@exam\u{ad}ple.com", "ada@example.com"),
        ("\u{202a}ada@example.com\u{202c}", "ada@example.com"),
        ("İNFO@example.com", "info@example.com"),
        ("ada＠example．com", "ada@example.com"),
        ("ada@example。com", "ada@example.com"),
        ("mailto:Ada@example.com?subject=Hello", "ada@example.com"),
        ("Ada Lovelace <ada@example.com>", "ada@example.com"),
        ("\"Ada\" <mailto:ada@example.com>", "ada@example.com"),
        ("<ada@example.com>,", "ada@example.com"),
        ("'ada@example.com'", "ada@example.com"),
        ("ada@example.com.", "ada@example.com"),
        ("mail@KÖLN.example", "mail@xn--kln-sna.example"),
        ("mail@ko\u{308}ln.example", "mail@xn--kln-sna.example"),
        ("mail@xn--kln-sna.example", "mail@xn--kln-sna.example"),
        ("a\u{308}nne@example.com", "änne@example.com"),
        ("“ada@example.com”", "ada@example.com"),
        ("«ada@example.com»", "ada@example.com"),
        ("ada@example.com)", "ada@example.com"),
        ("ada@example.com!", "ada@example.com"),
        ("E-Mail: ada@example.com", "ada@example.com"),
        ("ada@example.com (work)", "ada@example.com"),
        ("ada@example.com, bob@example.com", "ada@example.com"),
        ("[ada@example.com](mailto:ada@example.com)", "ada@example.com"),
        // No address: as typed.
        ("ada @ example.com", "ada @ example.com"),
        ("ada lovelace@example.com", "ada lovelace@example.com"),
        ("not an address", "not an address"),
        ("ada@exam\nple.com", "ada@exam ple.com"),
        ("o'brien@example.com", "o'brien@example.com"),
    ] {
        assert_eq!(email(typed), expected, "{typed}");
    }
}

#[test]
fn texts_lose_controls_and_times_what_crms_cannot_read() {
    let mut all = lead(&[
        (Field::Company, "\u{200b} Ana\0lytical\u{7} \u{feff}"),
        (Field::Message, "two\nlines\t"),
        (Field::City, "\u{200b}\0"),
    ]);
    all.set_custom("note", json!(["a\0b", 1]));
    assert_eq!(all.get(Field::Company), Some("Analytical"));
    assert_eq!(all.get(Field::Message), Some("two\nlines"));
    assert_eq!(all.get(Field::City), None);
    assert_eq!(all.custom("note"), Some(&json!(["ab", 1])));
    for (typed, expected) in [
        ("2026-11-23T09:00:00.123456789Z", Some("2026-11-23T09:00:00.123Z")),
        ("1790000000.5", Some("2026-09-21T14:13:20.5Z")),
        ("1790000000.123456", Some("2026-09-21T14:13:20.123Z")),
        ("soon", None),
        ("1.5e9", None),
        // A number is a date that is written without hyphens, or a time of this century in a unit that its size tells.
        ("20260921", Some("2026-09-21T00:00:00Z")),
        ("20260921133320", Some("2026-09-21T13:33:20Z")),
        ("1790000000", Some("2026-09-21T14:13:20Z")),
        ("1790000000123", Some("2026-09-21T14:13:20.123Z")),
        ("1790000000123456", Some("2026-09-21T14:13:20.123Z")),
        ("1790000000123456789", Some("2026-09-21T14:13:20.123Z")),
        ("2026-09-21 13:33:20 UTC", Some("2026-09-21T13:33:20Z")),
        ("2026-09-21 13:33:20 +0200", Some("2026-09-21T11:33:20Z")),
        ("2026-09-21", Some("2026-09-21T00:00:00Z")),
        ("1955-12-01", Some("1955-12-01T00:00:00Z")),
        ("2026", None),
        ("46286", None),
        ("0", None),
        ("20269999", None),
        ("0001-01-01T00:00:00Z", None),
        ("09/10/2026", None),
    ] {
        assert_eq!(instant(typed).as_deref(), expected, "{typed}");
    }
}

#[test]
fn an_address_has_a_domain_that_mail_can_be_sent_to() {
    let is_refused = |typed: &str| {
        let found = validate(&lead(&[(Field::Email, &email(typed))]), &Limits::default());
        found.iter().any(|problem| problem.reason == "InvalidEmail")
    };
    for refused in [
        "ada@n/a.com",
        "ada@example.com%20",
        "ada@exa!mple.com",
        "ada@1.2.3.4",
        "ada@-example.com",
        "ada@example",
    ] {
        assert!(is_refused(refused), "{refused}");
    }
    for taken in [
        "ada@xn--kln-sna.example",
        "o'brien+crm@mail.example-2.co.uk",
        "ada@köln.example",
    ] {
        assert!(!is_refused(taken), "{taken}");
    }
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
        ..Limits::default()
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
fn what_says_nothing_is_told_from_names_and_answers() {
    use placeholder::says_nothing;
    for word in [
        "n/a",
        "N/A",
        "-",
        "--",
        ".",
        "—",
        "none",
        "keine",
        "Keine Angabe",
        "aucun",
        "ninguno",
        "não",
        "нет",
        "無",
        "なし",
        "xxx",
        "000-000 0000",
        "0",
        "undefined",
    ] {
        assert!(says_nothing(Field::Phone, word), "{word}");
    }
    for (field, word) in [
        (Field::FirstName, "-"),
        (Field::LastName, "N/A"),
        (Field::LastName, "null"),
        (Field::City, "xxx"),
        (Field::Message, "..."),
        (Field::Company, "keine"),
        (Field::Website, "no"),
        (Field::Message, "nein"),
        (Field::State, "--"),
    ] {
        assert!(says_nothing(field, word), "{word}");
    }
    for (field, word) in [
        (Field::LastName, "Null"),
        (Field::LastName, "Na"),
        (Field::LastName, "No"),
        (Field::FirstName, "Nan"),
        (Field::Country, "NA"),
        (Field::Country, "NO"),
        (Field::State, "NA"),
        (Field::City, "Nada"),
        (Field::Company, "No"),
        (Field::Phone, "test"),
        (Field::Phone, "0170"),
        (Field::Message, "xx"),
        (Field::Message, "?"),
        (Field::Message, "❤"),
        (Field::FirstName, "X"),
        (Field::Phone, "call me"),
    ] {
        assert!(!says_nothing(field, word), "{word}");
    }
}

#[test]
fn digests_keep_parts_apart() {
    assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
    assert_eq!(digest(["a"]).len(), 22);
}

/// Texts of what people put into names and numbers.
fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(pieces), 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn normalising_twice_changes_nothing_more(
        email in prop_oneof![".{0,40}", pieces(&["a", "@", "mailto:", "<", ">", "x.de", "KÖLN", "\"", "'", ".", " ", "\u{200b}", "İ", "?"])],
        phone in prop_oneof!["[+0-9 ()a-z-]{0,30}", pieces(&["+", "49", "030 901820", "x", "ext. ", "1", "E+11", ".0", "4.9", "/", ",", " ", "(", "Tel ", "٣", "'", "#", "１"])],
        name in prop_oneof![".{0,40}", pieces(&["Ada ", "van ", "de ", "Jr. ", "PhD", ", ", "Dr. ", "III ", "y ", "& ", "山田 ", "MD", "Smith "])],
        time in ".{0,30}",
    ) {
        let mut once = lead(&[(Field::Email, &email), (Field::Phone, &phone), (Field::FullName, &name), (Field::CapturedAt, &time)]);
        normalise(&mut once, Some("GB"));
        let mut twice = once.clone();
        normalise(&mut twice, Some("GB"));
        prop_assert_eq!(&once, &twice);
        for field in [Field::FirstName, Field::LastName] {
            prop_assert!(!once.get(field).unwrap_or_default().contains(','));
        }
    }

    #[test]
    fn a_phone_number_never_gets_digits_that_nobody_typed(
        typed in pieces(&["+", "44", "020 7183 8750", "x", " ext. ", "136", "E+11", ".0", "4.91701234568", "/", ",", " ", "(0)", "FLOWERS", "٣", "１", "Axel"]),
        region in proptest::option::of(proptest::sample::select(&["GB", "US", "IT"][..])),
    ) {
        let digits = |text: &str| text.chars().filter_map(text::digit).collect::<String>();
        let read = phone(&typed, region);
        let (given, number) = (digits(&typed), digits(&read.number));
        // All but the country code was typed, in this order and without a gap; the exponent of a spreadsheet is none of it.
        let national = PREFIXES.iter().filter_map(|code| number.strip_prefix(code)).chain([number.as_str()]).any(|n| given.replace("(0)", "").contains(n));
        prop_assert!(national || typed.contains("(0)"), "{} -> {:?}", typed, read);
        let extension = read.extension.unwrap_or_default();
        prop_assert!(number.len() + extension.len() <= given.len() + 3, "{typed}");
    }

    #[test]
    fn an_email_address_that_was_read_is_valid_or_as_typed(typed in pieces(&["a", "b", "@", "mailto:", "<", ">", "x.de", "köln.example", "\"", "'", ".", "\u{200b}", "İ", "?"])) {
        let read = email(&typed);
        let valid = validate(&lead(&[(Field::Email, &read)]), &Limits::default()).is_empty();
        prop_assert!(valid || !read.contains("xn--") || typed.contains("köln"));
        prop_assert_eq!(email(&read), read);
    }

    #[test]
    fn a_lead_that_goes_on_is_valid_and_lost_nothing_unsaid(
        email in pieces(&["a", "@", "x.de", " ", "none"]),
        phone in pieces(&["+", "49", "030 901820", "E+11", ".0", "ab", "n/a"]),
        company in pieces(&["x", "-", "Analytical Engines ", "keine"]),
        time in pieces(&["2026", "-11-23", "soon"]),
        required in proptest::sample::subsequence(vec!["phone", "company", "capturedAt"], 0..=3),
        drops in proptest::bool::ANY,
    ) {
        let on_invalid = if drops { OnInvalid::DropField } else { OnInvalid::Reject };
        let limits = Limits {
            required: required.iter().map(ToString::to_string).collect(),
            longest: BTreeMap::from([("company".to_owned(), 30)]),
            on_invalid,
            ..Limits::default()
        };
        let given = lead(&[(Field::Email, &email), (Field::Phone, &phone), (Field::Company, &company), (Field::CapturedAt, &time)]);
        let mut judged = given.clone();
        let Verdict { notes, problems } = judge(&mut judged, Vec::new(), Some("DE"), &limits);
        if problems.is_empty() {
            prop_assert_eq!(validate(&judged, &limits), vec![]);
            for field in Field::ALL.iter().filter(|field| given.get(**field).is_some()) {
                let said = notes.iter().any(|note| note.field == field.name());
                let empty = placeholder::says_nothing(*field, given.get(*field).unwrap());
                prop_assert!(judged.get(*field).is_some() || said || empty, "{} went unsaid", field.name());
            }
        }
        prop_assert!(drops || notes.iter().all(|note| note.field == "capturedAt"));
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

/// Country codes of the regions above.
const PREFIXES: &[&str] = &["44", "1", "39"];
