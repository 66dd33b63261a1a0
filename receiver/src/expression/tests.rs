#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use serde_json::{Value, json};

use super::{ExpressionError, Program, Scope};

fn evaluate(source: &str, payload: &Value) -> Result<Option<Value>, ExpressionError> {
    Program::compile(source)?.evaluate(&Scope::new().with("payload", payload))
}

#[test]
fn a_table_of_expressions_and_what_they_give() {
    let payload = json!({
        "email": "Ada@Example.com", "n": 3, "big": 9_007_199_254_740_993_i64, "huge": u64::MAX, "none": null, "blank": " ",
        "list": [1, 2], "Phone Number": 4_930_901_820_i64, "text": "ÄB c/ü", "inner": "{\"a\":[true]}",
        "answers": [
            {"type": "text", "field": {"ref": "first_name"}, "text": "Zoë"},
            {"type": "email", "email": "zoe@example.com"}
        ]
    });
    let table: &[(&str, Option<Value>)] = &[
        ("payload.email", Some(json!("Ada@Example.com"))),
        ("payload.n + 1", Some(json!(4))),
        ("payload.big", Some(json!(9_007_199_254_740_993_i64))),
        ("payload.huge", Some(json!(u64::MAX))),
        ("payload.missing", None),
        ("payload.missing.deeper", None),
        ("payload.none", None),
        ("payload.none.deeper", None),
        ("payload.none.deeper.still", None),
        ("payload.?missing", None),
        ("payload.?missing.orValue('d')", Some(json!("d"))),
        ("payload.list[5]", None),
        ("payload.list[1]", Some(json!(2))),
        ("payload.list + [3]", Some(json!([1, 2, 3]))),
        ("payload.list == [1, 2]", Some(json!(true))),
        ("[1, 2] == [1, 3]", Some(json!(false))),
        ("{'a': payload.n}", Some(json!({"a": 3}))),
        ("payload['Phone Number']", Some(json!(4_930_901_820_i64))),
        ("text(payload['Phone Number'])", Some(json!("4930901820"))),
        ("text(payload.list)", Some(json!("1"))),
        ("text(payload.none)", None),
        ("payload.text.lower()", Some(json!("äb c/ü"))),
        ("urlencode(payload.text)", Some(json!("%C3%84B%20c%2F%C3%BC"))),
        ("parseJson(payload.inner).a[0]", Some(json!(true))),
        ("parseJson(payload.text)", None),
        (
            "payload.answers.find('type', 'email').email",
            Some(json!("zoe@example.com")),
        ),
        (
            "payload.answers.find('field.ref', 'first_name').text",
            Some(json!("Zoë")),
        ),
        ("payload.answers.find('type', 'phone').phone", None),
        (
            "[payload.?missing, payload.answers.find('type','no').?x, payload.blank, payload.?email].firstNonEmpty()",
            Some(json!("Ada@Example.com")),
        ),
        ("[payload.?missing].firstNonEmpty()", None),
        (
            "parseJson('{\"q4_eMail\": 1, \"q5_email\": 2}').findKey('email')",
            Some(json!(1)),
        ),
        ("payload.answers[1].findKey('nope')", None),
        (
            "payload.answers.filter(a, a.type == 'email')[0].email",
            Some(json!("zoe@example.com")),
        ),
        ("payload.answers.map(a, a.type)", Some(json!(["text", "email"]))),
        (
            "'zoe@example.com' in payload.answers.map(a, a.?email.orValue(''))",
            Some(json!(true)),
        ),
        (
            "payload.email.split('@')[1].lowerAscii()",
            Some(json!("example.com")),
        ),
        ("has(payload.email) && !has(payload.nope)", Some(json!(true))),
        (
            "timestamp('2026-11-23T09:00:00Z')",
            Some(json!("2026-11-23T09:00:00+00:00")),
        ),
    ];
    for (source, expected) in table {
        assert_eq!(evaluate(source, &payload).as_ref(), Ok(expected), "{source}");
    }
}

#[test]
fn errors_name_the_expression_and_quote_no_value() {
    let payload = json!({"secret": "hunter2", "n": 1});
    for source in [
        "payload.secret + 1",
        "payload.secret < 3",
        "payload.secret * 2",
        "int(payload.secret)",
        "nope.x",
    ] {
        let error = evaluate(source, &payload).expect_err(source).to_string();
        assert!(error.contains(source) && !error.contains("hunter2"), "{error}");
    }
}

/// A thread for each field of each lead would cost more than the mapping.
#[test]
fn no_preset_needs_a_stack_of_its_own() {
    use crate::source::preset;
    let mut tried = 0;
    for name in preset::names() {
        let known = preset::find(name).unwrap();
        let lead = serde_json::to_value(&known.payload.lead).unwrap();
        let mapping = lead
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, e)| e.as_str());
        let others = [
            &known.payload.accept,
            &known.payload.items,
            &known.idempotency.key,
        ];
        let others = others
            .into_iter()
            .flatten()
            .map(leadgate_crds::common::Expression::as_str);
        for source in mapping.chain(others) {
            let depth = Program::compile(source).unwrap().depth;
            assert!(depth <= super::guard::SHALLOW, "{name}: {source}: {depth}");
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}

