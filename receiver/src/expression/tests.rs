use serde_json::{Value, json};

use super::{Names, Program, Scope, sparingly};

fn evaluate(source: &str, payload: &Value) -> Result<Option<Value>, String> {
    let program = Program::compile(source, &Names::ALL).map_err(|invalid| invalid.to_string())?;
    let scope = Scope::new().with("payload", payload);
    program.evaluate(&scope).map_err(|failed| failed.to_string())
}

#[test]
fn a_table_of_expressions_and_what_they_give() {
    let payload = json!({
        "email": "Ada@Example.com", "n": 3, "big": 9_007_199_254_740_993_i64, "huge": u64::MAX, "none": null, "blank": " ",
        "list": [1, 2], "Phone Number": 4_930_901_820_i64, "text": "ÄB c/ü", "inner": "{\"a\":[true]}", "d": 1.5,
        "answers": [
            {"type": "text", "field": {"ref": "first_name"}, "text": "Zoë"},
            {"type": "email", "email": "zoe@example.com"}
        ]
    });
    let table: &[(&str, Option<Value>)] = &[
        ("payload.email", Some(json!("Ada@Example.com"))),
        ("payload.n + 1", Some(json!(4))),
        ("payload.n + payload.d", Some(json!(4.5))),
        ("-payload.n * 2 - 7 / 2 % 2", Some(json!(-7))),
        ("payload.big", Some(json!(9_007_199_254_740_993_i64))),
        ("payload.huge", Some(json!(u64::MAX))),
        ("payload.missing", None),
        ("payload.missing.deeper", None),
        ("payload.missing.lower()", None),
        ("payload.none", None),
        ("payload.none.deeper", None),
        ("payload.none.deeper.still", None),
        ("payload.none.lower()", None),
        ("payload.none + 'x'", None),
        ("payload.none > 3", None),
        ("payload.none == null", Some(json!(true))),
        ("payload.none.map(x, x)", None),
        ("payload.?missing", None),
        ("payload.?missing.orValue('d')", Some(json!("d"))),
        (
            "payload.?missing.or(payload.?email).value()",
            Some(json!("Ada@Example.com")),
        ),
        ("payload.?email.hasValue()", Some(json!(true))),
        (
            "payload.?email.optMap(e, e.lower()).orValue('')",
            Some(json!("ada@example.com")),
        ),
        ("payload.?missing.optMap(e, e.lower())", None),
        ("payload.?answers[0].?field.ref", Some(json!("first_name"))),
        ("payload.list[5]", None),
        ("payload.list[1]", Some(json!(2))),
        ("payload.list[?7].orValue(0)", Some(json!(0))),
        ("payload.list + [3]", Some(json!([1, 2, 3]))),
        ("payload.list == [1, 2]", Some(json!(true))),
        ("[1, 2] == payload.list", Some(json!(true))),
        ("[1, 2] == [1, 3]", Some(json!(false))),
        ("[1, ?payload.?missing, ?payload.?n]", Some(json!([1, 3]))),
        ("{'a': payload.n, ?'b': payload.?missing}", Some(json!({"a": 3}))),
        ("{'a': [1]} == {'a': [1.0]}", Some(json!(true))),
        ("payload['Phone Number']", Some(json!(4_930_901_820_i64))),
        ("text(payload['Phone Number'])", Some(json!("4930901820"))),
        ("text(payload.list)", Some(json!("1"))),
        ("text(payload.none)", None),
        ("payload.text.lower()", Some(json!("äb c/ü"))),
        ("urlencode(payload.text)", Some(json!("%C3%84B%20c%2F%C3%BC"))),
        (
            "unescapeHtml('O&#039;Brien &amp; Söhne')",
            Some(json!("O'Brien & Söhne")),
        ),
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
            "payload.answers.map(a, has(a.text), a.text)",
            Some(json!(["Zoë"])),
        ),
        (
            "payload.answers.exists(a, a.email == 'zoe@example.com')",
            Some(json!(true)),
        ),
        ("payload.answers.exists(a, a.email == 'x')", None),
        ("payload.answers.all(a, a.text == 'Zoë')", None),
        (
            "payload.answers.exists_one(a, a.type == 'text')",
            Some(json!(true)),
        ),
        ("payload.exists(key, key == 'n')", Some(json!(true))),
        ("[3, 1, 2].sort()", Some(json!([1, 2, 3]))),
        ("[3, 1, 2].sortBy(n, -n)", Some(json!([3, 2, 1]))),
        ("[1, 1.0, 2, 'a', 'a'].distinct()", Some(json!([1, 2, "a"]))),
        ("[[1], [2, [3]]].flatten()", Some(json!([1, 2, [3]]))),
        ("[[1], [2, [3]]].flatten(2)", Some(json!([1, 2, 3]))),
        ("[1, 2, 3, 4].slice(1, 3)", Some(json!([2, 3]))),
        ("[1, 2].reverse() + lists.range(2)", Some(json!([2, 1, 0, 1]))),
        ("math.greatest(1, 2.5, payload.n)", Some(json!(3))),
        ("math.least([4, 2])", Some(json!(2))),
        ("math.round(2.5) + math.abs(-1)", Some(json!(4.0))),
        ("'äbc'.reverse()", Some(json!("cbä"))),
        (
            "'zoe@example.com' in payload.answers.map(a, a.?email.orValue(''))",
            Some(json!(true)),
        ),
        ("'email' in payload", Some(json!(true))),
        (
            "payload.email.split('@')[1].lowerAscii()",
            Some(json!("example.com")),
        ),
        ("'a,b,c'.split(',', 2)", Some(json!(["a", "b,c"]))),
        ("'äb'.split('')", Some(json!(["ä", "b"]))),
        ("''.split(',')", Some(json!([""]))),
        ("['a', 'b'].join('-') + ['c'].join()", Some(json!("a-bc"))),
        ("'aaa'.replace('a', 'bb', 2)", Some(json!("bbbba"))),
        ("'ab'.replace('', '_')", Some(json!("_a_b_"))),
        ("'tacocat'.substring(4)", Some(json!("cat"))),
        ("'äöü'.substring(1, 2) + 'äöü'.charAt(2)", Some(json!("öü"))),
        ("'äöä'.indexOf('ä', 1) + 'äöä'.lastIndexOf('ö')", Some(json!(3))),
        ("'äöü'.size() + size([1]) + size({'a': 1})", Some(json!(5))),
        (
            "'%s has %d, %.2f, %x, 100%%'.format(['Ada', 3, 1.0, 255])",
            Some(json!("Ada has 3, 1.00, ff, 100%")),
        ),
        ("string(base64.decode(base64.encode('ü')))", Some(json!("ü"))),
        (
            "string(1.5) + string(true) + string(payload.n)",
            Some(json!("1.5true3")),
        ),
        ("int('12') + int(2.9) + int(payload.n)", Some(json!(17))),
        ("double('1.5') > 1 && bool('true')", Some(json!(true))),
        (
            "type(payload.n) == int && type(payload.text) != int",
            Some(json!(true)),
        ),
        ("has(payload.email) && !has(payload.nope)", Some(json!(true))),
        ("payload.nope == 1 || payload.n == 3", Some(json!(true))),
        ("payload.nope == 1 && payload.n == 4", Some(json!(false))),
        ("payload.nope == 1 || payload.n == 4", None),
        ("payload.n > 2 ? 'many' : 'few'", Some(json!("many"))),
        (
            "'a1'.matches('^[a-z][0-9]$') && matches('x', 'x')",
            Some(json!(true)),
        ),
        (
            "timestamp('2026-11-23T09:00:00Z')",
            Some(json!("2026-11-23T09:00:00Z")),
        ),
        (
            "timestamp('2026-11-23T23:30:00Z') + duration('1h') > timestamp('2026-11-24T00:00:00Z')",
            Some(json!(true)),
        ),
        (
            "timestamp('2026-11-23T23:30:00Z').getHours('Europe/Berlin')",
            Some(json!(0)),
        ),
        (
            "timestamp('2026-11-23T23:30:00Z').getHours('+02:00')",
            Some(json!(1)),
        ),
        ("timestamp('2026-11-23T23:30:00Z').getMonth()", Some(json!(10))),
        ("duration('90m').getHours()", Some(json!(1))),
        // An explicit null: a property is emptied.
        ("clear()", Some(Value::Null)),
        ("has(payload.nope) ? payload.nope : clear()", Some(Value::Null)),
    ];
    for (source, expected) in table {
        assert_eq!(evaluate(source, &payload).as_ref(), Ok(expected), "{source}");
    }
}

