//! Counters, summed up over a transaction and written once at its end.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::queue::{DeadLetterSet, SinkId, WebhookId};

/// What a transaction adds to the counters.
#[derive(Default)]
pub(super) struct Counters {
    sinks: HashMap<(SinkId, WebhookId), SinkDelta>,
    webhooks: HashMap<WebhookId, WebhookDelta>,
}

/// Changes of one webhook's figures in one sink.
#[derive(Default)]
pub(super) struct SinkDelta {
    pub(super) queued: i64,
    pub(super) delivered: i64,
    pub(super) discarded: i64,
    pub(super) held: i64,
    pub(super) dead: i64,
}

/// Changes of one webhook's figures.
#[derive(Default)]
pub(super) struct WebhookDelta {
    pub(super) accepted: i64,
    pub(super) duplicates: i64,
    pub(super) key_conflicts: i64,
    pub(super) rejected: i64,
    pub(super) rejected_bytes: i64,
    pub(super) rejected_dropped: i64,
    pub(super) unrouted: i64,
    pub(super) discarded: i64,
    pub(super) ledger_bytes: i64,
    pub(super) ledger_dropped: i64,
    pub(super) suppressed: i64,
}

impl SinkDelta {
    /// Counts a lead into (+1) or out of (-1) a set of dead letters.
    pub(super) fn dead_letters(&mut self, set: DeadLetterSet, by: i64) {
        match set {
            DeadLetterSet::Held => self.held += by,
            DeadLetterSet::Dead => self.dead += by,
            DeadLetterSet::Pending
            | DeadLetterSet::Unrouted
            | DeadLetterSet::Rejected
            | DeadLetterSet::Delivered => {}
        }
    }
}

impl Counters {
    pub(super) fn sink(&mut self, sink: &SinkId, webhook: &WebhookId) -> &mut SinkDelta {
        self.sinks.entry((sink.clone(), webhook.clone())).or_default()
    }

    pub(super) fn webhook(&mut self, webhook: &WebhookId) -> &mut WebhookDelta {
        self.webhooks.entry(webhook.clone()).or_default()
    }

    /// Writes what was counted so far, and begins anew.
    pub(super) fn flush(&mut self, sql: &Connection, now: i64) -> rusqlite::Result<()> {
        let counters = std::mem::take(self);
        let mut sinks = sql.prepare_cached(
            "INSERT INTO sink_count VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?4 > 0, ?8, 0)) \
             ON CONFLICT DO UPDATE SET queued = queued + ?3, delivered = delivered + ?4, \
             discarded = discarded + ?5, held = held + ?6, dead = dead + ?7, \
             last_delivered_at = max(last_delivered_at, excluded.last_delivered_at)",
        )?;
        for ((sink, webhook), by) in &counters.sinks {
            let sums = (by.queued, by.delivered, by.discarded, by.held, by.dead);
            let params = (
                sink.as_str(),
                webhook.as_str(),
                sums.0,
                sums.1,
                sums.2,
                sums.3,
                sums.4,
                now,
            );
            sinks.execute(params)?;
        }
        let mut webhooks = sql.prepare_cached(
            "INSERT INTO webhook_count VALUES (?1, ?2, ?3, ?4, ?5, ?9, ?10, ?6, ?7, iif(?2 > 0, ?8, 0), ?11, ?12, ?13) \
             ON CONFLICT DO UPDATE SET accepted = accepted + ?2, duplicates = duplicates + ?3, \
             key_conflicts = key_conflicts + ?4, rejected = rejected + ?5, \
             rejected_bytes = rejected_bytes + ?9, rejected_dropped = rejected_dropped + ?10, unrouted = unrouted + ?6, \
             discarded = discarded + ?7, last_accepted_at = max(last_accepted_at, excluded.last_accepted_at), \
             ledger_bytes = ledger_bytes + ?11, ledger_dropped = ledger_dropped + ?12, \
             suppressed = suppressed + ?13",
        )?;
        for (webhook, by) in &counters.webhooks {
            webhooks.execute((
                webhook.as_str(),
                by.accepted,
                by.duplicates,
                by.key_conflicts,
                by.rejected,
                by.unrouted,
                by.discarded,
                now,
                by.rejected_bytes,
                by.rejected_dropped,
                by.ledger_bytes,
                by.ledger_dropped,
                by.suppressed,
            ))?;
        }
        Ok(())
    }
}