/// Found by fuzzing: what the bounds admit must not overflow the stack of the thread that evaluates it.
#[test]
fn the_deepest_expressions_fit_into_half_of_a_workers_stack() {
    let payload = json!({"a": {"a": 1}, "l": [[1]]});
    let shapes: &[(&str, &str)] = &[
        ("1", "+1"),
        ("1", "-1"),
        ("payload.a.a", "%7"),
        ("'a'", "+'b'"),
        ("payload", ".a"),
        ("payload", ".?a"),
        ("payload.l", "[0]"),
        ("payload.l", "[?0]"),
        ("'a'", ".trim()"),
        ("'a'", ".lower()"),
        ("'a'", ".replace('a','b')"),
        ("payload.a.a == 1", "&&payload.a.a==1"),
        ("payload.a.a == 2", "||payload.a.a==2"),
        ("payload.a.a == 2 ? 1 ", ": payload.a.a == 2 ? 1"),
        ("payload.l", ".flatten()"),
        ("payload", ".a.orValue(1)"),
    ];
    let run = move || {
        let scope = Scope::new().with("payload", &payload);
        for (start, link) in shapes {
            let end = if link.starts_with(':') { ": 1" } else { "" };
            let admitted: Vec<Program> = (1..20)
                .chain([50, 84, 120, 126, 250, 254])
                .filter_map(|n| Program::compile(&format!("{start}{}{end}", link.repeat(n))).ok())
                .collect();
            // The deepest that is evaluated on this thread, and the deepest at all.
            let here = admitted
                .iter()
                .rfind(|program| program.depth <= super::guard::SHALLOW);
            for program in here.into_iter().chain(admitted.last()) {
                let _ = program.evaluate(&scope);
                let _ = program.interpret(&scope);
            }
            assert!(here.is_some(), "{link}");
        }
        let chain = format!("1{}", "+1".repeat(200));
        assert_eq!(
            Program::compile(&chain).unwrap().evaluate(&scope),
            Ok(Some(json!(201)))
        );
        // Loops and brackets count as levels too.
        for chain in (0..240).step_by(3).map(|n| "+1".repeat(n)) {
            let source = format!("[[payload.l.map(x, payload.l.map(y, 1{chain}))]]");
            let Ok(program) = Program::compile(&source) else {
                break;
            };
            if program.depth <= super::guard::SHALLOW || chain.len() > 400 {
                assert!(program.interpret(&scope).is_ok(), "{source}");
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    thread.spawn(run).unwrap().join().unwrap();
}

#[test]
fn what_could_overflow_a_stack_or_never_end_is_refused() {
    let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
    let chain = vec!["1"; 500].join("+");
    let long = format!("'{}'", "x".repeat(3000));
    let nested = "payload.a.map(x, payload.a.map(y, payload.a.map(z, z)))";
    for source in ["", "1 +", deep.as_str(), chain.as_str(), long.as_str(), nested] {
        assert!(
            matches!(Program::compile(source), Err(ExpressionError::Invalid { .. })),
            "{source}"
        );
    }
    let payload = json!({"a": vec![0; 2000]});
    let error = evaluate("payload.a.exists(x, payload.a.exists(y, y == 1))", &payload).expect_err("too much");
    assert!(error.to_string().contains("100,000 elements"), "{error}");
    // The budget is per evaluation, not per thread.
    assert_eq!(
        evaluate("payload.a.exists(x, x == 0)", &payload),
        Ok(Some(json!(true)))
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(source in "[a-z0-9.()\\[\\]{}'\"+*?:,<>=!&| ]{0,120}") {
        let payload = json!({"a": 1});
        let _ = evaluate(&source, &payload);
    }
}

/// Payloads with the shapes that senders have: fields missing, null, of another type, in lists.
fn payloads() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!(" ")),
        "[a-z]{1,3}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn the_short_cut_gives_what_the_interpreter_gives(payload in payloads()) {
        let sources = [
            "payload", "payload.a", "payload.a.b", "payload.a.b.c", "payload['a'].b", "payload.a[0]", "payload.a[1].b",
            "payload.?a", "payload.?a.?b", "payload.a.?b", "payload[?'a'].?b", "payload.a[0].?b",
            "payload.a.find('b', 'a').c", "payload.a.find('b.c', 'a')", "payload.find('a', 'b').?c",
            "[payload.?a, payload.?b].firstNonEmpty()", "[payload.?a.?b, payload.a.?c, payload.?c].firstNonEmpty()",
            "[payload.a.find('b', 'a').?c, payload.?b].firstNonEmpty()",
        ];
        for source in sources {
            let program = Program::compile(source).unwrap();
            proptest::prop_assert!(program.fast.is_some(), "{} has no short cut", source);
            let scope = Scope::new().with("payload", &payload);
            proptest::prop_assert_eq!(program.evaluate(&scope), program.interpret(&scope), "{}", source);
        }
    }
}
