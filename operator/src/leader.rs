//! One leader among several operators, by a Lease.
//!
//! Every write is a `replace` with the resource version that was read, so that of two operators that see the same
//! expired Lease only one wins. How old a Lease is, is measured by this machine's own monotonic clock since it last
//! changed: clocks of different nodes are not compared. A leader that cannot renew in time ends itself before anybody
//! else may take over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, Request};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::client::Body;
use kube::{Api, Client};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::BoxError;

use crate::api_error::words;
use crate::names::{INSTALLATION, MANAGER};

/// The Lease's name.
pub(crate) const LEASE: &str = "leadgate-operator";
/// How long a leader that says nothing is still believed to lead.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for so long stops.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// Between two renewals.
const RENEW_INTERVAL: Duration = Duration::from_secs(4);

pub(crate) struct Candidate {
    api: Api<Lease>,
    identity: String,
    /// Which installation it is of: another one that finds its name here is succeeded.
    installation: String,
    term: Term,
    /// The Lease as it was last seen to change, and when.
    seen: Option<(Holding, Instant)>,
}

/// Until when this operator may write. A leader that was stopped and wakes, with its node or its process, has to see first
/// that nobody else leads by now; requests that were about to be sent are not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Term(Arc<Mutex<Option<Instant>>>);

impl Term {
    fn renewed(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    fn has_ended(&self) -> bool {
        let renewed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.is_none_or(|at| at.elapsed() >= RENEW_DEADLINE)
    }

    /// A client that sends nothing but questions when the term has ended.
    pub(crate) fn client(&self, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let term = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let ended = request.method() != Method::GET && term.has_ended();
            let client = client.clone();
            async move {
                if ended {
                    return Err(BoxError::from(
                        "the Lease was not renewed in time, so nothing is written",
                    ));
                }
                client.send(request).await.map_err(BoxError::from)
            }
        });
        Client::new(service, namespace)
    }
}

/// What tells one state of a Lease from another.
#[derive(Clone, Debug, PartialEq)]
struct Holding {
    holder: Option<String>,
    renewed: Option<MicroTime>,
}

/// What a candidate does about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Renew,
    Take,
    Wait,
}

/// Pure: what to do about a Lease that has not changed for `unchanged`.
fn decide(holder: Option<&str>, identity: &str, unchanged: Duration) -> Move {
    match holder {
        Some(holder) if holder == identity => Move::Renew,
        None | Some("") => Move::Take,
        Some(_) if unchanged > LEASE_DURATION => Move::Take,
        Some(_) => Move::Wait,
    }
}

