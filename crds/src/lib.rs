//! The resource types of Leadgate, and what operator and receivers say to each other: no client, no I/O.
//!
//! A [`LeadWebhook`] says who may post and how a payload becomes a lead; a [`CrmSink`] says where
//! leads go; a [`LeadReceiver`] says with which pods and which queue. The same YAML serves a cluster (`kubectl apply`) and a local receiver (a folder of
//! manifests): defaults are written once, here, and appear both in the schema that the API server
//! uses and in the objects that serde makes.
//!
//! Fields that a sender's preset can supply are `Option`s without a default: absent means that the
//! preset decides.

// Tests have dependencies of their own.
#![cfg_attr(not(test), warn(unused_crate_dependencies))]
#![warn(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(
    unreachable_pub,
    reason = "KubeSchema copies each struct with its visibility into a function body"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "it takes the types of two printer columns for one attribute"
)]

pub mod addresses;
pub mod api;
pub mod common;
pub mod counts;
pub mod crm_sink;
mod definition;
pub mod lead_receiver;
pub mod lead_webhook;
pub mod lenient;
pub mod quantity;
pub mod reason;
pub mod report;
pub mod secret;
mod secret_refs;
pub mod time;
pub mod words;

pub use crm_sink::{CrmSink, CrmSinkSpec, CrmSinkStatus};
pub use definition::{crm_sink_crd, lead_receiver_crd, lead_webhook_crd};
pub use lead_receiver::{LeadReceiver, LeadReceiverSpec, LeadReceiverStatus};
pub use lead_webhook::{LeadWebhook, LeadWebhookSpec, LeadWebhookStatus};
pub use secret_refs::{SecretPurpose, SecretReference};

/// LeadWebhook's definition as YAML: the same as [`lead_webhook_crd`] makes, which a test watches over.
pub const LEAD_WEBHOOK_YAML: &str = include_str!("../yaml/leadwebhooks.yaml");
/// LeadReceiver's definition as YAML: the same as [`lead_receiver_crd`] makes.
pub const LEAD_RECEIVER_YAML: &str = include_str!("../yaml/leadreceivers.yaml");
/// CrmSink's definition as YAML: the same as [`crm_sink_crd`] makes.
pub const CRM_SINK_YAML: &str = include_str!("../yaml/crmsinks.yaml");
/// The API group of all resources.
pub const GROUP: &str = "leadgate.dev";
/// The version of all resources.
pub const VERSION: &str = "v1alpha1";
