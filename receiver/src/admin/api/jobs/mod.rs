//! Jobs: one action on many leads. They are in the store, so that any receiver goes on with one whose receiver has gone.

mod run;
mod step;
mod stored;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use leadgate_crds::api::{Action, Job, JobState, LeadFilter, NewJob, Page, Set};
use problem_details::ProblemDetails;

use super::audit::Of;
use super::in_set;
use super::leads::{SET_AND_STATE, Wanted, want};
use crate::admin::caller::Caller;
use crate::admin::dead_letters::{Realm, bad_request, conflict, named, unavailable, unreadable};
use crate::admin::shared::Admin;
use crate::lead::digest;
use crate::queue::{Identity, LeadId, SinkId, WebhookId};

pub(crate) use run::run_jobs;
use stored::Kept;

/// How many jobs are kept; the oldest that have ended make room.
const MOST: usize = 100;

/// The header that makes a repeated request the same one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// `POST /api/v1/jobs`: begins a job, or tells what it would do.
pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    Caller(by): Caller,
    headers: HeaderMap,
    body: Result<Json<NewJob>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(work) = body.map_err(|error| unreadable(&error))?;
    refuse(&work).map_err(|why| bad_request(&why))?;
    let work = NewJob {
        to: target(&admin, work.to.as_deref())?,
        ..work
    };
    // What the filter names must exist before anything is done.
    let wanted = want(&admin, work.filter.clone()).await?;
    let asked = marks_of(&admin, &work);
    let namespaces = Realm::of_admin(&admin).into_namespaces();
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
    let now = jiff::Timestamp::now();
    let mut job = Job {
        id: key.map_or_else(
            || LeadId::generate().to_string(),
            |key| id_of(key, namespaces.as_ref()),
        ),
        work: in_full(work, &wanted),
        hidden_filter: Vec::new(),
        state: JobState::Running,
        done: 0,
        kept: 0,
        sample: Vec::new(),
        left: Vec::new(),
        message: None,
        by,
        created_at: now,
        updated_at: now,
    };
    if job.work.dry_run {
        step::count(&admin, &mut job, &wanted)
            .await
            .map_err(|error| unavailable(&error))?;
        (job.id, job.state) = (String::new(), JobState::Completed);
        return Ok(Json(job).into_response());
    }
    let known = all(&admin).await?;
    if let Some(first) = known.iter().find(|kept| kept.job.id == job.id) {
        return again(first, &asked);
    }
    if known.len() >= MOST {
        let ended = known.iter().find(|kept| kept.job.state != JobState::Running);
        let Some(ended) = ended else {
            return Err(conflict(
                "100 jobs are running: wait until one ends, or cancel one",
            ));
        };
        admin
            .queue
            .remove_job(&ended.job.id)
            .await
            .map_err(|error| unavailable(&error))?;
    }
    let mut kept = Kept::new(job, asked.first().cloned().unwrap_or_default(), namespaces);
    // Looked up now: the address or number is not kept.
    let found = in_set::find(&admin, &wanted).await;
    kept.found(found.map_err(|error| unavailable(&error))?);
    let written = admin.queue.put_job(&kept.stored()).await;
    if !written.map_err(|error| unavailable(&error))? {
        // The same request came twice at once, and the other one was first.
        return again(&one(&admin, &kept.job.id).await?, &asked);
    }
    let job = kept.job;
    tracing::info!(job = job.id, action = ?job.work.action, set = ?job.work.set, "job created");
    admin.jobs.notify_one();
    let of = Extension(Of(job.id.clone()));
    Ok((StatusCode::CREATED, of, Json(job)).into_response())
}

/// The id of the job of an idempotency key: of requests that come at once, the store takes one.
fn id_of(key: &str, namespaces: Option<&BTreeSet<String>>) -> String {
    digest(
        [key]
            .into_iter()
            .chain(namespaces.into_iter().flatten().map(String::as_str)),
    )
}

/// What tells one request from another, that of new ones first. It may name a person, so it is hashed like one.
fn marks_of(admin: &Admin, work: &NewJob) -> Vec<String> {
    let text = serde_json::to_string(work).unwrap_or_default();
    let mut marks = admin.queue.hashes_of(&Identity::submission(&text));
    if marks.is_empty() {
        marks.push(digest([text.as_str()]));
    }
    marks
}

