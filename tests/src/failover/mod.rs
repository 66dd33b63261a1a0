//! The failover test: load on a queue with Sentinel, faults of its servers, and a reckoning.
//!
//! Senders accept leads, each for contacts of its own and one after the other, and repeat what was not acknowledged with
//! the same id; workers claim and settle. Meanwhile servers and sentinels are killed, stopped and started again, by a
//! seed. In the end, every acknowledged lead must have been delivered, in the order of its contact.
//!
//! Settlements do not wait for replicas, so a failover may lose the last ones: then a lead is delivered again, as after a
//! lost response. Between failovers, no lead may be delivered twice.

mod faults;
mod verdict;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use leadgate_receiver::queue::{
    Claim, Contact, Content, DedupeKey, Disposition, LeadId, NewLead, OpenOptions, Queue, Settled,
    Settlement, SinkId, WebhookId, open,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

pub use faults::Fault;
use verdict::Delivery;
pub use verdict::Report;

const SENDERS: usize = 8;
const CONTACTS: usize = 4;
const WORKERS: usize = 2;
const LEASE: Duration = Duration::from_secs(3);

/// How long the queue may take to be emptied in the end: leases of lost claims end, and more.
const PATIENCE: Duration = Duration::from_mins(1);

/// A Redis with Sentinel, and what may happen to it.
pub trait Group: Sized {
    /// What may happen.
    type Fault: Copy + fmt::Debug;

    /// Starts one that is whole.
    fn start() -> Result<Self>;

    /// The queue URL.
    fn url(&self) -> String;

    /// What a queue on it needs.
    fn options(&self) -> Result<OpenOptions>;

    /// Causes a fault, lets it last, and makes the group whole again.
    fn cause(&mut self, fault: Self::Fault, rng: &mut StdRng) -> Result<()>;
}

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan<F> {
    /// Seed of everything left to chance.
    pub seed: u64,
    /// One after the other.
    pub faults: Vec<F>,
    /// Say what happens.
    pub verbose: bool,
}

impl<F: Copy> Plan<F> {
    /// Each fault once, in an order by the seed, and again until there are so many.
    pub fn new(all: &[F], faults: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut plan = Vec::with_capacity(faults);
        while plan.len() < faults {
            let mut left = all.to_vec();
            while !left.is_empty() && plan.len() < faults {
                plan.push(left.swap_remove(rng.random_range(0..left.len())));
            }
        }
        Self {
            seed,
            faults: plan,
            verbose: false,
        }
    }
}

/// What senders and workers share.
struct Shared {
    queue: Arc<dyn Queue>,
    began: Instant,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<(LeadId, Duration)>>,
    slowest: Mutex<Duration>,
    refused: AtomicUsize,
    last_refusal: Mutex<String>,
    /// What workers were handed, as it would reach a CRM.
    delivered: Mutex<Vec<Delivery>>,
    /// What was settled as delivered.
    settled: Mutex<Vec<(LeadId, Duration)>>,
}

impl Shared {
    fn acknowledge(&self, id: LeadId, took: Duration) {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((id, self.began.elapsed()));
        let mut slowest = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        *slowest = took.max(*slowest);
    }

    fn deliver(&self, claims: &[Claim]) {
        let mut delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        delivered.extend(claims.iter().map(Delivery::of));
    }

    fn settle(&self, ids: impl Iterator<Item = LeadId>) {
        let at = self.began.elapsed();
        let mut settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        settled.extend(ids.map(|id| (id, at)));
    }

    fn refuse(&self, why: String) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        *self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// Runs the plan, and reckons up: an error names what was lost, doubled or out of order.
pub async fn run<G: Group>(plan: Plan<G::Fault>) -> Result<Report> {
    let mut group = tokio::task::block_in_place(G::start)?;
    let queue = open(&group.url(), group.options()?).await?;
    let shared = Arc::new(Shared {
        queue,
        began: Instant::now(),
        stop: AtomicBool::new(false),
        acknowledged: Mutex::default(),
        slowest: Mutex::default(),
        refused: AtomicUsize::new(0),
        last_refusal: Mutex::default(),
        delivered: Mutex::default(),
        settled: Mutex::default(),
    });
    let senders: Vec<_> = (0..SENDERS)
        .map(|n| tokio::spawn(send(Arc::clone(&shared), n)))
        .collect();
    let (done, finish) = watch::channel(false);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| tokio::spawn(work(Arc::clone(&shared), finish.clone())))
        .collect();

