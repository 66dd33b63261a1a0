//! What a REST sink says, compiled.

use std::time::Duration;

use http::HeaderMap;
use leadgate_crds::crm_sink::Method;
use serde_json::Value;

use super::Auth;
use crate::crm::{Failure, Matching};
use crate::expression::{Program, Scope, plain_text};

/// A REST sink.
#[derive(Debug)]
pub struct Settings {
    /// Without a slash at the end.
    pub base_url: String,
    /// How to sign in.
    pub auth: Auth,
    /// Of every call.
    pub headers: HeaderMap,
    /// The calls.
    pub flow: Flow,
    /// What answers mean.
    pub answers: Answers,
    /// For one call.
    pub timeout: Duration,
    /// Whether values that stand are replaced; who is who is `lookup.match`'s business.
    pub matching: Matching,
}

/// How a lead becomes a record.
#[derive(Debug)]
pub enum Flow {
    /// The CRM finds the record itself.
    Upsert(Box<Write>),
    /// Look it up, then update or create it.
    Find(Box<Find>),
}

/// Three calls instead of one.
#[derive(Debug)]
pub struct Find {
    /// Finds a person's records.
    pub lookup: Lookup,
    /// Makes one.
    pub create: Write,
    /// Changes one.
    pub update: Write,
}

/// Finds a person's records.
#[derive(Debug)]
pub struct Lookup {
    /// The call.
    pub call: Call,
    /// Answer -> list of records.
    pub records: Part,
    /// Whether a record is the lead's.
    pub matches: Part,
    /// Record -> id.
    pub id: Part,
    /// How long a new record may be missing from the answer.
    pub lag: Duration,
}

/// Writes a record.
#[derive(Debug)]
pub struct Write {
    /// The call.
    pub call: Call,
    /// Answer -> the record's id.
    pub id: Option<Part>,
}

/// One call.
#[derive(Debug)]
pub struct Call {
    /// `upsert`, `lookup`, `create` or `update`, as expressions see it.
    pub name: &'static str,
    /// GET, POST, PUT or PATCH.
    pub method: Method,
    /// Gives the path with its query.
    pub path: Part,
    /// Gives the body.
    pub body: Body,
    /// Beside those of every call.
    pub headers: HeaderMap,
}

/// A call's body, sent as JSON.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// The mapped properties.
    Properties,
    /// What an expression gives.
    Made(Part),
}

/// What the CRM's answers mean.
#[derive(Debug)]
pub struct Answers {
    /// The record of an update is not there any more.
    pub gone: Part,
    /// It took the lead.
    pub delivered: Part,
    /// The record exists already.
    pub conflict: Part,
    /// Try again later.
    pub retry: Part,
    /// The properties that it does not take.
    pub refused: Option<Part>,
    /// Its own words.
    pub message: Option<Part>,
    /// The record's id.
    pub id: Option<Part>,
}

/// An expression and the field that it stands in.
#[derive(Debug)]
pub struct Part {
    /// Such as `rest.create.path`.
    pub field: &'static str,
    /// The expression.
    pub program: Program,
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
            "MappingFailed",
            format!("{}: {reason}; correct the sink and replay the lead", self.field),
        )
    }
}
