//! Leads of the past, through a webhook's own mapping, with their original times.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use leadgate_crds::api::{Backfill, Line, LineResult, Outcome, Page};
use leadgate_crds::reason::FailureReason;
use leadgate_crds::words::OLDER;
use problem_details::ProblemDetails;
use tokio::time::{Instant, sleep};

use super::audit::NothingDone;
use super::named;
use super::newer::Known;
use crate::admin::dead_letters::{bad_request, unavailable, unreadable};
use crate::admin::shared::Admin;
use crate::http::in_words;
use crate::queue::{Admission, Content, DedupeKey, Millis, NewLead, Original, QueueError, SinkId};
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
    let known = if asked.lines.iter().any(|line| line.at.is_some()) {
        let known = admin.newer.read_on(&admin).await;
        known.map_err(|error| unavailable(&error))?
    } else {
        Known::default()
    };
    let mut results = Vec::with_capacity(asked.lines.len());
    let mut before = asked.dry_run.then(Before::default);
    for lines in asked.lines.chunks(TOGETHER) {
        let began = Instant::now();
        let step = import(&admin, &webhook, &known, lines, before.as_mut()).await;
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

/// The submissions of the lines before, of a trial: in the store there are none of them.
#[derive(Default)]
struct Before(HashMap<DedupeKey, Content>);

impl Before {
    /// Whether a line before has the same submission.
    fn has(&mut self, lead: &NewLead) -> bool {
        let known = self.0.insert(lead.dedupe.clone(), lead.content);
        known.is_some_and(|known| known.is_like(&lead.content))
    }
}

/// Stores the leads of a few lines; with `before` it only tells what would become of them. A result for each line.
async fn import(
    admin: &Admin,
    webhook: &Webhook,
    known: &Known,
    lines: &[Line],
    before: Option<&mut Before>,
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
                    id: before.is_none().then(|| lead.id.to_string()),
                    ..told(line, routed(&lead))
                });
                leads.push(lead);
            }
        }
    }
    if leads.is_empty() {
        return Ok(results);
    }
    let queue = admin.queue.as_ref();
    known.mark(queue, &mut leads, before.is_none()).await;
    for (lead, place) in leads.iter().zip(&of_line) {
        if let (true, Some(result)) = (is_overtaken(lead), results.get_mut(*place)) {
            result.reason = Some(FailureReason::OvertakenByNewer.to_string());
            result.message = Some(OLDER.to_owned());
        }
    }
    let admissions = match before {
        None => queue.accept(leads).await?,
        Some(before) => {
            let is_again: Vec<bool> = leads.iter().map(|lead| before.has(lead)).collect();
            for (place, is_again) in of_line.iter().zip(is_again) {
                if let (true, Some(result)) = (is_again, results.get_mut(*place)) {
                    *result = duplicate(result.line, None);
                }
            }
            queue.preview(leads).await?
        }
    };
    for (place, admission) in of_line.into_iter().zip(admissions) {
        let Some(result) = results.get_mut(place) else {
            continue;
        };
        match admission {
            Admission::Duplicate(first) => *result = duplicate(result.line, Some(first.to_string())),
            Admission::Suppressed => {
                *result = LineResult {
                    reason: Some("Suppressed".to_owned()),
                    ..of(result.line, Outcome::Ignored)
                }
            }
            Admission::Accepted | Admission::KeyConflict => {}
        }
    }
    Ok(results)
}

/// Whether a lead of the past is older than what its person's sinks have, or will have.
fn is_overtaken(lead: &NewLead) -> bool {
    lead.original
        .is_some_and(|original| original.newest > original.accepted_at)
}

fn duplicate(line: u64, first: Option<String>) -> LineResult {
    LineResult {
        id: first,
        ..of(line, Outcome::Duplicate)
    }
}

fn told(line: &Line, outcome: Outcome) -> LineResult {
    of(line.line, outcome)
}

fn of(line: u64, outcome: Outcome) -> LineResult {
    LineResult {
        line,
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
