//! Simulated CRMs, real Redis, real Kubernetes, real kills: what the product's tests are made of.
//!
//! * [`hubspot`] is a stateful HubSpot; `hubspot-sim` runs it by itself.
//! * [`rig`] joins a receiver and a HubSpot. [`receiver`] runs the real binary on [`manifests`]; [`signing`] signs what is posted to it.
//! * [`fleet`] runs four of them on one CRM that misbehaves.
//! * [`soak`] kills it under load and reckons up.
//! * [`bench`] measures it.
//! * [`authority`] signs certificates.
//! * [`wire`] is HTTP by hand, for what no client library would send.
//! * [`redis_server`] starts, kills and restarts a real Redis; [`cluster`] a real Kubernetes control plane.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a test stops at the first broken assumption

pub mod authority;
pub mod bench;
pub mod cluster;
pub mod fleet;
pub mod hubspot;
pub mod manifests;
pub mod receiver;
pub mod redis_server;
pub mod rig;
pub mod signing;
pub mod soak;
pub mod wire;
