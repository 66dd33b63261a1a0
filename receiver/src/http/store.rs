//! What a request leaves in the queue: leads, and what was rejected.

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::response::Response;
use futures::future::join_all;

use super::App;
use super::answer::{self, Told};
use super::handler::LARGE_BODY;
use crate::config::Served;
use crate::lead::{Problem, first_named_in};
use crate::log_limit::LogLimit;
use crate::metrics::{self, WebhookLabels};
use crate::outcomes::RequestOutcome;
use crate::queue::{
    Admission, DeadLetterReason, EntryOutcome, Identity, LeadId, NewEntry, NewRejected, QueueError,
};
use crate::shown;
use crate::source::{Batch, Other, RejectedRequest, Webhook};
use crate::trace::RequestTrace;

/// Seconds after which a sender should try again.
pub(super) const RETRY_AFTER: u32 = 5;

/// What the sender of a suppressed person's lead is told.
const NOT_TAKEN: &str = "the webhook does not take this lead";

/// So many people a rejected request may be about: what names more is no lead.
const MOST_PEOPLE: usize = 64;

static FULL_LOG: LazyLock<LogLimit> = LazyLock::new(LogLimit::new);

/// Stores the leads of a request, and what was rejected beside them.
pub(super) async fn accept(
    app: &App,
    served: &Served,
    batch: Batch,
    trace: &RequestTrace,
) -> (RequestOutcome, Response) {
    let Served { webhook, share, .. } = served;
    let Batch {
        mut leads,
        notes,
        others,
    } = batch;
    let deliveries = leads.iter().map(|lead| lead.sinks.len()).sum::<usize>();
    if deliveries > 0 && share.is_full() {
        return full(webhook);
    }
    let unavailable = || {
        let detail = "the lead could not be stored; send it again";
        (
            RequestOutcome::Unavailable,
            answer::unavailable(RETRY_AFTER, detail),
        )
    };
    let offered: Vec<LeadId> = leads.iter().map(|lead| lead.id.clone()).collect();
    let created = trace.create(&webhook.id, &mut leads);
    let admissions = match app.queue.accept(leads).await {
        Ok(admissions) => {
            created.stored(Some(&admissions));
            admissions
        }
        Err(error) => {
            created.stored(None);
            queue_trouble(app, &error);
            return unavailable();
        }
    };
    if admissions.iter().any(Admission::is_new) {
        // Resends among them are counted too, until the store is asked again.
        share.added(deliveries);
    }
    let conflicts = admissions.iter().filter(|a| **a == Admission::KeyConflict);
    report_conflicts(app, webhook, conflicts.count());
    let any_new = admissions.iter().any(Admission::is_new);
    let any_known = admissions
        .iter()
        .any(|admission| matches!(admission, Admission::Duplicate(_)));
    let status = match (any_new, any_known, admissions.is_empty()) {
        (true, ..) => RequestOutcome::Accepted,
        (false, true, _) => RequestOutcome::Duplicate,
        (false, false, false) => RequestOutcome::Suppressed,
        (false, false, true) => RequestOutcome::Ignored,
    };
    let mut told = Vec::with_capacity(offered.len() + others.len());
    for (place, (id, admission)) in offered.iter().zip(&admissions).enumerate() {
        let notes = notes
            .iter()
            .find(|(at, _)| *at == place)
            .map_or(&[][..], |(_, notes)| notes);
        let (status, id) = match admission {
            Admission::Accepted | Admission::KeyConflict => (RequestOutcome::Accepted, id),
            Admission::Duplicate(first) => (RequestOutcome::Duplicate, first),
            Admission::Suppressed => {
                told.push(Told {
                    reason: Some(NOT_TAKEN),
                    ..Told::of(RequestOutcome::Ignored)
                });
                continue;
            }
        };
        if status == RequestOutcome::Accepted && !notes.is_empty() {
            app.metrics.left_out(&webhook.id, id.as_str(), notes);
        }
        told.push(Told {
            id: Some(Cow::Borrowed(id.as_str())),
            notes,
            ..Told::of(status)
        });
    }
    let ignored = others
        .iter()
        .filter(|(_, other)| matches!(other, Other::Ignored(_)));
    let ignored: Vec<NewEntry> = ignored.map(|_| not_a_lead(webhook)).collect();
    if !ignored.is_empty()
        && let Err(error) = app.queue.note(ignored).await
    {
        queue_trouble(app, &error);
        return unavailable();
    }
    // The store writes in one go what waits at the same time.
    let is_refused = |(_, other): &&(usize, Other)| matches!(other, Other::Refused { .. });
    let first = others.iter().position(|element| is_refused(&element));
    let more = others.iter().filter(is_refused).count().saturating_sub(1);
    let kept = join_all(others.iter().enumerate().map(|(n, (_, other))| {
        // One line a request: its other elements are in the answer, and among the rejected requests.
        let told = (Some(n) == first).then_some(more);
        keep_element(app, served, other, trace, told)
    }))
    .await;
    for ((place, other), kept) in others.iter().zip(kept) {
        // What is not kept must be sent again; the leads are then known.
        let Ok(id) = kept else {
            return unavailable();
        };
        let element = match other {
            Other::Ignored(reason) => Told {
                reason: Some(reason),
                ..Told::of(RequestOutcome::Ignored)
            },
            Other::Refused { problems, .. } => Told {
                id: id.map(Cow::Owned),
                errors: problems,
                ..Told::of(RequestOutcome::Rejected)
            },
        };
        told.insert((*place).min(told.len()), element);
    }
    // Whose leads are refused is not the sender's business.
    let said = match status {
        RequestOutcome::Suppressed => RequestOutcome::Ignored,
        status => status,
    };
    (status, answer::stored(said, &told))
}

