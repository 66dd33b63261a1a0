//! Promises of Leadgate on a real Kubernetes node: installed by its chart, from its image, with a simulated CRM.
//!
//! `make test` runs the first ones, `make e2e` all of them. They take turns: there is one Leadgate on the node.

mod chart;
mod cli;
mod console;
mod documents;
mod first_lead;
mod lost_secrets;
mod operator;
mod queue;
mod references;
mod replicas;
mod rollout;
mod rotation;
mod sinks;
