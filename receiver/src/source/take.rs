//! A verified request -> leads, or every reason why not. Pure: the same for a live request and for a dry run.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use leadgate_crds::lead_webhook::ItemsPolicy;
use serde_json::{Map, Value, json};

use super::auth::RawRequest;
use super::body::{self, BodyError};
use super::challenge::ChallengeAnswer;
use super::draft::{Context, Draft, Item};
use super::form;
use super::webhook::Webhook;
use crate::expression::OURS;
use crate::lead::{self, Problem};
use crate::queue::{Content, DedupeKey, NewLead};

/// What a verified request is.
#[derive(Debug)]
pub enum Taken {
    /// Leads for the queue.
    Leads(Batch),
    /// Not meant to be a lead: answered 200.
    Ignored(&'static str),
    /// A handshake.
    Challenge(ChallengeAnswer),
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

/// An element of a request, or all of it, as it was read; with its JSON.
#[derive(Debug)]
pub enum Element<'a> {
    /// A lead.
    Lead(Draft, &'a [u8]),
    /// Not meant to be one.
    Ignored(&'static str),
    /// Not a valid one.
    Refused(Vec<Problem>, &'a [u8]),
}

/// What a verified request is, besides the leads it may hold.
#[derive(Debug)]
pub enum Seen {
    /// It holds leads.
    Leads,
    /// Not meant to be a lead.
    Ignored(&'static str),
    /// A handshake.
    Challenge(ChallengeAnswer),
}

/// Why a verified request is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body cannot be read (400, 413, 415).
    Body(BodyError),
    /// It can be read, and is not a valid lead (400).
    Invalid(Vec<Problem>),
}

impl Refusal {
    /// Whether the webhook's own expressions are at fault, and not what was sent (503).
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Invalid(problems) if problems.iter().any(|problem| problem.reason == OURS))
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl Webhook {
    /// Makes leads of a verified request.
    pub fn take(&self, request: &RawRequest<'_>) -> Result<Taken, Refusal> {
        self.take_as(request, false)
    }

    /// Makes a lead of an element of `payload.items` that was kept by itself.
    pub fn take_element(&self, request: &RawRequest<'_>) -> Result<Taken, Refusal> {
        self.take_as(request, true)
    }

    fn take_as(&self, request: &RawRequest<'_>, element: bool) -> Result<Taken, Refusal> {
        let mut batch = Batch::default();
        let mut place = 0;
        let seen = self.read_as(request, element, |read| {
            match read {
                Element::Lead(draft, payload) => {
                    if !draft.notes.is_empty() {
                        let notes = draft.notes.clone();
                        batch.notes.push((batch.leads.len(), notes));
                    }
                    batch.leads.push(self.new_lead(draft, payload));
                }
                Element::Ignored(reason) => batch.others.push((place, Other::Ignored(reason))),
                Element::Refused(problems, body) => {
                    let body = Bytes::copy_from_slice(body);
                    batch.others.push((place, Other::Refused { problems, body }));
                }
            }
            place += 1;
        })?;
        Ok(match seen {
            Seen::Leads => Taken::Leads(batch),
            Seen::Ignored(reason) => Taken::Ignored(reason),
            Seen::Challenge(answer) => Taken::Challenge(answer),
        })
    }

    /// Reads a verified request and hands each of its elements to `each`, if there is anything to accept. Returns why
    /// there is nothing, if there is nothing.
    pub fn read(&self, request: &RawRequest<'_>, each: impl FnMut(Element<'_>)) -> Result<Seen, Refusal> {
        self.read_as(request, false, each)
    }

    fn read_as(
        &self,
        request: &RawRequest<'_>,
        element: bool,
        mut each: impl FnMut(Element<'_>),
    ) -> Result<Seen, Refusal> {
        let plain = body::decompress(request.headers, request.body, self.max_bytes)?;
        let digest_of = plain.clone();
        let mut payload = body::parse(self.format, request.headers, plain)?;
        let mut handshakes = self.challenges.iter();
        if let Some(answer) =
            handshakes.find_map(|challenge| challenge.after_verification(request, &payload.value))
        {
            return Ok(Seen::Challenge(answer));
        }
        if let Some(pointer) = self.verifier.secret_in_payload() {
            remove(&mut payload.value, pointer);
            payload.json = None;
        }
        let headers = if self.needs.headers {
            headers_value(request.headers)
        } else {
            Value::Null
        };
        let query = if self.needs.query {
            query_value(request.query)
        } else {
            Value::Null
        };
        let context = Context {
            webhook: self,
            payload: &payload.value,
            headers: &headers,
            query: &query,
        };

        if let Some(accept) = &self.accept {
            match accept.test(&context.scope(None)) {
                Ok(true) => {}
                Ok(false) => return Ok(Seen::Ignored("the payload is not a lead (payload.accept)")),
                Err(error) => return Err(Refusal::Invalid(vec![error.problem("", "AcceptFailed")])),
            }
        }
        let schema = self.schema.as_ref();
        let mut problems = schema.map_or_else(Vec::new, |schema| schema.problems(&payload.value));
        let items = if element {
            vec![Item::Part(payload.value.clone())]
        } else {
            context
                .items()
                .map_err(|problem| Refusal::Invalid(vec![problem]))?
        };
        let mut judged = Vec::with_capacity(1);
        for (position, item) in items.iter().enumerate() {
            let item = match item {
                Item::Whole => None,
                Item::Part(value) => Some(value),
            };
            let draft = match context.draft(item, position, &digest_of, request.headers) {
                Ok(draft) => Ok(draft),
                Err(found) if self.ignore_without_contact && lacks_contact(&found) => Err(NoLead::Ignored(
                    "an event without e-mail address and phone number is no lead",
                )),
                Err(found) => Err(NoLead::Refused(found)),
            };
            judged.push((draft, item));
        }
        let leads = judged.iter().filter(|(draft, _)| draft.is_ok()).count();
        let refused = |(draft, _): &(Result<Draft, NoLead>, _)| matches!(draft, Err(NoLead::Refused(_)));
        let alone = leads == 0 || self.items_policy == ItemsPolicy::AllOrNone;
        if !problems.is_empty() || alone && judged.iter().any(refused) {
            for (position, (draft, item)) in judged.into_iter().enumerate() {
                let at = item.map_or_else(String::new, |_| format!("items[{position}]."));
                if let Err(NoLead::Refused(found)) = draft {
                    problems.extend(found.into_iter().map(|p| Problem {
                        field: format!("{at}{}", p.field),
                        ..p
                    }));
                }
            }
            return Err(Refusal::Invalid(problems));
        }
        if leads == 0 {
            let reason = match judged.last() {
                Some((Err(NoLead::Ignored(reason)), _)) => reason,
                _ => "the payload holds no lead (payload.items is empty)",
            };
            return Ok(Seen::Ignored(reason));
        }
        for (draft, item) in judged {
            let json = match (item, &payload.json) {
                (None, Some(json)) => Cow::Borrowed(json.as_ref()),
                (None, None) => Cow::Owned(payload.value.to_string().into_bytes()),
                (Some(item), _) => Cow::Owned(item.to_string().into_bytes()),
            };
            each(match draft {
                Ok(draft) => Element::Lead(draft, &json),
                Err(NoLead::Ignored(reason)) => Element::Ignored(reason),
                Err(NoLead::Refused(problems)) => Element::Refused(problems, &json),
            });
        }
        Ok(Seen::Leads)
    }

    fn new_lead(&self, draft: Draft, payload: &[u8]) -> NewLead {
        let contact = lead::contact(&draft.lead, &draft.key.digest);
        // The payload's own JSON text goes in as it came: nothing is serialised twice.
        let mut body = Vec::with_capacity(payload.len() + 512);
        body.extend_from_slice(b"{\"lead\":");
        append(&mut body, &draft.lead.into_value());
        body.extend_from_slice(b",\"payload\":");
        body.extend_from_slice(payload);
        if let Some(url) = &draft.hydrate {
            body.extend_from_slice(b",\"hydrate\":");
            append(&mut body, &Value::from(url.as_str()));
        }
        if !draft.notes.is_empty() {
            let notes = draft
                .notes
                .iter()
                .map(|note| json!({"field": note.field, "reason": note.reason}));
            body.extend_from_slice(b",\"notes\":");
            append(&mut body, &notes.collect());
        }
        body.push(b'}');
        NewLead {
            id: draft.id,
            webhook: self.id.clone(),
            dedupe: DedupeKey::new(draft.key.digest),
            content: Content {
                posted: lead::posted(payload),
                mapped: draft.mapped,
            },
            window: draft.key.window,
            contact,
            sinks: draft.sinks,
            keep: self.keep_dead,
            body: Bytes::from(body),
        }
    }
}

/// Why an element is no lead.
enum NoLead {
    Ignored(&'static str),
    Refused(Vec<Problem>),
}

/// Whether that is all that is wrong.
fn lacks_contact(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.reason == "ContactMissing")
}

/// Writes a value's JSON behind what is there.
fn append(body: &mut Vec<u8>, value: &Value) {
    let end = body.len();
    // Neither memory nor a value with text for names has a reason to fail; half a value must not stay in any case.
    if serde_json::to_writer(&mut *body, value).is_err() {
        body.truncate(end);
        body.extend_from_slice(b"null");
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
        if matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie") {
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
