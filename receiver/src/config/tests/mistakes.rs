//! What can never work is an error, what will surprise is a warning, and both say what to write.

use super::{sink, told_of, webhook};

#[track_caller]
fn one_error(text: &str, said: &str) {
    let (errors, _) = told_of(text);
    assert!(
        matches!(errors.as_slice(), [error] if error.contains(said)),
        "{text}\n{said}\nis not what is said: {errors:#?}"
    );
}

#[track_caller]
fn one_warning(text: &str, said: &str) {
    let (errors, warnings) = told_of(text);
    assert!(
        errors.is_empty() && matches!(warnings.as_slice(), [warning] if warning.contains(said)),
        "{text}\n{said}\nis not what is said: {errors:#?} {warnings:#?}"
    );
}

#[track_caller]
fn nothing(text: &str) {
    assert_eq!(told_of(text), (Vec::new(), Vec::new()), "{text}");
}

#[test]
fn an_expression_whose_result_its_place_never_takes_is_refused() {
    for (spec, said) in [
        (
            "payload: {accept: \"'true'\"}",
            "spec.payload.accept: `'true'`: this must give true or false, and gives a text",
        ),
        (
            "payload: {accept: '1'}",
            "spec.payload.accept: `1`: this must give true or false",
        ),
        (
            "payload: {rules: [{expression: lead.email, message: m}]}",
            "spec.payload.rules[0].expression: `lead.email`: this must give true",
        ),
        (
            "payload: {items: \"'a'\"}",
            "spec.payload.items: `'a'`: this must give a list, and gives a text",
        ),
        (
            "payload: {hydrate: {baseUrl: 'https://a.example', path: 'size(payload)', tokenSecretRef: {name: s, key: k}}}",
            "spec.payload.hydrate.path: `size(payload)`: this must give a text",
        ),
        (
            "payload: {defaultRegion: UK}",
            "spec.payload.defaultRegion: UK is no country's code of ISO 3166, such as DE or US; did you mean GB?",
        ),
        (
            "payload: {defaultRegion: XX}",
            "spec.payload.defaultRegion: XX is no country's code",
        ),
    ] {
        one_error(&webhook(spec), said);
    }
    let when = |when: &str| webhook("").replace("{name: crm}", &format!("{{name: crm, when: \"{when}\"}}"));
    one_error(
        &when("lead.country"),
        "spec.sinks[0].when: `lead.country`: this must give true or false, and gives a text",
    );
    one_error(
        &when("lead.country == 1"),
        "== does not work on a text and a whole number; they are never equal",
    );
    for spec in [
        "payload: {accept: payload.test}",
        "payload: {accept: payload.?test}",
        "payload: {accept: \"payload.a ? true : payload.b\"}",
        "payload: {rules: [{expression: has(lead.email), message: m}]}",
        "payload: {items: payload.leads}",
        "payload: {items: '[payload]'}",
        "payload: {defaultRegion: GB}",
        "payload: {defaultRegion: XK}",
    ] {
        nothing(&webhook(spec));
    }
}

const CALLS: &str = "lookup: {path: \"'/find'\", records: body.items, match: record.email == lead.email, id: record.id}\n    create: {path: \
                     \"'/leads'\"}\n    update: {path: \"'/leads/' + id\"}";

