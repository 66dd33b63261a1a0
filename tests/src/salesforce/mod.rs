//! A stateful Salesforce: the part of its REST API that a lead needs, with the bodies it documents, the faults it has,
//! and books that a test can audit.
//!
//! * Salesforce does not keep people apart: without a duplicate rule two creates are two records. What a client does
//!   wrong shows in [`Salesforce::records_per_email`].
//! * A write happens when its request arrives, the latency comes after it. An answer that comes too late is therefore
//!   always an answer lost after a write. While a creation's answer is on its way, another upsert of the same external
//!   id gets `DUPLICATE_VALUE`, as in the race of two transactions.
//! * Sign-ins have no faults and do not count as requests. The faults of the n-th request depend on the seed, n and the
//!   plan alone.
//! * Where Salesforce documents nothing, the stricter reading was taken.

mod answers;
mod collections;
mod config;
mod control;
mod faults;
mod incoming;
mod route;
mod rows;
mod schema;
mod session;
mod soql;
mod store;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::simulator::{Cuts, Faults, Server};

pub use config::{Config, DuplicateRule, FieldSpec};
pub use faults::{Fault, FaultPlan, Odds};
pub use store::{Lead, Verb, Write};

/// What was counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Requests for data, as `METHOD kind status`; a connection cut instead of an answer counts as `cut`.
    pub requests: BTreeMap<String, u64>,
    /// Requests for data in all.
    pub requests_total: u64,
    /// Calls of the token endpoint.
    pub sign_ins: u64,
    /// Those of them that were refused.
    pub refused_sign_ins: u64,
    /// Requests with a token that was not valid.
    pub expired: u64,
    /// Answers withheld or delayed after the request was carried out.
    pub lost_answers: u64,
    /// The sizes of the collections, in order.
    pub collections: Vec<usize>,
    /// Leads now.
    pub leads: usize,
    /// Writes so far.
    pub writes: usize,
    /// E-mails with more than one record.
    pub duplicate_emails: Vec<String>,
}

/// What the requests share. Locked for the time of one decision, never across an await.
struct State {
    schema: schema::Schema,
    contacts: schema::Schema,
    store: store::Store,
    faults: Faults<FaultPlan>,
    sessions: session::Sessions,
    stats: Stats,
    /// Requests that count towards the daily limit.
    used: u64,
    /// External ids whose creation's answer is on its way.
    under_way: HashSet<String>,
    /// Those that the request under the lock has made.
    created_keys: Vec<String>,
}

impl State {
    /// The fields of a record.
    fn schema_of(&self, id: &str) -> &schema::Schema {
        if store::is_contact(id) {
            &self.contacts
        } else {
            &self.schema
        }
    }

    fn books_write(&mut self) {
        self.stats.writes += 1;
    }
}

/// A simulator, whoever serves it.
struct Sim {
    config: Config,
    started: Instant,
    state: Mutex<State>,
    cuts: Cuts,
}

impl Sim {
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

    fn stats(&self) -> Stats {
        let state = self.lock();
        let per_email = state.store.records_per_email();
        Stats {
            leads: state.store.leads().count(),
            duplicate_emails: per_email
                .into_iter()
                .filter(|(_, count)| *count > 1)
                .map(|(email, _)| email)
                .collect(),
            ..state.stats.clone()
        }
    }
}

/// A running simulator; dropping it closes it.
pub struct Salesforce {
    sim: Arc<Sim>,
    server: Server,
}

