//! A verified request -> submissions, or every reason why not. Pure: the same for a live request and for a dry run.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use leadgate_crds::lead_webhook::{Format, ItemsPolicy};
use serde_json::{Map, Value};

use super::auth::RawRequest;
use super::body;
use super::challenge::ChallengeAnswer;
use super::form;
use super::kept::Kept;
use super::payload::Payload;
use super::refusal::Refusal;
use super::submission::{Context, Judged, NoLead, Submission};
use super::webhook::Webhook;
use crate::expression::CREDENTIALS;
use crate::lead::Problem;
use crate::queue::NewLead;

/// What a verified request is; `T` is what becomes of its submissions.
#[derive(Debug)]
pub enum Parsed<T> {
    /// It holds a lead at least.
    Leads(T),
    /// Not meant to be a lead: answered 200.
    Ignored(&'static str),
    /// A handshake.
    Challenge(ChallengeAnswer),
}

impl<T> Parsed<T> {
    fn map<U>(self, make: impl FnOnce(T) -> U) -> Parsed<U> {
        match self {
            Self::Leads(leads) => Parsed::Leads(make(leads)),
            Self::Ignored(reason) => Parsed::Ignored(reason),
            Self::Challenge(answer) => Parsed::Challenge(answer),
        }
    }
}

/// An element of a request, or all of it.
#[derive(Debug)]
pub enum Element<'r> {
    /// A lead.
    Lead(Submission<'r>),
    /// Not a lead.
    Other(Other),
}

/// An element of a request that is no lead.
#[derive(Debug)]
pub enum Other {
    /// Not meant to be one.
    Ignored(&'static str),
    /// Not a valid one.
    Refused {
        /// Why.
        problems: Vec<Problem>,
        /// Its own JSON.
        body: Bytes,
    },
}

/// The leads of a request, and what else it holds.
#[derive(Debug, Default)]
pub struct Batch {
    /// For the queue, in their order.
    pub leads: Vec<NewLead>,
    /// By place among `leads`: fields that were left out or cut.
    pub notes: Vec<(usize, Vec<Problem>)>,
    /// Elements of `payload.items` that are no leads, by place in the request.
    pub others: Vec<(usize, Other)>,
}

impl Batch {
    fn of(webhook: &Webhook, elements: Vec<Element<'_>>) -> Self {
        let mut batch = Self::default();
        for (place, element) in elements.into_iter().enumerate() {
            match element {
                Element::Lead(mut submission) => {
                    let notes = std::mem::take(&mut submission.notes);
                    batch.leads.push(submission.into_new_lead(webhook, &notes));
                    if !notes.is_empty() {
                        batch.notes.push((batch.leads.len() - 1, notes));
                    }
                }
                Element::Other(other) => batch.others.push((place, other)),
            }
        }
        batch
    }
}

/// What the payload of a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// What the sender sent.
    Request,
    /// An element of `payload.items` that was kept by itself.
    Element,
}

impl Webhook {
    /// Makes new leads of a verified request, for the queue, with what is to be kept of its payload.
    pub fn leads(&self, request: &RawRequest<'_>, kept: &Kept) -> Result<Parsed<Batch>, Refusal> {
        let parsed = self.parse_as(request, Whole::Request, kept)?;
        Ok(parsed.map(|elements| Batch::of(self, elements)))
    }

    /// Makes a new lead of an element of `payload.items` that was kept by itself.
    pub fn leads_of_element(&self, request: &RawRequest<'_>, kept: &Kept) -> Result<Parsed<Batch>, Refusal> {
        let parsed = self.parse_as(request, Whole::Element, kept)?;
        Ok(parsed.map(|elements| Batch::of(self, elements)))
    }

