//! Plays a receiver's API, with leads that tests make up, and remembers what it was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use leadgate_crds::api;
use leadgate_crds::api::{
    Backfill, Diff, Job, JobState, Lead, LeadSearch, LineResult, NewJob, Outcome, Page, Trial, TrialResult,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) what: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Default)]
pub(crate) struct Known {
    pub(crate) leads: Vec<Value>,
    pub(crate) asked: Vec<Asked>,
    jobs: BTreeMap<String, Job>,
    keys: BTreeMap<String, String>,
    payloads: BTreeSet<String>,
    /// How often the next import is answered with 503, and whether that asks to wait.
    pub(crate) refuse: (u32, bool),
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) known: Arc<Mutex<Known>>,
}

/// What the status and the metrics hold here, although they never should.
pub(crate) const PERSONAL: [&str; 5] = ["ada", "lovelace", "1234567", "hunter22", "pat-eu1"];

type Shared = State<Arc<Mutex<Known>>>;

/// A lead in one sink.
pub(crate) fn lead(n: usize, state: &str, reason: &str) -> Value {
    json!({"id": format!("lead-{n}"), "webhook": "default/web", "receivedAt": "2026-11-01T08:00:00Z", "outcome": "Accepted",
        "sinks": [{"sink": "default/crm", "state": state, "since": "2026-11-01T08:00:01Z", "attempts": 2, "reason": reason}]})
}

impl Server {
    pub(crate) async fn start(leads: Vec<Value>) -> Self {
        let known = Arc::new(Mutex::new(Known {
            leads,
            ..Known::default()
        }));
        let note = Arc::clone(&known);
        let router =
            Router::new()
                .route("/status", get(|| async {
                let problem = "ada.lovelace@example.com, +49 30 1234567: redis://u:hunter22@redis refused pat-eu1-0f1e2d3c-aaaa";
                Json(json!({"loaded": true, "queue": {"ready": true, "writeLatency": "1ms", "problems": [problem]},
                    "webhooks": [{"name": "default/web", "suspended": true}],
                    "sinks": [{"name": "default/crm", "suspended": true, "preflight": {"credentials": {"ok": true}}}]}))
            }))
            .route("/metrics", get(|| async { "leadgate_leads_total 7\nx{to=\"ada@example.com\"} 1\n" }))
            .route("/api/v1/leads/search", post(search))
                .route("/api/v1/leads/{id}", get(story).delete(StatusCode::NO_CONTENT))
                .route("/api/v1/leads/{id}/payload", get(payload))
                .route("/api/v1/leads/{id}/replay", post(replay))
                .route(
                    "/api/v1/leads/{id}/move",
                    post(|| async { Json(json!({"moved": true, "sink": "default/other"})) }),
                )
                .route("/api/v1/jobs", post(new_job).get(jobs))
                .route("/api/v1/jobs/{id}", get(job).delete(cancel))
                .route("/api/v1/webhooks/default/web/backfill", post(backfill))
                .route("/api/v1/webhooks/default/web/diff", post(diff))
                .route("/api/v1/webhooks/default/web/try", post(attempt))
                .route(
                    "/api/v1/sinks/default/crm/{what}",
                    post(|Path(what): Path<String>| async move {
                        Json(json!({"sink": "default/crm", what: true}))
                    }),
                )
                .layer(axum::middleware::from_fn(
                    move |request: axum::extract::Request, next: axum::middleware::Next| {
                        let note = Arc::clone(&note);
                        async move {
                            let (parts, body) = request.into_parts();
                            let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
                            let asked = Asked {
                                what: format!("{} {}", parts.method, parts.uri),
                                headers: parts.headers.clone(),
                                body: serde_json::from_slice(&body).unwrap_or_default(),
                            };
                            note.lock().unwrap().asked.push(asked);
                            next.run(axum::extract::Request::from_parts(parts, body.into()))
                                .await
                        }
                    },
                ))
                .fallback(
                    |method: Method, uri: Uri| async move { problem(404, &format!("no {method} {uri}")) },
                )
                .layer(axum::extract::DefaultBodyLimit::max(16 << 20))
                .with_state(Arc::clone(&known));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, known }
    }

    /// The requests so far, as method and path.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.known
            .lock()
            .unwrap()
            .asked
            .iter()
            .map(|asked| asked.what.clone())
            .collect()
    }

    pub(crate) fn last(&self) -> Asked {
        self.known.lock().unwrap().asked.last().unwrap().clone()
    }
}

