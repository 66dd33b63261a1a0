//! `spec.rest`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use leadgate_crds::common::{Expression, SecretKeyRef};
use leadgate_crds::crm_sink::{
    self, MatchingKey, OAuth2ClientCredentials, PartialMatch, Rest, RestAuth, RestAuthScheme, RestBasic,
};

use super::{secret_header, secret_text};
use crate::crm::Matching;
use crate::crm::rest::{
    Answers, Auth, Body, Call, ClientCredentials, Find, Flow, Lookup, Part, Settings, Write,
};
use crate::expression::{Names, Program, percent_encode};
use crate::source::ReadSecret;
use crate::source::auth::without_line_break;

/// Compiles; every error names its field and the remedy.
pub(super) fn settings(
    spec: &Rest,
    create_only: &BTreeMap<String, Expression>,
    timeout: Duration,
    matching: Matching,
    read_secret: &ReadSecret<'_>,
) -> Result<Settings, Vec<String>> {
    let mut errors = Errors::default();
    let auth = errors.take(auth(&spec.auth, read_secret));
    let headers = headers("spec.rest.headers", &spec.headers, &mut errors);
    let flow = flow(spec, &mut errors);
    let answers = answers(&spec.answers, &mut errors);
    errors.0.extend(unsupported(spec, &matching, flow.as_ref()));
    if !create_only.is_empty() {
        errors.0.extend(without_create(flow.as_ref()));
    }
    match (auth, flow, answers) {
        (Some(auth), Some(flow), Some(answers)) if errors.0.is_empty() => Ok(Settings {
            base_url: spec.base_url.trim_end_matches('/').to_owned(),
            auth,
            headers,
            flow,
            answers,
            timeout,
            matching,
        }),
        _ => Err(errors.0),
    }
}

/// What is wrong, all of it.
#[derive(Default)]
struct Errors(Vec<String>);

impl Errors {
    fn take<T>(&mut self, result: Result<T, Vec<String>>) -> Option<T> {
        result.map_err(|errors| self.0.extend(errors)).ok()
    }

    fn part(&mut self, field: &'static str, expression: &Expression, names: &Names) -> Option<Part> {
        match Program::compile(expression.as_str(), names) {
            Ok(program) => Some(Part { field, program }),
            Err(error) => {
                self.0.push(format!("spec.{field}: {error}"));
                None
            }
        }
    }

    /// The same for an expression that need not be given.
    fn optional(
        &mut self,
        field: &'static str,
        expression: Option<&Expression>,
        names: &Names,
    ) -> Result<Option<Part>, Invalid> {
        expression
            .map(|expression| self.part(field, expression, names).ok_or(Invalid))
            .transpose()
    }
}

/// An expression does not compile; why stands among the errors.
struct Invalid;

fn flow(spec: &Rest, errors: &mut Errors) -> Option<Flow> {
    match (&spec.upsert, &spec.lookup, &spec.create, &spec.update) {
        (Some(upsert), None, None, None) => {
            let path = errors.part("rest.upsert.path", &upsert.path, &Names::CALL);
            let body = errors.optional("rest.upsert.body", upsert.body.as_ref(), &Names::CALL);
            let id = errors.optional(
                "rest.upsert.id",
                upsert.id.as_ref().or(spec.answers.id.as_ref()),
                &Names::ANSWER,
            );
            Some(Flow::Upsert(Box::new(Write {
                call: call("upsert", upsert.method, path?, body.ok()?, Body::Properties),
                id: id.ok()?,
            })))
        }
        (None, Some(lookup), Some(create), Some(update)) => {
            let found = self::lookup(lookup, errors);
            let path = errors.part("rest.create.path", &create.path, &Names::CALL);
            let body = errors.optional("rest.create.body", create.body.as_ref(), &Names::CALL);
            let id = errors.part("rest.create.id", &create.id, &Names::ANSWER);
            let update_path = errors.part("rest.update.path", &update.path, &Names::CALL);
            let update_body = errors.optional("rest.update.body", update.body.as_ref(), &Names::CALL);
            let update_headers = headers("spec.rest.update.headers", &update.headers, errors);
            Some(Flow::Find(Box::new(Find {
                lookup: found?,
                create: Write {
                    call: call("create", create.method, path?, body.ok()?, Body::Properties),
                    id: Some(id?),
                },
                update: Write {
                    call: Call {
                        headers: update_headers,
                        ..call(
                            "update",
                            update.method,
                            update_path?,
                            update_body.ok()?,
                            Body::Properties,
                        )
                    },
                    id: None,
                },
            })))
        }
        _ => {
            errors.0.push(
                "spec.rest: give either upsert alone or all three of lookup, create and update".to_owned(),
            );
            None
        }
    }
}

