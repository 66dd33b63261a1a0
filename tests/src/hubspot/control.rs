//! `/_sim/...`: what a test does from outside the process.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{FaultPlan, Sim};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Faults {
    #[serde(flatten)]
    plan: FaultPlan,
    down: bool,
}

#[derive(Deserialize)]
struct Wanted {
    email: Option<String>,
}

pub(super) fn router(sim: Arc<Sim>) -> Router {
    Router::new()
        .route("/_sim/faults", get(faults).post(set_faults))
        .route("/_sim/contacts", get(contacts))
        .route("/_sim/stats", get(stats))
        .route("/_sim/reset", post(reset))
        .with_state(sim)
}

async fn faults(State(sim): State<Arc<Sim>>) -> Json<Faults> {
    let plan = sim.lock().faults.plan.clone();
    Json(Faults {
        plan,
        down: sim.is_down(),
    })
}

/// Replaces the plan; `downMillis` beside it closes all connections for so long. A misspelt fault is an error.
async fn set_faults(State(sim): State<Arc<Sim>>, Json(mut new): Json<Value>) -> (StatusCode, Json<Value>) {
    let down = new.as_object_mut().and_then(|fields| fields.remove("downMillis"));
    match serde_json::from_value::<FaultPlan>(new) {
        Ok(plan) => sim.lock().faults.plan = plan,
        Err(error) => {
            return (
                StatusCode::BAD_REQUEST,
                Json(json!({"status": "error", "message": error.to_string()})),
            );
        }
    }
    if let Some(millis) = down.and_then(|down| down.as_u64()) {
        sim.down_for(Duration::from_millis(millis));
    }
    (StatusCode::OK, Json(json!({"status": "ok"})))
}

async fn contacts(State(sim): State<Arc<Sim>>, Query(wanted): Query<Wanted>) -> Json<Value> {
    let state = sim.lock();
    let contacts = match &wanted.email {
        Some(email) => state.store.by_email(email).into_iter().collect(),
        None => state.store.contacts(),
    };
    Json(json!({"total": contacts.len(), "contacts": contacts}))
}

async fn stats(State(sim): State<Arc<Sim>>) -> Json<super::Stats> {
    let state = sim.lock();
    Json(state.books.stats(&state.store))
}

/// Forgets contacts and counts; keeps schema, faults and limits.
async fn reset(State(sim): State<Arc<Sim>>) -> Json<Value> {
    let mut state = sim.lock();
    state.store = super::store::Store::default();
    state.books = super::books::Books::new(sim.config.retry_after_grace);
    Json(json!({"status": "ok"}))
}
