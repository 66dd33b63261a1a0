//! The operator: makes receivers of LeadWebhooks, and says in the status of LeadWebhooks and CrmSinks what became of
//! them and of their leads.
//!
//! Each kind has a folder, each step a file: `dereference` (reads) -> `validate` (pure) -> `build` (pure) -> `apply`
//! (server-side, one field manager) -> `status` (always written, failures too, only when changed).
//!
//! The rights that it needs are the table in [`rbac`]. The image of receivers must hold `/leadgate-receiver`; that of
//! Redis `redis-server` in the path, usable by user 999.
//!
//! Objects of a LeadWebhook `website` are called `leadgate-website` (ConfigMap, Deployment, Service, ServiceAccount,
//! NetworkPolicy, PodDisruptionBudget, HorizontalPodAutoscaler, Ingress, HTTPRoute) and `leadgate-website-admin`
//! (headless Service of the admin port, Secret with the admin token); those of a namespace's Redis `leadgate-redis`.

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

mod apply;
mod backoff;
pub mod cli;
mod conditions;
pub mod context;
pub mod crm_sink;
mod events;
mod health;
mod index;
pub mod kinds;
pub mod lead_webhook;
mod leader;
pub mod metrics;
pub mod names;
pub mod rbac;
pub mod reasons;
pub mod receivers;
pub mod rules;
pub mod run;
pub mod secrets;
mod stats;
pub mod validation;
mod watch;
pub mod workloads;