fn lookup(spec: &crm_sink::Lookup, errors: &mut Errors) -> Option<Lookup> {
    let path = errors.part("rest.lookup.path", &spec.path, &Names::CALL);
    let body = errors.optional("rest.lookup.body", spec.body.as_ref(), &Names::CALL);
    let records = errors.part("rest.lookup.records", &spec.records, &Names::FOUND);
    let matches = errors.part("rest.lookup.match", &spec.matches, &Names::RECORD);
    let id = errors.part("rest.lookup.id", &spec.id, &Names::RECORD);
    Some(Lookup {
        call: call("lookup", spec.method, path?, body.ok()?, Body::Empty),
        records: records?,
        matches: matches?,
        id: id?,
        lag: spec.lag.get(),
    })
}

fn call(name: &'static str, method: crm_sink::Method, path: Part, body: Option<Part>, default: Body) -> Call {
    Call {
        name,
        method,
        path,
        body: match body {
            Some(body) => Body::Made(body),
            None if method == crm_sink::Method::Get => Body::Empty,
            None => default,
        },
        headers: HeaderMap::new(),
    }
}

fn answers(spec: &crm_sink::Answers, errors: &mut Errors) -> Option<Answers> {
    let gone = errors.part("rest.answers.gone", &spec.gone, &Names::ANSWER);
    let delivered = errors.part("rest.answers.delivered", &spec.delivered, &Names::ANSWER);
    let conflict = errors.part("rest.answers.conflict", &spec.conflict, &Names::ANSWER);
    let retry = errors.part("rest.answers.retry", &spec.retry, &Names::ANSWER);
    let refused = errors.optional("rest.answers.refused", spec.refused.as_ref(), &Names::ANSWER);
    let message = errors.optional("rest.answers.message", spec.message.as_ref(), &Names::ANSWER);
    let id = errors.optional("rest.answers.id", spec.id.as_ref(), &Names::ANSWER);
    Some(Answers {
        gone: gone?,
        delivered: delivered?,
        conflict: conflict?,
        retry: retry?,
        refused: refused.ok()?,
        message: message.ok()?,
        id: id.ok()?,
    })
}

/// Why the calls cannot write `createOnly`, if they cannot.
fn without_create(flow: Option<&Flow>) -> Option<String> {
    match flow? {
        Flow::Upsert(_) => Some(
            "spec.createOnly: rest.upsert does not tell a new record from one that is there; use rest.lookup, rest.create and rest.update"
                .to_owned(),
        ),
        Flow::Find(find) => match &find.create.call.body {
            Body::Made(body) if !body.program.refers_to("properties") => Some(
                "spec.rest.create.body: it must be made of `properties`, which has the values of createOnly too; else they are never sent"
                    .to_owned(),
            ),
            _ => None,
        },
    }
}

/// What a sink asks for and its calls cannot do.
fn unsupported(spec: &Rest, matching: &Matching, flow: Option<&Flow>) -> Vec<String> {
    let mut errors = Vec::new();
    if matching.keys != [MatchingKey::Email, MatchingKey::Phone]
        || matching.on_partial != PartialMatch::default()
    {
        errors.push(
            "spec.matching: keys and onPartialMatch are not for rest, where the CRM itself (rest.upsert) or rest.lookup.match says which record is the lead's; leave them out"
                .to_owned(),
        );
    }
    let keeps =
        matching.keeps("") || matching.keeps_any(matching.overwrite_properties.keys().map(String::as_str));
    if keeps && spec.upsert.is_some() {
        errors.push(
            "spec.matching: overwrite IfEmpty needs to see the record first, which rest.upsert does not; use rest.lookup, rest.create and rest.update, or overwrite Always"
                .to_owned(),
        );
    }
    if let (true, Some(Flow::Find(find))) = (keeps, flow)
        && let Body::Made(body) = &find.update.call.body
        && !body.program.refers_to("properties")
    {
        errors.push(
            "spec.rest.update.body: it must be made of `properties`, which lacks what overwrite IfEmpty leaves alone; else everything is replaced"
                .to_owned(),
        );
    }
    errors
}

