//! Queue -> CRM: claim, ask the throttle, upsert, settle.
//!
//! * [`Supervisor`] runs one `worker` per sink and follows the configuration.
//! * `claimer` claims leads and puts those together that share a call, as `groups` (pure) says; `leases` keeps their claims.
//! * `attempt` makes one attempt, within its `context`; `hydrate` fetches what a thin payload lacks; `judge` (pure) says
//!   whom a refusal concerns; `decide` (pure) what becomes of the lead; `settle` writes that down and tells it.
//! * `errands` are calls that deliver no lead: deletions for erasures, and audits.
//! * `throttle` is the shared limiter, pause and circuit breaker; `closed` what the worker knows of it; `backoff` how long to
//!   wait; `preflight` asks the CRM before the first lead, and when a lead is suspect, and `preflights` remembers it.

mod attempt;
mod backoff;
mod claimer;
mod closed;
mod context;
mod decide;
mod errands;
mod groups;
mod hydrate;
mod judge;
mod leases;
mod preflight;
mod preflights;
mod settle;
mod shared;
mod supervisor;
mod throttle;
mod worker;

pub(crate) use errands::{Errand, Errands};
pub(crate) use preflights::{LastPreflight, Preflights};
pub(crate) use shared::Shared;
pub(crate) use supervisor::Supervisor;