#[test]
fn errors_name_the_expression_and_quote_no_value() {
    let payload = json!({"secret": "hunter2", "n": 1, "list": ["hunter2"]});
    // Whether the payload is at fault, and not the expression.
    for (source, by_payload) in [
        ("payload.secret + 1", false),
        ("payload.secret < 3", false),
        ("payload.secret * 2", false),
        ("payload.n.lower()", false),
        ("payload.secret ? 1 : 2", false),
        ("[payload.n].join()", false),
        ("int(payload.secret)", true),
        ("timestamp(payload.secret)", true),
        ("payload.secret.deeper", true),
        ("payload.list.name", true),
        ("payload.secret.map(x, x)", true),
        ("1 / (payload.n - 1)", true),
    ] {
        let program = Program::compile(source, &Names::REQUEST).unwrap();
        let failed = program
            .evaluate(&Scope::new().with("payload", &payload))
            .expect_err(source);
        let text = failed.to_string();
        assert!(text.contains(source) && !text.contains("hunter2"), "{text}");
        assert_eq!(failed.by_payload, by_payload, "{text}");
    }
}

#[test]
fn mistakes_are_told_when_an_expression_is_loaded_with_the_place_and_what_was_meant() {
    let table: &[(&str, Names, &str)] = &[
        (
            "lead.emial",
            Names::PROPERTIES,
            "`lead.emial`: lead has no field emial (at character 6); did you mean `lead.email`?",
        ),
        ("lead.firstNam", Names::ACCEPTED, "did you mean `lead.firstName`?"),
        (
            "lead.first_name",
            Names::ACCEPTED,
            "did you mean `lead.firstName`?",
        ),
        (
            "lead.?emial.orValue('')",
            Names::ACCEPTED,
            "did you mean `lead.email`?",
        ),
        ("has(lead.emial)", Names::ACCEPTED, "did you mean `lead.email`?"),
        ("lead['emial']", Names::ACCEPTED, "did you mean `lead.email`?"),
        (
            "lead.budget",
            Names::PROPERTIES,
            "a field of your own is lead.custom.budget",
        ),
        ("webhook.nam", Names::REQUEST, "did you mean `webhook.name`?"),
        (
            "body.email",
            Names::REQUEST,
            "nothing is named body here; there are payload, item, headers, query, webhook",
        ),
        ("paylod.email", Names::REQUEST, "did you mean `payload`?"),
        ("lead.email", Names::REQUEST, "nothing is named lead here"),
        (
            "Website",
            Names::REQUEST,
            "nothing is named Website; for the text write \"'Website'\"",
        ),
        (
            "Web site",
            Names::REQUEST,
            "nothing is named Web site; for the text write \"'Web site'\"",
        ),
        ("Ada's", Names::REQUEST, "for the text write '\"Ada's\"'"),
        (
            "payload.x.toLower()",
            Names::REQUEST,
            "there is no function toLower (at character 11",
        ),
        ("payload.x.toLower()", Names::REQUEST, "did you mean `lower()`?"),
        (
            "payload.x.split()",
            Names::REQUEST,
            "split takes 1 to 2 arguments, not 0",
        ),
        (
            "payload.x.trim(1)",
            Names::REQUEST,
            "trim takes 0 arguments, not 1",
        ),
        ("lower(payload.x)", Names::REQUEST, "lower is called as x.lower()"),
        (
            "payload.x.urlencode()",
            Names::REQUEST,
            "urlencode is called as urlencode(x)",
        ),
        ("math.abbs(1)", Names::REQUEST, "did you mean `math.abs()`?"),
        (
            "'a' + 1",
            Names::REQUEST,
            "+ does not work on a text and a whole number; convert one, as in string(x) or int(x)",
        ),
        (
            "lead.email > 3",
            Names::ACCEPTED,
            "> does not work on a text and a whole number",
        ),
        (
            "payload.?x.lower()",
            Names::REQUEST,
            "say what stands for it when it is absent, as in x.orValue('')",
        ),
        (
            "lead.?country == 'DE'",
            Names::ACCEPTED,
            "say what stands for it when it is absent, as in x.orValue('')",
        ),
        (
            "payload.?x + 'a'",
            Names::REQUEST,
            "say what stands for it when it is absent, as in x.orValue('')",
        ),
        (
            "size(payload.x).lower()",
            Names::REQUEST,
            "lower() takes a text, not a whole number; string(x) makes one",
        ),
        (
            "lead.email.domain",
            Names::ACCEPTED,
            "a text has no member domain",
        ),
        (
            "!lead.email",
            Names::ACCEPTED,
            "! needs true or false, not a text",
        ),
        (
            "payload.a && 'b'",
            Names::REQUEST,
            "&& needs true or false, not a text",
        ),
        (
            "payload.x.matches('(')",
            Names::REQUEST,
            "the pattern of matches() is not valid: unclosed group",
        ),
        (
            "clear()",
            Names::REQUEST,
            "clear() is for the properties of a CrmSink",
        ),
        (
            "x.Y{a: 1}",
            Names::REQUEST,
            "an object is written {'name': value}",
        ),
        ("payload.x ==", Names::REQUEST, "it ends too early, after =="),
        (
            "payload.x == 'abc",
            Names::REQUEST,
            "a text begins here and does not end; close the quote",
        ),
        ("(payload.x", Names::REQUEST, "( is not closed"),
        ("payload.x)", Names::REQUEST, ") closes nothing (at character 10)"),
        ("payload.x = 1", Names::REQUEST, "= has no meaning here"),
        (
            "payload.x 1",
            Names::REQUEST,
            "1 does not belong here (at character 11)",
        ),
        ("", Names::REQUEST, "it is empty"),
    ];
    for (source, names, expected) in table {
        let invalid = Program::compile(source, names).expect_err(source).to_string();
        assert!(invalid.contains(expected), "{invalid}\nnot: {expected}");
    }
    // All of them at once.
    let several = Program::compile("lead.emial + lead.phnoe + nope(1)", &Names::PROPERTIES).unwrap_err();
    assert_eq!(several.problems.len(), 3, "{several}");
}

