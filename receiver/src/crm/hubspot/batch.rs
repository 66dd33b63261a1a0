//! Up to 100 leads in one call.
//!
//! A batch writes what is plain: records whose id is known, and leads with a value of the unique property. All else (a
//! phone number that stands in another record, a refused or unmentioned input, a second lead of one record) goes alone
//! afterwards, in the order of the batch: `single` knows every case, and finds again what the batch has written.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::batch_answer::{Arrival, Input, arrivals};
use super::single::outcome;
use super::{HubSpot, property, texts};
use crate::crm::exchange::NoAnswer;
use crate::crm::{Denied, Gate, Known, Outcome, Upsert};

/// One lead's place in a batch call.
#[derive(Debug, Clone)]
struct Item {
    /// Which lead.
    at: usize,
    /// A record's id, or a value of the unique property.
    key: String,
    properties: Map<String, Value>,
}

/// The batch calls that write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// By record id.
    Update,
    /// By the unique property.
    UpdateByKey,
    Upsert,
    Create,
}

/// What the leads of a batch have come to.
struct Progress {
    outcomes: Vec<Option<Outcome>>,
    /// To be tried by `batch/create`: update has not found them.
    missing: Vec<Item>,
    /// A `batch/upsert` of one input was refused.
    refused_alone: bool,
    /// A `batch/upsert` was taken.
    upsert_taken: bool,
}

/// How the leads of a batch are to be written.
#[derive(Default)]
struct Plan {
    update: Vec<Item>,
    upsert: Vec<Item>,
    create: Vec<Item>,
}

impl HubSpot {
    pub(super) async fn upsert_batch(&self, leads: &[Upsert], gate: &dyn Gate) -> Vec<Outcome> {
        let mut progress = Progress {
            outcomes: vec![None; leads.len()],
            missing: Vec::new(),
            refused_alone: false,
            upsert_taken: false,
        };
        if let Err(stop) = self.write_batches(leads, &mut progress, gate).await {
            return finish(progress, &stop);
        }
        let mut all_fine = true;
        for (at, lead) in leads.iter().enumerate() {
            if progress.outcomes.get(at).is_none_or(Option::is_some) {
                continue;
            }
            let outcome = self.upsert_one(lead, gate).await;
            all_fine &= matches!(outcome, Outcome::Delivered { .. });
            let stop = stops(&outcome).then(|| outcome.clone());
            progress.settle(at, outcome);
            if let Some(stop) = stop {
                return finish(progress, &stop);
            }
        }
        // Refused in every batch and taken alone: it is the call that HubSpot does not take, not the leads.
        if progress.refused_alone && !progress.upsert_taken && all_fine {
            self.no_upsert.store(true, Ordering::Relaxed);
        }
        let nothing = Outcome::Denied(Denied {
            wait: std::time::Duration::ZERO,
            reason: "not reached".to_owned(),
        });
        finish(progress, &nothing)
    }

    /// `Err`: HubSpot takes nothing now, for this reason.
    async fn write_batches(
        &self,
        leads: &[Upsert],
        progress: &mut Progress,
        gate: &dyn Gate,
    ) -> Result<(), Outcome> {
        let doubtful = self.with_known_phone(leads, gate).await?;
        let plan = self.plan(leads, &doubtful);
        let plan = self.keep_what_stands(leads, plan, progress, gate).await?;
        self.send(Kind::Update, plan.update, progress, gate).await?;
        let upsert = if self.no_upsert.load(Ordering::Relaxed) {
            Kind::UpdateByKey
        } else {
            Kind::Upsert
        };
        self.send(upsert, plan.upsert, progress, gate).await?;
        let mut create = plan.create;
        create.append(&mut progress.missing);
        self.send(Kind::Create, create, progress, gate).await
    }

