//! Accepts.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use tokio::time::timeout;

use super::{ShardedQueue, merge};
use crate::queue::{Admission, DedupeKey, NewLead, QueueError, WebhookId};

/// How long a shard may take to tell whether it knows a lead that belongs to another one: it does so in a millisecond, and
/// one that is away must not hold up what the others accept.
const LOOK_FOR: Duration = Duration::from_millis(200);

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
        let mut elsewhere = join_all(leads.iter().map(|lead| self.look_elsewhere(lead))).await;
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
        try_join_all(leads.into_iter().map(async |lead| {
            let elsewhere = self.look_elsewhere(&lead).await;
            let home = self.home_of(&lead, &elsewhere);
            let mut admissions = self.shard(home)?.preview(vec![lead]).await?;
            let admission = admissions.pop().unwrap_or(Admission::Accepted);
            Ok(match (admission, elsewhere) {
                (Admission::Accepted, Elsewhere::KeyTaken) => Admission::KeyConflict,
                (admission, _) => admission,
            })
        }))
        .await
    }

    async fn is_known_at_home(&self, home: usize, lead: NewLead) -> bool {
        let Ok(shard) = self.shard(home) else { return false };
        let admissions = timeout(LOOK_FOR, shard.preview(vec![lead])).await;
        matches!(admissions, Ok(Ok(admissions)) if admissions.first() != Some(&Admission::Accepted))
    }

    /// Whether another shard than the contact's knows a lead, or its key.
    async fn look_elsewhere(&self, lead: &NewLead) -> Elsewhere {
        let home = self.of_contact(&lead.contact);
        // Whether its person is suppressed is another question.
        let nobody = NewLead {
            people: Vec::new(),
            ..lead.clone()
        };
        let others = self
            .shards
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != home);
        let asked = others.map(async |(number, shard)| {
            let admissions = timeout(LOOK_FOR, shard.preview(vec![nobody.clone()])).await;
            admissions.ok()?.ok()?.pop().map(|admission| (number, admission))
        });
        let mut found = Elsewhere::Unknown;
        for (number, admission) in join_all(asked).await.into_iter().flatten() {
            match admission {
                Admission::Duplicate(_) => return Elsewhere::Known(number),
                Admission::KeyConflict => found = Elsewhere::KeyTaken,
                Admission::Accepted | Admission::Suppressed => {}
            }
        }
        if found == Elsewhere::KeyTaken && self.is_known_at_home(home, nobody).await {
            // A repeated call, or a resend: its own shard tells.
            return Elsewhere::Unknown;
        }
        found
    }
}
