//! Up to 100 leads in one call.
//!
//! A batch writes what is plain: records whose id is known, and leads with a value of the unique property. All else (a
//! phone number that stands in another record, a refused or unmentioned input, a second lead of one record) goes alone
//! afterwards, in the order of the batch: `upsert` knows every case, and finds again what the batch has written.
//!
//! A call that is refused or fails as a whole is halved, until the culprit is alone and the others are through. Where no
//! half passes, the calls are not to blame on a lead: a refused batch call is left for single ones, a failing HubSpot is
//! left alone.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::HubSpot;
use super::answer::classify;
use super::batch_answer::{Arrival, Input, arrivals, lacks_address};
use super::progress::{Item, MAX_FAILURES_IN_ROW, Progress, finish, halve, named, split, stop_of, stops};
use super::upsert::outcome;
use super::values::{folded, property, texts, without_email};
use crate::crm::answer::Answer;
use crate::crm::{Known, Outcome, Throttle, Throttled, Upsert, phone_forms};
use crate::outbound::NoAnswer;

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

/// How the leads of a batch are to be written.
#[derive(Default)]
struct Plan {
    update: Vec<Item>,
    upsert: Vec<Item>,
    create: Vec<Item>,
}

impl HubSpot {
    pub(super) async fn upsert_batch(&self, leads: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        let mut progress = Progress::new(leads.len());
        if let Err(stop) = self.write_batches(leads, &mut progress, throttle).await {
            return finish(progress, &stop);
        }
        let (mut all_fine, mut any, mut in_row) = (true, false, 0);
        for (at, lead) in leads.iter().enumerate() {
            if progress.ended(at) {
                continue;
            }
            let outcome = self.upsert_one(lead, throttle).await;
            let delivered = matches!(outcome, Outcome::Delivered { .. });
            (all_fine, any) = (all_fine && delivered, true);
            let fails = matches!(outcome, Outcome::Retry { .. } | Outcome::Suspect { .. });
            in_row = if fails { in_row + 1 } else { 0 };
            let stop = (stops(&outcome) || in_row >= MAX_FAILURES_IN_ROW).then(|| outcome.clone());
            progress.settle(at, outcome);
            if let Some(stop) = stop {
                return finish(progress, &stop);
            }
        }
        // Refused in every batch and taken alone: it is the call that HubSpot does not take, not the leads.
        if any && all_fine {
            if let (Some(why), false) = (&progress.refused, progress.taken) {
                self.batching.refuse("HubSpot", &why.message);
            } else if progress.refused_alone && !progress.upsert_taken {
                self.no_upsert.store(true, Ordering::Relaxed);
            }
        }
        let nothing = Outcome::Throttled(Throttled {
            wait: std::time::Duration::ZERO,
            paused: None,
        });
        finish(progress, &nothing)
    }

    /// `Err`: HubSpot takes nothing now, for this reason.
    async fn write_batches(
        &self,
        leads: &[Upsert],
        progress: &mut Progress,
        throttle: &dyn Throttle,
    ) -> Result<(), Outcome> {
        let doubtful = self.with_known_phone(leads, throttle).await?;
        let plan = self.plan(leads, &doubtful);
        let plan = self.keep_what_stands(leads, plan, progress, throttle).await?;
        self.send(Kind::Update, plan.update, progress, throttle).await?;
        // An upsert does not tell whether the record is new.
        let creates_more = leads.iter().any(|lead| !lead.create_only.is_empty());
        let upsert = if creates_more || self.no_upsert.load(Ordering::Relaxed) {
            Kind::UpdateByKey
        } else {
            Kind::Upsert
        };
        self.send(upsert, plan.upsert, progress, throttle).await?;
        let lacking = std::mem::take(&mut progress.lacking);
        self.send(Kind::Update, lacking, progress, throttle).await?;
        let mut create = plan.create;
        create.append(&mut progress.missing);
        for item in &mut create {
            let lead = leads.get(item.at).map(|lead| texts(&lead.create_only));
            item.properties.extend(lead.unwrap_or_default());
        }
        self.send(Kind::Create, create, progress, throttle).await
    }