fn problem(status: u16, detail: &str) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        Json(json!({"status": status, "detail": detail})),
    )
        .into_response()
}

/// Pages by number, as many as are asked for.
async fn search(State(known): Shared, Json(search): Json<LeadSearch>) -> Json<Page<Lead>> {
    let state = search.set.map(|set| match set {
        api::Set::Held => api::State::Held,
        api::Set::Dead => api::State::Dead,
        api::Set::Delivered => api::State::Delivered,
        _ => api::State::Pending,
    });
    let leads: Vec<Lead> = known
        .lock()
        .unwrap()
        .leads
        .iter()
        .map(|lead| serde_json::from_value(lead.clone()).unwrap())
        .collect();
    let fits =
        |lead: &Lead| state.is_none_or(|state| lead.sinks.iter().any(|delivery| delivery.state == state));
    let leads: Vec<Lead> = leads.into_iter().filter(fits).collect();
    let from: usize = search.after.map_or(0, |after| after.parse().unwrap());
    let to = (from + usize::from(search.limit.unwrap_or(50))).min(leads.len());
    Json(Page {
        items: leads[from..to].to_vec(),
        next: (to < leads.len()).then(|| to.to_string()),
    })
}

fn find(known: &Known, id: &str) -> Option<Value> {
    known.leads.iter().find(|lead| lead["id"] == id).cloned()
}

async fn story(State(known): Shared, Path(id): Path<String>) -> Response {
    let Some(mut lead) = find(&known.lock().unwrap(), &id) else {
        return problem(404, "no lead has this id");
    };
    // Not in order: whoever shows them puts them in order.
    lead["events"] = json!([
        {"at": "2026-11-01T08:00:02Z", "event": "Dead", "sink": "default/crm", "attempt": 2, "status": 400, "tookMs": 7, "reason": "InvalidEmail"},
        {"at": "2026-11-01T08:00:00Z", "event": "Received"},
    ]);
    Json(lead).into_response()
}

async fn payload(Path(id): Path<String>) -> Json<Value> {
    let set = if id == "lead-3" { "dead" } else { "held" };
    Json(
        json!({"items": [{"id": id, "set": set, "candidates": ["101", "202"], "body": {"email": "ada@example.com"}}]}),
    )
}

async fn replay(Path(id): Path<String>, RawQuery(query): RawQuery) -> Json<Value> {
    let overtaken = id == "lead-1" && !query.unwrap_or_default().contains("force=true");
    Json(
        json!({"items": [{"sink": "default/crm", "replayed": !overtaken, "reason": "a newer lead was delivered"}]}),
    )
}

async fn new_job(State(known): Shared, headers: HeaderMap, Json(work): Json<NewJob>) -> Response {
    let mut known = known.lock().unwrap();
    let key = headers
        .get("idempotency-key")
        .map(|key| key.to_str().unwrap().to_owned());
    let fit: Vec<String> = known
        .leads
        .iter()
        .map(|lead| lead["id"].as_str().unwrap().to_owned())
        .collect();
    let now = "2026-11-01T09:00:00Z".parse().unwrap();
    let mut job = Job {
        id: String::new(),
        hidden_filter: Vec::new(),
        state: JobState::Completed,
        done: fit.len() as u64,
        kept: 0,
        sample: Vec::new(),
        left: Vec::new(),
        message: None,
        by: headers.get("leadgate-user").unwrap().to_str().unwrap().to_owned(),
        created_at: now,
        updated_at: now,
        work,
    };
    if job.work.dry_run {
        job.sample = fit.into_iter().take(10).collect();
        return Json(job).into_response();
    }
    let filter = &mut job.work.filter;
    job.hidden_filter = filter.personal().into_iter().map(str::to_owned).collect();
    (filter.email, filter.phone, filter.submission) = (None, None, None);
    job.id = format!("job-{}", known.jobs.len() + 1);
    job.state = JobState::Running;
    job.done = 0;
    known
        .keys
        .insert(key.expect("a job has an idempotency key"), job.id.clone());
    known.jobs.insert(job.id.clone(), job.clone());
    (StatusCode::CREATED, Json(job)).into_response()
}

