//! Leads of the past, through a webhook's own mapping, with their original times.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use leadgate_crds::api::{Backfill, Line, LineResult, Outcome, Page};
use problem_details::ProblemDetails;

use super::audit::NothingDone;
use super::leads::FOREVER;
use super::merge::newest;
use super::named;
use crate::admin::dead_letters::{Realm, bad_request, unavailable};
use crate::admin::shared::Admin;
use crate::http::in_words;
use crate::queue::{
    Admission, Entry, EntryFilter, EntryOutcome, Identity, LedgerEventKind, Millis, NewLead, Original,
    QueueError, SinkId,
};
use crate::source::{Batch, Other, Refusal, Webhook};

/// Lines of one request.
const MOST_LINES: usize = 500;

/// While so many leads wait in a sink, an import waits too: live leads come first.
const IN_LINE: u64 = 1000;

/// Entries of the ledger that are read at a time.
const PAGE: usize = 1000;

/// `POST /api/v1/webhooks/{namespace}/{name}/backfill`: a result for each line, in their order.
pub(super) async fn backfill(
    State(admin): State<Arc<Admin>>,
    Path((namespace, name)): Path<(String, String)>,
    body: Result<Json<Backfill>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(asked) = body.map_err(|error| bad_request(&error.body_text()))?;
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
    let mut results = Vec::with_capacity(asked.lines.len());
    let (mut leads, mut of_line) = (Vec::new(), Vec::new());
    for line in &asked.lines {
        match read(&webhook, line) {
            Err(result) => results.push(result),
            Ok(lead) => {
                of_line.push(results.len());
                results.push(LineResult {
                    id: (!asked.dry_run).then(|| lead.id.to_string()),
                    ..told(line, routed(&lead))
                });
                leads.push(lead);
            }
        }
    }
    if !asked.dry_run && !leads.is_empty() {
        let admitted = store(&admin, &webhook, leads, &asked.lines).await;
        let admitted = admitted.map_err(|error| unavailable(&error))?;
        for (place, admission) in of_line.into_iter().zip(admitted) {
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
fn read(webhook: &Webhook, line: &Line) -> Result<NewLead, LineResult> {
    let rejected = |reason: &str, message: String| LineResult {
        reason: Some(reason.to_owned()),
        message: Some(message),
        ..told(line, Outcome::Rejected)
    };
    let Batch {
        mut leads, others, ..
    } = match webhook.leads_of(&line.payload) {
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

/// Stores leads, each with what is known of newer ones of its person.
async fn store(
    admin: &Admin,
    webhook: &Webhook,
    mut leads: Vec<NewLead>,
    lines: &[Line],
) -> Result<Vec<Admission>, QueueError> {
    let kept = admin.config.borrow().kept(webhook);
    for lead in &mut leads {
        kept.apply(lead);
    }
    let oldest = lines.iter().filter_map(|line| line.at).min();
    if let Some(since) = oldest.and_then(|at| Millis::try_from(at.as_millisecond()).ok())
        && admin.queue.knows_people()
    {
        let newer = newer_leads(admin, since).await?;
        for lead in &mut leads {
            let Some(original) = &mut lead.original else {
                continue;
            };
            let people = lead.people.iter().filter(|identity| identity.is_a_person());
            let hashes = people.filter_map(|person: &Identity| admin.queue.hash_of(person));
            let pairs =
                hashes.flat_map(|hash| lead.sinks.iter().map(move |sink| (hash.clone(), sink.clone())));
            let known = pairs.filter_map(|pair| newer.get(&pair));
            original.newest = known.copied().max().unwrap_or_default();
        }
    }
    admin.queue.accept(leads).await
}

/// When the newest lead of each person that a sink has was accepted, of those since a time.
async fn newer_leads(admin: &Admin, since: Millis) -> Result<HashMap<(String, SinkId), Millis>, QueueError> {
    let realm = Realm::of_admin(admin);
    let mut webhooks = admin.queue.ledger_webhooks().await?;
    webhooks.retain(|webhook| realm.has(webhook.as_str()));
    let filter = EntryFilter {
        since,
        outcome: Some(EntryOutcome::Accepted),
        ..EntryFilter::default()
    };
    let was_delivered = |entry: &Entry| {
        entry
            .events
            .iter()
            .any(|event| event.what == LedgerEventKind::Delivered)
    };
    let (mut found, mut after) = (HashMap::<_, Millis>::new(), None);
    loop {
        let page = newest(
            admin.queue.as_ref(),
            webhooks.clone(),
            &filter,
            FOREVER,
            after.as_ref(),
            PAGE,
            was_delivered,
        );
        let (entries, next) = page.await?;
        for entry in entries {
            let delivered = entry
                .events
                .iter()
                .filter(|event| event.what == LedgerEventKind::Delivered);
            for sink in delivered.filter_map(|event| event.sink.as_ref()) {
                for person in &entry.people {
                    let known = found.entry((person.clone(), sink.clone())).or_default();
                    *known = (*known).max(entry.at);
                }
            }
        }
        after = next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
