//! What expressions give. `loading`: what is told before a lead comes; `limits`: what an evaluation may cost.

mod limits;
mod loading;

use serde_json::{Value, json};

use super::{Names, Program, Scope};

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