    /// Leads whose phone number stands in a record that is not plainly theirs: `matching` must judge each.
    async fn with_known_phone(&self, leads: &[Upsert], gate: &dyn Gate) -> Result<HashSet<usize>, Outcome> {
        let asked: Vec<(usize, String)> = leads
            .iter()
            .enumerate()
            .filter(|(_, lead)| lead.record.is_none() && self.key(lead).is_some())
            .filter_map(|(at, lead)| Some((at, self.phone(lead)?)))
            .collect();
        if asked.is_empty() {
            return Ok(HashSet::new());
        }
        let mut phones: Vec<String> = asked.iter().map(|(_, phone)| phone.clone()).collect();
        phones.sort();
        phones.dedup();
        let records = match self.api.search("phone", &phones, gate).await {
            Ok(Ok(records)) => records,
            Ok(Err(answer)) => return Err(outcome(answer)),
            Err(no_answer) => return Err(no_answer.into()),
        };
        // More than a page: which numbers the rest has is not known.
        let all = records.len() >= 200;
        let by_key = self.settings.unique_property == "email" && !self.phone_first();
        Ok(asked
            .into_iter()
            .filter(|(at, phone)| {
                let email = leads.get(*at).and_then(|lead| property(lead, "email"));
                all || records.iter().map(super::api::Record::candidate).any(|c| {
                    let theirs = by_key
                        && c.email.map(|e| e.to_lowercase()) == email.as_ref().map(|e| e.to_lowercase());
                    c.phone.as_deref() == Some(phone) && !theirs
                })
            })
            .map(|(at, _)| at)
            .collect())
    }

    fn plan(&self, leads: &[Upsert], doubtful: &HashSet<usize>) -> Plan {
        let mut plan = Plan::default();
        // Two inputs of one record make HubSpot refuse the whole batch.
        let mut taken = HashSet::new();
        let unique = self.settings.unique_property.as_str();
        // With another unique property, only `single` asks for the e-mail address first.
        let by_key_only = unique == "email"
            || !self
                .settings
                .matching
                .compares(leadgate_crds::crm_sink::MatchingKey::Email);
        for (at, lead) in leads.iter().enumerate() {
            let key = self.key(lead);
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
            if let Some((list, key)) = target
                && free
            {
                list.push(Item {
                    at,
                    key,
                    properties: texts(&lead.properties),
                });
            }
        }
        plan
    }