impl Candidate {
    /// A candidate with a name that no other has.
    pub(crate) fn new(client: Client, namespace: &str, identity: String, installation: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            identity,
            installation,
            term: Term::default(),
            seen: None,
        }
    }

    /// For the client with which the leader works.
    pub(crate) fn term(&self) -> Term {
        self.term.clone()
    }

    /// Returns when this operator leads; `false` when `stop` came first.
    pub(crate) async fn elected(&mut self, stop: &CancellationToken) -> bool {
        loop {
            let before = Instant::now();
            match self.attempt().await {
                Ok(true) => {
                    self.term.renewed(before);
                    tracing::info!(identity = self.identity, "acquired leadership");
                    return true;
                }
                Ok(false) => tracing::debug!("another operator is the leader"),
                Err(error) => tracing::warn!(error = words(&error), "failed to read or write the Lease"),
            }
            tokio::select! {
                () = sleep(RETRY_INTERVAL) => {}
                () = stop.cancelled() => return false,
            }
        }
    }

    /// Renews until it fails; returns when this operator leads no longer. With `stop`, it gives the Lease back.
    pub(crate) async fn lead(&mut self, stop: &CancellationToken) {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = sleep(if renewed.elapsed() < RENEW_INTERVAL { RENEW_INTERVAL } else { RETRY_INTERVAL }) => {}
                () = stop.cancelled() => {
                    self.release().await;
                    return;
                }
            }
            let left = RENEW_DEADLINE.saturating_sub(renewed.elapsed());
            let before = Instant::now();
            match timeout(left, self.attempt()).await {
                Ok(Ok(true)) => {
                    renewed = before;
                    self.term.renewed(before);
                }
                Ok(Ok(false)) => {
                    tracing::error!("another operator took the Lease");
                    return;
                }
                Ok(Err(error)) => tracing::warn!(error = words(&error), "failed to renew the Lease"),
                Err(_) => tracing::warn!("renewing the Lease timed out"),
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                tracing::error!("the Lease was not renewed within the renew deadline");
                return;
            }
        }
    }

    /// One look at the Lease, and one write if it is ours to make. Whether this operator leads afterwards.
    async fn attempt(&mut self) -> kube::Result<bool> {
        let Some(mut lease) = self.api.get_opt(LEASE).await? else {
            let mut lease = Lease {
                metadata: ObjectMeta {
                    name: Some(LEASE.to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(self.spec(None)),
            };
            self.sign(&mut lease);
            return won(self.api.create(&params(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holding = Holding {
            holder: spec.holder_identity.clone(),
            renewed: spec.renew_time.clone(),
        };
        let unchanged = match &self.seen {
            Some((seen, since)) if *seen == holding => since.elapsed(),
            _ => {
                self.seen = Some((holding, Instant::now()));
                Duration::ZERO
            }
        };
        match decide(spec.holder_identity.as_deref(), &self.identity, unchanged) {
            Move::Wait => Ok(false),
            Move::Renew => {
                lease.spec = Some(LeaseSpec {
                    renew_time: Some(MicroTime(Timestamp::now())),
                    ..spec
                });
                self.sign(&mut lease);
                won(self.api.replace(LEASE, &params(), &lease).await)
            }
            Move::Take => {
                lease.spec = Some(self.spec(Some(&spec)));
                self.sign(&mut lease);
                won(self.api.replace(LEASE, &params(), &lease).await)
            }
        }
    }

    fn sign(&self, lease: &mut Lease) {
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(INSTALLATION.to_owned(), self.installation.clone());
    }

    fn spec(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(before.and_then(|b| b.lease_transitions).map_or(0, |n| n + 1)),
            ..LeaseSpec::default()
        }
    }

    /// Lets another operator take over at once.
    async fn release(&self) {
        let release = async {
            let mut lease = self.api.get(LEASE).await?;
            let ours = lease
                .spec
                .as_ref()
                .is_some_and(|s| s.holder_identity.as_ref() == Some(&self.identity));
            if ours {
                if let Some(spec) = &mut lease.spec {
                    spec.holder_identity = None;
                }
                self.api.replace(LEASE, &params(), &lease).await?;
            }
            Ok::<(), kube::Error>(())
        };
        if let Ok(Err(error)) = timeout(RETRY_INTERVAL, release).await {
            tracing::debug!(
                error = words(&error),
                "failed to release the Lease; it will expire"
            );
        }
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

/// A conflict is no failure: somebody else was faster.
fn won(written: kube::Result<Lease>) -> kube::Result<bool> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_leader_that_wakes_up_late_writes_nothing() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nobody listens there: whoever is asked says so.
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let term = Term::default();
        let client = term.client(Client::try_from(config).unwrap());
        let written = async || {
            let api: Api<Lease> = Api::namespaced(client.clone(), "n");
            let error = api.create(&params(), &Lease::default()).await.unwrap_err();
            words(&error)
        };
        term.renewed(Instant::now());
        let message = written().await;
        assert!(!message.contains("nothing is written"), "{message}");
        let Some(long_ago) = Instant::now().checked_sub(RENEW_DEADLINE) else {
            return;
        };
        term.renewed(long_ago);
        let message = written().await;
        assert!(message.contains("nothing is written"), "{message}");
        let api: Api<Lease> = Api::namespaced(client.clone(), "n");
        let message = words(&api.get("x").await.unwrap_err());
        assert!(
            !message.contains("nothing is written"),
            "questions may be asked: {message}"
        );
    }

    #[test]
    fn moves() {
        let long = LEASE_DURATION + Duration::from_secs(1);
        for (holder, unchanged, expected) in [
            (None, Duration::ZERO, Move::Take),
            (Some(""), Duration::ZERO, Move::Take),
            (Some("me"), Duration::ZERO, Move::Renew),
            (Some("me"), long, Move::Renew),
            (Some("you"), Duration::ZERO, Move::Wait),
            (Some("you"), LEASE_DURATION, Move::Wait),
            (Some("you"), long, Move::Take),
        ] {
            assert_eq!(
                decide(holder, "me", unchanged),
                expected,
                "{holder:?} {unchanged:?}"
            );
        }
        assert!(RENEW_DEADLINE < LEASE_DURATION);
    }
}
