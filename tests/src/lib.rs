//! Simulated CRMs, real Redis, real Kubernetes, real kills: what the product's tests are made of.
//!
//! * [`hubspot`] is a stateful HubSpot; `hubspot-sim` runs it by itself.
//! * [`rig`] joins a receiver and a HubSpot; [`fleet`] four receivers and a CRM that misbehaves.
//! * [`salesforce`] is a stateful Salesforce; `salesforce-sim` runs it by itself.
//! * [`sdk`] runs the vendors' SDKs against the simulators.
//! * [`simulator`] is what the two simulators share.
//! * [`rest_crms`] are stand-ins for the CRMs of `examples/crms`.
//! * [`receiver`] runs the real binary on [`manifests`]; [`signing`] signs what is posted to it.
//! * [`soak`] kills it under load and reckons up.
//! * [`failover`] does the same to a queue with Sentinel and its servers.
//! * [`bench`] measures it; [`race`] beside what tutorials teach.
//! * [`authority`] signs certificates.
//! * [`wire`] is HTTP by hand, for what no client library would send.
//! * [`redis_server`] starts, kills and restarts a real Redis, [`sentinel`] a group of them, [`managed_redis`] as the
//!   operator's pods do; [`cluster`] a real Kubernetes control plane.
//! * [`zip`] reads what `kubectl leadgate report` writes.
//! * [`node`] is a real Kubernetes node with Leadgate installed by its chart.

pub mod authority;
pub mod bench;
pub mod cluster;
pub mod failover;
pub mod fleet;
pub mod hubspot;
pub mod managed_redis;
pub mod manifests;
pub mod node;
pub mod race;
pub mod receiver;
pub mod redis_cluster;
pub mod redis_server;
pub mod redis_tls;
pub mod rest_crms;
pub mod rig;
pub mod salesforce;
pub mod sdk;
pub mod sentinel;
pub mod signing;
pub mod simulator;
pub mod soak;
pub mod wire;
pub mod zip;
