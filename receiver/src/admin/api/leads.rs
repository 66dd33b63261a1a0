//! Search in the ledger, and one lead's story.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt;
use leadgate_crds::api::{LeadFilter, LeadSearch, Page, Set};
use problem_details::ProblemDetails;

use super::audit::is_audit;
use super::in_set;
use super::merge::{Mark, newest};
use super::view;
use crate::admin::dead_letters::{
    Realm, bad_request, mark, named_sink, named_webhook, read_cursor as of_page, told, unavailable,
    unreadable,
};
use crate::admin::shared::Admin;
use crate::lead::{email_identity, phone_identities};
use crate::queue::{Entry, EntryFilter, Identity, LeadId, Millis, Place, SinkId, WebhookId};

/// How many leads a page has, unless it is asked for otherwise, and at most.
const PAGE_SIZE: u16 = 50;
const LARGEST_PAGE: u16 = 1000;

/// Why a set and a state exclude each other.
pub(super) const SET_AND_STATE: &str =
    "filter.outcome and filter.state: the set says where the leads are; remove them";

/// Webhooks that are asked for one lead at once, and leads that are asked for.
pub(super) const AT_ONCE: usize = 32;

/// What a filter means.
pub(super) struct Wanted {
    pub(super) filter: LeadFilter,
    pub(super) webhooks: Vec<WebhookId>,
    pub(super) sink: Option<SinkId>,
    pub(super) stored: EntryFilter,
    pub(super) until: Millis,
}

/// `POST /api/v1/leads/search`: a page of the leads that fit, newest first.
pub(super) async fn search(
    State(admin): State<Arc<Admin>>,
    body: Result<Json<LeadSearch>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(search) = body.map_err(|error| unreadable(&error))?;
    let limit = search.limit.unwrap_or(PAGE_SIZE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(bad_request("limit must be from 1 to 1000"));
    }
    let of_query = query_mark(&search);
    if let Some(set) = search.set {
        return of_set(&admin, set, search, usize::from(limit), &of_query).await;
    }
    let after = search
        .after
        .as_deref()
        .map(|cursor| read_cursor(cursor, &of_query))
        .transpose()?;
    let wanted = want(&admin, search.filter).await?;
    let fits = |entry: &Entry| view::fits(entry, &wanted.filter, wanted.sink.as_ref());
    let found = newest(
        admin.queue.as_ref(),
        wanted.webhooks,
        &wanted.stored,
        FOREVER,
        after.as_ref(),
        usize::from(limit),
        fits,
    );
    let (entries, next) = found.await.map_err(|error| unavailable(&error))?;
    Ok(Json(Page {
        items: entries.iter().map(view::lead).collect(),
        next: next.map(|mark| cursor(&mark, &of_query)),
    })
    .into_response())
}

/// The same of what is in a set now.
async fn of_set(
    admin: &Admin,
    set: Set,
    search: LeadSearch,
    limit: usize,
    of_query: &str,
) -> Result<Response, Response> {
    if search.filter.outcome.is_some() || search.filter.state.is_some() {
        return Err(bad_request(SET_AND_STATE));
    }
    let after = search.after.as_deref();
    let after = after.map(|after| of_page(after, of_query)).transpose()?;
    let wanted = want(admin, search.filter).await?;
    let page = in_set::page(admin, set, &wanted, after, limit).await;
    let (items, next) = page.map_err(|error| unavailable(&error))?;
    Ok(Json(Page {
        items,
        next: told(next, of_query),
    })
    .into_response())
}