/// The answer to a request whose key is known.
fn again(first: &Kept, asked: &[String]) -> Result<Response, Response> {
    if asked.contains(&first.asked) {
        return Ok((StatusCode::CREATED, Json(first.job.clone())).into_response());
    }
    Err(ProblemDetails::from_status_code(StatusCode::UNPROCESSABLE_ENTITY)
        .with_detail("Idempotency-Key: it belongs to another job; use a new key for each")
        .into_response())
}

/// With the names of its filter in full: they mean the same when their objects are gone.
fn in_full(work: NewJob, wanted: &Wanted) -> NewJob {
    let webhook = wanted.webhooks.first().map(WebhookId::to_string);
    NewJob {
        filter: LeadFilter {
            webhook: work.filter.webhook.as_ref().and(webhook),
            sink: wanted.sink.as_ref().map(SinkId::to_string),
            ..work.filter
        },
        ..work
    }
}

/// The sink that leads are to go to: one that runs.
fn target(admin: &Admin, name: Option<&str>) -> Result<Option<String>, Response> {
    let config = admin.config.borrow();
    let known: BTreeSet<String> = config.sinks().map(|sink| sink.id.to_string()).collect();
    named("sink", name, &known)
}

/// What a job cannot be, with the remedy.
fn refuse(work: &NewJob) -> Result<(), String> {
    let sets: &[Set] = match work.action {
        Action::Replay => &[Set::Dead, Set::Held, Set::Unrouted, Set::Rejected, Set::Delivered],
        Action::Discard => &[
            Set::Pending,
            Set::Dead,
            Set::Held,
            Set::Unrouted,
            Set::Rejected,
            Set::Delivered,
        ],
        Action::Move => &[Set::Pending, Set::Dead, Set::Held, Set::Unrouted],
        Action::Copy => &[Set::Dead, Set::Held, Set::Delivered],
    };
    if !sets.contains(&work.set) {
        let able: Vec<String> = sets.iter().map(|set| format!("{set:?}").to_lowercase()).collect();
        return Err(format!(
            "set: {:?} does not apply to it; use {}",
            work.action,
            able.join(", ")
        ));
    }
    let needs_target = matches!(work.action, Action::Move | Action::Copy);
    if needs_target != work.to.is_some() {
        return Err(if needs_target {
            "to: name the sink that the leads go to".to_owned()
        } else {
            "to: applies to Move and Copy only; remove it".to_owned()
        });
    }
    if work.share.is_some_and(|share| !(1..=100).contains(&share)) {
        return Err("share must be from 1 to 100 percent".to_owned());
    }
    if work.filter.outcome.is_some() || work.filter.state.is_some() {
        return Err(SET_AND_STATE.to_owned());
    }
    Ok(())
}

/// `GET /api/v1/jobs`: all of them, newest first.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Response, Response> {
    let mut items: Vec<Job> = all(&admin).await?.into_iter().map(|kept| kept.job).collect();
    items.reverse();
    Ok(Json(Page { items, next: None }).into_response())
}

/// `GET /api/v1/jobs/{id}`.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Response, Response> {
    Ok(Json(one(&admin, &id).await?.job).into_response())
}

/// `DELETE /api/v1/jobs/{id}`: cancels it. What it has done stays done.
pub(super) async fn cancel(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Response, Response> {
    loop {
        let mut kept = one(&admin, &id).await?;
        if kept.job.state != JobState::Running {
            return Ok(Json(kept.job).into_response());
        }
        kept.job.state = JobState::Cancelled;
        kept.job.updated_at = jiff::Timestamp::now();
        kept.lease.version += 1;
        let written = admin.queue.put_job(&kept.stored()).await;
        // Whoever runs it has written meanwhile: again.
        if written.map_err(|error| unavailable(&error))? {
            tracing::info!(job = id, "job cancelled");
            return Ok(Json(kept.job).into_response());
        }
    }
}

async fn one(admin: &Admin, id: &str) -> Result<Kept, Response> {
    let found = all(admin).await?.into_iter().find(|kept| kept.job.id == id);
    found.ok_or_else(|| {
        ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
            .with_detail("no job has this id")
            .into_response()
    })
}

/// All of them, the oldest first.
async fn all(admin: &Admin) -> Result<Vec<Kept>, Response> {
    let realm = Realm::of_admin(admin);
    let jobs = admin.queue.jobs().await.map_err(|error| unavailable(&error))?;
    let mine = |kept: &Kept| realm.has_all(kept.namespaces.as_ref());
    let mut found: Vec<Kept> = jobs.iter().filter_map(Kept::read).filter(mine).collect();
    found.sort_by(|a, b| (a.job.created_at, &a.job.id).cmp(&(b.job.created_at, &b.job.id)));
    Ok(found)
}
