//! Who did what through the API: a stream of entries in the ledger, under a name that no webhook can have. So it is as
//! durable as the leads, shared by all receivers of the store, and kept for a year.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use leadgate_crds::api::{Act, ActKind, Page};
use serde::{Deserialize, Serialize};

use super::leads::FOREVER;
use super::merge::{Mark, newest};
use super::view::time;
use crate::admin::caller::Caller;
use crate::admin::dead_letters::{Realm, bad_request, unavailable};
use crate::admin::shared::Admin;
use crate::queue::{Entry, EntryFilter, EntryOutcome, LeadId, NewEntry, Place, QueueError, WebhookId};

/// What stands in the place of a webhook's name. Names of objects begin with a letter or a digit.
const STREAM: &str = ".audit";

/// Where it is entered if the receiver runs no webhook.
const NOWHERE: &str = "default";

/// How many acts a page has, unless it is asked for otherwise, and at most.
const PAGE_SIZE: usize = 50;
const LARGEST_PAGE: usize = 500;

/// Whether a stream of entries is this one, and not a webhook's.
pub(super) fn is_audit(webhook: &WebhookId) -> bool {
    webhook.as_str().ends_with("/.audit")
}

/// Put into an answer of success: nothing was changed.
#[derive(Clone, Copy)]
pub(in crate::admin) struct NothingDone;

/// Put into an answer of success: the id of what was begun, which its path does not name.
#[derive(Clone)]
pub(super) struct Of(pub(super) String);

/// An act as the ledger's reason holds it.
#[derive(Serialize, Deserialize)]
struct Entered {
    by: String,
    act: ActKind,
    of: String,
}

/// What a request does, if that is recorded, and of what. `path` is as the API has it, or as it was named before. Pure.
fn act(method: &Method, path: &str) -> Option<(ActKind, String)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let found = match (method.as_str(), parts.as_slice()) {
        ("GET", ["leads", id, "payload"] | ["deadletters", id]) => (ActKind::PayloadShown, (*id).to_owned()),
        ("DELETE", ["leads" | "deadletters", id]) => (ActKind::Discarded, (*id).to_owned()),
        ("POST", ["deadletters", "replay"]) => (ActKind::Replayed, String::new()),
        ("POST", ["leads" | "deadletters", id, what]) => {
            let act = match *what {
                "replay" => ActKind::Replayed,
                "move" => ActKind::Moved,
                "expedite" => ActKind::Expedited,
                _ => return None,
            };
            (act, (*id).to_owned())
        }
        ("POST", ["privacy", "exports"]) => (ActKind::Exported, String::new()),
        ("POST", ["privacy", "erasures"]) => (ActKind::Erased, String::new()),
        ("POST", ["privacy", "suppressions", "lift"]) => (ActKind::SuppressionLifted, String::new()),
        ("POST", ["jobs"]) => (ActKind::JobCreated, String::new()),
        ("DELETE", ["jobs", id]) => (ActKind::JobCancelled, (*id).to_owned()),
        ("POST", [of @ ("webhooks" | "sinks"), namespace, name, what]) => {
            let act = match (*of, *what) {
                ("webhooks", "backfill") => ActKind::Imported,
                ("webhooks", "diff") => ActKind::Compared,
                ("sinks", "pause") => ActKind::Paused,
                ("sinks", "resume") => ActKind::Resumed,
                _ => return None,
            };
            (act, format!("{namespace}/{name}"))
        }
        _ => return None,
    };
    Some(found)
}

/// Records what is done. What shows personal data is recorded before it is done, and not done if that fails.
pub(in crate::admin) async fn record(
    State(admin): State<Arc<Admin>>,
    Caller(by): Caller,
    request: Request,
    next: Next,
) -> Response {
    let Some((act, of)) = act(request.method(), request.uri().path()) else {
        return next.run(request).await;
    };
    if matches!(act, ActKind::PayloadShown | ActKind::Compared | ActKind::Exported) {
        if let Err(error) = enter(&admin, by, act, of).await {
            return unavailable(&error);
        }
        return next.run(request).await;
    }
    let response = next.run(request).await;
    // A dry run answers 200, a job that was begun 201.
    let is_done = response.status().is_success()
        && response.extensions().get::<NothingDone>().is_none()
        && (act != ActKind::JobCreated || response.status() == http::StatusCode::CREATED);
    let of = response
        .extensions()
        .get::<Of>()
        .map_or(of, |begun| begun.0.clone());
    if is_done && let Err(error) = enter(&admin, by, act, of).await {
        tracing::error!(%error, ?act, "failed to record what was done");
    }
    response
}