#[test]
fn calls_that_lead_nowhere_are_refused_and_those_that_hit_any_record_are_told() {
    nothing(&sink(CALLS));
    nothing(&sink("upsert: {path: \"'/leads?by=email'\"}"));
    for (was, is, said) in [
        (
            "'/find'",
            "'find'",
            "spec.rest.lookup.path: a path must start with /",
        ),
        (
            "'/leads'",
            "'https://a.example/leads'",
            "spec.rest.create.path: a path must start with /",
        ),
        ("'/leads'", "null", "spec.rest.create.path: it gives nothing"),
        (
            "'/leads/' + id",
            "status",
            "spec.rest.update.path: `status`: nothing is named status",
        ),
        (
            "'/leads/' + id",
            "size(id)",
            "spec.rest.update.path: `size(id)`: this must give a text, and gives a whole number",
        ),
        (
            "match: record.email == lead.email",
            "match: record.email + 'x' + lead.email",
            "spec.rest.lookup.match: ",
        ),
        (
            "records: body.items",
            "records: \"'items'\"",
            "spec.rest.lookup.records: `'items'`: this must give a list",
        ),
    ] {
        assert!(CALLS.contains(was), "{was}");
        if is.contains("+ 'x'") {
            // Only a record tells what it is.
            nothing(&sink(&CALLS.replace(was, is)));
        } else {
            one_error(&sink(&CALLS.replace(was, is)), said);
        }
    }
    one_error(
        &sink(&format!(
            "{CALLS}\n    answers: {{conflict: \"status == '409'\"}}"
        )),
        "spec.rest.answers.conflict: `status == '409'`: == does not work on a whole number and a text; they are never equal",
    );
    nothing(&sink(&format!(
        "{CALLS}\n    answers: {{conflict: \"status == 409 && headers['x-a'] == 'b' && call == 'create'\"}}"
    )));
    one_warning(
        &sink(
            &CALLS
                .replace("record.email == lead.email", "'true'")
                .replace("'true'", "\"true\""),
        ),
        "spec.rest.lookup.match: it does not look at record",
    );
    one_warning(
        &sink(&CALLS.replace("'/leads/' + id", "'/leads'")),
        "spec.rest.update.path: neither path nor body looks at id",
    );
    nothing(&sink(
        &CALLS.replace("\"'/leads/' + id\"", "\"'/update'\", body: \"{'id': id}\""),
    ));
    one_warning(
        &sink(&format!("{CALLS}\n    delete: {{path: \"'/leads'\"}}")),
        "spec.rest.delete.path: neither path nor body looks at id",
    );
}

#[test]
fn what_is_the_same_for_every_lead_and_stops_them_is_told() {
    for (spec, said) in [
        (
            "payload: {accept: \"false\"}",
            "spec.payload.accept: it is never true",
        ),
        (
            "payload: {accept: \"1 == 2\"}",
            "spec.payload.accept: it is never true",
        ),
        (
            "payload: {rules: [{expression: \"false\", message: m}]}",
            "spec.payload.rules[0].expression: it is never true",
        ),
        (
            "idempotency: {key: \"'lead'\"}",
            "spec.idempotency.key: it is the same for every lead",
        ),
        (
            "publicUrl: https://leads.example.com/hook",
            "spec.publicUrl: it does not end in the webhook's path /webhooks/default/web",
        ),
    ] {
        one_warning(&webhook(spec), said);
    }
    let never = webhook("").replace("[{name: crm}]", "[{name: crm, when: \"false\"}, {name: crm2}]");
    one_warning(
        &format!(
            "{never}---{}",
            super::SINK
                .replacen("name: crm", "name: crm2", 1)
                .split("---")
                .next()
                .unwrap()
        ),
        "spec.sinks[0].when: it is never true",
    );
    for spec in [
        "payload: {accept: \"true\"}",
        "idempotency: {key: payload.id}",
        "publicUrl: https://leads.example.com/webhooks/default/web",
        "publicUrl: https://leads.example.com/hook\n  path: /hook",
    ] {
        nothing(&webhook(spec));
    }
}

