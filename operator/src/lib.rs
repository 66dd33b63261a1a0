//! The operator: makes the pods of LeadReceivers, gives them LeadWebhooks and CrmSinks to run, and says in the status of all
//! three what became of them and of their leads.
//!
//! Each kind has a folder, each step a file: `dereference` (reads) -> `validate` (pure) -> `build` (pure) -> `apply`
//! (server-side, one field manager) -> `status` (always written, failures too, only when changed). The pods are asked once
//! for a receiver, in [`lead_receiver::observe`], and not for each webhook.
//!
//! The program has a second command, [`console`], which is no controller but shares the program's code and image.
//!
//! The rights that it needs are the table in [`rbac`]. The image of receivers must hold `/leadgate-receiver`; that of
//! Redis `redis-server` in the path, usable by user 999.
//!
//! Objects of a LeadReceiver `edge` are called `leadgate-receiver-edge` (Deployment, Service, ServiceAccount, NetworkPolicy,
//! PodDisruptionBudget, HorizontalPodAutoscaler), `leadgate-admin-edge` (headless Service of the admin port, Secret with the
//! admin token), `leadgate-config-0-edge` and the like (what the pods run) and `leadgate-secrets-edge` (copies of the named
//! keys); the Ingress or HTTPRoute of a LeadWebhook `website` `leadgate-webhook-website`; those of a namespace's Redis
//! `leadgate-redis`.

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

mod api_error;
mod apply;
mod backoff;
mod claims;
pub mod cli;
mod conditions;
pub mod console;
pub mod context;
pub mod crm_sink;
mod drift;
pub mod edges;
mod events;
mod health;
mod implied;
mod index;
pub mod kinds;
pub mod lead_receiver;
pub mod lead_webhook;
mod leader;
pub mod metrics;
mod named;
pub mod names;
mod ownership;
pub mod rbac;
pub mod reasons;
pub mod receivers;
mod repair;
pub mod rules;
pub mod run;
pub mod secrets;
mod served;
pub mod stats;
pub mod stores;
pub mod validation;
mod watch;
pub mod workloads;
