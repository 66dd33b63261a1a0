//! Every preset's mapping over any JSON, and any expression over anything.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, Method};
use leadgate_crds::LeadWebhook;
use leadgate_receiver::expression::{Names, Program, Scope};
use leadgate_receiver::lead::Field;
use leadgate_receiver::source::auth::RawRequest;
use leadgate_receiver::source::preset;
use leadgate_receiver::source::{Element, Parsed, Webhook};
use serde_json::{Value, json};

use super::choices::Choices;
use super::{in_time, payloads};

static LEADS: AtomicUsize = AtomicUsize::new(0);
static EVALUATED: AtomicUsize = AtomicUsize::new(0);
static WEBHOOKS: LazyLock<Vec<Webhook>> = LazyLock::new(|| {
    let compile = |name: &str| {
        let object: LeadWebhook = serde_json::from_value(json!({
            "apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": name},
            "spec": {"source": name, "auth": {"none": {"allowUnauthenticated": true}}, "sinks": [{"name": "crm"}]}
        }))
        .unwrap();
        Webhook::compile(&object, &|_, _| Err("none".to_owned())).unwrap()
    };
    preset::names().map(compile).collect()
});

/// Payloads as JSON; forms as an object of texts.
fn examples() -> Vec<Value> {
    let read = |bytes: Vec<u8>| {
        serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let pairs = leadgate_receiver::source::form::query_pairs(&text).unwrap_or_default();
            let pairs = pairs
                .into_iter()
                .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
            Value::Object(pairs.collect())
        })
    };
    payloads().into_iter().map(read).collect()
}

#[test]
fn any_payload_becomes_a_lead_with_a_contact_or_none() {
    let examples = examples();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let webhook = choices.of(&WEBHOOKS);
        let example = choices.of(&examples);
        let body = choices.changed_json(example).to_string();
        let request = RawRequest {
            method: &Method::POST,
            query: Some("token=x&utm_source=y"),
            headers: &headers,
            body: body.as_bytes(),
            now: 1_790_000_000_000,
        };
        in_time(&format!("{} on {} bytes", webhook.id, body.len()), || {
            let Ok(Parsed::Leads(elements)) = webhook.parse(&request) else {
                return;
            };
            for element in elements {
                let Element::Lead(submission) = element else {
                    continue;
                };
                LEADS.fetch_add(1, Ordering::Relaxed);
                let lead = &submission.lead;
                let reachable = lead.get(Field::Email).or(lead.get(Field::Phone));
                assert!(
                    reachable.is_some() || submission.hydrate.is_some(),
                    "{}",
                    webhook.id
                );
                assert!(serde_json::from_slice::<Value>(&submission.payload).is_ok());
                assert!(!submission.key.digest.is_empty());
            }
        });
    });
    assert!(LEADS.load(Ordering::Relaxed) > 0, "nothing became a lead");
}

/// What expressions are made of.
const WORDS: &[&str] = &[
    "payload",
    "item",
    "headers",
    "lead",
    ".a",
    ".?a",
    "[0]",
    "[?0]",
    "['a']",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "&&",
    "||",
    "!",
    "==",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    " in ",
    "1",
    "0",
    "9223372036854775807",
    "1.5",
    "'a'",
    "\"é\"",
    "''",
    "true",
    "null",
    "b'a'",
    "r'a'",
    ".map(x, x)",
    ".filter(x, x != null)",
    ".exists(x, x == 1)",
    ".all(x, true)",
    ".map(x, payload.map(y, x + y))",
    ".find('a', 1)",
    ".findKey('a')",
    ".firstNonEmpty()",
    ".lower()",
    ".upper()",
    ".split(',')",
    ".join(',')",
    ".trim()",
    ".matches('(a+)+$')",
    ".matches('.*.*.*=.*')",
    ".replace('a', 'aaaaaaaa')",
    "text(",
    "parseJson(",
    "urlencode(",
    "parseTime(",
    "isCIDR(",
    "string(",
    "int(",
    "size(",
    "has(payload.a)",
    ".orValue(1)",
    ".flatten()",
    "duration('1s')",
    "timestamp('2026-01-01T00:00:00Z')",
    ".format(['a'])",
    "%s",
    "lists.range(1000000)",
    ".base64",
    "\\",
    "\n",
    "//",
    "x",
    "é",
];

#[test]
fn any_expression_is_refused_or_evaluated_in_time() {
    let values = [
        json!({"a": {"a": {"a": 1}}, "b": [1, 2, 3]}),
        json!(vec!["a".repeat(100); 500]),
        json!("a".repeat(60_000)),
        json!((0..5000).collect::<Vec<_>>()),
        Value::Null,
    ];
    let presets: Vec<String> = preset::names()
        .filter_map(preset::source)
        .flat_map(|text| text.lines().filter_map(|line| line.split_once(": ")))
        .map(|(_, expression)| expression.trim_matches('"').to_owned())
        .collect();
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let source = if choices.once_in(3) {
            let n = choices.below(presets.len());
            String::from_utf8_lossy(&choices.changed(presets[n].as_bytes())).into_owned()
        } else {
            (0..=choices.below(40)).map(|_| *choices.of(WORDS)).collect()
        };
        let (payload, item) = (choices.of(&values), choices.of(&values));
        let program = in_time(&format!("compiling {source}"), || {
            Program::compile(&source, &Names::ALL)
        });
        if let Ok(program) = program {
            let scope = Scope::new()
                .with("payload", payload)
                .with("item", item)
                .with("lead", payload)
                .with_null("headers");
            let answer = in_time(&format!("evaluating {source}"), || program.evaluate(&scope));
            EVALUATED.fetch_add(usize::from(answer.is_ok()), Ordering::Relaxed);
        }
    });
    assert!(
        EVALUATED.load(Ordering::Relaxed) > 0,
        "no expression gave anything"
    );
}
