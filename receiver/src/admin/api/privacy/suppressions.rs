//! Whose later leads are refused: an erasure may ask for it, and it may be lifted.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use leadgate_crds::api::{Person, Suppressions};

use super::Targets;
use crate::admin::dead_letters::{Realm, unavailable, unreadable};
use crate::admin::shared::Admin;
use crate::queue::QueueError;

/// For the queue: all namespaces.
const ALL: &str = "";

/// The namespaces, as the queue has them; `None`: all.
fn scopes(namespaces: Option<&BTreeSet<String>>) -> Vec<String> {
    match namespaces {
        None => vec![ALL.to_owned()],
        Some(namespaces) => namespaces.iter().cloned().collect(),
    }
}

impl Targets {
    /// Refuses later leads of the person in these namespaces.
    pub(super) async fn suppress(
        &self,
        admin: &Admin,
        namespaces: Option<&BTreeSet<String>>,
    ) -> Result<(), QueueError> {
        let newest = Some(&self.newest).filter(|newest| !newest.is_empty());
        let hashes: Vec<String> = newest.unwrap_or(&self.hashes).iter().cloned().collect();
        for namespace in scopes(namespaces) {
            admin.queue.suppress(&namespace, &hashes).await?;
        }
        Ok(())
    }
}

/// `GET /api/v1/privacy/suppressions`: how many there are. They do not say whose they are.
pub(in super::super) async fn suppressions(State(admin): State<Arc<Admin>>) -> Result<Response, Response> {
    let told = told(&admin, 0).await.map_err(|error| unavailable(&error))?;
    Ok(Json(told).into_response())
}

/// `POST /api/v1/privacy/suppressions/lift`: takes leads of a person again.
pub(in super::super) async fn lift(
    State(admin): State<Arc<Admin>>,
    body: Result<Json<Person>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(person) = body.map_err(|error| unreadable(&error))?;
    let targets = Targets::of(&admin, &person)?;
    let told = lift_all(&admin, &targets).await;
    Ok(Json(told.map_err(|error| unavailable(&error))?).into_response())
}

async fn lift_all(admin: &Admin, targets: &Targets) -> Result<Suppressions, QueueError> {
    let hashes: Vec<String> = targets.hashes.iter().cloned().collect();
    let mut lifted = 0;
    for namespace in scopes(Realm::of_admin(admin).into_namespaces().as_ref()) {
        lifted += admin.queue.lift(&namespace, &hashes).await?;
    }
    told(admin, lifted).await
}

async fn told(admin: &Admin, lifted: u64) -> Result<Suppressions, QueueError> {
    let mut suppressed = 0;
    for namespace in scopes(Realm::of_admin(admin).into_namespaces().as_ref()) {
        suppressed += admin.queue.suppressed(&namespace).await?;
    }
    Ok(Suppressions { suppressed, lifted })
}
