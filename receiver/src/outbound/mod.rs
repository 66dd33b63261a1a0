//! Calls to CRMs and to senders' APIs: the HTTPS client, and one exchange over it.
//!
//! `apart`: where calls run; `authorities`: whose certificates are trusted; `client`: what may be called at all; `proxy`: what stands between; `exchange`: ask the throttle, send, read a bounded answer, tell the throttle how the
//! other side fared; `retry_after`: how long it asks to wait.

mod apart;
mod authorities;
mod client;
mod exchange;
mod proxy;
mod retry_after;

pub(crate) use authorities::Authorities;
pub(crate) use client::Client;
pub(crate) use client::stays_below;
pub(crate) use exchange::{Body, NoAnswer, Peer, Reply, exchange, refuses_credentials, send};
pub(crate) use retry_after::{retry_after, wait};
