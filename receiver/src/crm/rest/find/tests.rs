use std::collections::BTreeMap;
use std::time::Duration;

use leadgate_crds::crm_sink::{ContactMatch, MatchingKey, Overwrite, PartialMatch};
use serde_json::json;

use super::super::description::{Body, Call, Part};
use super::*;
use crate::expression::{Names, Program};
use crate::outbound::Reply;

fn part(field: &'static str, source: &str) -> Part {
    Part {
        field,
        program: Program::compile(source, &Names::ALL).unwrap(),
    }
}

fn found(body: &str, status: u16) -> Result<Vec<Record>, String> {
    let lookup = Lookup {
        call: Call {
            name: "lookup",
            method: http::Method::GET,
            path: part("rest.lookup.path", "'/'"),
            body: Body::Empty,
            headers: http::HeaderMap::new(),
        },
        records: part("rest.lookup.records", "body.results"),
        matches: part(
            "rest.lookup.match",
            "record.email != null && record.email.lower() == lead.email",
        ),
        id: part("rest.lookup.id", "text(record.id)"),
        lag: Duration::ZERO,
    };
    let lead = Upsert {
        lead: json!({"email": "ada@example.com"}),
        ..Upsert::default()
    };
    let reply = Reply::new(status, http::HeaderMap::new(), body.to_owned());
    records(&lookup, &Seen::new(reply, "lookup"), &lead).map_err(|outcome| match outcome {
        Outcome::Retry { why, in_doubt, .. } => format!("retry {in_doubt} {}", why.message),
        Outcome::Reject(why) => format!("dead {}", why.message),
        other => format!("{other:?}"),
    })
}

#[test]
fn a_search_that_finds_more_than_was_asked_for_updates_nobody_else() {
    let table = [
        ("[]", "none"),
        (r#"[{"id": 1, "email": "Ada@Example.com"}]"#, "one 1"),
        (
            r#"[{"id": 1, "email": "xada@example.com"}, {"id": 2, "email": null}, {"id": 3}]"#,
            "none",
        ),
        (
            r#"[{"id": 2, "email": "ada@example.com"}, {"id": 2, "email": "ada@example.com"}]"#,
            "one 2",
        ),
        (
            r#"[{"id": 9, "email": "ada@example.com"}, {"id": 10, "email": "ADA@example.com"}]"#,
            "several 10,9",
        ),
        // A record that is not the lead's needs no id.
        (
            r#"[{"email": "bob@example.com"}, {"id": "b", "email": "ada@example.com"}]"#,
            "one b",
        ),
    ];
    for (list, expected) in table {
        let records = found(&format!(r#"{{"results": {list}}}"#), 200).unwrap();
        let verdict = match judge(&records) {
            Verdict::One(record) => format!("one {}", record.id),
            Verdict::None => "none".to_owned(),
            Verdict::Several(ids) => format!("several {}", ids.join(",")),
        };
        assert_eq!(verdict, expected, "{list}");
    }
}

#[test]
fn an_answer_without_a_list_is_neither_nobody_nor_the_leads_fault() {
    assert_eq!(found("", 204).unwrap(), []);
    assert_eq!(found(r#"{"error": "none"}"#, 404).unwrap(), []);
    let table = [
        ("<html>please sign in</html>", "it finds no list"),
        ("", "it finds no list"),
        (r#"{"items": []}"#, "it finds no list"),
        (r#"{"message": "maintenance"}"#, "it finds no list"),
        (r#"{"results": {"1": {}}}"#, "it must give a list"),
    ];
    for (body, words) in table {
        let error = found(body, 200).unwrap_err();
        assert!(
            error.starts_with(&format!("retry false rest.lookup.records (200): {words}")),
            "{body}: {error}"
        );
    }
    // A record that cannot be addressed is the sink's fault, and stays one.
    let error = found(r#"{"results": [{"email": "ada@example.com"}]}"#, 200).unwrap_err();
    assert!(
        error.starts_with("dead rest.lookup.id: it gives no id"),
        "{error}"
    );
}

#[test]
fn what_sales_typed_is_left_alone() {
    let matching = Matching {
        keys: vec![MatchingKey::Email],
        on_partial: PartialMatch::Hold,
        contacts: ContactMatch::Create,
        overwrite: Overwrite::IfEmpty,
        overwrite_properties: BTreeMap::from([("phone".to_owned(), Overwrite::Always)]),
    };
    let properties: Vec<(String, Value)> = ["company", "city", "tags", "phone"]
        .map(|name| (name.to_owned(), json!("new")))
        .to_vec();
    let record = json!({"company": "typed", "city": " ", "tags": [], "phone": "typed"});
    let names =
        |properties: Vec<(String, Value)>| properties.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(writable(&matching, &properties, &record).unwrap()),
        ["city", "tags", "phone"]
    );
    // A record that does not show a property says nothing about it.
    let error = writable(&matching, &properties, &json!({"company": "typed"})).unwrap_err();
    assert!(error.message.contains("do not show city"), "{}", error.message);
}
