//! Figures.

use std::time::Duration;

use super::Millis;
use crate::ids::WebhookId;
use crate::throttle::PauseReason;

/// Figures of one sink, over all webhooks that feed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkStats {
    /// Leads that wait or are being delivered.
    pub pending: u64,
    /// Leads in the held set now.
    pub held: u64,
    /// Leads in the dead set now.
    pub dead: u64,
    /// Delivered, ever.
    pub delivered: u64,
    /// Discarded, erased or removed at the end of their retention, ever.
    pub discarded: u64,
    /// When the oldest pending lead was accepted (a replayed one: replayed).
    pub oldest_accepted_at: Option<Millis>,
    /// The store's time, to compute ages with.
    pub now: Millis,
    /// Pause or open circuit: until when, and why.
    pub paused: Option<(Millis, PauseReason)>,
    /// The same figures by webhook (only `pending`, `held`, `dead`, `delivered`, `discarded`,
    /// `last_delivered_at`).
    pub by_webhook: Vec<(WebhookId, SinkShare)>,
}

/// One webhook's share of a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkShare {
    /// Waiting or being delivered.
    pub pending: u64,
    /// In the held set now.
    pub held: u64,
    /// In the dead set now.
    pub dead: u64,
    /// Delivered, ever.
    pub delivered: u64,
    /// Discarded, erased or removed at the end of their retention, ever.
    pub discarded: u64,
    /// When the last one was delivered.
    pub last_delivered_at: Option<Millis>,
}

/// Figures of one webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookStats {
    /// Accepted, ever.
    pub accepted: u64,
    /// Recognised as resends, ever.
    pub duplicates: u64,
    /// Accepted although another lead had their dedupe key, ever.
    pub key_conflicts: u64,
    /// Rejected after verification, ever.
    pub rejected: u64,
    /// Rejected requests whose copies were removed to make room for newer ones, ever.
    pub rejected_dropped: u64,
    /// Refused because their person is suppressed, ever.
    pub suppressed: u64,
    /// Leads in the unrouted set now.
    pub unrouted: u64,
    /// Unrouted leads that were discarded, erased or removed at the end of their retention, ever.
    pub discarded: u64,
    /// Entries of the ledger that were removed before their time, because the webhook's found no room, ever.
    pub ledger_dropped: u64,
    /// When the last lead was accepted.
    pub last_accepted_at: Option<Millis>,
}

/// What [`crate::queue::Queue::check`] found.
#[derive(Debug, Clone, Default)]
pub struct StoreReport {
    /// What is wrong with the store's set-up, each with its remedy; empty when all is well.
    pub problems: Vec<String>,
    /// What survives what, in words: for example whether a power cut can take the last second.
    pub durability: String,
    /// How long one durable write took.
    pub write_latency: Duration,
    /// How much it holds, in bytes, and how much it may hold; `None` where there is no limit that it knows.
    pub room: Option<(u64, u64)>,
    /// How often sentinels have led to another primary, since this process began.
    pub primary_changes: u64,
}
