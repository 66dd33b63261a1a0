//! What a REST sink says, as its client reads it: calls, expressions, what answers mean.

use std::time::Duration;

use http::{HeaderMap, Method};
use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::auth::Auth;
use crate::crm::{Failure, Matching};
use crate::expression::{Program, Scope, plain_text};

/// A REST sink.
#[derive(Debug)]
pub(super) struct Settings {
    /// Without a slash at the end.
    pub(super) base_url: String,
    /// How to sign in.
    pub(super) auth: Auth,
    /// Of every call.
    pub(super) headers: HeaderMap,
    /// The calls.
    pub(super) flow: Flow,
    /// Deletes a record, if the sink says how.
    pub(super) delete: Option<Call>,
    /// Reads a record, if the sink says how.
    pub(super) read: Option<Read>,
    /// What answers mean.
    pub(super) answers: Answers,
    /// For one call.
    pub(super) timeout: Duration,
    /// Whether values that stand are replaced; who is who is `lookup.match`'s business.
    pub(super) matching: Matching,
}

/// How a lead becomes a record.
#[derive(Debug)]
pub(super) enum Flow {
    /// The CRM finds the record itself.
    Upsert(Box<Write>),
    /// Look it up, then update or create it.
    Find(Box<Find>),
}

/// Three calls instead of one.
#[derive(Debug)]
pub(super) struct Find {
    /// Finds a person's records.
    pub(super) lookup: Lookup,
    /// Makes one.
    pub(super) create: Write,
    /// Changes one.
    pub(super) update: Write,
}

/// Finds a person's records.
#[derive(Debug)]
pub(super) struct Lookup {
    /// The call.
    pub(super) call: Call,
    /// Answer -> list of records.
    pub(super) records: Part,
    /// Whether a record is the lead's.
    pub(super) matches: Part,
    /// Record -> id.
    pub(super) id: Part,
    /// How long a new record may be missing from the answer.
    pub(super) lag: Duration,
}

/// Writes a record.
#[derive(Debug)]
pub(super) struct Write {
    /// The call.
    pub(super) call: Call,
    /// Answer -> the record's id.
    pub(super) id: Option<Part>,
}

/// Reads a record.
#[derive(Debug)]
pub(super) struct Read {
    /// The call.
    pub(super) call: Call,
    /// Answer -> whose record it is, as a lead.
    pub(super) lead: Part,
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    /// `upsert`, `lookup`, `create`, `update`, `delete` or `read`, as expressions see it.
    pub(super) name: &'static str,
    /// GET, POST, PUT, PATCH or DELETE.
    pub(super) method: Method,
    /// Gives the path with its query.
    pub(super) path: Part,
    /// Gives the body.
    pub(super) body: Body,
    /// Beside those of every call.
    pub(super) headers: HeaderMap,
}

impl Settings {
    /// Calls that would change records whoever the lead is.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        let without_id = |call: &Call| !call.refers_to("id");
        if let Flow::Find(find) = &self.flow {
            if !find.lookup.matches.program.refers_to("record") {
                found.push(
                    "spec.rest.lookup.match: it does not look at record, so that every record of the answer is taken for the \
                     lead's; compare it, as in record.email == lead.email"
                        .to_owned(),
                );
            }
            if without_id(&find.update.call) {
                found.push(
                    "spec.rest.update.path: neither path nor body looks at id, so that every lead changes the same record; \
                     write for example \"'/contacts/' + id\""
                        .to_owned(),
                );
            }
        }
        if self.delete.as_ref().is_some_and(without_id) {
            found.push(
                "spec.rest.delete.path: neither path nor body looks at id, which says what to delete; write for example \
                 \"'/contacts/' + id\""
                    .to_owned(),
            );
        }
        found
    }
}

impl Call {
    /// The expressions that it is made of.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        let body = match &self.body {
            Body::Made(part) => Some(&part.program),
            Body::Empty | Body::Properties => None,
        };
        [&self.path.program].into_iter().chain(body)
    }

    /// Whether any of them looks at a variable.
    fn refers_to(&self, variable: &str) -> bool {
        self.programs().any(|program| program.refers_to(variable))
    }
}

/// A call's body, sent as JSON.
#[derive(Debug)]
pub(super) enum Body {
    /// None.
    Empty,
    /// The mapped properties.
    Properties,
    /// What an expression gives.
    Made(Part),
}

/// What the CRM's answers mean.
#[derive(Debug)]
pub(super) struct Answers {
    /// The record of an update is not there any more.
    pub(super) gone: Part,
    /// It took the lead.
    pub(super) delivered: Part,
    /// The record exists already.
    pub(super) conflict: Part,
    /// Try again later.
    pub(super) retry: Part,
    /// The properties that it does not take.
    pub(super) refused: Option<Part>,
    /// Its own words.
    pub(super) message: Option<Part>,
    /// The record's id.
    pub(super) id: Option<Part>,
}

/// An expression and the field that it stands in.
#[derive(Debug)]
pub(super) struct Part {
    /// Such as `rest.create.path`.
    pub(super) field: &'static str,
    /// The expression.
    pub(super) program: Program,
}

impl Part {
    /// Its value; `None` is absent.
    pub(super) fn value(&self, scope: &Scope<'_>) -> Result<Option<Value>, Failure> {
        self.program
            .evaluate(scope)
            .map_err(|error| self.failure(&error.to_string()))
    }

    /// Whether it holds; absent does not.
    pub(super) fn test(&self, scope: &Scope<'_>) -> Result<bool, Failure> {
        self.program
            .test(scope)
            .map_err(|error| self.failure(&error.to_string()))
    }

    /// Its value, when it is a text, number or boolean that is not blank.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Result<Option<String>, Failure> {
        let text = self.value(scope)?.as_ref().and_then(plain_text);
        Ok(text.filter(|text| !text.trim().is_empty()))
    }

    /// What is wrong with it, without values.
    pub(super) fn failure(&self, reason: &str) -> Failure {
        Failure::new(
            FailureReason::MappingFailed,
            format!("{}: {reason}; correct the sink and replay the lead", self.field),
        )
    }
}
