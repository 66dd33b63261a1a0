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

/// A lead that a worker was handed.
pub(super) struct Delivery {
    contact: String,
    id: LeadId,
    number: usize,
}

impl Delivery {
    pub(super) fn of(claim: &Claim) -> Self {
        let number = std::str::from_utf8(&claim.body)
            .ok()
            .and_then(|body| body.parse().ok());
        Self {
            contact: claim.contact.to_string(),
            id: claim.id.clone(),
            number: number.unwrap_or_default(),
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

/// `faults` are what was done, from when until when.
pub(super) fn reckon<F: fmt::Debug>(shared: &Shared, faults: &[(F, Duration, Duration)]) -> Result<Report> {
    let acknowledged = shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    let delivered = shared.delivered.lock().unwrap_or_else(PoisonError::into_inner);
    none_is_lost(&acknowledged, &delivered, faults)?;
    are_in_order(&delivered)?;
    let settled = shared.settled.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Report {
        faults: faults.len(),
        acknowledged: acknowledged.len(),
        repeated: repeated(&settled, faults)?,
        refused: shared.refused.load(Ordering::Relaxed),
        slowest: *shared.slowest.lock().unwrap_or_else(PoisonError::into_inner),
    })
}

fn none_is_lost<F: fmt::Debug>(
    acknowledged: &[(LeadId, Duration)],
    delivered: &[Delivery],
    faults: &[(F, Duration, Duration)],
) -> Result<()> {
    let known: HashSet<&LeadId> = delivered.iter().map(|delivery| &delivery.id).collect();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|(id, _)| !known.contains(id))
        .collect();
    let Some((_, first)) = lost.first() else {
        return Ok(());
    };
    let during = faults.iter().rposition(|(_, from, _)| from <= first);
    anyhow::bail!(
        "{} of {} acknowledged leads were lost, the first after fault {during:?}: {:?}",
        lost.len(),
        acknowledged.len(),
        during.map(|fault| &faults[fault])
    )
}

fn are_in_order(delivered: &[Delivery]) -> Result<()> {
    let mut known: HashSet<&LeadId> = HashSet::new();
    let mut newest: HashMap<&str, usize> = HashMap::new();
    for delivery in delivered.iter().filter(|delivery| known.insert(&delivery.id)) {
        if let Some(before) = newest.insert(&delivery.contact, delivery.number) {
            anyhow::ensure!(
                before < delivery.number,
                "lead {} of {} was delivered after lead {before}",
                delivery.number,
                delivery.contact
            );
        }
    }
    Ok(())
}

/// How many leads were settled twice, each across a fault.
fn repeated<F>(settled: &[(LeadId, Duration)], faults: &[(F, Duration, Duration)]) -> Result<usize> {
    let mut latest: HashMap<&LeadId, Duration> = HashMap::new();
    let mut repeated = 0;
    for (id, at) in settled {
        let Some(before) = latest.insert(id, *at) else {
            continue;
        };
        let is_between = |(_, from, to): &(F, Duration, Duration)| from < at && before < *to + UNSETTLED;
        anyhow::ensure!(
            faults.iter().any(is_between),
            "lead {id} was delivered twice, at {before:?} and {at:?}, without a fault between"
        );
        repeated += 1;
    }
    Ok(repeated)
}
