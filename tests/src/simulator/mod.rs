//! What the simulated CRMs share: connections that can be cut, and chance. What goes wrong is each one's own.

mod faults;
mod server;

pub use faults::Odds;
pub(crate) use faults::{Faults, next_fault};
pub(crate) use server::{Connection, Cuts, Server};
