//! Request -> lead: who sent it, what it says, which submission it is.
//!
//! * `auth`: proof over the raw bytes. `challenge`: handshakes. `hydrate`: what thin
//!   payloads lack; `fetched`: what the answers of senders' APIs mean. `body`: bytes to payload; `form`: those of a form.
//!   `take`: payload to leads; `draft`: one of them. `idempotency`: which submission; `keys`: what a refused one holds.
//!   `webhook`: a LeadWebhook compiled with its preset and secrets; `proof`: that of its `auth`.
//!   `presets/*.yaml`: known senders, as data.
//! * Everything here is pure; the source does not know the queue's stores, nor HTTP's sockets.

pub mod auth;
pub mod body;
mod challenge;
mod draft;
mod fetched;
mod fields;
pub mod form;
mod hydrate;
mod idempotency;
mod keys;
pub mod preset;
mod proof;
mod schema;
mod take;
mod webhook;

pub use challenge::{Challenge, ChallengeAnswer, Key as ChallengeKey};
pub use draft::Draft;
pub use fetched::{Fetched, judge};
pub use hydrate::Hydrator;
pub use idempotency::Key;
pub use take::{Batch, Element, Other, Refusal, Seen, Taken};
pub use webhook::{ReadSecret, Route, Webhook};
