//! Which leads of a batch are plain, and what is written of them.

use std::collections::HashSet;

use super::HubSpot;
use super::progress::{Item, Progress};
use super::upsert::outcome;
use super::values::{folded, property, texts, without_email};
use crate::crm::{Known, Outcome, Throttle, Upsert, phone_forms};

/// How the leads of a batch are to be written.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) update: Vec<Item>,
    pub(super) upsert: Vec<Item>,
    pub(super) create: Vec<Item>,
}

impl HubSpot {
    /// Leads whose phone number stands in a record that is not plainly theirs: `matching` must judge each.
    pub(super) async fn with_known_phone(
        &self,
        leads: &[Upsert],
        throttle: &dyn Throttle,
    ) -> Result<HashSet<usize>, Outcome> {
        let asked: Vec<(usize, String)> = leads
            .iter()
            .enumerate()
            .filter(|(_, lead)| lead.record.is_none() && self.settings.key(lead).is_some())
            .filter_map(|(at, lead)| Some((at, self.settings.phone(lead)?)))
            .collect();
        if asked.is_empty() {
            return Ok(HashSet::new());
        }
        let mut phones: Vec<String> = asked.iter().map(|(_, phone)| phone.clone()).collect();
        phones.sort();
        phones.dedup();
        let records = match self.api.search(&[], &phones, throttle).await {
            Ok(Ok(records)) => records,
            Ok(Err(answer)) => match outcome(answer) {
                stop @ (Outcome::Pause { .. } | Outcome::Retry { .. }) => return Err(stop),
                // One number of many may be what is refused.
                _ => return Ok(asked.into_iter().map(|(at, _)| at).collect()),
            },
            Err(no_answer) => return Err(no_answer.into()),
        };
        // More than a page: which numbers the rest has is not known.
        let all = records.len() >= super::api::SEARCH_PAGE_SIZE;
        let by_key = self.settings.unique_property == "email" && !self.settings.phone_first();
        Ok(asked
            .into_iter()
            .filter(|(at, phone)| {
                let email = leads.get(*at).and_then(|lead| property(lead, "email"));
                all || records.iter().map(super::api::Record::candidate).any(|c| {
                    let theirs = by_key
                        && c.email.map(|e| e.to_lowercase()) == email.as_ref().map(|e| e.to_lowercase());
                    let same = c.phones.iter().any(|known| phone_forms::same(phone, known));
                    same && !theirs
                })
            })
            .map(|(at, _)| at)
            .collect())
    }

    pub(super) fn plan(&self, leads: &[Upsert], doubtful: &HashSet<usize>) -> Plan {
        let mut plan = Plan::default();
        // Two inputs of one record make HubSpot refuse the whole batch.
        let mut taken = HashSet::new();
        let unique = self.settings.unique_property.as_str();
        // With another unique property, only `upsert` asks for the e-mail address first.
        let by_key_only = unique == "email"
            || !self
                .settings
                .matching
                .compares(leadgate_crds::crm_sink::MatchingKey::Email);
        for (at, lead) in leads.iter().enumerate() {
            let key = self.settings.key(lead);
            let mut names: Vec<String> = Vec::new();
            names.extend(key.as_ref().map(|key| format!("{unique} {}", key.to_lowercase())));
            names.extend(property(lead, "email").map(|email| format!("email {}", email.to_lowercase())));
            let target = match (&lead.record, key) {
                (Some(Known::Record(id)), _) => {
                    names.push(format!("id {id}"));
                    Some((&mut plan.update, id.clone()))
                }
                (None, Some(key))
                    if !doubtful.contains(&at) && (by_key_only || property(lead, "email").is_none()) =>
                {
                    Some((&mut plan.upsert, key))
                }
                _ => None,
            };
            let free = names.iter().all(|name| !taken.contains(name));
            taken.extend(names);
            // A record that is found by its e-mail address has it: see `upsert`.
            let has_address = match lead.record {
                Some(_) => !lead.chosen,
                None => self.settings.by_email(),
            };
            if let Some((list, key)) = target
                && free
            {
                list.push(Item {
                    at,
                    key,
                    properties: if has_address {
                        without_email(lead)
                    } else {
                        texts(&lead.properties)
                    },
                });
            }
        }
        plan
    }

    /// Reads the records of leads that must not replace all values, or have nothing but their key to write, and leaves out
    /// what stands.
    pub(super) async fn keep_what_stands(
        &self,
        leads: &[Upsert],
        plan: Plan,
        progress: &mut Progress,
        throttle: &dyn Throttle,
    ) -> Result<Plan, Outcome> {
        let mut names: Vec<&str> = leads
            .iter()
            .flat_map(|lead| lead.properties.iter())
            .map(|(name, _)| name.as_str())
            .filter(|name| self.settings.matching.keeps(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        let reads = |item: &Item| !names.is_empty() || item.properties.is_empty();
        let (look_update, update): (Vec<_>, Vec<_>) = plan.update.into_iter().partition(reads);
        let (look_upsert, upsert): (Vec<_>, Vec<_>) = plan.upsert.into_iter().partition(reads);
        let mut kept = Plan {
            update,
            upsert,
            create: plan.create,
        };
        let unique = self.settings.unique_property.as_str();
        for (items, property) in [(look_update, None), (look_upsert, Some(unique))] {
            if items.is_empty() {
                continue;
            }
            let keys: Vec<String> = items.iter().map(|item| item.key.clone()).collect();
            let records = match self.api.read_batch(&keys, property, &names, throttle).await {
                Ok(Ok(records)) => records,
                Ok(Err(answer)) => match outcome(answer) {
                    stop @ (Outcome::Pause { .. } | Outcome::Retry { .. }) => return Err(stop),
                    // Each is read alone, which tells what is wrong.
                    _ => continue,
                },
                Err(no_answer) => return Err(no_answer.into()),
            };
            for item in items {
                let record = records.iter().find(|record| match property {
                    None => record.id == item.key,
                    Some(name) => folded(record.properties.get(name)) == Some(item.key.to_lowercase()),
                });
                let lead = leads.get(item.at);
                let Some((record, lead)) = record.zip(lead) else {
                    // By id: deleted since, for `upsert` to find out. By key: new, with its address.
                    if let (Some(_), Some(lead)) = (property, lead) {
                        kept.create.push(Item {
                            properties: texts(&lead.properties),
                            ..item
                        });
                    }
                    continue;
                };
                let mut properties = self.settings.to_write(lead, &record.properties);
                properties.retain(|name, _| item.properties.contains_key(name));
                if properties.is_empty() {
                    let record = Some(record.id.clone());
                    progress.settle(item.at, Outcome::Delivered { record });
                } else {
                    kept.update.push(Item {
                        key: record.id.clone(),
                        properties,
                        ..item
                    });
                }
            }
        }
        Ok(kept)
    }
}