/// `GET /api/v1/leads/{id}`: a lead's story.
pub(super) async fn story(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Response, Response> {
    let id = LeadId::new(id);
    match entry(&admin, &id).await? {
        Some(entry) => Ok(Json(view::story(&entry)).into_response()),
        None => Err(ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
            .with_detail(
                "no request has this id, or its retention ended (spec.retention.ledger of the LeadWebhook)",
            )
            .into_response()),
    }
}

/// The entry of a lead, whichever webhook took it.
pub(super) async fn entry(admin: &Admin, id: &LeadId) -> Result<Option<Entry>, Response> {
    let webhooks = webhooks(admin, None).await?;
    let mut asked = futures::stream::iter(webhooks)
        .map(|webhook| async move { admin.queue.entry(&webhook, id).await })
        .buffer_unordered(AT_ONCE);
    while let Some(found) = asked.next().await {
        if let Some(entry) = found.map_err(|error| unavailable(&error))? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// Whose a number may be that somebody types: senders' numbers without a country code were read as those of their webhook's
/// region.
pub(super) fn numbers(admin: &Admin, typed: &str) -> Vec<Identity> {
    let config = admin.config.borrow().clone();
    let regions: BTreeSet<&str> = config.webhooks().filter_map(|webhook| webhook.region()).collect();
    phone_identities(typed, regions.into_iter())
}

/// Looks up what a filter names.
pub(super) async fn want(admin: &Admin, filter: LeadFilter) -> Result<Wanted, Response> {
    let email = filter.email.as_deref().map(email_identity);
    let submission = filter.submission.as_deref().map(Identity::submission);
    let people = [
        ("email", email.map(|email| email.into_iter().collect())),
        (
            "phone",
            filter.phone.as_deref().map(|typed| numbers(admin, typed)),
        ),
        ("submission", submission.map(|submission| vec![submission])),
    ];
    let mut persons: Vec<Vec<Identity>> = Vec::new();
    for (field, person) in people {
        match person {
            None => {}
            Some(readings) if !readings.is_empty() => persons.push(readings),
            Some(_) => {
                return Err(bad_request(&format!(
                    "filter.{field}: it cannot be read; write an address such as ada@example.com, a number with its country \
                     code such as +49 30 123456"
                )));
            }
        }
    }
    if !persons.is_empty() && !admin.queue.knows_people() {
        return Err(bad_request(
            "the ledger does not tell whom leads are about: start the receiver with --ledger-key-file to search by e-mail \
             address, phone number and submission",
        ));
    }
    let webhooks = webhooks(admin, filter.webhook.as_deref()).await?;
    let sink = named_sink(admin, filter.sink.as_deref()).await?;
    let millis = |at: jiff::Timestamp| Millis::try_from(at.as_millisecond()).unwrap_or_default();
    let words = [
        sink.as_ref().map(SinkId::as_str),
        filter.record.as_deref(),
        filter.reason.as_deref(),
    ];
    let stored = EntryFilter {
        since: filter.since.map_or(0, millis),
        outcome: filter.outcome.map(view::stored_outcome),
        people: persons,
        words: words.into_iter().flatten().map(str::to_owned).collect(),
    };
    Ok(Wanted {
        until: filter.until.map_or(FOREVER, millis),
        filter,
        webhooks,
        sink,
        stored,
    })
}

/// Later than any lead: 48 bits, as many as an id has for its time.
pub(super) const FOREVER: Millis = (1 << 48) - 1;

/// The webhooks whose entries this receiver may tell: the one that is named, or all.
async fn webhooks(admin: &Admin, named: Option<&str>) -> Result<Vec<WebhookId>, Response> {
    let realm = Realm::of_admin(admin);
    let known = admin.queue.ledger_webhooks().await;
    let mut known = known.map_err(|error| unavailable(&error))?;
    known.retain(|webhook| realm.has(webhook.as_str()) && !is_audit(webhook));
    let Some(name) = named else { return Ok(known) };
    let named = named_webhook(admin, name, &known)?;
    Ok(realm.has(named.as_str()).then_some(named).into_iter().collect())
}

/// What tells a cursor of one filter from that of another.
fn query_mark(search: &LeadSearch) -> String {
    let text = serde_json::to_string(&(&search.filter, search.set)).unwrap_or_default();
    mark([text.as_str()])
}

fn cursor(mark: &Mark, of_query: &str) -> String {
    let Mark { webhook, place } = mark;
    URL_SAFE_NO_PAD.encode(format!("{of_query} {} {webhook} {}", place.at, place.key))
}

fn read_cursor(cursor: &str, of_query: &str) -> Result<Mark, Response> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let mut parts = text.splitn(4, ' ').map(str::to_owned);
        let query = parts.next()?;
        let at = parts.next()?.parse().ok()?;
        let webhook = WebhookId::new(parts.next()?);
        let key = parts.next()?;
        Some((
            query,
            Mark {
                webhook,
                place: Place { at, key },
            },
        ))
    };
    match read() {
        Some((query, mark)) if query == of_query => Ok(mark),
        Some(_) => Err(bad_request(
            "after: it belongs to another filter; use the value of `next` with the filter that it came from",
        )),
        None => Err(bad_request("after: use the value of `next` of the previous page")),
    }
}
