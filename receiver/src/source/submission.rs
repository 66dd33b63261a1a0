//! A payload, or an item of it -> a normalised, valid lead with its key and its sinks.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::hydrate::lacks_only_contact;
use super::idempotency::{self, Key};
use super::refusal::{Refusal, overlooked};
use super::webhook::Webhook;
use crate::expression::Scope;
use crate::ids::{DedupeKey, LeadId, SinkId};
use crate::lead::{self, Field, Lead, Problem, StoredLead, Verdict};
use crate::queue::{Content, NewLead};
use crate::time::now;

/// More leads than one request may carry: they are accepted in one atomic call.
const MAX_LEADS: usize = 1000;

/// A lead on its way into the queue, before it is bytes.
#[derive(Debug)]
pub struct Submission<'r> {
    /// Normalised and valid.
    pub lead: Lead,
    /// Which fields were left out or cut, and why.
    pub notes: Vec<Problem>,
    /// What recognises its resends.
    pub key: Key,
    /// What tells a resend from another submission with the same key.
    pub mapped: [u8; 8],
    /// Where it goes; empty: no sink takes it.
    pub sinks: Arc<[SinkId]>,
    /// The id it gets if it is new.
    pub id: LeadId,
    /// Where the rest of its fields is fetched, for a thin payload.
    pub hydrate: Option<String>,
    /// The JSON text that it was made of.
    pub payload: Cow<'r, [u8]>,
    /// What is stored of that, if it is less.
    stored: Option<Vec<u8>>,
}

impl Submission<'_> {
    pub(super) fn with_payload(self, payload: Cow<'_, [u8]>, stored: Option<Vec<u8>>) -> Submission<'_> {
        Submission {
            payload,
            stored,
            ..self
        }
    }

    /// As the queue takes it.
    pub(super) fn into_new_lead(self, webhook: &Webhook, notes: &[Problem]) -> NewLead {
        let contact = lead::contact(&self.lead, &self.key.digest);
        let people = lead::people(&self.lead, self.key.submission.as_deref(), webhook.region());
        let stored = self.stored.as_deref().unwrap_or(&self.payload);
        let body = StoredLead::encode(&self.lead, stored, self.hydrate.as_deref(), notes);
        NewLead {
            id: self.id,
            webhook: webhook.id.clone(),
            dedupe: DedupeKey::new(self.key.digest),
            content: Content {
                posted: lead::posted(&self.payload),
                mapped: self.mapped,
            },
            window: self.key.window,
            contact,
            sinks: self.sinks,
            keep: webhook.keep_dead,
            body: Bytes::from(body),
            people,
            original: None,
        }
    }
}

/// What an element of a request is, and the element if it is not all of the request.
pub(super) struct Judged<'i> {
    pub(super) result: Result<Submission<'static>, NoLead>,
    pub(super) item: Option<&'i Value>,
}

/// Why an element, or what was fetched for it, is no lead.
#[derive(Debug)]
pub enum NoLead {
    /// It is not meant to be one.
    Ignored(&'static str),
    /// This is wrong with it.
    Refused(Vec<Problem>),
}

impl From<Vec<Problem>> for NoLead {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Refused(problems)
    }
}

impl Judged<'_> {
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.result, Err(NoLead::Refused(_)))
    }

    /// Whether it is kept for a person, and the sender is not to send it again.
    pub(super) fn is_overlooked(&self) -> bool {
        matches!(&self.result, Err(NoLead::Refused(problems)) if overlooked(problems))
    }

    /// What is wrong with it, by its position in the request.
    pub(super) fn problems(self, position: Option<usize>) -> impl Iterator<Item = Problem> {
        let position = position.filter(|_| self.item.is_some());
        let at = position.map_or_else(String::new, |position| format!("items[{position}]."));
        let found = match self.result {
            Err(NoLead::Refused(found)) => found,
            _ => Vec::new(),
        };
        found.into_iter().map(move |problem| Problem {
            field: format!("{at}{}", problem.field),
            ..problem
        })
    }
}

/// What a request's expressions see.
pub(super) struct Context<'a> {
    pub(super) webhook: &'a Webhook,
    pub(super) payload: &'a Value,
    pub(super) headers: &'a Value,
    pub(super) query: &'a Value,
}

/// What a lead is made of.
pub(super) enum Item {
    /// The whole payload.
    Whole,
    /// One of `payload.items`.
    Part(Value),
}

