//! What came of it.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use anyhow::Result;
use leadgate_receiver::queue::{Claim, LeadId};

use super::Shared;

/// What a failover that follows a fault may take: what was settled so long before it may be lost with the old primary.
const UNSETTLED: Duration = Duration::from_secs(5);

/// A lead that was settled as delivered.
pub(super) struct Delivery {
    contact: String,
    id: LeadId,
    number: usize,
    at: Duration,
}

impl Delivery {
    pub(super) fn of(claim: Claim, at: Duration) -> Self {
        let number = std::str::from_utf8(&claim.body)
            .ok()
            .and_then(|body| body.parse().ok());
        Self {
            contact: claim.contact.to_string(),
            id: claim.id,
            number: number.unwrap_or_default(),
            at,
        }
    }
}

/// What a run has shown.
#[derive(Debug)]
pub struct Report {
    /// How many faults there were.
    pub faults: usize,
    /// Leads that were acknowledged, all of which were delivered.
    pub acknowledged: usize,
    /// Leads that were delivered again because a failover lost the settlement.
    pub repeated: usize,
    /// Accepts that failed and were repeated.
    pub refused: usize,
    /// The longest that a sender waited, over all repetitions.
    pub slowest: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            faults,
            acknowledged,
            repeated,
            refused,
            slowest,
        } = self;
        write!(
            f,
            "{faults} faults, {acknowledged} leads acknowledged and delivered in order, 0 lost; {repeated} delivered again \
             after a failover; {refused} accepts refused; the slowest sender waited {slowest:?}"
        )
    }
}

pub(super) fn reckon(shared: &Shared, faults: &[(Duration, Duration)], count: usize) -> Result<Report> {
    let acknowledged = shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    let delivered = shared.delivered.lock().unwrap_or_else(PoisonError::into_inner);
    let known: HashSet<&LeadId> = delivered.iter().map(|delivery| &delivery.id).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !known.contains(id)).collect();
    anyhow::ensure!(
        lost.is_empty(),
        "{} of {} acknowledged leads were lost: {:?}",
        lost.len(),
        acknowledged.len(),
        lost.iter().take(5).collect::<Vec<_>>()
    );
    let mut first: HashMap<&LeadId, Duration> = HashMap::new();
    let mut newest: HashMap<&str, usize> = HashMap::new();
    let mut repeated = 0;
    for delivery in delivered.iter() {
        if let Some(before) = first.insert(&delivery.id, delivery.at) {
            let across = |(from, to): &(Duration, Duration)| *from < delivery.at && before < *to + UNSETTLED;
            anyhow::ensure!(
                faults.iter().any(across),
                "lead {} was delivered twice, at {before:?} and {:?}, without a fault between",
                delivery.id,
                delivery.at
            );
            repeated += 1;
            continue;
        }
        if let Some(before) = newest.insert(&delivery.contact, delivery.number) {
            anyhow::ensure!(
                before < delivery.number,
                "lead {} of {} was delivered after lead {before}",
                delivery.number,
                delivery.contact
            );
        }
    }
    Ok(Report {
        faults: count,
        acknowledged: acknowledged.len(),
        repeated,
        refused: shared.refused.load(Ordering::Relaxed),
        slowest: *shared.slowest.lock().unwrap_or_else(PoisonError::into_inner),
    })
}
