//! What an evaluation may cost.

use serde_json::{Value, json};

use super::evaluate;
use crate::expression::{Names, Program, Scope, sparingly};

/// What the bounds admit must not overflow the stack of the thread that evaluates it.
#[test]
fn the_deepest_expressions_fit_into_half_of_a_workers_stack() {
    let payload = json!({"a": {"a": 1}, "l": [[1]]});
    let shapes: &[(&str, &str, &str)] = &[
        ("1", "+1", ""),
        ("payload.a.a", "%7", ""),
        ("'a'", "+'b'", ""),
        ("payload", ".a", ""),
        ("payload", ".?a", ""),
        ("payload.l", "[0]", ""),
        ("payload.l", "[?0]", ""),
        ("'a'", ".trim()", ""),
        ("'a'", ".replace('a','b')", ""),
        ("payload.a.a == 1", "&&payload.a.a==1", ""),
        ("payload.a.a == 2", "||payload.a.a==2", ""),
        ("payload.a.a == 2 ? 1 ", ": payload.a.a == 2 ? 1", ": 1"),
        ("payload.l", ".flatten()", ""),
        ("payload", ".a.orValue(1)", ""),
        ("payload.l.map(x, payload.l.map(y, 1", "+1", "))"),
    ];
    let run = move || {
        let scope = Scope::new().with("payload", &payload);
        for (start, link, end) in shapes {
            let deepest = (1..140)
                .rev()
                .find_map(|n| Program::compile(&format!("{start}{}{end}", link.repeat(n)), &Names::ALL).ok());
            let _ = deepest.expect(link).evaluate(&scope);
        }
        let nested = format!("{}payload{}", "[".repeat(32), "]".repeat(32));
        assert!(
            Program::compile(&nested, &Names::ALL)
                .unwrap()
                .evaluate(&scope)
                .is_ok()
        );
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    thread.spawn(run).unwrap().join().unwrap();
}

/// From reports of what a single lead did to a receiver: killed it, or kept it busy for minutes.
#[test]
fn no_expression_takes_more_than_its_budget_whatever_the_body() {
    let text = "x,".repeat(250_000);
    let letters = "a".repeat(500_000);
    let numbers: Vec<u32> = (0..100_000).collect();
    let payload = json!({
        "s": text, "big": letters, "n": numbers, "words": vec!["word"; 50_000], "objects": vec![json!({"a": 1}); 50_000],
        "pattern": "(a|b|ab)*c".repeat(40), "json": "[0],".repeat(100_000), "lists": vec![json!([0]); 50_000],
        "title": "t".repeat(30_000), "answers": vec![""; 9_500],
    });
    let mut survivors = Vec::new();
    for source in [
        "payload.answers.map(a, payload.title + ': ' + a).join('\\n')",
        "payload.s.split(',').filter(t, payload.s.split(',').exists(k, k == t))",
        "lists.range(100000).all(x, lists.range(100000).all(y, y >= 0))",
        "payload.s.replace('', payload.big)",
        "payload.big.replace('a', payload.s)",
        "payload.n.map(a, [a,a,a,a,a,a,a,a]).map(a, [a,a,a,a,a,a,a,a])",
        "payload.words.map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a)",
        "[payload.big].map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a).map(a, a+a+a+a+a+a+a+a)",
        "payload.n.map(x, payload.n.map(y, x * y))",
        "payload.n.distinct()",
        "payload.words.exists(w, payload.words.exists(v, v != w && false))",
        "payload.n.exists(w, payload.big == payload.big + '' && false)",
        "payload.n.exists(w, payload.big.indexOf('ab') == 1)",
        "payload.n.exists(w, payload.big.lower() == '')",
        "payload.n.exists(w, payload.big.matches('(a+)+$'))",
        "payload.words.exists(w, w.matches(payload.pattern))",
        "'%s%s%s%s%s%s%s%s'.format([payload.n, payload.n, payload.n, payload.n, payload.n, payload.n, payload.n, payload.n])",
        "parseJson('[' + payload.json + '0]')",
        "payload.n.map(x, payload)",
        "[payload, payload, payload, payload, payload, payload, payload, payload]",
        "payload.n.map(x, {'a': x})",
        "payload.n.exists(x, payload.n == payload.n && false)",
        "payload.n.exists(x, (payload.n + payload.n).size() == 1)",
        "payload.n.sort().map(x, payload.n.sort())",
        "payload.n.exists(x, timestamp('2026-01-01T00:00:00Z').getHours('Europe/Berlin') == 30)",
        "payload.n.exists(x, parseTime('gibberish') == 1)",
    ] {
        let program = Program::compile(source, &Names::ALL).unwrap_or_else(|e| panic!("{e}"));
        match program.evaluate(&Scope::new().with("payload", &payload)) {
            Ok(_) => survivors.push(source),
            // Steps, bytes, or on a busy machine the clock.
            Err(failed) => assert!(
                !failed.by_payload
                    && (failed.reason.contains(" more than ") || failed.reason.contains("longer than")),
                "{failed}"
            ),
        }
    }
    assert!(survivors.is_empty(), "within the budget: {survivors:#?}");
}

#[test]
fn nothing_absorbs_a_spent_budget_and_the_next_evaluation_has_its_own() {
    let payload = json!({"a": vec![0; 2000]});
    for source in [
        "payload.a.exists(x, payload.a.all(y, y == 0)) || true",
        "true && payload.a.all(x, payload.a.all(y, y == 0))",
        "payload.?a.optMap(x, x.all(y, x.all(z, z == 0))).orValue(true)",
    ] {
        let given = evaluate(source, &payload);
        // `exists` may end early; `true` decides then.
        assert!(given.is_err() || source.contains("exists"), "{source}: {given:?}");
    }
    assert_eq!(
        evaluate("payload.a.exists(x, x == 0)", &payload),
        Ok(Some(json!(true)))
    );
}

#[test]
fn work_that_turns_out_heavy_is_told_from_light_work() {
    let (light, heavy) = (json!({"a": [1, 2, 3]}), json!({"a": vec![0; 60_000]}));
    let sum = |payload: &Value| evaluate("payload.a.filter(x, x == 1).size()", payload);
    assert_eq!(sparingly(|| sum(&light)), Some(Ok(Some(json!(1)))));
    assert_eq!(sparingly(|| sum(&heavy)), None);
    // All evaluations of the work together count.
    assert_eq!(
        sparingly(|| for _ in 0..30_000 {
            let _ = sum(&light);
        }),
        None
    );
    // Outside, each has the whole budget.
    assert_eq!(sum(&heavy), Ok(Some(json!(0))));
}
