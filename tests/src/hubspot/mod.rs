//! A stateful HubSpot: the part of its CRM API that a lead needs, with the bodies it documents, the faults it
//! has, and books that a test can audit.
//!
//! What is simulated is written down beside each answer; where HubSpot documents nothing, the stricter
//! reading was taken, so that a client that works here has a chance there. Two things to know:
//!
//! * A write happens when its request arrives, the latency comes after it. An answer that comes too late is
//!   therefore always an answer lost after a write. (A write that lands after its client gave up would undo
//!   later ones whatever the client does: HubSpot has no conditional writes.)
//! * The faults of the n-th request depend on the seed, n and the plan alone.

mod answers;
mod batch;
mod books;
mod config;
mod control;
mod faults;
mod limiter;
mod paths;
mod route;
mod schema;
mod search;
mod single;
mod store;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::simulator::{Cuts, Faults, Server};

pub use books::Stats;
pub use config::{Config, Limits};
pub use faults::{Fault, FaultPlan, Millis, Odds, Rule};
pub use schema::{Kind, PropertySpec};
pub use store::{Contact, Verb, Write};

/// What the requests share. Locked for the time of one decision, never across an await.
struct State {
    schema: schema::Schema,
    store: store::Store,
    books: books::Books,
    faults: Faults<FaultPlan>,
    limiter: limiter::Limiter,
}

/// A simulator, whoever serves it.
struct Sim {
    config: Config,
    started: Instant,
    state: Mutex<State>,
    cuts: Cuts,
}

impl Sim {
    fn new(config: Config) -> Arc<Self> {
        let state = State {
            schema: schema::Schema::new(&config.custom),
            store: store::Store::default(),
            books: books::Books::new(config.retry_after_grace),
            faults: Faults::new(config.seed, config.faults.clone()),
            limiter: limiter::Limiter::new(config.limits),
        };
        Arc::new(Self {
            config,
            started: Instant::now(),
            state: Mutex::new(state),
            cuts: Cuts::default(),
        })
    }

    /// The state. A request that panicked under the lock must not hide behind the poison: go on with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn down_for(&self, period: Duration) {
        self.lock().faults.down_for(period);
        self.cuts.cut_all();
    }

    /// Whether the simulator plays dead now.
    fn is_down(&self) -> bool {
        self.lock().faults.is_down(Instant::now())
    }
}

/// A running simulator; dropping it closes it.
pub struct HubSpot {
    sim: Arc<Sim>,
    server: Server,
}

impl HubSpot {
    /// Starts a simulator inside this process, on the current runtime.
    pub async fn start(config: Config) -> std::io::Result<Self> {
        let sim = Sim::new(config);
        let shared = Arc::clone(&sim);
        let server = Server::start(
            sim.config.listen,
            sim.config.tls.clone(),
            sim.cuts.clone(),
            control::router(Arc::clone(&sim)),
            move |connection, request| route::handle(Arc::clone(&shared), connection, request),
        )
        .await?;
        Ok(Self { sim, server })
    }

    /// Where it listens, as a sink's `baseUrl`.
    pub fn base_url(&self) -> String {
        let scheme = self.sim.config.tls.as_ref().map_or("http", |_| "https");
        format!("{scheme}://{}", self.server.address())
    }

    /// The token that may read and write.
    pub fn token(&self) -> &str {
        &self.sim.config.token
    }

    /// Replaces the fault plan.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.sim.lock().faults.plan = plan;
    }

    /// Changes the fault plan in place.
    pub fn change_faults(&self, change: impl FnOnce(&mut FaultPlan)) {
        change(&mut self.sim.lock().faults.plan);
    }

    /// Queues faults for the next requests, one each; they come before anything left to chance.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.sim.lock().faults.plan.next.extend(faults);
    }

    /// Makes a contact, as sales do.
    pub fn add(&self, properties: &[(&str, &str)]) -> u64 {
        let mut state = self.sim.lock();
        let properties = properties
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let State { store, schema, .. } = &mut *state;
        store.create(properties, schema.unique(), self.sim.started)
    }

    /// Gives a contact a further e-mail address.
    pub fn add_address(&self, contact: u64, address: &str) {
        self.sim.lock().store.add_address(contact, address);
    }

    /// Closes all connections and takes none for a while.
    pub fn down_for(&self, period: Duration) {
        self.sim.down_for(period);
    }

    /// Ends a [`HubSpot::down_for`] early.
    pub fn up(&self) {
        self.sim.lock().faults.up();
    }

    /// Every contact, oldest first.
    pub fn contacts(&self) -> Vec<Contact> {
        self.sim.lock().store.contacts()
    }

    /// The contact with this e-mail, whatever its case.
    pub fn contact(&self, email: &str) -> Option<Contact> {
        self.sim.lock().store.by_email(email)
    }

    /// How many records each e-mail has; 1 each, if the client is right.
    pub fn records_per_email(&self) -> BTreeMap<String, usize> {
        self.sim.lock().store.records_per_email()
    }

    /// Every write there ever was, in order; also those of contacts that were deleted since.
    pub fn writes(&self) -> Vec<Write> {
        self.sim.lock().store.log().to_vec()
    }

    /// How many writes there were so far.
    pub fn write_count(&self) -> usize {
        self.sim.lock().store.log().len()
    }

    /// What was counted since the start.
    pub fn stats(&self) -> Stats {
        let state = self.sim.lock();
        state.books.stats(&state.store)
    }

    /// Serves until the task is aborted; for a process that is nothing but the simulator.
    pub async fn serve_forever(self) {
        self.server.forever().await;
    }
}
