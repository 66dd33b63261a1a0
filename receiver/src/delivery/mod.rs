//! Queue -> CRM: claim, ask the throttle, upsert, settle.
//!
//! * [`Supervisor`] runs one `worker` per sink and follows the configuration.
//! * `groups` (pure) says which leads share a call; `attempt` makes one attempt; `judge` (pure) whom a refusal concerns;
//!   `decide` (pure) what becomes of the lead; `settle` writes that down and tells it.
//! * `hydrate` fetches what a thin payload lacks.
//! * `throttle` is the shared limiter, pause and circuit breaker; `closed` what the worker knows of it; `backoff` how long to
//!   wait; `preflight` asks the CRM before the first lead, and when a lead is suspect.

mod attempt;
mod backoff;
mod closed;
mod context;
mod decide;
mod groups;
mod hydrate;
mod in_flight;
mod judge;
mod preflight;
mod preflights;
mod settle;
mod shared;
mod supervisor;
mod throttle;
mod worker;

pub use preflights::{LastPreflight, Preflights};
pub use shared::Shared;
pub use supervisor::Supervisor;