    /// Reads a verified request: its submissions in their order, if there is anything to accept, or why there is nothing.
    pub fn parse<'r>(&self, request: &RawRequest<'r>) -> Result<Parsed<Vec<Element<'r>>>, Refusal> {
        self.parse_whole(request, Whole::Request)
    }

    /// The same of what is known to be a request, or an element of one.
    pub fn parse_whole<'r>(
        &self,
        request: &RawRequest<'r>,
        whole: Whole,
    ) -> Result<Parsed<Vec<Element<'r>>>, Refusal> {
        self.parse_as(request, whole, &Kept::Whole)
    }

    fn parse_as<'r>(
        &self,
        request: &RawRequest<'r>,
        whole: Whole,
        kept: &Kept,
    ) -> Result<Parsed<Vec<Element<'r>>>, Refusal> {
        let plain = body::decompress(request.headers, request.body, self.max_bytes)?;
        let format = match whole {
            Whole::Request => self.format,
            // It is kept as JSON, whatever the sender sent.
            Whole::Element => Format::Json,
        };
        let mut payload = body::parse(format, request.headers, plain.clone())?;
        if let Some(answer) = self.challenge(request, &payload.value) {
            return Ok(Parsed::Challenge(answer));
        }
        self.remove_secret(&mut payload);
        let (headers, query) = self.looked_at(request);
        let context = Context {
            webhook: self,
            payload: &payload.value,
            headers: &headers,
            query: &query,
        };
        if !context.is_accepted()? {
            return Ok(Parsed::Ignored("the payload is not a lead (payload.accept)"));
        }
        let items = context.items(whole == Whole::Element)?;
        let submissions = context.submissions(&items, &plain, request.headers);
        self.decide(submissions, &payload, kept, whole)
    }

    fn challenge(&self, request: &RawRequest<'_>, payload: &Value) -> Option<ChallengeAnswer> {
        let mut challenges = self.challenges.iter();
        challenges.find_map(|challenge| challenge.after_verification(request, payload))
    }

    fn remove_secret(&self, payload: &mut Payload<'_>) {
        if let Some(pointer) = self.verifier.secret_in_payload() {
            remove(&mut payload.value, pointer);
            payload.json = None;
        }
    }

    /// Headers and query, where an expression looks at them.
    fn looked_at(&self, request: &RawRequest<'_>) -> (Value, Value) {
        let headers = self.needs.headers.then(|| headers_value(request.headers));
        let query = self.needs.query.then(|| query_value(request.query));
        (headers.unwrap_or_default(), query.unwrap_or_default())
    }

    /// All or nothing, or what is good of it.
    fn decide<'r>(
        &self,
        submissions: Vec<Judged<'_>>,
        payload: &Payload<'r>,
        kept: &Kept,
        whole: Whole,
    ) -> Result<Parsed<Vec<Element<'r>>>, Refusal> {
        let schema = self.schema.as_ref();
        let mut problems = schema.map_or_else(Vec::new, |schema| schema.problems(&payload.value));
        let leads = submissions.iter().filter(|judged| judged.result.is_ok()).count();
        let all_or_none = self.items_policy == ItemsPolicy::AllOrNone;
        let refuses = |judged: &Judged<'_>| {
            judged.is_refused() && (leads == 0 || all_or_none && !judged.is_overlooked())
        };
        if !problems.is_empty() || submissions.iter().any(refuses) {
            let all = submissions.into_iter().enumerate();
            // An element by itself has no position.
            let at = |position| (whole == Whole::Request).then_some(position);
            problems.extend(all.flat_map(|(position, judged)| judged.problems(at(position))));
            return Err(Refusal::Invalid(problems));
        }
        if leads == 0 {
            let reason = match submissions.last().map(|judged| &judged.result) {
                Some(Err(NoLead::Ignored(reason))) => reason,
                _ => "the payload contains no lead (payload.items is empty)",
            };
            return Ok(Parsed::Ignored(reason));
        }
        let elements = submissions.into_iter().map(|Judged { result, item }| {
            let json = || match (item, &payload.json) {
                (None, Some(json)) => json.clone(),
                (None, None) => Cow::Owned(payload.value.to_string().into_bytes()),
                (Some(item), _) => Cow::Owned(item.to_string().into_bytes()),
            };
            match result {
                Ok(submission) => {
                    let stored = kept.text(item.unwrap_or(&payload.value));
                    Element::Lead(submission.with_payload(json(), stored))
                }
                Err(NoLead::Ignored(reason)) => Element::Other(Other::Ignored(reason)),
                Err(NoLead::Refused(problems)) => Element::Other(Other::Refused {
                    problems,
                    body: json().into_owned().into(),
                }),
            }
        });
        Ok(Parsed::Leads(elements.collect()))
    }
}

/// Takes a secret out of the payload, wherever the pointer leads.
fn remove(payload: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    if let Some(Value::Object(map)) = payload.pointer_mut(parent) {
        map.remove(&name);
    }
}

/// Headers with lower-case names, except those that carry credentials.
fn headers_value(headers: &HeaderMap) -> Value {
    let mut map = Map::new();
    for (name, value) in headers {
        if CREDENTIALS.contains(&name.as_str()) {
            continue;
        }
        if let Ok(text) = value.to_str() {
            map.entry(name.as_str())
                .or_insert_with(|| Value::String(text.to_owned()));
        }
    }
    Value::Object(map)
}

fn query_value(query: Option<&str>) -> Value {
    let mut map = Map::new();
    for (name, value) in form::query_pairs(query.unwrap_or_default()).unwrap_or_default() {
        map.entry(name)
            .or_insert_with(|| Value::String(value.into_owned()));
    }
    Value::Object(map)
}
