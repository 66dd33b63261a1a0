//! Leads of the past, through a webhook's own mapping, with their original times.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use leadgate_crds::api::{Backfill, Line, LineResult, Outcome, Page};
use problem_details::ProblemDetails;
use tokio::time::{Instant, sleep};

use super::audit::NothingDone;
use super::named;
use super::newer::Known;
use crate::admin::dead_letters::{bad_request, unavailable, unreadable};
use crate::admin::shared::Admin;
use crate::http::in_words;
use crate::queue::{Admission, Millis, NewLead, Original, QueueError, SinkId};
use crate::source::{Batch, Kept, Other, Refusal, Webhook};

/// Lines of one request.
const MOST_LINES: usize = 500;

/// While so many leads wait in a sink, an import waits too: live leads come first.
const IN_LINE: u64 = 1000;

/// Lines that are stored together: a live lead waits for so many at most.
const TOGETHER: usize = 50;

/// After each of these steps, an import leaves the store to others for so many times as long as the step took: it takes a
/// fifth of the store's time.
const REST: u32 = 4;
/// However slow the store is.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// `POST /api/v1/webhooks/{namespace}/{name}/backfill`: a result for each line, in their order.
pub(super) async fn backfill(
    State(admin): State<Arc<Admin>>,
    Path((namespace, name)): Path<(String, String)>,
    body: Result<Json<Backfill>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(asked) = body.map_err(|error| unreadable(&error))?;
    if asked.lines.len() > MOST_LINES {
        return Err(bad_request("lines: send at most 500 at a time"));
    }
    let webhook = named(&admin, &namespace, &name)?;
    if !asked.dry_run
        && is_busy(&admin, &webhook)
            .await
            .map_err(|error| unavailable(&error))?
    {
        let problem = ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE).with_detail(
            "many leads wait for delivery, and live leads come first: send the lines again later",
        );
        return Err(([(RETRY_AFTER, "1")], problem).into_response());
    }
    let known = if !asked.dry_run && asked.lines.iter().any(|line| line.at.is_some()) {
        let known = admin.newer.read_on(&admin).await;
        known.map_err(|error| unavailable(&error))?
    } else {
        Known::default()
    };
    let mut results = Vec::with_capacity(asked.lines.len());
    for lines in asked.lines.chunks(TOGETHER) {
        let began = Instant::now();
        let step = import(&admin, &webhook, &known, lines, asked.dry_run).await;
        results.extend(step.map_err(|error| unavailable(&error))?);
        if !asked.dry_run && results.len() < asked.lines.len() {
            sleep((began.elapsed() * REST).min(LONGEST_REST)).await;
        }
    }
    let mut response = Json(Page {
        items: results,
        next: None,
    })
    .into_response();
    if asked.dry_run {
        response.extensions_mut().insert(NothingDone);
    }
    Ok(response)
}

/// Stores the leads of a few lines, unless they are only tried; a result for each line.
async fn import(
    admin: &Admin,
    webhook: &Webhook,
    known: &Known,
    lines: &[Line],
    dry_run: bool,
) -> Result<Vec<LineResult>, QueueError> {
    let mut results = Vec::with_capacity(lines.len());
    let (mut leads, mut of_line) = (Vec::new(), Vec::new());
    let kept = admin.config.borrow().kept(webhook);
    for line in lines {
        match read(webhook, &kept, line) {
            Err(result) => results.push(result),
            Ok(lead) => {
                of_line.push(results.len());
                results.push(LineResult {
                    id: (!dry_run).then(|| lead.id.to_string()),
                    ..told(line, routed(&lead))
                });
                leads.push(lead);
            }
        }
    }
    if dry_run || leads.is_empty() {
        return Ok(results);
    }
    known.mark(admin.queue.as_ref(), &mut leads).await;
    for (place, admission) in of_line.into_iter().zip(admin.queue.accept(leads).await?) {
        match (admission, results.get_mut(place)) {
            (Admission::Duplicate(first), Some(result)) => {
                (result.outcome, result.id) = (Outcome::Duplicate, Some(first.to_string()));
            }
            (Admission::Suppressed, Some(result)) => {
                (result.outcome, result.reason) = (Outcome::Ignored, Some("Suppressed".to_owned()));
            }
            _ => {}
        }
    }
    Ok(results)
}

fn told(line: &Line, outcome: Outcome) -> LineResult {
    LineResult {
        line: line.line,
        outcome,
        id: None,
        reason: None,
        message: None,
    }
}

fn routed(lead: &NewLead) -> Outcome {
    if lead.sinks.is_empty() {
        Outcome::Unrouted
    } else {
        Outcome::Accepted
    }
}

/// The lead of a line, or what became of it instead.
fn read(webhook: &Webhook, kept: &Kept, line: &Line) -> Result<NewLead, LineResult> {
    let rejected = |reason: &str, message: String| LineResult {
        reason: Some(reason.to_owned()),
        message: Some(message),
        ..told(line, Outcome::Rejected)
    };
    let Batch {
        mut leads, others, ..
    } = match webhook.leads_of(&line.payload, kept) {
        Ok(batch) => batch,
        Err(Refusal::Body(error)) => return Err(rejected("UnreadableBody", error.to_string())),
        Err(Refusal::Invalid(problems)) => return Err(rejected("InvalidLead", in_words(&problems))),
    };
    match (leads.pop(), leads.is_empty(), others.into_iter().next()) {
        (Some(mut lead), true, None) => {
            let at = line
                .at
                .map(|at| (Millis::try_from(at.as_millisecond()), at > jiff::Timestamp::now()));
            lead.original = match at {
                None => None,
                Some((Ok(accepted_at), false)) => Some(Original {
                    accepted_at,
                    newest: 0,
                }),
                Some(_) => {
                    let message = "at must lie between 1970 and now: correct the time of the line";
                    return Err(rejected("InvalidTime", message.to_owned()));
                }
            };
            Ok(lead)
        }
        (Some(_), _, _) => Err(rejected(
            "SeveralLeads",
            "a line must be one lead: write the items of payload.items each on a line of its own".to_owned(),
        )),
        (None, _, Some((_, Other::Refused { problems, .. }))) => {
            Err(rejected("InvalidLead", in_words(&problems)))
        }
        (None, ..) => Err(LineResult {
            reason: Some("NotALead".to_owned()),
            ..told(line, Outcome::Ignored)
        }),
    }
}

async fn is_busy(admin: &Admin, webhook: &Webhook) -> Result<bool, QueueError> {
    let sinks: Vec<SinkId> = webhook.sinks.iter().map(|route| route.sink.clone()).collect();
    let stats = admin.queue.sink_stats(&sinks).await?;
    Ok(stats.iter().any(|sink| sink.pending > IN_LINE))
}