async fn enter(admin: &Admin, by: String, act: ActKind, of: String) -> Result<(), QueueError> {
    let namespace = {
        let config = admin.config.borrow();
        let first = config.webhooks().map(|webhook| webhook.id.namespace()).min();
        first.unwrap_or(NOWHERE).to_owned()
    };
    let entry = NewEntry {
        id: LeadId::generate(),
        webhook: WebhookId::of(&namespace, STREAM),
        outcome: EntryOutcome::Ignored,
        reason: serde_json::to_string(&Entered { by, act, of }).unwrap_or_default(),
        people: Vec::new(),
    };
    admin.queue.note(vec![entry]).await
}

/// The query of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    after: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/audit?after=&limit=`: a page of acts, newest first.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Response> {
    let Query(asked) = query.map_err(|error| bad_request(&error.body_text()))?;
    let limit = asked.limit.unwrap_or(PAGE_SIZE).clamp(1, LARGEST_PAGE);
    let after = asked.after.as_deref().map(read_cursor).transpose()?;
    let realm = Realm::of_admin(&admin);
    let known = admin.queue.ledger_webhooks().await;
    let mut streams = known.map_err(|error| unavailable(&error))?;
    streams.retain(|stream| is_audit(stream) && realm.has(stream.as_str()));
    let filter = EntryFilter::default();
    let found = newest(
        admin.queue.as_ref(),
        streams,
        &filter,
        FOREVER,
        after.as_ref(),
        limit,
        |_| true,
    );
    let (entries, next) = found.await.map_err(|error| unavailable(&error))?;
    Ok(Json(Page {
        items: entries.iter().filter_map(told).collect(),
        next: next.map(|mark| cursor(&mark)),
    })
    .into_response())
}

fn told(entry: &Entry) -> Option<Act> {
    let Entered { by, act, of } = serde_json::from_str(&entry.reason).ok()?;
    Some(Act {
        at: time(entry.at),
        by,
        act,
        of,
    })
}

fn cursor(Mark { webhook, place }: &Mark) -> String {
    URL_SAFE_NO_PAD.encode(format!("{webhook} {} {}", place.at, place.key))
}

fn read_cursor(cursor: &str) -> Result<Mark, Response> {
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let mut parts = text.splitn(3, ' ').map(str::to_owned);
        let webhook = WebhookId::new(parts.next()?);
        let at = parts.next()?.parse().ok()?;
        let key = parts.next()?;
        Some(Mark {
            webhook,
            place: Place { at, key },
        })
    };
    read().ok_or_else(|| bad_request("after: use the value of `next` of the previous page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_or_shows_a_person_is_recorded() {
        for (method, path, expected) in [
            (
                Method::GET,
                "/leads/7/payload",
                Some((ActKind::PayloadShown, "7")),
            ),
            (Method::GET, "/deadletters/7", Some((ActKind::PayloadShown, "7"))),
            (Method::DELETE, "/leads/7", Some((ActKind::Discarded, "7"))),
            (Method::POST, "/leads/7/replay", Some((ActKind::Replayed, "7"))),
            (
                Method::POST,
                "/sinks/shop/hubspot/pause",
                Some((ActKind::Paused, "shop/hubspot")),
            ),
            (Method::POST, "/jobs", Some((ActKind::JobCreated, ""))),
            (Method::POST, "/privacy/exports", Some((ActKind::Exported, ""))),
            (Method::POST, "/privacy/erasures", Some((ActKind::Erased, ""))),
            (Method::GET, "/leads/7", None),
            (Method::POST, "/leads/search", None),
            (Method::POST, "/webhooks/a/b/try", None),
        ] {
            let found = act(&method, path);
            let found = found.as_ref().map(|(act, of)| (*act, of.as_str()));
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