    /// Leads whose phone number stands in a record that is not plainly theirs: `matching` must judge each.
    async fn with_known_phone(
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
        let records = match self.api.search_phones(&phones, throttle).await {
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
                    let same = c
                        .phone
                        .as_deref()
                        .is_some_and(|known| phone_forms::same(phone, known));
                    same && !theirs
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
    async fn keep_what_stands(
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

    /// One call, and smaller ones if it is refused or fails as a whole, until the culprit is alone.
    async fn send(
        &self,
        mut kind: Kind,
        items: Vec<Item>,
        progress: &mut Progress,
        throttle: &dyn Throttle,
    ) -> Result<(), Outcome> {
        // Halves of halves come after both halves, so that what passes is seen early.
        let mut waiting = VecDeque::from([items]);
        let mut failed = 0;
        while let Some(items) = waiting.pop_front() {
            if items.is_empty() {
                continue;
            }
            let (name, body) = self.request(kind, &items);
            let reply = match self.api.batch(name, &body, throttle).await {
                Ok(reply) => reply,
                Err(NoAnswer::Throttled(denied)) => return Err(Outcome::Throttled(denied)),
                Err(no_answer) => {
                    failed += 1;
                    self.batching.unanswered(items.len(), &no_answer);
                    halve(&items, no_answer.into(), failed, &mut waiting, progress)?;
                    continue;
                }
            };
            match classify(&reply) {
                Answer::Done(_) if reply.json().get("results").is_some_and(Value::is_array) => {
                    failed = 0;
                    progress.taken = true;
                    self.batching.passed(items.len());
                    self.read(kind, &items, reply.json(), progress);
                }
                Answer::Refused(..) if kind == Kind::Upsert && reply.text.contains("idProperty") => {
                    // The account takes no upsert by this property, whatever the leads.
                    self.no_upsert.store(true, Ordering::Relaxed);
                    kind = Kind::UpdateByKey;
                    waiting.push_front(items);
                }
                // The call itself is not there: all are left to `upsert`.
                Answer::NotFound(why) | Answer::Suspect { why, .. } | Answer::Reject(why)
                    if matches!(reply.status, 404 | 405) =>
                {
                    progress.refused = Some(named(why, reply.status));
                    return Ok(());
                }
                Answer::Suspect {
                    why, in_doubt: false, ..
                } => {
                    failed += 1;
                    progress.refused = Some(named(why, reply.status));
                    if failed >= MAX_FAILURES_IN_ROW {
                        return Ok(());
                    }
                    split(&items, &mut waiting);
                }
                Answer::Refused(..) | Answer::Reject(_) | Answer::Conflict(..) | Answer::NotFound(_) => {
                    progress.refused_alone |= kind == Kind::Upsert && items.len() == 1;
                    // One alone is left to `upsert`, whose answer names what is wrong.
                    split(&items, &mut waiting);
                }
                Answer::Done(_) | Answer::Suspect { .. } => {
                    failed += 1;
                    let lost = Outcome::Retry {
                        after: None,
                        why: reply.foreign("HubSpot"),
                        in_doubt: true,
                    };
                    halve(&items, lost, failed, &mut waiting, progress)?;
                }
                answer @ Answer::Retry { .. } => {
                    failed += 1;
                    halve(&items, outcome(answer), failed, &mut waiting, progress)?;
                }
                answer @ Answer::Pause(..) => return Err(stop_of(&items, outcome(answer), progress)),
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
                // Made by its address, and yet without it: it is written after all.
                Arrival::Written(id)
                    if kind == Kind::Upsert && self.settings.by_email() && lacks_address(body, &id) =>
                {
                    let mut properties = Map::new();
                    properties.insert("email".to_owned(), Value::from(item.key.as_str()));
                    progress.lacking.push(Item {
                        at: item.at,
                        key: id,
                        properties,
                    });
                }
                Arrival::Written(id) => progress.settle(item.at, Outcome::Delivered { record: Some(id) }),
                Arrival::Missing if kind == Kind::UpdateByKey => progress.missing.push(item.clone()),
                Arrival::Missing | Arrival::Unsettled => {}
            }
        }
    }
}
