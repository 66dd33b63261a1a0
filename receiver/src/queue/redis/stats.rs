//! Figures.

use std::collections::{BTreeMap, HashMap};

use redis::{Value, cmd};

use super::{
    RedisQueue,
    reply::{Items, items, number, strange, text, unsigned},
    script,
};
use crate::queue::{Millis, PauseReason, QueueError, SinkId, SinkShare, SinkStats, WebhookId, WebhookStats};

impl RedisQueue {
    pub(super) async fn figures(&self, sinks: &[SinkId]) -> Result<Vec<SinkStats>, QueueError> {
        let mut call = script::STATS.call(&self.keys, 1 + 3 * sinks.len(), 200 * sinks.len());
        call.arg(self.keys.counts());
        for sink in sinks {
            call.arg(self.keys.due(sink))
                .arg(self.keys.touched(sink))
                .arg(self.keys.throttle(sink.as_str()));
        }
        let answer = self.link.run_repeatable(&script::STATS, &call).await?;
        read(answer, sinks).ok_or_else(|| strange("stats"))
    }

    /// Sinks of which leads wait or are set aside.
    pub(super) async fn occupied(&self) -> Result<Vec<SinkId>, QueueError> {
        let mut get = cmd("HGETALL");
        get.arg(self.keys.counts());
        let shares = shares(self.link.query(&get).await?).ok_or_else(|| strange("counts"))?;
        let occupied = |share: &SinkShare| share.pending + share.held + share.dead > 0;
        let mut sinks: Vec<SinkId> = shares
            .into_iter()
            .filter(|(_, of)| of.values().any(occupied))
            .map(|(sink, _)| SinkId::from(sink.as_str()))
            .collect();
        sinks.sort();
        Ok(sinks)
    }

    /// Deliveries that wait or are being made.
    pub(super) async fn pending_of(&self, routes: &[(SinkId, WebhookId)]) -> Result<Vec<u64>, QueueError> {
        const FIGURES: [&str; 5] = ["queued", "delivered", "discarded", "held", "dead"];
        if routes.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("HMGET");
        get.arg(self.keys.counts());
        for (sink, webhook) in routes {
            for figure in FIGURES {
                get.arg(format!("{sink}|{webhook}|{figure}"));
            }
        }
        let values = items(self.link.query(&get).await?, "counts")?;
        let values: Vec<u64> = values.iter().map(|value| unsigned(value).unwrap_or(0)).collect();
        let left = |figures: &[u64]| {
            let (queued, gone) = figures.split_first().unwrap_or((&0, &[]));
            queued.saturating_sub(gone.iter().sum())
        };
        Ok(values.chunks(FIGURES.len()).map(left).collect())
    }

    pub(super) async fn count_conflict(&self, webhook: &WebhookId) -> Result<(), QueueError> {
        let mut count = cmd("HINCRBY");
        count
            .arg(self.keys.webhooks())
            .arg(format!("{webhook}|conflicts"))
            .arg(1);
        self.link.query(&count).await.map(drop)
    }

    pub(super) async fn webhook_figures(
        &self,
        webhooks: &[WebhookId],
    ) -> Result<Vec<WebhookStats>, QueueError> {
        const FIGURES: [&str; 10] = [
            "accepted",
            "duplicates",
            "conflicts",
            "rejected",
            "rejected_dropped",
            "suppressed",
            "unrouted",
            "discarded",
            "ledger_dropped",
            "last",
        ];
        if webhooks.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = cmd("HMGET");
        get.arg(self.keys.webhooks());
        for webhook in webhooks {
            for figure in FIGURES {
                get.arg(format!("{webhook}|{figure}"));
            }
        }
        let mut values = items(self.link.query(&get).await?, "webhooks")?.into_iter();
        let mut next = || values.next().as_ref().and_then(unsigned);
        Ok(webhooks
            .iter()
            .map(|_| WebhookStats {
                accepted: next().unwrap_or(0),
                duplicates: next().unwrap_or(0),
                key_conflicts: next().unwrap_or(0),
                rejected: next().unwrap_or(0),
                rejected_dropped: next().unwrap_or(0),
                suppressed: next().unwrap_or(0),
                unrouted: next().unwrap_or(0),
                discarded: next().unwrap_or(0),
                ledger_dropped: next().unwrap_or(0),
                last_accepted_at: next(),
            })
            .collect())
    }
}

fn read(answer: Value, sinks: &[SinkId]) -> Option<Vec<SinkStats>> {
    let mut answer = Items::of(answer, "stats").ok()?;
    let now = answer.unsigned()?;
    let mut shares = shares(answer.next()?)?;
    sinks
        .iter()
        .map(|sink| {
            let mut first = Items::of(answer.next()?, "stats").ok()?;
            let (due, touched) = (optional(first.next()?), optional(first.next()?));
            let paused_until = optional(first.next()?).unwrap_or(0);
            let reason = first.text()?;
            let open_until = optional(first.next()?).unwrap_or(0);
            let mut stats = SinkStats {
                now,
                // See the keys: one of the two is the oldest.
                oldest_accepted_at: due.into_iter().chain(touched).min(),
                paused: if paused_until > now {
                    Some((paused_until, PauseReason::decode(&reason)))
                } else {
                    (open_until > now).then(|| (open_until, PauseReason::circuit_open()))
                },
                by_webhook: shares
                    .remove(sink.as_str())
                    .unwrap_or_default()
                    .into_iter()
                    .collect(),
                ..SinkStats::default()
            };
            add_up(&mut stats);
            Some(stats)
        })
        .collect()
}

fn optional(value: Value) -> Option<Millis> {
    text(value)?.parse().ok()
}

/// The counts of all sinks, by sink and webhook.
fn shares(counts: Value) -> Option<HashMap<String, BTreeMap<WebhookId, SinkShare>>> {
    let mut shares: HashMap<String, BTreeMap<WebhookId, SinkShare>> = HashMap::new();
    for (name, value) in counts.into_map_iter().ok()? {
        let name = text(name)?;
        let value = u64::try_from(number(&value)?).unwrap_or(0);
        let (sink, rest) = name.split_once('|')?;
        let (webhook, figure) = rest.rsplit_once('|')?;
        let share = shares
            .entry(sink.to_owned())
            .or_default()
            .entry(WebhookId::from(webhook))
            .or_default();
        match figure {
            // What is pending is what remains: completed below, once all are read.
            "queued" => share.pending = value,
            "held" => share.held = value,
            "dead" => share.dead = value,
            "delivered" => share.delivered = value,
            "discarded" => share.discarded = value,
            "last" => share.last_delivered_at = Some(value),
            _ => {}
        }
    }
    for share in shares.values_mut().flat_map(BTreeMap::values_mut) {
        let left = share.held + share.dead + share.delivered + share.discarded;
        share.pending = share.pending.saturating_sub(left);
    }
    Some(shares)
}

fn add_up(stats: &mut SinkStats) {
    for (_, share) in &stats.by_webhook {
        stats.pending += share.pending;
        stats.held += share.held;
        stats.dead += share.dead;
        stats.delivered += share.delivered;
        stats.discarded += share.discarded;
    }
}
