//! Accepts.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use tokio::time::timeout;

use super::{ShardedQueue, merge};
use crate::queue::{Admission, DedupeKey, NewLead, QueueError, WebhookId};

/// How long a shard may take to tell whether it knows a lead that belongs to another one. It does so in a millisecond; one
/// that is away is known to be after a moment, and then does not hold up what the others accept.
const LOOK_FOR: Duration = Duration::from_millis(800);

/// What another shard knows of a lead.
#[derive(PartialEq)]
enum Elsewhere {
    /// Nothing.
    Unknown,
    /// It is a resend of one there.
    Known(usize),
    /// Its key belongs to another lead there.
    KeyTaken,
}

impl ShardedQueue {
    pub(super) async fn accept_in_shards(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        self.confirm().await?;
        let mut elsewhere = self.look_elsewhere(&leads).await;
        self.look_among(&leads, &mut elsewhere);
        let webhooks: Vec<WebhookId> = leads.iter().map(|lead| lead.webhook.clone()).collect();
        let routed = leads
            .into_iter()
            .zip(&elsewhere)
            .map(|(lead, known)| (self.home_of(&lead, known), lead));
        let parts = self.parts(routed, |(home, _)| *home);
        // All of them have their turn, also if one fails: a resend completes the rest.
        let done = join_all(parts.into_iter().map(async |(number, part)| {
            let (places, part): (Vec<usize>, Vec<_>) =
                part.into_iter().map(|(place, (_, lead))| (place, lead)).unzip();
            let admissions = self.shard(number)?.accept(part).await?;
            Ok::<_, QueueError>(places.into_iter().zip(admissions).collect::<Vec<_>>())
        }));
        let done: Result<Vec<_>, QueueError> = done.await.into_iter().collect();
        let mut admissions = merge::in_places(done?);
        for ((admission, known), webhook) in admissions.iter_mut().zip(&elsewhere).zip(&webhooks) {
            if *admission == Admission::Accepted && *known == Elsewhere::KeyTaken {
                *admission = Admission::KeyConflict;
                // Neither of the two shards has seen both leads. A figure is not worth a lead.
                let counted = self.of_name(webhook.as_str())?.count_key_conflict(webhook).await;
                if let Err(error) = counted {
                    tracing::debug!(%webhook, %error, "a key conflict was not counted");
                }
            }
        }
        Ok(admissions)
    }

    /// Where a lead goes.
    fn home_of(&self, lead: &NewLead, known: &Elsewhere) -> usize {
        match known {
            Elsewhere::Known(number) => *number,
            Elsewhere::Unknown | Elsewhere::KeyTaken => self.of_contact(&lead.contact),
        }
    }

    /// Leads of one call that have one key are not in any shard yet.
    fn look_among(&self, leads: &[NewLead], elsewhere: &mut [Elsewhere]) {
        let mut first: HashMap<&DedupeKey, (&NewLead, usize)> = HashMap::new();
        for (lead, known) in leads.iter().zip(elsewhere) {
            let home = self.home_of(lead, known);
            let (other, there) = *first.entry(&lead.dedupe).or_insert((lead, home));
            if *known == Elsewhere::Unknown && there != home {
                *known = if other.content.is_like(&lead.content) {
                    Elsewhere::Known(there)
                } else {
                    Elsewhere::KeyTaken
                };
            }
        }
    }

    pub(super) async fn preview_in_shards(&self, leads: Vec<NewLead>) -> Result<Vec<Admission>, QueueError> {
        let elsewhere = self.look_elsewhere(&leads).await;
        let asked = leads.into_iter().zip(elsewhere).map(async |(lead, known)| {
            let home = self.shard(self.home_of(&lead, &known))?;
            let mut admissions = home.preview(vec![lead]).await?;
            Ok(match (admissions.pop(), known) {
                (Some(Admission::Accepted), Elsewhere::KeyTaken) => Admission::KeyConflict,
                (admission, _) => admission.unwrap_or(Admission::Accepted),
            })
        });
        try_join_all(asked).await
    }

    /// What other shards than those of their contacts know of leads, or of their keys.
    async fn look_elsewhere(&self, leads: &[NewLead]) -> Vec<Elsewhere> {
        // Whether their people are suppressed is another question.
        let nobody = |lead: &NewLead| NewLead {
            people: Vec::new(),
            ..lead.clone()
        };
        let homes: Vec<usize> = leads.iter().map(|lead| self.of_contact(&lead.contact)).collect();
        let asked = (0..self.shards.len()).map(async |number| {
            let others = leads
                .iter()
                .zip(&homes)
                .enumerate()
                .filter(|(_, (_, home))| **home != number);
            let (places, others): (Vec<usize>, Vec<NewLead>) =
                others.map(|(place, (lead, _))| (place, nobody(lead))).unzip();
            let known = self.known_in(number, others).await;
            (number, places.into_iter().zip(known).collect::<Vec<_>>())
        });
        let mut found: Vec<Elsewhere> = leads.iter().map(|_| Elsewhere::Unknown).collect();
        for (number, known) in join_all(asked).await {
            for (place, admission) in known {
                let Some(found) = found.get_mut(place) else {
                    continue;
                };
                match (admission, &found) {
                    (Admission::Duplicate(_), _) => *found = Elsewhere::Known(number),
                    (Admission::KeyConflict, Elsewhere::Unknown) => *found = Elsewhere::KeyTaken,
                    _ => {}
                }
            }
        }
        for ((lead, home), found) in leads.iter().zip(homes).zip(&mut found) {
            // A repeated call, or a resend: its own shard tells.
            if *found == Elsewhere::KeyTaken
                && self
                    .known_in(home, vec![nobody(lead)])
                    .await
                    .first()
                    .is_some_and(|own| *own != Admission::Accepted)
            {
                *found = Elsewhere::Unknown;
            }
        }
        found
    }

    /// What a shard would answer; nothing if it does not tell in time.
    async fn known_in(&self, number: usize, leads: Vec<NewLead>) -> Vec<Admission> {
        let Ok(shard) = self.shard(number) else {
            return Vec::new();
        };
        match timeout(LOOK_FOR, shard.preview(leads)).await {
            Ok(Ok(known)) => known,
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}