fn headers(field: &str, spec: &BTreeMap<String, String>, errors: &mut Errors) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(spec.len());
    for (name, value) in spec {
        match (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            (Ok(name), Ok(value)) => {
                headers.insert(name, value);
            }
            _ => errors.0.push(format!(
                "{field}.{name}: this is no header; write a name of letters, digits and hyphens, and a value of visible characters"
            )),
        }
    }
    headers
}

fn auth(spec: &RestAuth, read_secret: &ReadSecret<'_>) -> Result<Auth, Vec<String>> {
    let one = |error: String| vec![error];
    match spec.scheme() {
        Some(RestAuthScheme::Bearer(bearer)) => {
            let at = "spec.rest.auth.bearer.token";
            let value =
                secret_header(at, &bearer.token, b"Bearer ", "the token", read_secret).map_err(one)?;
            Ok(Auth::Header(AUTHORIZATION, value))
        }
        Some(RestAuthScheme::Header(header)) => {
            let name = header
                .name
                .parse()
                .map_err(|_| one("spec.rest.auth.header.name: this is no header's name".to_owned()))?;
            let (at, prefix) = ("spec.rest.auth.header.value", header.prefix.as_bytes());
            let value =
                secret_header(at, &header.value, prefix, "the header's value", read_secret).map_err(one)?;
            Ok(Auth::Header(name, value))
        }
        Some(RestAuthScheme::Basic(basic)) => self::basic(basic, read_secret),
        Some(RestAuthScheme::OAuth2ClientCredentials(flow)) => client_credentials(flow, read_secret),
        None => Err(one(
            "spec.rest.auth: set exactly one of bearer, header, basic and oauth2ClientCredentials".to_owned(),
        )),
    }
}

fn basic(spec: &RestBasic, read_secret: &ReadSecret<'_>) -> Result<Auth, Vec<String>> {
    let pair = &spec.secret_ref;
    let at = "spec.rest.auth.basic.secretRef";
    let key = |key: &str| SecretKeyRef {
        name: pair.name.clone(),
        key: key.to_owned(),
    };
    let user = secret_text(at, &key(&pair.username_key), "the user name", read_secret);
    // Close and others want the key as user name and nothing as password.
    let password = read_secret(&pair.name, &pair.password_key).map_err(|error| format!("{at}: {error}"));
    let (user, password) = match (user, password) {
        (Ok(user), Ok(password)) => (user, password),
        (user, password) => return Err([user.err(), password.err()].into_iter().flatten().collect()),
    };
    if user.contains(&b':') {
        return Err(vec![format!(
            "{at}: Secret {} key {} holds a colon, which no user name of HTTP Basic can have",
            pair.name, pair.username_key
        )]);
    }
    let encoded = STANDARD.encode([user.as_slice(), b":", without_line_break(&password)].concat());
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|_| vec![format!("{at}: the user name and password make no header")])?;
    value.set_sensitive(true);
    Ok(Auth::Header(AUTHORIZATION, value))
}

fn client_credentials(
    spec: &OAuth2ClientCredentials,
    read_secret: &ReadSecret<'_>,
) -> Result<Auth, Vec<String>> {
    let text = |field: &str, reference: &SecretKeyRef, what: &str| {
        let at = format!("spec.rest.auth.oauth2ClientCredentials.{field}");
        let bytes = secret_text(&at, reference, what, read_secret)?;
        String::from_utf8(bytes).map_err(|_| {
            format!(
                "{at}: Secret {} key {} is no text; put {what} there",
                reference.name, reference.key
            )
        })
    };
    let id = text("clientId", &spec.client_id, "the client's id");
    let secret = text("clientSecret", &spec.client_secret, "the client's secret");
    let (id, secret) = match (id, secret) {
        (Ok(id), Ok(secret)) => (id, secret),
        (id, secret) => return Err([id.err(), secret.err()].into_iter().flatten().collect()),
    };
    let scopes = spec.scopes.join(" ");
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    if !scopes.is_empty() {
        form.push(("scope", &scopes));
    }
    if let Some(audience) = &spec.audience {
        form.push(("audience", audience));
    }
    form.extend(
        spec.parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let form: Vec<String> = form
        .into_iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    Ok(Auth::ClientCredentials(ClientCredentials {
        token_url: spec.token_url.clone(),
        form: form.join("&"),
        scheme: spec.scheme.clone(),
    }))
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
