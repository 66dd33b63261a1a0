//! `/_sim/...`: what a test does from outside the process.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{FaultPlan, Sim};

#[derive(Deserialize)]
struct Wanted {
    email: Option<String>,
}

pub(super) fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .route("/_sim/faults", get(faults).post(set_faults))
        .route("/_sim/leads", get(leads))
        .route("/_sim/stats", get(stats))
        .route("/_sim/expire", post(expire))
        .with_state(sim)
}

async fn faults(State(sim): State<Arc<Sim>>) -> Json<Value> {
    let plan = sim.lock().faults.plan.clone();
    Json(json!({"plan": plan, "down": sim.is_down()}))
}

/// Replaces the plan; `downMillis` beside it closes all connections for so long. A misspelt fault is an error.
async fn set_faults(State(sim): State<Arc<Sim>>, Json(mut new): Json<Value>) -> (StatusCode, Json<Value>) {
    let down = new.as_object_mut().and_then(|fields| fields.remove("downMillis"));
    match serde_json::from_value::<FaultPlan>(new) {
        Ok(plan) => sim.lock().faults.plan = plan,
        Err(error) => {
            return (
                StatusCode::BAD_REQUEST,
                Json(json!({"message": error.to_string()})),
            );
        }
    }
    if let Some(millis) = down.and_then(|down| down.as_u64()) {
        sim.down_for(Duration::from_millis(millis));
    }
    (StatusCode::OK, Json(json!({"status": "ok"})))
}

async fn leads(State(sim): State<Arc<Sim>>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let state = sim.lock();
    let leads: Vec<_> = match &wanted.email {
        Some(email) => state.store.with("Email", email),
        None => state.store.leads().collect(),
    };
    Json(json!({"total": leads.len(), "leads": leads}))
}

async fn stats(State(sim): State<Arc<Sim>>) -> Json<super::Stats> {
    Json(sim.stats())
}

/// Ends the session: the next request with its token is answered 401.
async fn expire(State(sim): State<Arc<Sim>>) -> Json<Value> {
    sim.lock().sessions.expire();
    Json(json!({"status": "ok"}))
}