    let mut rng = StdRng::seed_from_u64(plan.seed);
    let mut disturbed = Vec::new();
    for (number, fault) in plan.faults.iter().enumerate() {
        sleep(Duration::from_millis(rng.random_range(200..1500))).await;
        let from = shared.began.elapsed();
        let before = acknowledged(&shared);
        tokio::task::block_in_place(|| group.cause(*fault, &mut rng))
            .with_context(|| format!("fault {number}: {fault:?}"))?;
        disturbed.push((*fault, from, shared.began.elapsed()));
        if plan.verbose {
            let took = shared.began.elapsed().saturating_sub(from);
            let more = acknowledged(&shared) - before;
            let refusal =
                std::mem::take(&mut *shared.last_refusal.lock().unwrap_or_else(PoisonError::into_inner));
            println!(
                "{number}: {fault:?}, {took:?}, {more} leads acknowledged meanwhile; last refusal: {refusal:?}"
            );
        }
    }
    sleep(Duration::from_millis(500)).await;
    shared.stop.store(true, Ordering::Release);
    join(senders).await?;
    emptied(&shared).await?;
    done.send_replace(true);
    join(workers).await?;
    verdict::reckon(&shared, &disturbed)
}

fn acknowledged(shared: &Shared) -> usize {
    shared
        .acknowledged
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .len()
}

async fn join(tasks: Vec<JoinHandle<()>>) -> Result<()> {
    for task in tasks {
        task.await?;
    }
    Ok(())
}

async fn send(shared: Arc<Shared>, sender: usize) {
    let mut number = 0;
    while !shared.stop.load(Ordering::Acquire) {
        let contact = format!("person {sender}.{}", number % CONTACTS);
        let lead = lead(&contact, number);
        let began = Instant::now();
        // Until it is acknowledged: the order of a contact is the order in which its sender sends.
        while let Err(error) = shared.queue.accept(vec![lead.clone()]).await {
            shared.refuse(error.to_string());
            sleep(Duration::from_millis(20)).await;
        }
        shared.acknowledge(lead.id, began.elapsed());
        number += 1;
        sleep(Duration::from_millis(4)).await;
    }
}

/// A lead of a contact that is like no other; `number` grows with each lead of the contact.
pub fn lead(contact: &str, number: usize) -> NewLead {
    let id = LeadId::generate();
    NewLead {
        webhook: WebhookId::from("shop/form"),
        dedupe: DedupeKey::from(id.as_str()),
        content: Content {
            posted: [1; 8],
            mapped: [1; 8],
        },
        window: Duration::from_hours(1),
        contact: Contact::from(contact),
        sinks: vec![crm()].into(),
        keep: Duration::from_hours(1),
        body: Bytes::from(number.to_string()),
        people: Vec::new(),
        original: None,
        id,
    }
}

/// Where all leads go.
pub fn crm() -> SinkId {
    SinkId::from("shop/crm")
}

async fn work(shared: Arc<Shared>, finish: watch::Receiver<bool>) {
    while !*finish.borrow() {
        let claims = shared
            .queue
            .claim(&crm(), 16, LEASE)
            .await
            .unwrap_or_default()
            .claims;
        if claims.is_empty() {
            shared.queue.wait(&crm(), Duration::from_millis(100)).await;
            continue;
        }
        shared.deliver(&claims);
        let settlement = |claim: &Claim| Settlement::of(claim, Disposition::delivered(None));
        let settlements = claims.iter().map(settlement).collect();
        // Without an answer the outcome is unknown: what was not settled comes back when its lease ends.
        if let Ok(settled) = shared.queue.settle(&crm(), settlements).await {
            let done = claims
                .into_iter()
                .zip(settled)
                .filter(|(_, settled)| *settled == Settled::Done);
            shared.settle(done.map(|(claim, _)| claim.id));
        }
    }
}

/// Waits until nothing is pending, for longer than a lease.
async fn emptied(shared: &Shared) -> Result<()> {
    let began = Instant::now();
    loop {
        let stats = shared.queue.sink_stats(&[crm()]).await;
        match stats.ok().and_then(|mut stats| stats.pop()) {
            Some(stats) if stats.pending == 0 => return Ok(()),
            _ => {}
        }
        anyhow::ensure!(
            began.elapsed() < PATIENCE,
            "the queue is not empty after {PATIENCE:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}
