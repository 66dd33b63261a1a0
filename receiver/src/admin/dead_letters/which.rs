//! Which leads a request means: the query, the names in it, and what a receiver may touch.

// An answer is made once for a request that a person sent.
#![allow(clippy::result_large_err)]

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use problem_details::ProblemDetails;
use serde::Deserialize;

use super::refusals::{bad_request, unavailable};
use crate::admin::shared::Admin;
use crate::crm::Known;
use crate::lead::digest;
use crate::queue::{DeadLetter, DeadLetterSet, LeadId, ListFilter, SinkId, WebhookId};

/// How many are listed or replayed at once unless asked otherwise, and at most.
const PAGE_SIZE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// How long a person's decision about a contact's record stands: longer than any CRM's outage.
const DECIDED: Duration = Duration::from_hours(720);

/// The query of every request about leads.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Which {
    pub(super) set: Option<DeadLetterSet>,
    sink: Option<String>,
    webhook: Option<String>,
    reason: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    /// Of a replay: the CRM record that a person chose.
    record: Option<String>,
    /// Of a replay: a person says that no record is the lead's.
    #[serde(default)]
    create: bool,
    /// Of a replay: also what a newer lead of the contact has overtaken.
    #[serde(default)]
    pub(super) force: bool,
    /// Of a move: the sink that the lead goes to.
    to: Option<String>,
}

/// The query with its names looked up.
pub(super) struct Meant {
    pub(super) which: Which,
    pub(super) sink: Option<SinkId>,
    pub(super) webhook: Option<WebhookId>,
    pub(super) to: Option<SinkId>,
    realm: Realm,
}

impl Meant {
    /// Reads a query; the answer says what is wrong with it.
    pub(super) async fn read(
        admin: &Admin,
        query: Result<Query<Which>, QueryRejection>,
    ) -> Result<Self, Response> {
        let Query(which) = query.map_err(|error| bad_request(&error.body_text()))?;
        let config = admin.config.borrow().clone();
        let webhooks: BTreeSet<String> = config.webhooks().map(|webhook| webhook.id.to_string()).collect();
        let mut sinks: BTreeSet<String> = config.sinks().map(|sink| sink.id.to_string()).collect();
        let to = named("sink", which.to.as_deref(), &sinks)?.map(SinkId::new);
        let realm = Realm::of(admin, sinks.iter().chain(&webhooks));
        // Leads wait for sinks that nobody names any more, too.
        let occupied = admin
            .queue
            .occupied_sinks()
            .await
            .map_err(|error| unavailable(&error))?;
        sinks.extend(
            occupied
                .iter()
                .map(SinkId::to_string)
                .filter(|sink| realm.has(sink)),
        );
        let sink = in_full("sink", which.sink.as_deref(), &sinks)?.map(SinkId::new);
        let webhook = in_full("webhook", which.webhook.as_deref(), &webhooks)?;
        Ok(Self {
            sink,
            to,
            webhook: webhook.map(WebhookId::new),
            which,
            realm,
        })
    }

    /// Whether a lead is among those that are meant, and one that this receiver may touch.
    pub(super) fn includes(&self, lead: &DeadLetter) -> bool {
        self.realm.has(lead.webhook.as_str())
            && self.which.set.is_none_or(|set| set == lead.set)
            && self
                .sink
                .as_ref()
                .is_none_or(|sink| lead.sink.as_ref() == Some(sink))
            && self
                .webhook
                .as_ref()
                .is_none_or(|webhook| lead.webhook == *webhook)
    }

    /// What tells cursors of this query from those of others.
    pub(super) fn mark(&self, of: &str) -> String {
        let set = self.which.set.unwrap_or(DeadLetterSet::Dead);
        mark([
            of,
            set.as_str(),
            self.sink.as_ref().map_or("", SinkId::as_str),
            self.webhook.as_ref().map_or("", WebhookId::as_str),
            self.which.reason.as_deref().unwrap_or_default(),
        ])
    }

    /// For the queue's list.
    pub(super) fn filter(&self, of_query: &str) -> Result<ListFilter, Response> {
        let after = self.which.after.as_deref();
        let after = after.map(|after| read_cursor(after, of_query)).transpose()?;
        let limit = self.which.limit.unwrap_or(PAGE_SIZE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(bad_request("limit must be from 1 to 1000"));
        }
        Ok(ListFilter {
            bodies: false,
            sink: self.sink.clone(),
            webhook: self.webhook.clone(),
            reason: self.which.reason.clone(),
            after,
            limit,
            by_acceptance: false,
        })
    }

    /// What a person decided about the record, as the queue remembers it, and for how long.
    pub(super) fn decision(&self) -> Result<Option<(String, Duration)>, Response> {
        let record = match (&self.which.record, self.which.create) {
            (Some(_), true) => return Err(bad_request("use either record=ID or create=true, not both")),
            (None, true) => Known::New.into_memory(),
            (None, false) => return Ok(None),
            (Some(id), false) if is_record(id) => id.clone(),
            (Some(_), false) => {
                return Err(bad_request(
                    "record must be the id of a CRM record: up to 128 letters, digits, hyphens, underscores, dots and colons",
                ));
            }
        };
        Ok(Some((record, DECIDED)))
    }
}

/// What tells cursors of one query from those of others.
pub(in super::super) fn mark<'a>(query: impl IntoIterator<Item = &'a str>) -> String {
    let mut mark = digest(query);
    mark.truncate(8);
    mark
}

