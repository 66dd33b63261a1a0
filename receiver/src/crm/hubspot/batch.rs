//! Up to 100 leads in one call.
//!
//! A batch writes what is plain: records whose id is known, and leads with a value of the unique property. All else (a
//! phone number that stands in another record, a refused or unmentioned input, a second lead of one record) goes alone
//! afterwards, in the order of the batch: `upsert` knows every case, and finds again what the batch has written.
//!
//! A call that is refused or fails as a whole is halved, until the culprit is alone and the others are through. Where no
//! half passes, the calls are not to blame on a lead: a refused batch call is left for single ones, a failing HubSpot is
//! left alone.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use super::HubSpot;
use super::answer::classify;
use super::batch_answer::{Arrival, Input, arrivals, lacks_address};
use super::progress::{Item, MAX_FAILURES_IN_ROW, Progress, finish, halve, named, split, stop_of, stops};
use super::upsert::outcome;
use super::values::texts;
use crate::crm::answer::Answer;
use crate::crm::{Outcome, Throttle, Throttled, Upsert};
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
