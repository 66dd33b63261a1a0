//! Erasures and exports: what is held about a person, whichever set and store it is in.
//!
//! * [`person`]: whether a lead names somebody. Leads are looked at one by one, because an address may stand anywhere in what a
//!   sender posted: no index knows that.
//! * [`walk`]: the way through everything that is held.
//! * [`erase`]: the erasures. They are in the store, so that any receiver goes on with one whose receiver has gone; they hold
//!   keyed hashes of the person, no address.
//! * [`records`]: what becomes of the records in CRMs.
//! * [`suppressions`]: whose later leads are refused.
//! * [`export`]: the same for reading.

mod erase;
mod export;
mod person;
mod records;
mod stored;
mod suppressions;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use leadgate_crds::api::{Erasure, ErasureState, NewErasure, Page, Person};
use problem_details::ProblemDetails;

use super::leads::numbers;
use crate::admin::api::audit::Of;
use crate::admin::caller::Caller;
use crate::admin::dead_letters::{Realm, bad_request, unavailable, unreadable};
use crate::admin::shared::Admin;
use crate::lead::{digest, email_identity};
use crate::queue::{Contact, Identity, LeadId};
use stored::Kept;

pub(crate) use erase::run_erasures;
pub(super) use export::export;
pub(super) use suppressions::{lift, suppressions};

/// How many erasures are remembered; the oldest that are complete make room.
const MOST: usize = 500;

/// `POST /api/v1/privacy/erasures`: begins one.
pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    Caller(by): Caller,
    body: Result<Json<NewErasure>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(asked) = body.map_err(|error| unreadable(&error))?;
    let targets = Targets::of(&admin, &asked.person)?;
    let namespaces = Realm::of_admin(&admin).into_namespaces();
    if asked.suppress {
        // Before the first look: what comes meanwhile must not come in behind it.
        let done = targets.suppress(&admin, namespaces.as_ref()).await;
        done.map_err(|error| unavailable(&error))?;
    }
    let known = all(&admin).await?;
    if known.len() >= MOST
        && let Some(oldest) = known
            .iter()
            .find(|kept| kept.erasure.state != ErasureState::Running)
    {
        let removed = admin.queue.remove_job(&oldest.erasure.id).await;
        removed.map_err(|error| unavailable(&error))?;
    }
    let now = jiff::Timestamp::now();
    let erasure = Erasure {
        id: LeadId::generate().to_string(),
        state: ErasureState::Running,
        leads: Vec::new(),
        entries: 0,
        suppressed: asked.suppress,
        records: Vec::new(),
        missing: Vec::new(),
        remains: Vec::new(),
        by,
        created_at: now,
        updated_at: now,
    };
    let kept = Kept::new(erasure, targets, namespaces);
    let written = admin.queue.put_job(&kept.stored()).await;
    written.map_err(|error| unavailable(&error))?;
    tracing::info!(erasure = kept.erasure.id, "erasure created");
    admin.erasures.notify_one();
    let of = Extension(Of(kept.erasure.id.clone()));
    Ok((StatusCode::CREATED, of, Json(kept.erasure)).into_response())
}

/// `GET /api/v1/privacy/erasures`: all of them, newest first.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Response, Response> {
    let mut items: Vec<Erasure> = all(&admin).await?.into_iter().map(|kept| kept.erasure).collect();
    items.reverse();
    Ok(Json(Page { items, next: None }).into_response())
}

/// `GET /api/v1/privacy/erasures/{id}`.
pub(super) async fn show(
    State(admin): State<Arc<Admin>>,
    Path(id): Path<String>,
) -> Result<Response, Response> {
    let found = all(&admin).await?.into_iter().find(|kept| kept.erasure.id == id);
    match found {
        Some(kept) => Ok(Json(kept.erasure).into_response()),
        None => Err(ProblemDetails::from_status_code(StatusCode::NOT_FOUND)
            .with_detail("no erasure has this id")
            .into_response()),
    }
}

async fn all(admin: &Admin) -> Result<Vec<Kept>, Response> {
    let realm = Realm::of_admin(admin);
    let jobs = admin.queue.jobs().await.map_err(|error| unavailable(&error))?;
    let mine = |kept: &Kept| realm.has_all(kept.namespaces.as_ref());
    Ok(jobs.iter().filter_map(Kept::read).filter(mine).collect())
}

/// A person as the ledger and the queue know them: nobody can read an address in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Targets {
    /// The keyed hashes of the addresses and numbers.
    hashes: BTreeSet<String>,
    /// Those with the newest key.
    #[serde(default)]
    newest: BTreeSet<String>,
    /// Those of the addresses alone: a number may be shared.
    #[serde(default)]
    addresses: BTreeSet<String>,
    /// The contacts that they are in the queue.
    contacts: BTreeSet<String>,
}

impl Targets {
    /// Refused until it is known which namespaces are covered, and how numbers without a country code are read.
    fn of(admin: &Admin, person: &Person) -> Result<Self, Response> {
        if !admin.loaded.load(Ordering::Relaxed) {
            return Err(ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
                .with_detail("the manifests are not loaded yet: try again")
                .into_response());
        }
        let unreadable = |field: &str| {
            bad_request(&format!(
                "person.{field}: it cannot be read; write an address such as ada@example.com, a number with its country code \
                 such as +49 30 123456"
            ))
        };
        let email = match person.email.as_deref().map(email_identity) {
            Some(None) => return Err(unreadable("email")),
            email => email.flatten(),
        };
        let phone = person.phone.as_deref().map(|typed| numbers(admin, typed));
        let phone = match phone {
            Some(readings) if readings.is_empty() => return Err(unreadable("phone")),
            // One of them is somebody else's.
            Some(readings) if readings.iter().filter(|number| number.has_country()).count() > 1 => {
                return Err(bad_request(
                    "person.phone: it may be a number of several countries; write it with its country code such as +49 30 123456",
                ));
            }
            readings => readings.unwrap_or_default(),
        };
        let addresses = email.as_ref().map(|email| admin.queue.hashes_of(email));
        let people: Vec<Identity> = email.into_iter().chain(phone).collect();
        if people.is_empty() {
            return Err(bad_request("person: name an email, a phone or both"));
        }
        let mut targets = Self {
            addresses: addresses.into_iter().flatten().collect(),
            ..Self::default()
        };
        for person in people {
            let hashes = admin.queue.hashes_of(&person);
            let Some(newest) = hashes.first() else {
                return Err(bad_request(
                    "the ledger does not tell whom leads are about: start the receiver with --ledger-key-file to erase and export",
                ));
            };
            targets.newest.insert(newest.clone());
            targets.hashes.extend(hashes);
            let contact = Contact::new(digest(person.kind_and_value()));
            targets
                .contacts
                .insert(admin.queue.known_as(&contact).to_string());
        }
        Ok(targets)
    }
}
