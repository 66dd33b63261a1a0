//! What loading an expression tells.

use serde_json::json;

use super::evaluate;
use crate::expression::{Names, Program};

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
        (
            "headers['X-Topic'] == 'a'",
            Names::REQUEST,
            "the names of headers are in lower case (at character 8); did you mean `headers['x-topic']`?",
        ),
        (
            "headers[?'X-Topic'].orValue('') == 'a'",
            Names::ACCEPTED,
            "did you mean `headers['x-topic']`?",
        ),
        (
            "'X-Topic' in headers",
            Names::REQUEST,
            "did you mean `headers['x-topic']`?",
        ),
        (
            "has(headers.Topic)",
            Names::ANSWER,
            "did you mean `headers['topic']`?",
        ),
        (
            "headers.authorization == 'a'",
            Names::REQUEST,
            "headers never has authorization, which carries credentials",
        ),
        (
            "headers['x topic'] == 'a'",
            Names::REQUEST,
            "no header can be named x topic",
        ),
        (
            "headers['x-count'] > 3",
            Names::REQUEST,
            "> does not work on a text and a whole number",
        ),
        (
            "query.page == 3",
            Names::REQUEST,
            "they are never equal; convert one",
        ),
        (
            "lead.country != 1",
            Names::ACCEPTED,
            "!= does not work on a text and a whole number; they are never equal",
        ),
        (
            "payload.a.startsWith('x') == 'true'",
            Names::REQUEST,
            "== does not work on true or false and a text",
        ),
        (
            "type(payload.x) == 'string'",
            Names::REQUEST,
            "== does not work on a type and a text",
        ),
        (
            "parseTime(payload.t, 'YYYY-MM-DD')",
            Names::REQUEST,
            "parseTime() reads no time in this format; write it in the letters of strftime",
        ),
        ("parseTime(payload.t, '%H:%M')", Names::REQUEST, "reads no time"),
        ("parseTime(payload.t, '%Y-%Ö')", Names::REQUEST, "reads no time"),
        (
            "timestamp(payload.t).getHours('Berlin') > 8",
            Names::REQUEST,
            "there is no such time zone; write one as in 'Europe/Berlin' or '+02:00' (at character 22); did you mean `'Europe/Berlin'`?",
        ),
        (
            "timestamp(payload.t).getDate('CEST+1')",
            Names::REQUEST,
            "there is no such time zone",
        ),
        (
            "'%z'.format([payload.x])",
            Names::REQUEST,
            "format() knows the places %s, %d,",
        ),
        (
            "'%s %s'.format([payload.x])",
            Names::REQUEST,
            "format() has 2 places, and 1 values",
        ),
        (
            "timestamp(payload.t) > timestamp('21.09.2026')",
            Names::REQUEST,
            "timestamp() fails: a value cannot be read as a time (RFC 3339)",
        ),
        (
            "timestamp(payload.t) + duration('2d')",
            Names::REQUEST,
            "duration() fails: a value cannot be read as a duration, such as 1h30m",
        ),
        (
            "int('twelve') == payload.n",
            Names::REQUEST,
            "int() fails: a value cannot be read as",
        ),
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
fn the_neighbours_of_mistakes_are_loaded() {
    for (source, names) in [
        (
            "headers['x-topic'] == 'a' && 'x-topic' in headers",
            Names::REQUEST,
        ),
        (
            "payload.headers['X-Topic'] == 'a' && 'X' in payload",
            Names::REQUEST,
        ),
        (
            "payload.list.exists(headers, headers['X-A'] == 'b')",
            Names::REQUEST,
        ),
        (
            "headers['set-cookie'] != '' && headers['authorization'] == ''",
            Names::ANSWER,
        ),
        ("headers.findKey('X-Topic') == 'a'", Names::REQUEST),
        ("int(query.page) == 3 && query.x == null", Names::REQUEST),
        (
            "1 == 1.0 && 2u == 2 && payload.n == 'x' && null == 'x'",
            Names::REQUEST,
        ),
        ("type(payload.x) == string && [1] == payload.l", Names::REQUEST),
        (
            "counts.dead > 3 && counts.held == 0 && object.name == 'web'",
            Names::NOTICE,
        ),
        ("parseTime(payload.t, '%d.%m.%Y')", Names::REQUEST),
        ("parseTime(payload.t, '%m/%d/%Y %I:%M %p')", Names::REQUEST),
        ("parseTime(payload.t, '%a, %e %b %Y %H:%M:%S %z')", Names::REQUEST),
        ("parseTime(payload.t, '%A %B %-d, %y')", Names::REQUEST),
        ("parseTime(payload.t, '%s')", Names::REQUEST),
        ("parseTime(payload.t, '%Y-%m-%dT%H:%M:%S%.f%:z')", Names::REQUEST),
        ("parseTime(payload.t, '%Y-%j %H')", Names::REQUEST),
        ("parseTime(payload.t, payload.format)", Names::REQUEST),
        (
            "timestamp(payload.t).getHours('Europe/Berlin') > 8",
            Names::REQUEST,
        ),
        (
            "timestamp(payload.t).getHours('-03:30') > payload.list.size()",
            Names::REQUEST,
        ),
        ("timestamp(payload.t).getHours(payload.zone) > 8", Names::REQUEST),
        (
            "'100%% of %s, %.2f%%'.format([payload.x, payload.y])",
            Names::REQUEST,
        ),
        ("'%s and %s'.format(payload.list)", Names::REQUEST),
        (
            "timestamp('2026-09-21T00:00:00Z') + duration('1h30m')",
            Names::REQUEST,
        ),
    ] {
        Program::compile(source, &names).unwrap_or_else(|invalid| panic!("{invalid}"));
    }
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

proptest::proptest! {
    #[test]
    fn no_text_makes_the_compiler_panic(source in "[a-z0-9.()\\[\\]{}'\"+*?:,<>=!&| ]{0,120}") {
        let payload = json!({"a": 1});
        let _ = evaluate(&source, &payload);
    }
}
