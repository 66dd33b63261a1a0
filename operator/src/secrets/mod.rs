//! Secrets: which keys the resources refer to (`references`), what is known of them (`known`), and which of them a resource
//! may name (`rules`).

mod known;
mod references;
pub mod rules;

pub use known::{Content, Found, Secrets, Seen, Value};
pub use references::proofs;
