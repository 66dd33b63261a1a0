//! Claims leads, and puts those together that share a call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::decide::{Caution, caution, crashed, step_aside, superseded};
use super::groups::groups;
use super::leases::Leases;
use super::settle::Settler;
use super::shared::Shared;
use crate::config::Sink;
use crate::crm::Crm;
use crate::queue::{Claim, QueueError};

/// How long a lead steps aside while another that may kill the worker is tried.
const RETRY_AFTER_STEP_ASIDE: Duration = Duration::from_secs(1);
/// Leads that go to the CRM in one call.
pub(super) struct Call {
    pub(super) claims: Vec<Claim>,
    /// Cancelled when the claim of one of them is lost.
    pub(super) lost: CancellationToken,
    /// Of a lead that is tried alone.
    _alone: Option<OwnedSemaphorePermit>,
}

/// Claims a sink's leads.
pub(super) struct Claimer {
    pub(super) shared: Shared,
    pub(super) sink: Arc<Sink>,
    pub(super) crm: Arc<dyn Crm>,
    pub(super) leases: Arc<Leases>,
    pub(super) settler: Arc<Settler>,
    pub(super) stop: CancellationToken,
}

impl Claimer {
    /// Claims leads for at most `free` calls. Where calls take several leads, one call is filled at a time: what waits
    /// meanwhile makes the next one fuller.
    pub(super) async fn claim(&self, free: usize) -> Result<(Vec<Call>, Option<Duration>), QueueError> {
        let (lease, most) = (self.sink.delivery.lease(), self.batch_size());
        let queue = &self.shared.queue;
        let mut found = queue
            .claim(&self.sink.id, if most > 1 { most } else { free }, lease)
            .await?;
        let (claims, suspect) = self.set_apart(found.claims).await;
        if let Some(suspect) = suspect {
            // The others, too, are better off in calls of their own.
            let calls = claims.into_iter().map(|claim| self.call(vec![claim]));
            return Ok((calls.chain([suspect]).collect(), found.next_due));
        }
        found.claims = claims;
        let count = found.claims.len();
        // No lead waits for a slot of its own while others could share this one's call.
        let together = most > 1 && (count >= self.crm.batch_from() || count > free);
        if !together {
            let calls = found.claims.into_iter().map(|claim| self.call(vec![claim]));
            return Ok((calls.collect(), found.next_due));
        }
        let mut groups = grouped(found.claims, most).into_iter();
        let Some(first) = groups.next() else {
            return Ok((Vec::new(), found.next_due));
        };
        let mut calls = vec![self.call(first)];
        calls.extend(groups.map(|claims| self.call(claims)));
        let linger = self.sink.delivery.linger;
        if count < most && !linger.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(linger) => {}
                () = self.stop.cancelled() => {}
            }
            // What is claimed already goes its way, whatever the store says now.
            if let Ok(more) = queue.claim(&self.sink.id, most - count, lease).await {
                let (more, suspect) = self.set_apart(more.claims).await;
                for claims in grouped(more, most) {
                    self.join(&mut calls, claims, most);
                }
                calls.extend(suspect);
            }
        }
        Ok((calls, found.next_due))
    }

    /// Claims the lead that shows whether a CRM that failed is back: one that it has not failed at before, if any is due.
    pub(super) async fn claim_probe(&self) -> Result<(Vec<Call>, Option<Duration>), QueueError> {
        let (queue, lease) = (&self.shared.queue, self.sink.delivery.lease());
        let mut found = queue.claim_untried(&self.sink.id, 1, lease).await?;
        if found.claims.is_empty() {
            found = queue.claim(&self.sink.id, 1, lease).await?;
        }
        let (claims, suspect) = self.set_apart(found.claims).await;
        let calls = claims.into_iter().map(|claim| self.call(vec![claim]));
        Ok((calls.chain(suspect).collect(), found.next_due))
    }

    /// Lets leads that have not failed yet join a call of such; others have calls of their own.
    fn join(&self, calls: &mut Vec<Call>, claims: Vec<Claim>, most: usize) {
        let fresh = |claims: &[Claim]| claims.iter().all(|claim| claim.attempt <= 1);
        let found = calls
            .iter_mut()
            .find(|call| fresh(&call.claims) && fresh(&claims) && call.claims.len() + claims.len() <= most);
        match found {
            Some(call) => {
                self.leases.keep(&claims, &call.lost);
                call.claims.extend(claims);
            }
            None => calls.push(self.call(claims)),
        }
    }

    /// Takes out of `claims` the leads that a newer one has overtaken, and those of which earlier claims ended without an
    /// outcome. Of the latter one that has no more chances is settled; of the others at most one is returned, as a call of
    /// its own, and only if no other is under way in this process: if it kills the process, it alone is to blame. The rest
    /// steps aside.
    async fn set_apart(&self, claims: Vec<Claim>) -> (Vec<Claim>, Option<Call>) {
        if claims
            .iter()
            .all(|claim| caution(claim.lost) == Caution::Together && !claim.overtaken)
        {
            return (claims, None);
        }
        let (mut ordinary, mut suspect, mut settled) = (Vec::new(), None, Vec::new());
        for claim in claims {
            match caution(claim.lost) {
                _ if claim.overtaken => {
                    let keep = self.settler.retention(&claim).dead;
                    settled.push((claim, superseded(keep)));
                }
                Caution::Together => ordinary.push(claim),
                Caution::Crashed => {
                    let keep = self.settler.retention(&claim).dead;
                    settled.push((claim, crashed(keep)));
                }
                Caution::Alone => match Arc::clone(&self.shared.suspects).try_acquire_owned() {
                    Ok(alone) => suspect = Some((claim, alone)),
                    Err(_) => settled.push((claim, step_aside(RETRY_AFTER_STEP_ASIDE))),
                },
            }
        }
        // Before the suspect is tried: what steps aside must not be lost with it.
        let mut spans = self
            .shared
            .traces
            .process(&self.sink.id, settled.iter().map(|(claim, _)| claim));
        self.settler.finish(&settled, Duration::ZERO, &mut spans).await;
        let suspect = suspect.map(|(claim, alone)| Call {
            _alone: Some(alone),
            ..self.call(vec![claim])
        });
        (ordinary, suspect)
    }

    /// Leads that go together. From here on their leases are kept, however long they wait for company.
    fn call(&self, claims: Vec<Claim>) -> Call {
        let lost = CancellationToken::new();
        self.leases.keep(&claims, &lost);
        Call {
            claims,
            lost,
            _alone: None,
        }
    }

    /// The most leads of one call.
    fn batch_size(&self) -> usize {
        self.crm.max_batch().min(self.sink.delivery.batch_size).max(1)
    }
}

fn grouped(claims: Vec<Claim>, most: usize) -> Vec<Vec<Claim>> {
    groups(claims, |claim| claim.attempt, most)
}