/// What was told as a cursor of a query. What it is made of is the store's business, and need not be fit for a URL.
pub(in super::super) fn read_cursor(cursor: &str, of_query: &str) -> Result<String, Response> {
    let text = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = text.and_then(|text| String::from_utf8(text).ok());
    match text.as_deref().and_then(|text| text.split_once(' ')) {
        Some((query, cursor)) if query == of_query => Ok(cursor.to_owned()),
        Some(_) => Err(bad_request(
            "after: it belongs to another query; use the value of `next` with the query that it came from",
        )),
        None => Err(bad_request("after: use the value of `next` of the previous page")),
    }
}

/// A cursor of a query as it is told.
pub(in super::super) fn told(cursor: Option<String>, of_query: &str) -> Option<String> {
    cursor.map(|cursor| URL_SAFE_NO_PAD.encode(format!("{of_query} {cursor}")))
}

fn is_record(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 128
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

/// The one of `known` that is meant by its name, with or without its namespace.
pub(in super::super) fn named(
    what: &str,
    name: Option<&str>,
    known: &BTreeSet<String>,
) -> Result<Option<String>, Response> {
    let Some(name) = name else { return Ok(None) };
    let fits = |id: &&String| id.as_str() == name || id.split_once('/').is_some_and(|(_, own)| own == name);
    let mut found = known.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(Some(id.clone())),
        (None, _) => {
            let known: Vec<&str> = known.iter().take(20).map(String::as_str).collect();
            Err(bad_request(&format!(
                "{what}: no {what} has this name; known: {}",
                known.join(", ")
            )))
        }
        (Some(_), Some(_)) => Err(bad_request(&format!(
            "{what}: several have this name; write NAMESPACE/NAME"
        ))),
    }
}

/// The same, but a name in full need not be known: leads, and what the ledger tells, outlive their webhooks and sinks.
fn in_full(what: &str, name: Option<&str>, known: &BTreeSet<String>) -> Result<Option<String>, Response> {
    match name {
        Some(full) if is_full(full) => Ok(Some(full.to_owned())),
        short => named(what, short, known),
    }
}

/// Whether it is `NAMESPACE/NAME`, as names of objects are.
pub(in super::super) fn is_full(name: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
    };
    name.split_once('/')
        .is_some_and(|(namespace, own)| is_name(namespace) && is_name(own))
}

/// The webhook of a name, with or without its namespace: one that runs, or of which there are entries.
pub(in super::super) fn named_webhook(
    admin: &Admin,
    name: &str,
    entered: &[WebhookId],
) -> Result<WebhookId, Response> {
    let config = admin.config.borrow().clone();
    let realm = Realm::of_admin(admin);
    let mut known: BTreeSet<String> = config.webhooks().map(|webhook| webhook.id.to_string()).collect();
    known.extend(
        entered
            .iter()
            .map(WebhookId::to_string)
            .filter(|id| realm.has(id)),
    );
    in_full("webhook", Some(name), &known).map(|id| WebhookId::new(id.unwrap_or_default()))
}

/// The sink of a name, with or without its namespace: one that runs, or for which leads wait.
pub(in super::super) async fn named_sink(
    admin: &Admin,
    name: Option<&str>,
) -> Result<Option<SinkId>, Response> {
    let config = admin.config.borrow().clone();
    let realm = Realm::of_admin(admin);
    let mut known: BTreeSet<String> = config.sinks().map(|sink| sink.id.to_string()).collect();
    let occupied = admin.queue.occupied_sinks().await;
    let occupied = occupied.map_err(|error| unavailable(&error))?;
    known.extend(
        occupied
            .iter()
            .map(SinkId::to_string)
            .filter(|sink| realm.has(sink)),
    );
    Ok(in_full("sink", name, &known)?.map(SinkId::new))
}

/// The namespaces of which a receiver shows leads: those of its own webhooks and sinks. In a store that is its own, all.
pub(in super::super) struct Realm(Option<BTreeSet<String>>);

impl Realm {
    fn of<'a>(admin: &Admin, ids: impl Iterator<Item = &'a String>) -> Self {
        let namespaces = ids
            .filter_map(|id| id.split_once('/'))
            .map(|(namespace, _)| namespace.to_owned());
        Self(admin.queue.is_shared().then(|| namespaces.collect()))
    }

    /// The same of all that a receiver runs.
    pub(in super::super) fn of_admin(admin: &Admin) -> Self {
        let config = admin.config.borrow().clone();
        let webhooks = config.webhooks().map(|webhook| webhook.id.to_string());
        let ids: Vec<String> = webhooks
            .chain(config.sinks().map(|sink| sink.id.to_string()))
            .collect();
        Self::of(admin, ids.iter())
    }

    /// For whoever runs a job on its behalf; `None`: all.
    pub(in super::super) fn into_namespaces(self) -> Option<BTreeSet<String>> {
        self.0
    }

    /// Whether it holds all of these; `None`: all that there are.
    pub(in super::super) fn has_all(&self, namespaces: Option<&BTreeSet<String>>) -> bool {
        match (&self.0, namespaces) {
            (None, _) => true,
            (Some(own), Some(asked)) => asked.is_subset(own),
            (Some(_), None) => false,
        }
    }

    /// Whether a name is of one of them.
    pub(in super::super) fn has(&self, id: &str) -> bool {
        self.0.as_ref().is_none_or(|own| {
            id.split_once('/')
                .is_some_and(|(namespace, _)| own.contains(namespace))
        })
    }
}

/// Where a lead is, of what the query means.
pub(super) async fn select(admin: &Admin, id: &LeadId, meant: &Meant) -> Result<Vec<DeadLetter>, Response> {
    let mut found = admin.queue.show(id).await.map_err(|error| unavailable(&error))?;
    found.retain(|lead| meant.includes(lead));
    if found.is_empty() {
        return Err(ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
            .with_detail(
                "no pending or set-aside lead has this id (in this set and sink); delivered leads are not kept",
            )
            .into_response());
    }
    Ok(found)
}
