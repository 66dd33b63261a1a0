//! What the model tells of itself.

use leadgate_receiver::queue::*;

use super::Model;

impl Model {
    pub fn webhook(&self, webhook: &WebhookId) -> WebhookStats {
        self.webhooks.get(webhook).cloned().unwrap_or_default()
    }

    pub fn shares(&self, sink: &SinkId) -> Vec<(WebhookId, SinkShare)> {
        let of_sink = self.shares.iter().filter(|((of, _), _)| of == sink);
        of_sink
            .map(|((_, webhook), share)| (webhook.clone(), share.clone()))
            .collect()
    }

    /// Set, sink, id, contact, webhook, attempts of every dead letter, in any order but always the same.
    pub fn dead_letters(&self) -> Vec<(String, SinkId, LeadId, Contact, WebhookId, u32)> {
        let mut leads: Vec<_> = self
            .dead_letters
            .iter()
            .map(|dead_letter| {
                let (lead, set) = (&dead_letter.lead, dead_letter.set.as_str().to_owned());
                let (sink, contact) = (dead_letter.sink.clone(), dead_letter.contact.clone());
                (
                    set,
                    sink,
                    lead.id.clone(),
                    contact,
                    lead.webhook.clone(),
                    dead_letter.attempts,
                )
            })
            .collect();
        leads.sort();
        leads
    }
}