/// Enters a request that is no lead, and says so to its sender.
pub(super) async fn ignore(app: &App, webhook: &Webhook, reason: &'static str) -> (RequestOutcome, Response) {
    match app.queue.note(vec![not_a_lead(webhook)]).await {
        Ok(()) => (RequestOutcome::Ignored, answer::ignored(reason)),
        Err(error) => {
            queue_trouble(app, &error);
            let detail = "the request could not be recorded; send it again";
            (
                RequestOutcome::Unavailable,
                answer::unavailable(RETRY_AFTER, detail),
            )
        }
    }
}

fn not_a_lead(webhook: &Webhook) -> NewEntry {
    NewEntry {
        id: LeadId::generate(),
        webhook: webhook.id.clone(),
        outcome: EntryOutcome::Ignored,
        reason: "NotALead".to_owned(),
        people: Vec::new(),
    }
}

async fn keep_element(
    app: &App,
    served: &Served,
    other: &Other,
    trace: &RequestTrace,
    more: Option<usize>,
) -> Result<Option<String>, QueueError> {
    let Other::Refused { problems, body } = other else {
        return Ok(None);
    };
    let labels = WebhookLabels {
        webhook: served.webhook.id.to_string(),
    };
    app.metrics.items_rejected.get_or_create(&labels).inc();
    keep(
        app,
        served,
        RejectedRequest::element(body),
        "InvalidLead",
        in_words(problems),
        trace,
        more,
    )
    .await
}

/// The webhook has as many pending deliveries as it may have. The log says it at most once a second, over all webhooks.
fn full(webhook: &Webhook) -> (RequestOutcome, Response) {
    if let Some(left_out) = FULL_LOG.admit() {
        let receiver = &webhook.receiver;
        tracing::warn!(webhook = %webhook.id, receiver, more = left_out, "too many pending deliveries (spec.limits.pendingDeliveries of the LeadReceiver), answering 503 with Retry-After");
    }
    let detail = "too many leads of this webhook wait for delivery; send it again later";
    (RequestOutcome::Full, answer::unavailable(RETRY_AFTER, detail))
}

/// What is wrong with a lead, for a person.
pub(crate) fn in_words(problems: &[Problem]) -> String {
    let all = problems
        .iter()
        .map(|p| format!("{} ({}): {}", p.field, p.reason, p.message));
    shown::message(all.collect::<Vec<_>>().join("; "))
}

/// Counts leads whose key another lead had; the log says it once for each webhook, `/status` as long as it is so.
fn report_conflicts(app: &App, webhook: &Webhook, conflicts: usize) {
    if conflicts == 0 {
        return;
    }
    let labels = WebhookLabels {
        webhook: webhook.id.to_string(),
    };
    let before = app
        .metrics
        .key_conflicts
        .get_or_create(&labels)
        .inc_by(conflicts as u64);
    if before == 0 {
        tracing::warn!(webhook = %webhook.id, "{}", metrics::KEY_CONFLICT);
    }
}

fn queue_trouble(app: &App, error: &QueueError) {
    app.metrics.queue_errors.inc();
    if let Some(left_out) = app.queue_log.admit() {
        tracing::error!(%error, more = left_out, "queue unavailable, answering 503 with Retry-After");
    }
}

/// Keeps what was verified and is no valid lead; returns the id under which an operator finds it, if it is to be kept. The log
/// tells of it unless `more` is `None`, and how many more of its request there are.
pub(super) async fn keep(
    app: &App,
    served: &Served,
    rejected: RejectedRequest<'_>,
    reason: &'static str,
    message: String,
    trace: &RequestTrace,
    more: Option<usize>,
) -> Result<Option<String>, QueueError> {
    let Served { webhook, share, .. } = served;
    let id = LeadId::generate();
    if let Some(more) = more {
        let trace_id = trace.id().map(tracing::field::display);
        tracing::info!(webhook = %webhook.id, lead = %id, trace_id, reason, more, "{message}");
    }
    app.metrics.lead_failed(&webhook.id, &id, None, reason);
    if webhook.keep_rejected.is_zero() {
        let entry = NewEntry {
            outcome: EntryOutcome::Rejected,
            reason: reason.to_owned(),
            id,
            ..not_a_lead(webhook)
        };
        return match app.queue.note(vec![entry]).await {
            Ok(()) => Ok(None),
            Err(error) => {
                queue_trouble(app, &error);
                Err(error)
            }
        };
    }
    let body = rejected.without_secret(webhook).encode().unwrap_or_default();
    let people = if app.queue.knows_people() {
        named(&body, webhook).await
    } else {
        Vec::new()
    };
    let rejected = NewRejected {
        id: id.clone(),
        webhook: webhook.id.clone(),
        why: DeadLetterReason {
            reason: reason.to_owned(),
            message,
            answer: String::new(),
        },
        people,
        body: body.into(),
        room: share.allowance.rejected_copies,
    };
    match app.queue.reject(rejected, webhook.keep_rejected).await {
        Ok(kept) => Ok(kept.then(|| id.to_string())),
        Err(error) => {
            queue_trouble(app, &error);
            Err(error)
        }
    }
}

/// Whom a rejected request names. A long one is searched off the async threads.
async fn named(body: &[u8], webhook: &Webhook) -> Vec<Identity> {
    if body.len() < LARGE_BODY {
        first_named_in(body, webhook.region(), MOST_PEOPLE)
    } else {
        let (body, region) = (body.to_owned(), webhook.region().map(str::to_owned));
        let searched =
            tokio::task::spawn_blocking(move || first_named_in(&body, region.as_deref(), MOST_PEOPLE));
        searched.await.unwrap_or_default()
    }
}
