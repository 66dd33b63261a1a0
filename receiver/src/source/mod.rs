//! Request -> lead: who sent it, what it says, which submission it is.
//!
//! * `auth`: proof over the raw bytes. `challenge`: handshakes. `hydrate`: what thin
//!   payloads lack; `fetched`: what the answers of senders' APIs mean. `body`: bytes to `payload`, through `json` or `form`.
//!   `parse`: a request's way to submissions; `submission`: one of them; `refusal`, `rejected`: what is none, and how it is kept.
//!   `idempotency`: which submission; `keys`: what a refused one holds.
//!   `webhook`: what the others run on; `webhook/compile`: from a LeadWebhook, its preset and secrets; `auth/compile`: that
//!   of its `auth`.
//!   `presets/*.yaml`: known senders, as data.
//! * Everything here is pure; the source does not know the queue's stores, nor HTTP's sockets.

mod again;
pub mod auth;
pub mod body;
mod challenge;
mod fetched;
mod fields;
pub mod form;
mod hydrate;
mod idempotency;
mod json;
mod kept;
mod keys;
mod parse;
mod payload;
pub mod preset;
mod refusal;
mod rejected;
mod schema;
mod submission;
mod webhook;

pub use challenge::{Challenge, ChallengeAnswer, Key as ChallengeKey};
pub use fetched::{Fetched, judge};
pub use hydrate::Hydrator;
pub use idempotency::Key;
pub(crate) use json::strict as strict_json;
pub use kept::Kept;
pub use parse::{Batch, Element, Other, Parsed, Whole};
pub use payload::BodyError;
pub use refusal::Refusal;
pub use rejected::RejectedRequest;
pub use submission::{NoLead, Submission};
pub use webhook::{Route, Webhook};