#[test]
fn the_fields_of_ones_own_that_an_expression_names_are_known() {
    let program = Program::compile(
        "lead.custom.budget + lead.custom['x'] + lead.custom.?y.orValue(1)",
        &Names::PROPERTIES,
    )
    .unwrap();
    assert_eq!(program.custom_fields().collect::<Vec<_>>(), ["budget", "x", "y"]);
    assert!(program.refers_to("lead") && !program.refers_to("payload"));
}

#[test]
fn what_a_condition_needs_and_does_not_ask_for_is_known() {
    let table: &[(&str, &[&str])] = &[
        ("lead.country == 'DE'", &["lead.country"]),
        ("!(lead.country == 'DE')", &["lead.country"]),
        (
            "lead.country != 'DE' && lead.custom.budget > 3",
            &["lead.country", "lead.custom.budget"],
        ),
        ("lead.?country.orValue('') != 'DE'", &[]),
        ("has(lead.country) && lead.country == 'DE'", &[]),
        ("!has(lead.country) || lead.country != 'DE'", &[]),
        ("has(lead.country) ? lead.country == 'DE' : true", &[]),
        ("has(lead.phone) && lead.country == 'DE'", &["lead.country"]),
        ("lead.email.endsWith('.de')", &["lead.email"]),
        (
            "payload.tags.exists(t, t == lead.custom.tag)",
            &["lead.custom.tag", "payload.tags"],
        ),
        ("[lead.?city, lead.?country].firstNonEmpty() == 'x'", &[]),
        ("payload.items[0].x == 1", &["payload.items[0].x"]),
        ("'DE' in ['DE']", &[]),
    ];
    for (source, expected) in table {
        let needs = Program::compile(source, &Names::ACCEPTED).unwrap().needs();
        assert_eq!(
            needs.iter().map(String::as_str).collect::<Vec<_>>(),
            *expected,
            "{source}"
        );
    }
}

#[test]
fn every_preset_compiles() {
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
            Program::compile(source, &Names::REQUEST).unwrap_or_else(|e| panic!("{name}: {e}"));
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}

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

#[test]
fn what_is_too_large_is_refused_when_it_is_loaded() {
    let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
    let chain = vec!["1"; 500].join("+");
    let long = format!("'{}'", "x".repeat(3000));
    let nested = "payload.a.map(x, payload.a.map(y, payload.a.map(z, z)))";
    for (source, expected) in [
        (deep.as_str(), "brackets are nested more than 32 deep"),
        (chain.as_str(), "a chain of more than 128"),
        (long.as_str(), "longer than 2048 bytes"),
        (nested, "nested more than 2 deep"),
    ] {
        let invalid = Program::compile(source, &Names::ALL).unwrap_err().to_string();
        assert!(invalid.contains(expected), "{invalid}");
    }
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

proptest::proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(source in "[a-z0-9.()\\[\\]{}'\"+*?:,<>=!&| ]{0,120}") {
        let payload = json!({"a": 1});
        let _ = evaluate(&source, &payload);
    }
}