    /// Reads the records of leads that must not replace all values, and leaves out what stands.
    async fn keep_what_stands(
        &self,
        leads: &[Upsert],
        plan: Plan,
        progress: &mut Progress,
        gate: &dyn Gate,
    ) -> Result<Plan, Outcome> {
        let mut names: Vec<&str> = leads
            .iter()
            .flat_map(|lead| lead.properties.iter())
            .map(|(name, _)| name.as_str())
            .filter(|name| self.settings.matching.keeps(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(plan);
        }
        let mut kept = Plan::default();
        let unique = self.settings.unique_property.as_str();
        for (items, property) in [(plan.update, None), (plan.upsert, Some(unique))] {
            if items.is_empty() {
                continue;
            }
            let keys: Vec<String> = items.iter().map(|item| item.key.clone()).collect();
            let records = match self.api.read_batch(&keys, property, &names, gate).await {
                Ok(Ok(records)) => records,
                Ok(Err(answer)) => return Err(outcome(answer)),
                Err(no_answer) => return Err(no_answer.into()),
            };
            for item in items {
                let record = records.iter().find(|record| match property {
                    None => record.id == item.key,
                    Some(name) => {
                        super::single::folded(record.properties.get(name)) == Some(item.key.to_lowercase())
                    }
                });
                let Some((record, lead)) = record.zip(leads.get(item.at)) else {
                    // By id: deleted since, for `single` to find out. By key: new.
                    if property.is_some() {
                        kept.create.push(item);
                    }
                    continue;
                };
                let properties = self.to_write(lead, &record.properties);
                if properties.is_empty() {
                    progress.settle(
                        item.at,
                        Outcome::Delivered {
                            record: Some(record.id.clone()),
                        },
                    );
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

    /// One call, and smaller ones if HubSpot refuses it as a whole, until the culprit is alone.
    async fn send(
        &self,
        mut kind: Kind,
        items: Vec<Item>,
        progress: &mut Progress,
        gate: &dyn Gate,
    ) -> Result<(), Outcome> {
        let mut waiting = vec![items];
        while let Some(items) = waiting.pop() {
            if items.is_empty() {
                continue;
            }
            let (name, body) = self.request(kind, &items);
            let reply = match self.api.batch(name, &body, gate).await {
                Ok(reply) => reply,
                Err(NoAnswer::Denied(denied)) => return Err(Outcome::Denied(denied)),
                Err(failed) => return Err(stop_of(&items, failed.into(), progress)),
            };
            match reply.answer() {
                Answer::Done(_) => self.read(kind, &items, reply.json(), progress),
                Answer::Reject(_) if kind == Kind::Upsert && reply.text.contains("idProperty") => {
                    // The account takes no upsert by this property, whatever the leads.
                    self.no_upsert.store(true, Ordering::Relaxed);
                    kind = Kind::UpdateByKey;
                    waiting.push(items);
                }
                Answer::Reject(_) | Answer::Conflict(..) | Answer::NotFound(_) => {
                    progress.refused_alone |= kind == Kind::Upsert && items.len() == 1;
                    // One alone is left to `single`, whose answer names what is wrong.
                    if items.len() > 1 {
                        let (first, second) = items.split_at(items.len() / 2);
                        waiting.push(second.to_vec());
                        waiting.push(first.to_vec());
                    }
                }
                answer => return Err(stop_of(&items, outcome(answer), progress)),
            }
        }
        Ok(())
    }

    fn request(&self, kind: Kind, items: &[Item]) -> (&'static str, Value) {
        let unique = &self.settings.unique_property;
        let inputs: Vec<Value> = items
            .iter()
            .map(|item| {
                let trace = item.at.to_string();
                match kind {
                    Kind::Update => json!({"id": item.key, "properties": item.properties, "objectWriteTraceId": trace}),
                    Kind::Create => json!({"properties": item.properties, "objectWriteTraceId": trace}),
                    Kind::Upsert | Kind::UpdateByKey => json!({
                        "id": item.key, "idProperty": unique, "properties": item.properties, "objectWriteTraceId": trace,
                    }),
                }
            })
            .collect();
        let name = match kind {
            Kind::Update | Kind::UpdateByKey => "update",
            Kind::Upsert => "upsert",
            Kind::Create => "create",
        };
        (name, json!({ "inputs": inputs }))
    }

    fn read(&self, kind: Kind, items: &[Item], body: &Value, progress: &mut Progress) {
        progress.upsert_taken |= kind == Kind::Upsert;
        let by_id = kind == Kind::Update;
        let inputs: Vec<Input> = items
            .iter()
            .map(|item| Input {
                trace: item.at.to_string(),
                key: if by_id {
                    item.key.clone()
                } else {
                    item.key.to_lowercase()
                },
            })
            .collect();
        let key_property = (!by_id).then_some(self.settings.unique_property.as_str());
        for (item, arrival) in items.iter().zip(arrivals(body, &inputs, key_property)) {
            match arrival {
                Arrival::Written(id) => progress.settle(item.at, Outcome::Delivered { record: Some(id) }),
                Arrival::Missing if kind == Kind::UpdateByKey => progress.missing.push(item.clone()),
                Arrival::Missing | Arrival::Unsettled => {}
            }
        }
    }
}

impl Progress {
    fn settle(&mut self, at: usize, outcome: Outcome) {
        if let Some(slot) = self.outcomes.get_mut(at) {
            *slot = Some(outcome);
        }
    }
}

/// Settles the items of a call that failed, and says what that means for the leads that were not sent.
fn stop_of(items: &[Item], outcome: Outcome, progress: &mut Progress) -> Outcome {
    for item in items {
        progress.settle(item.at, outcome.clone());
    }
    outcome
}

/// Whether an outcome speaks of HubSpot rather than of the lead, so that the others need not be tried.
fn stops(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Denied(_) | Outcome::Pause { .. } | Outcome::Retry { unknown: true, .. }
    )
}

/// Gives every lead an outcome; those not sent go back as they are.
fn finish(progress: Progress, stop: &Outcome) -> Vec<Outcome> {
    let unsent = match stop {
        Outcome::Denied(denied) => denied.clone(),
        Outcome::Pause { pause, why } => Denied {
            wait: *pause,
            reason: why.message.clone(),
        },
        Outcome::Retry { after, why, .. } => Denied {
            wait: after.unwrap_or(std::time::Duration::from_secs(1)),
            reason: why.message.clone(),
        },
        _ => Denied {
            wait: std::time::Duration::from_secs(1),
            reason: "not reached".to_owned(),
        },
    };
    progress
        .outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(|| Outcome::Denied(unsent.clone())))
        .collect()
}