impl Salesforce {
    /// Starts a simulator inside this process, on the current runtime.
    pub async fn start(config: Config) -> std::io::Result<Self> {
        let schema = schema::Schema::new(&config);
        let state = State {
            contacts: schema::Schema::contact(&schema),
            schema,
            store: store::Store::default(),
            faults: Faults::new(config.seed, config.faults.clone()),
            sessions: session::Sessions::default(),
            stats: Stats::default(),
            used: 0,
            under_way: HashSet::new(),
            created_keys: Vec::new(),
        };
        let sim = Arc::new(Sim {
            config,
            started: Instant::now(),
            state: Mutex::new(state),
            cuts: Cuts::default(),
        });
        let shared = Arc::clone(&sim);
        let server = Server::start(
            sim.config.listen,
            None,
            sim.cuts.clone(),
            control::router(Arc::clone(&sim)),
            move |connection, request| route::handle(Arc::clone(&shared), connection, request),
        )
        .await?;
        Ok(Self { sim, server })
    }

    /// Where it listens, as a sink's `instanceUrl` and `loginUrl`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// How it was set up.
    pub fn config(&self) -> &Config {
        &self.sim.config
    }

    /// Replaces the fault plan.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.sim.lock().faults.plan = plan;
    }

    /// Changes the fault plan in place.
    pub fn change_faults(&self, change: impl FnOnce(&mut FaultPlan)) {
        change(&mut self.sim.lock().faults.plan);
    }

    /// Queues faults for the next requests for data, one each; they come before anything left to chance.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.sim.lock().faults.plan.next.extend(faults);
    }

    /// Ends the session: the next request with its token is answered 401.
    pub fn expire_sessions(&self) {
        self.sim.lock().sessions.expire();
    }

    /// Requests that others have made today.
    pub fn use_up(&self, requests: u64) {
        self.sim.lock().used += requests;
    }

    /// Closes all connections and takes none for a while.
    pub fn down_for(&self, period: Duration) {
        self.sim.down_for(period);
    }

    /// Ends a [`Salesforce::down_for`] early.
    pub fn up(&self) {
        self.sim.lock().faults.up();
    }

    /// Makes a record as somebody in the office would, past all rules; returns its id.
    pub fn put(&self, fields: &Value) -> String {
        let fields: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
        let mut state = self.sim.lock();
        let State { store, schema, .. } = &mut *state;
        store.create("00Q", fields, schema, self.sim.started, false)
    }

    /// Makes a contact as somebody in the office would; returns its id.
    pub fn put_contact(&self, fields: &Value) -> String {
        let fields: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
        let mut state = self.sim.lock();
        let State { store, contacts, .. } = &mut *state;
        store.create("003", fields, contacts, self.sim.started, false)
    }

    /// Every contact, oldest first.
    pub fn contacts(&self) -> Vec<Lead> {
        self.sim.lock().store.contacts().cloned().collect()
    }

    /// Deletes a record; whether it was there.
    pub fn delete(&self, id: &str) -> bool {
        self.sim.lock().store.delete(id, self.sim.started)
    }

    /// Converts a lead into a contact, as sales does; whether it was there.
    pub fn convert(&self, id: &str) -> bool {
        let mut state = self.sim.lock();
        let State { store, contacts, .. } = &mut *state;
        store.convert(id, contacts, self.sim.started)
    }

    /// Every lead, oldest first.
    pub fn leads(&self) -> Vec<Lead> {
        self.sim.lock().store.leads().cloned().collect()
    }

    /// The leads with this e-mail address, whatever its case.
    pub fn with_email(&self, email: &str) -> Vec<Lead> {
        self.sim
            .lock()
            .store
            .with("Email", email)
            .into_iter()
            .filter(|lead| !store::is_contact(&lead.id))
            .cloned()
            .collect()
    }

    /// How many records each e-mail address has; 1 each, if the client is right.
    pub fn records_per_email(&self) -> BTreeMap<String, usize> {
        self.sim.lock().store.records_per_email()
    }

    /// Every write there ever was, in order; also those of leads that were deleted since.
    pub fn writes(&self) -> Vec<Write> {
        self.sim.lock().store.log().to_vec()
    }

    /// What was counted since the start.
    pub fn stats(&self) -> Stats {
        self.sim.stats()
    }

    /// Serves until the task is aborted; for a process that is nothing but the simulator.
    pub async fn serve_forever(self) {
        self.server.forever().await;
    }
}
