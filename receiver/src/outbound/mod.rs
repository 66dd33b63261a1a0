//! Calls to CRMs and to senders' APIs: the HTTPS client, and one exchange over it.
//!
//! `client`: what may be called at all; `exchange`: ask the throttle, send, read a bounded answer, tell the throttle how the
//! other side fared; `retry_after`: how long it asks to wait.

mod client;
mod exchange;
mod retry_after;

pub(crate) use client::client;
pub(crate) use client::stays_below;
pub(crate) use exchange::{Body, NoAnswer, Peer, Reply, exchange, send};
pub(crate) use retry_after::retry_after;
