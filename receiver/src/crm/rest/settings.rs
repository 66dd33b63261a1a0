//! `spec.rest`, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::CrmSinkSpec;
use leadgate_crds::common::Expression;
use leadgate_crds::crm_sink::{self, DeleteMethod, MatchingKey, PartialMatch, Rest};
use serde_json::Value;

use super::auth;
use super::description::{Answers, Body, Call, Find, Flow, Lookup, Part, Read, Settings, Write};
use crate::crm::{CrmSettings, CrmSpec, Matching};
use crate::expression::{Invalid as InvalidExpression, Names, Program, Wanted};
use crate::outbound;
use crate::secret_value::ReadSecret;

/// For sinks without `properties`: the lead's own names, since every CRM has others.
pub(super) const STANDARD_PROPERTIES: &[(&str, &str)] = &[
    ("email", "lead.email"),
    ("firstName", "lead.firstName"),
    ("lastName", "lead.lastName"),
    ("phone", "lead.phone"),
    ("phoneExtension", "lead.phoneExtension"),
    ("company", "lead.company"),
    ("jobTitle", "lead.jobTitle"),
    ("website", "lead.website"),
    ("address", "lead.address"),
    ("city", "lead.city"),
    ("state", "lead.state"),
    ("postalCode", "lead.postalCode"),
    ("country", "lead.country"),
    ("message", "lead.message"),
    ("source", "lead.source"),
];

impl CrmSpec for Rest {
    fn compile(
        &self,
        sink: &CrmSinkSpec,
        read_secret: &ReadSecret<'_>,
    ) -> Result<Arc<dyn CrmSettings>, Vec<String>> {
        compile(self, sink, read_secret).map(|settings| Arc::new(settings) as Arc<dyn CrmSettings>)
    }

    fn address(&self) -> String {
        let path = self.update.as_ref().map_or("", |update| update.path.as_str());
        format!("rest {} {path}", self.base_url)
    }

    fn standard_properties(&self) -> &'static [(&'static str, &'static str)] {
        STANDARD_PROPERTIES
    }
}

fn compile(spec: &Rest, sink: &CrmSinkSpec, read_secret: &ReadSecret<'_>) -> Result<Settings, Vec<String>> {
    let matching = Matching::from(&sink.matching);
    let mut errors = Errors::default();
    let auth = errors.take(auth::compile(&spec.auth, read_secret));
    let headers = headers("spec.rest.headers", &spec.headers, &mut errors);
    let flow = flow(spec, &mut errors);
    let delete = spec.delete.as_ref().map(|delete| deletion(delete, &mut errors));
    let read = spec.read.as_ref().map(|call| read(call, &mut errors));
    let answers = answers(&spec.answers, &mut errors);
    errors.0.extend(unsupported(spec, &matching, flow.as_ref()));
    if !sink.create_only.is_empty() {
        errors.0.extend(without_create(flow.as_ref()));
    }
    match (auth, flow, answers) {
        (Some(auth), Some(flow), Some(answers)) if errors.0.is_empty() => Ok(Settings {
            base_url: spec.base_url.trim_end_matches('/').to_owned(),
            auth,
            headers,
            flow,
            delete: delete.flatten(),
            read: read.flatten(),
            answers,
            timeout: sink.delivery.timeout.get(),
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
        let compiled = Program::compile(expression.as_str(), names);
        self.told(field, compiled)
    }

    fn told(&mut self, field: &'static str, compiled: Result<Program, InvalidExpression>) -> Option<Part> {
        compiled
            .map(|program| Part { field, program })
            .map_err(|error| self.0.push(format!("spec.{field}: {error}")))
            .ok()
    }

    /// The same for a place that takes only such results.
    fn part_to(
        &mut self,
        field: &'static str,
        expression: &Expression,
        names: &Names,
        wanted: Wanted,
    ) -> Option<Part> {
        let compiled = Program::compile_to(expression.as_str(), names, wanted);
        self.told(field, compiled)
    }

    /// A path, which leads below `baseUrl`: one that is the same for every lead can be judged now.
    fn path(&mut self, field: &'static str, expression: &Expression, names: &Names) -> Option<Part> {
        let part = self.part_to(field, expression, names, Wanted::Text)?;
        match part.program.constant() {
            Some(Value::String(path)) => {
                if let Err(reason) = outbound::stays_below(&path) {
                    self.0.push(format!("spec.{field}: {reason}"));
                }
            }
            Some(_) => self.0.push(format!(
                "spec.{field}: it gives nothing; write a path, as in \"'/leads'\""
            )),
            None => {}
        }
        Some(part)
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
            let path = errors.path("rest.upsert.path", &upsert.path, &Names::CALL);
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
            let path = errors.path("rest.create.path", &create.path, &Names::CALL);
            let body = errors.optional("rest.create.body", create.body.as_ref(), &Names::CALL);
            let id = errors.part("rest.create.id", &create.id, &Names::ANSWER);
            let update_path = errors.path("rest.update.path", &update.path, &Names::CALL);
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
    let path = errors.path("rest.lookup.path", &spec.path, &Names::CALL);
    let body = errors.optional("rest.lookup.body", spec.body.as_ref(), &Names::CALL);
    let records = errors.part_to("rest.lookup.records", &spec.records, &Names::FOUND, Wanted::List);
    let matches = errors.part_to(
        "rest.lookup.match",
        &spec.matches,
        &Names::RECORD,
        Wanted::Condition,
    );
    let id = errors.part("rest.lookup.id", &spec.id, &Names::RECORD);
    Some(Lookup {
        call: call("lookup", spec.method, path?, body.ok()?, Body::Empty),
        records: records?,
        matches: matches?,
        id: id?,
        lag: spec.lag.get(),
    })
}

fn deletion(spec: &crm_sink::DeleteCall, errors: &mut Errors) -> Option<Call> {
    let path = errors.path("rest.delete.path", &spec.path, &Names::RECORD_ID);
    let body = errors.optional("rest.delete.body", spec.body.as_ref(), &Names::RECORD_ID);
    Some(Call {
        name: "delete",
        method: match spec.method {
            DeleteMethod::Delete => Method::DELETE,
            DeleteMethod::Post => Method::POST,
        },
        path: path?,
        body: body.ok()?.map_or(Body::Empty, Body::Made),
        headers: HeaderMap::new(),
    })
}

fn read(spec: &crm_sink::ReadCall, errors: &mut Errors) -> Option<Read> {
    let path = errors.part("rest.read.path", &spec.path, &Names::RECORD_ID);
    let lead = errors.part("rest.read.lead", &spec.lead, &Names::ANSWER);
    Some(Read {
        call: call("read", crm_sink::Method::Get, path?, None, Body::Empty),
        lead: lead?,
    })
}

fn call(name: &'static str, method: crm_sink::Method, path: Part, body: Option<Part>, default: Body) -> Call {
    Call {
        name,
        method: match method {
            crm_sink::Method::Get => Method::GET,
            crm_sink::Method::Post => Method::POST,
            crm_sink::Method::Put => Method::PUT,
            crm_sink::Method::Patch => Method::PATCH,
        },
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
    let mut condition =
        |field, expression| errors.part_to(field, expression, &Names::ANSWER, Wanted::Condition);
    let gone = condition("rest.answers.gone", &spec.gone);
    let delivered = condition("rest.answers.delivered", &spec.delivered);
    let conflict = condition("rest.answers.conflict", &spec.conflict);
    let retry = condition("rest.answers.retry", &spec.retry);
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

#[cfg(test)]
mod tests;