async fn jobs(State(known): Shared) -> Json<Page<Job>> {
    Json(Page {
        items: known.lock().unwrap().jobs.values().cloned().collect(),
        next: None,
    })
}

/// A job ends the second time that it is looked at.
async fn job(State(known): Shared, Path(id): Path<String>) -> Response {
    let mut known = known.lock().unwrap();
    let all = known.leads.len() as u64;
    let Some(job) = known.jobs.get_mut(&id) else {
        return problem(404, "no job has this id");
    };
    let seen = job.clone();
    if job.state == JobState::Running {
        (job.state, job.done) = (JobState::Completed, all);
    }
    Json(seen).into_response()
}

async fn cancel(State(known): Shared, Path(id): Path<String>) -> Json<Job> {
    let mut known = known.lock().unwrap();
    let job = known.jobs.get_mut(&id).unwrap();
    job.state = JobState::Cancelled;
    Json(job.clone())
}

/// A payload that it has is a duplicate; one without an e-mail address is rejected.
async fn backfill(State(known): Shared, body: Bytes) -> Response {
    let lines: Backfill = serde_json::from_slice(&body).unwrap();
    if lines.lines.len() > 500 {
        return problem(400, "lines: at most 500");
    }
    let mut known = known.lock().unwrap();
    if known.refuse.0 > 0 {
        known.refuse.0 -= 1;
        let mut response = problem(503, "many leads wait for delivery");
        if known.refuse.1 {
            let once = axum::http::HeaderValue::from_static("1");
            response.headers_mut().insert("retry-after", once);
        }
        return response;
    }
    let result = |line: leadgate_crds::api::Line| {
        let text = line.payload.to_string();
        let outcome = match (line.payload["email"].is_string(), known.payloads.contains(&text)) {
            _ if line.payload["unrouted"] == true => Outcome::Unrouted,
            (false, _) => Outcome::Rejected,
            (true, true) => Outcome::Duplicate,
            (true, false) => Outcome::Accepted,
        };
        if outcome == Outcome::Accepted && !lines.dry_run {
            known.payloads.insert(text);
        }
        let rejected = outcome == Outcome::Rejected;
        LineResult {
            line: line.line,
            outcome,
            id: None,
            reason: rejected.then(|| "NoContact".to_owned()),
            message: rejected.then(|| "email is missing".to_owned()),
        }
    };
    Json(Page {
        items: lines.lines.into_iter().map(result).collect(),
        next: None,
    })
    .into_response()
}

async fn diff(Json(diff): Json<Diff>) -> Json<Value> {
    let changed = |id: &str| json!({"id": id, "fields": [{"field": "phone", "from": "+49301", "to": null}]});
    Json(match diff.after.as_deref() {
        None => json!({"compared": 100, "items": [changed("lead-1"), changed("lead-2")], "next": "2"}),
        Some(_) => json!({"compared": 20, "items": [{"id": "lead-3", "refused": "NoContact"}]}),
    })
}

async fn attempt(Json(trial): Json<Trial>) -> Json<TrialResult> {
    let accepted = trial.body.contains('@');
    Json(TrialResult {
        accepted,
        report: format!(
            "{} with {:?}",
            if accepted { "accepted" } else { "refused" },
            trial.headers
        ),
    })
}
