//! The Leadgate receiver: verifies a webhook's sender, validates and deduplicates the lead, queues it durably,
//! answers 200, and delivers it to the CRM in the background, once and in order.
//!
//! One way through: `http` -> `source` -> `lead`, `http` -> `queue`, `delivery` -> `queue` + `crm`; `ids`, `time`, `failure`,
//! `throttle` and `outbound` lie under all of them.

// Tests have dependencies of their own.
#![cfg_attr(not(test), warn(unused_crate_dependencies))]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

// The program's.
use tracing_subscriber as _;
use zeroizing_alloc as _;

mod admin;
mod causes;
pub mod check;
pub mod cli;
pub mod config;
pub mod crm;
mod delivery;
pub mod descriptors;
pub mod dry_run;
mod encryption_key;
pub mod expression;
mod failure;
pub mod http;
mod ids;
mod json_text;
pub mod lead;
mod ledger_key;
pub mod log_limit;
pub mod metrics;
mod nearest;
mod notice;
mod outbound;
pub mod outcomes;
pub mod queue;
mod renewal;
pub mod run;
pub mod runtime;
mod secret_value;
mod share;
pub mod shown;
pub mod source;
mod throttle;
pub mod time;
pub mod trace;