impl Context<'_> {
    pub(super) fn scope<'s>(&'s self, item: Option<&'s Value>) -> Scope<'s> {
        // Names are looked for from the last on: what most expressions look at comes last.
        Scope::new()
            .with("headers", self.headers)
            .with("query", self.query)
            .with("webhook", &self.webhook.value)
            .with("item", item.unwrap_or(self.payload))
            .with("payload", self.payload)
    }

    /// Whether the webhook takes such payloads for leads (`payload.accept`).
    pub(super) fn is_accepted(&self) -> Result<bool, Refusal> {
        let accept = self.webhook.accept.as_ref();
        accept
            .map_or(Ok(true), |accept| accept.test(&self.scope(None)))
            .map_err(|error| Refusal::Invalid(vec![error.problem("", "AcceptFailed")]))
    }

    /// What leads are made of: one of `payload.items` each, or the whole payload.
    pub(super) fn items(&self, is_element: bool) -> Result<Vec<Item>, Refusal> {
        if is_element {
            return Ok(vec![Item::Part(self.payload.clone())]);
        }
        let refusal = |problem| Err(Refusal::Invalid(vec![problem]));
        let Some(program) = &self.webhook.items else {
            return Ok(vec![Item::Whole]);
        };
        match program.evaluate(&self.scope(None)) {
            Ok(Some(Value::Array(items))) if items.len() > MAX_LEADS => refusal(Problem::new(
                "",
                "TooManyLeads",
                format!("one request carries at most {MAX_LEADS} leads; send several requests"),
            )),
            Ok(Some(Value::Array(items))) => Ok(items.into_iter().map(Item::Part).collect()),
            // No list is no empty list: the payload is not of the form that the expression was written for.
            Ok(None) => refusal(Problem::new(
                "",
                "NoList",
                "payload.items finds no list in this payload; an expression for payloads without leads gives an empty one: `.orValue([])`",
            )),
            Ok(Some(_)) => refusal(Problem::new("", "NoList", "payload.items must return a list")),
            Err(error) => refusal(error.problem("", "ItemsFailed")),
        }
    }

    /// Each of the items as a submission, or why it is none.
    pub(super) fn submissions<'i>(
        &self,
        items: &'i [Item],
        body: &[u8],
        headers: &HeaderMap,
    ) -> Vec<Judged<'i>> {
        let judged = items.iter().enumerate().map(|(position, item)| {
            let item = match item {
                Item::Whole => None,
                Item::Part(value) => Some(value),
            };
            let submission = self.submission(item, position, body, headers);
            let result = submission.map_err(|found| {
                let looked_in = item.unwrap_or(self.payload);
                self.webhook.without_contact(found.into(), looked_in)
            });
            Judged { result, item }
        });
        judged.collect()
    }

    /// One submission: map, normalise, validate, key, complete, rules, route.
    fn submission(
        &self,
        item: Option<&Value>,
        position: usize,
        body: &[u8],
        headers: &HeaderMap,
    ) -> Result<Submission<'static>, Vec<Problem>> {
        let webhook = self.webhook;
        let scope = self.scope(item);
        let mut lead = Lead::new();
        let unread = webhook.fields.fill(&mut lead, &scope);
        let Verdict { notes, mut problems } =
            lead::judge(&mut lead, unread, webhook.region.as_deref(), &webhook.limits);
        let thin = webhook
            .hydrate
            .as_ref()
            .filter(|_| !problems.is_empty() && problems.iter().all(lacks_only_contact));
        let hydrate = match thin.map(|hydrate| hydrate.url(&scope)) {
            Some(Ok(url)) => {
                problems.clear();
                Some(url)
            }
            Some(Err(problem)) => {
                problems.push(problem);
                None
            }
            None => None,
        };
        let source = idempotency::Source {
            webhook,
            payload: self.payload,
            item,
            position,
            body,
            headers,
            time: lead.get(Field::CapturedAt),
            email: lead.get(Field::Email),
            phone: lead.get(Field::Phone),
        };
        let key = match idempotency::key(&source, &scope) {
            Ok(key) => key,
            Err(problem) => {
                problems.push(problem);
                return Err(problems);
            }
        };
        let id = LeadId::generate();
        let mapped = lead::mapped(&lead, hydrate.as_deref());
        complete(&mut lead, webhook, &key, &id);
        let seen = webhook.needs.lead.then(|| lead.clone().into_value());
        let scope = match &seen {
            Some(seen) => scope.with("lead", seen),
            None => scope,
        };
        // A thin lead is judged when it is complete.
        if hydrate.is_none() {
            problems.extend(webhook.broken_rules(&scope));
        }
        let sinks = route(webhook, &scope, &mut problems);
        drop(scope);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Submission {
            lead,
            notes,
            key,
            mapped,
            sinks,
            id,
            hydrate,
            payload: Cow::Borrowed(&[]),
            stored: None,
        })
    }
}

/// What a sender need not say.
fn complete(lead: &mut Lead, webhook: &Webhook, key: &Key, id: &LeadId) {
    if lead.get(Field::Source).is_none() {
        let name = webhook
            .value
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        lead.set(Field::Source, name);
    }
    if lead.get(Field::SubmissionId).is_none() {
        lead.set(
            Field::SubmissionId,
            key.submission.as_deref().unwrap_or(id.as_str()),
        );
    }
    if lead.get(Field::CapturedAt).is_none() {
        lead.set(Field::CapturedAt, now());
    }
}

impl Webhook {
    /// The sinks that a lead which was accepted earlier goes to, as the webhook is now.
    pub fn sinks_of(&self, lead: &Value, payload: &Value) -> Result<Arc<[SinkId]>, Problem> {
        let context = Context {
            webhook: self,
            payload,
            headers: &Value::Null,
            query: &Value::Null,
        };
        let mut problems = Vec::new();
        let sinks = route(self, &context.scope(None).with("lead", lead), &mut problems);
        problems.pop().map_or(Ok(sinks), Err)
    }
}

fn route(webhook: &Webhook, scope: &Scope<'_>, problems: &mut Vec<Problem>) -> Arc<[SinkId]> {
    let mut sinks = Vec::with_capacity(webhook.sinks.len());
    for route in &webhook.sinks {
        let takes = route
            .when
            .as_ref()
            .map_or(Ok(!route.otherwise), |when| when.test(scope));
        match takes {
            Ok(true) => sinks.push(route.sink.clone()),
            Ok(false) => {}
            Err(error) => problems.push(error.problem("", "RoutingFailed")),
        }
    }
    if sinks.is_empty() {
        let otherwise = webhook.sinks.iter().filter(|route| route.otherwise);
        sinks.extend(otherwise.map(|route| route.sink.clone()));
    }
    sinks.into()
}