#[test]
fn a_value_of_the_wrong_form_is_told_with_the_right_one() {
    for (spec, said) in [
        (
            "idempotency: {window: 3600}",
            "spec.idempotency.window: this must be a text, and is a number: write it with its unit, for example 3600s",
        ),
        (
            "idempotency: {window: 2d}",
            "spec.idempotency.window: write a duration in h, m, s and ms without blanks, for example 48h",
        ),
        (
            "idempotency: {window: 24 h}",
            "spec.idempotency.window: write a duration",
        ),
        (
            "payload: {defaultRegion: de}",
            "spec.payload.defaultRegion: write a country's code of ISO 3166 in capitals, for example DE",
        ),
        (
            "suspend: yes",
            "spec.suspend: this must be true or false, and is a text: write true",
        ),
        (
            "suspend: off",
            "spec.suspend: this must be true or false, and is a text: write false",
        ),
        (
            "suspend: 'true'",
            "spec.suspend: this must be true or false, and is a text: write it without quotes",
        ),
        (
            "payload: {maxBytes: 1Mi}",
            "spec.payload.maxBytes: this must be a whole number, and is a text: write the number of bytes in digits, for example 1048576",
        ),
        ("payload: {maxBytes: '10'}", "is a text: write it without quotes"),
        (
            "payload: {maxBytes: 1000.5}",
            "spec.payload.maxBytes: this must be a whole number, and is a number: write it in digits alone",
        ),
        (
            "receiverRef: {name: 7}",
            "spec.receiverRef.name: this must be a text, and is a number: put it in quotes",
        ),
    ] {
        one_error(&webhook(spec), said);
    }
    let token = webhook("").replace("secretRefs:", "json: google_key, secretRefs:");
    one_error(
        &token,
        "spec.auth.token.json: write a JSON pointer, which begins with a slash",
    );
    one_error(
        &webhook("").replace("[{name: crm}]", "{name: crm}"),
        "spec.sinks: this must be a list, and is an object: write a list, as in [{name: …}]",
    );
    one_error(
        &webhook("").replace("{name: web}", "{name: 123}"),
        "LeadWebhook: metadata.name: this must be a text; put it in quotes",
    );
    one_error(
        &webhook("").replace("{name: web}", "{name: web, namespace: 7}"),
        "LeadWebhook: metadata.namespace: this must be a text; put it in quotes",
    );
}

#[test]
fn a_text_that_is_no_yaml_is_told_in_words_for_people() {
    for (text, said) in [
        (
            webhook("payload: {required: &r [email]}\n  notify: *r"),
            "a.yaml:8: aliases (*name) are not supported; write the value out",
        ),
        (
            webhook("suspend: true\n  suspend: false"),
            "suspend stands twice in the same object; remove one of them",
        ),
        (
            webhook("payload:\n    accept: payload.a ? payload.b : payload.c"),
            "a.yaml:8: it is not valid YAML: ",
        ),
        (
            webhook("payload:\n    accept: payload.a ? payload.b : payload.c"),
            "such as a ? b : c, in double quotes",
        ),
        (
            webhook("").replace("{name: web}", "{name: {{ .Values.name }}}"),
            "; this looks like a template: render it first",
        ),
    ] {
        one_error(&text, said);
    }
}

#[test]
fn a_schema_that_is_none_is_told_with_its_place() {
    let schema = |schema: &str| {
        webhook(&format!(
            "payload:\n    schema:\n      properties:\n        age: {schema}"
        ))
    };
    for (age, said) in [
        (
            "{type: objct}",
            "a.yaml:10: LeadWebhook default/web: spec.payload.schema.properties.age.type: write one of string,",
        ),
        ("{type: objct}", "did you mean object?"),
        (
            "{$ref: 'https://a.example/x.json'}",
            "a.yaml:10: LeadWebhook default/web: spec.payload.schema.properties.age.$ref: a reference must lead",
        ),
        (
            "{minLength: -1}",
            "spec.payload.schema.properties.age.minLength: ",
        ),
    ] {
        one_error(&schema(age), said);
    }
    nothing(&schema(
        "{$ref: '#/properties/name'}\n        name: {type: string}",
    ));
}

#[test]
fn a_rule_that_is_broken_is_told_once() {
    let auth = |auth: &str| webhook("").replace("{token: {secretRefs: [{name: s, key: k}]}}", auth);
    let two = "apiVersion: leadgate.dev/v1alpha1\nkind: CrmSink\nmetadata: {name: two}\nspec:\n  hubspot: {tokenSecretRef: {name: s, key: \
               k}}\n  salesforce: {instanceUrl: 'https://a.my.salesforce.com', auth: {refreshToken: {clientId: {name: s, key: k}, clientSecret: {name: s, key: k}, refreshToken: \
               {name: s, key: k}}}}\n";
    for (text, said) in [
        (two.to_owned(), "spec: "),
        (
            sink("upsert: {path: \"'/a'\"}\n    create: {path: \"'/b'\"}"),
            "spec.rest: ",
        ),
        (
            auth("{none: {allowUnauthenticated: true}, allowedCidrs: [10.0.0.0/33]}"),
            "spec.auth.allowedCidrs",
        ),
        (
            auth("{hmac: {secretRefs: [{name: s, key: k}], signature: {header: X-Sig}, signed: '{url}'}}"),
            "spec.auth.hmac",
        ),
    ] {
        one_error(&text, said);
    }
}
