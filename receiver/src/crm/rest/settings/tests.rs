use std::time::Duration;

use super::super::auth::Auth;
use super::*;

/// Compiles `spec.rest` (and what stands beside it) with Secrets whose values are their keys.
fn compiled(yaml: &str) -> Result<Settings, Vec<String>> {
    let spec: CrmSinkSpec = serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    let read = |_: &str, key: &str| match key {
        "missing" => Err("Secret crm has no key missing".to_owned()),
        "empty" => Ok(Vec::new()),
        "lines" => Ok(b"a\nb".to_vec()),
        key => Ok(key.as_bytes().to_vec()),
    };
    compile(spec.rest.as_ref().unwrap(), &spec, &read)
}

const FIND: &str = "lookup: {path: \"'/'\", records: body, match: 'true', id: record.id}, create: {path: \"'/'\"}, update: {path: \"'/'\"}";

fn with(auth: &str, rest: &str, beside: &str) -> Result<Settings, Vec<String>> {
    compiled(&format!(
        "{{rest: {{baseUrl: 'https://crm.example.com/', auth: {auth}, {rest}}}{beside}}}"
    ))
}

const BEARER: &str = "{bearer: {token: {name: crm, key: token}}}";

#[test]
fn each_scheme_makes_its_header() {
    let header = |auth: &str| match with(auth, FIND, "").unwrap().auth {
        Auth::Header(name, value) => {
            assert!(value.is_sensitive());
            format!("{name}: {}", value.to_str().unwrap())
        }
        Auth::ClientCredentials(flow) => format!("{} {} {}", flow.token_url, flow.scheme, flow.form),
    };
    assert_eq!(header(BEARER), "authorization: Bearer token");
    assert_eq!(
        header("{header: {name: X-Api-Key, value: {name: crm, key: token}, prefix: 'Token '}}"),
        "x-api-key: Token token"
    );
    // user:empty and user: are Close's way to send a key.
    assert_eq!(
        header("{basic: {secretRef: {name: crm, usernameKey: user, passwordKey: empty}}}"),
        "authorization: Basic dXNlcjo="
    );
    assert_eq!(
        header(
            "{oauth2ClientCredentials: {tokenUrl: 'https://l.example.com/t', clientId: {name: crm, key: i d}, clientSecret: {name: crm, key: s&}, scopes: [a, b], audience: x, parameters: {soid: Zoho.1}}}"
        ),
        "https://l.example.com/t Bearer grant_type=client_credentials&client_id=i%20d&client_secret=s%26&scope=a%20b&audience=x&soid=Zoho.1"
    );
}

#[test]
fn the_address_loses_its_last_slash_and_calls_get_their_defaults() {
    let settings = with(BEARER, FIND, "").unwrap();
    assert_eq!(settings.base_url, "https://crm.example.com");
    let Flow::Find(find) = settings.flow else { panic!() };
    assert!(matches!(find.lookup.call.body, Body::Empty));
    assert!(matches!(find.create.call.body, Body::Properties));
    assert_eq!(find.lookup.lag, Duration::from_secs(30));
}

#[test]
fn every_mistake_is_told_at_once_with_its_field() {
    let errors = with(
        "{basic: {secretRef: {name: crm, usernameKey: missing, passwordKey: missing}}}",
        "upsert: {path: '(', body: '}'}, answers: {delivered: 'status <', message: '['}",
        ", matching: {keys: [Email], overwrite: IfEmpty}",
    )
    .unwrap_err();
    let starts = [
        "spec.rest.auth.basic.secretRef:",
        "spec.rest.auth.basic.secretRef:",
        "spec.rest.upsert.path:",
        "spec.rest.upsert.body:",
        "spec.rest.answers.delivered:",
        "spec.rest.answers.message:",
        "spec.matching: keys and onPartialMatch",
        "spec.matching: overwrite IfEmpty needs to see the record",
    ];
    assert_eq!(errors.len(), starts.len(), "{errors:#?}");
    for (error, start) in errors.iter().zip(starts) {
        assert!(error.starts_with(start), "{error} does not start with {start}");
    }
}

#[test]
fn what_calls_cannot_do_is_refused() {
    let refused = |auth: &str, rest: &str, beside: &str| with(auth, rest, beside).unwrap_err().join("\n");
    let upsert = "upsert: {path: \"'/'\"}";
    assert!(
        refused(
            BEARER,
            upsert,
            ", matching: {overwriteProperties: {city: IfEmpty}}"
        )
        .contains("rest.upsert does not")
    );
    assert!(refused(BEARER, FIND, ", matching: {onPartialMatch: Update}").contains("rest.lookup.match says"));
    let own_body = FIND.replace(
        "update: {path: \"'/'\"}",
        "update: {path: \"'/'\", body: \"{'a': lead.email}\"}",
    );
    assert!(with(BEARER, &own_body, "").is_ok());
    assert!(refused(BEARER, &own_body, ", matching: {overwrite: IfEmpty}").contains("rest.update.body"));
    assert!(
        with(
            BEARER,
            FIND,
            ", matching: {overwrite: IfEmpty, overwriteProperties: {city: Always}}"
        )
        .is_ok()
    );
    assert!(
        refused(BEARER, upsert, ", createOnly: {name: lead.email}").contains("rest.upsert does not tell")
    );
    assert!(with(BEARER, FIND, ", createOnly: {name: lead.email}").is_ok());
    let own_body = FIND.replace(
        "create: {path: \"'/'\"}",
        "create: {path: \"'/'\", body: \"{'a': lead.email}\"}",
    );
    assert!(with(BEARER, &own_body, "").is_ok());
    assert!(refused(BEARER, &own_body, ", createOnly: {name: lead.email}").contains("rest.create.body"));
    for key in ["empty", "lines", "missing"] {
        let bearer = BEARER.replace("key: token", &format!("key: {key}"));
        assert!(
            refused(&bearer, FIND, "").contains("spec.rest.auth.bearer.token"),
            "{key}"
        );
    }
}
