//! A batch of leads: found by one query, written by as few calls as possible.

use std::sync::Arc;

use leadgate_crds::crm_sink::ContactMatch;
use leadgate_crds::reason::FailureReason;

use super::answer::{Answer, RETRY_AFTER_MISCONFIGURED, references, without};
use super::batch::{Kind, Write};
use super::plan::{self, Lead, Target};
use super::soql::{self, Found, Keys, Shape};
use super::{Salesforce, contact};
use crate::crm::{Candidate, Failure, Matching, Outcome, Throttle, Upsert, Verdict};

impl Salesforce {
    pub(super) async fn upsert_all(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        if let Some(pause) = self.api.pause() {
            return vec![pause; batch.len()];
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
        let mut leads = Vec::with_capacity(batch.len());
        for (place, (upsert, outcome)) in batch.iter().zip(&mut outcomes).enumerate() {
            match Lead::new(upsert.clone(), &self.settings) {
                Ok(lead) => leads.push((place, lead)),
                Err(why) => *outcome = Some(Outcome::Reject(why)),
            }
        }
        let mut waiting: Vec<usize> = (0..leads.len()).collect();
        while !waiting.is_empty() {
            let (now, later) = plan::pass(&leads, &waiting);
            for (index, outcome) in self.deliver(&leads, now, throttle).await {
                if let Some((place, _)) = leads.get(index)
                    && let Some(slot) = outcomes.get_mut(*place)
                {
                    *slot = Some(outcome);
                }
            }
            waiting = later;
        }
        outcomes
            .into_iter()
            .map(|outcome| {
                outcome.unwrap_or_else(|| Outcome::Retry {
                    after: None,
                    why: Failure::new(
                        FailureReason::NoOutcome,
                        "Salesforce's client gave no outcome for the lead",
                    ),
                    in_doubt: true,
                })
            })
            .collect()
    }

    /// Delivers leads no two of which may mean one record.
    async fn deliver(
        &self,
        leads: &[(usize, Lead)],
        now: Vec<usize>,
        throttle: &dyn Throttle,
    ) -> Vec<(usize, Outcome)> {
        let lead = |index: usize| leads.get(index).map(|(_, lead)| lead);
        let names = now
            .iter()
            .filter_map(|i| lead(*i))
            .flat_map(|l| &l.upsert.properties)
            .map(|(name, _)| name.as_str());
        let shape = Shape::of(&self.settings, names);
        let mut ended = Vec::new();
        // Records known from earlier leads need no query, unless values that stand are left alone; nor does a lead that
        // changes nothing prove that its record is still there.
        let (mut writes, mut asked) = (Vec::new(), Vec::new());
        for index in now {
            let Some(lead) = lead(index) else { continue };
            match lead.known() {
                Some(id) if shape.also.is_empty() && !lead.upsert.properties.is_empty() => {
                    writes.push(self.update(index, lead, id, None));
                }
                _ => asked.push((index, false)),
            }
        }
        for (write, answer) in self.write(writes, throttle).await {
            match (answer, lead(write.lead)) {
                // Deleted, merged or converted since: look again.
                (Answer::NotFound(_), _) => asked.push((write.lead, true)),
                (answer, Some(lead)) => {
                    ended.push((write.lead, outcome(answer, lead, &self.settings.matching)));
                }
                (_, None) => {}
            }
        }
        let mut writes = Vec::new();
        let contacts = shape.of_contacts();
        let among_contacts: Vec<(usize, Keys)> = asked
            .iter()
            .filter_map(|(index, forget)| {
                let lead = lead(*index)?;
                let known = lead.known().is_some_and(|id| contact::is_contact(id) && !forget);
                let looks = self.settings.matching.contacts != ContactMatch::Create || known;
                looks.then(|| (*index, lead.keys(&contacts, *forget)))
            })
            .collect();
        for (index, found) in self.find(&contacts, &among_contacts, throttle).await {
            let Some(lead) = lead(index) else { continue };
            let forget = asked.contains(&(index, true));
            let target = match &found {
                Ok(found) => plan::contact_target(lead, found, &self.settings.matching, forget),
                Err(answer) => {
                    ended.push((index, outcome(answer.clone(), lead, &self.settings.matching)));
                    asked.retain(|(asked, _)| *asked != index);
                    continue;
                }
            };
            if let (Some(target), Ok(found)) = (target, found) {
                asked.retain(|(asked, _)| *asked != index);
                self.act(index, lead, target, &found, &mut writes, &mut ended);
            }
        }
        let keys: Vec<(usize, Keys)> = asked
            .iter()
            .filter_map(|(index, forget)| Some((*index, lead(*index)?.keys(&shape, *forget))))
            .collect();
        for (index, found) in self.find(&shape, &keys, throttle).await {
            let Some(lead) = lead(index) else { continue };
            let forget = asked.contains(&(index, true));
            match found {
                Err(answer) => ended.push((index, outcome(answer, lead, &self.settings.matching))),
                Ok(found) => {
                    let target = plan::target(lead, &found, &self.settings.matching, forget);
                    self.act(index, lead, target, &found, &mut writes, &mut ended);
                }
            }
        }
        for (write, answer) in self.write(writes, throttle).await {
            let index = write.lead;
            let Some(lead) = lead(index) else { continue };
            let answer = match answer {
                Answer::Duplicates(ids, why) if write.may_create() => {
                    self.duplicates(lead, write, ids, why, &shape, throttle).await
                }
                answer => answer,
            };
            ended.push((index, outcome(answer, lead, &self.settings.matching)));
        }
        ended
    }

    /// Turns what is to become of a lead into a write, or into its end.
    fn act(
        &self,
        index: usize,
        lead: &Lead,
        target: Target,
        found: &[Found],
        writes: &mut Vec<Write>,
        ended: &mut Vec<(usize, Outcome)>,
    ) {
        match target {
            Target::Hold { why, candidates } => ended.push((index, Outcome::Hold { why, candidates })),
            Target::Create { external, allow_save } => {
                writes.push(self.create(index, lead, external, allow_save));
            }
            Target::Update(id) => {
                let record = found.iter().find(|record| record.candidate.id == id);
                let write = self.update(index, lead, &id, record);
                if write.fields.is_empty() {
                    // All that the lead has stands there already, or is left alone.
                    ended.push((index, Outcome::Delivered { record: Some(id) }));
                } else {
                    writes.push(write);
                }
            }
        }
    }

    fn update(&self, index: usize, lead: &Lead, id: &str, record: Option<&Found>) -> Write {
        Write {
            lead: index,
            kind: Kind::Update(id.to_owned()),
            fields: plan::update_body(lead, &self.settings, id, record),
            // A change of a record that is there already makes no duplicate.
            allow_save: true,
        }
    }

    fn create(&self, index: usize, lead: &Lead, external: bool, allow_save: bool) -> Write {
        let kind = match &lead.external {
            Some(value) if external => Kind::Upsert(value.clone()),
            _ => Kind::Insert,
        };
        Write {
            lead: index,
            kind,
            fields: plan::create_body(lead, &self.settings),
            allow_save: allow_save || self.settings.allow_save,
        }
    }

    /// The records that some leads may be about: for each lead, what its query found.
    async fn find(
        &self,
        shape: &Shape,
        keys: &[(usize, Keys)],
        throttle: &dyn Throttle,
    ) -> Vec<(usize, Result<Arc<Vec<Found>>, Answer>)> {
        let (nameless, named): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|(_, keys)| keys.is_empty());
        let mut found: Vec<_> = nameless
            .into_iter()
            .map(|(lead, _)| (lead, Ok(Arc::default())))
            .collect();
        let mut parts = soql::chunks(shape, &named);
        parts.reverse();
        while let Some(mut part) = parts.pop() {
            let asked: Vec<&Keys> = part.iter().map(|(_, keys)| keys).collect();
            match self.api.query(shape, &asked, throttle).await {
                // Some key stands in so many records that others were cut off: ask in smaller parts.
                Ok((_, false)) if part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push(rest);
                    parts.push(part);
                }
                Ok((records, _)) => {
                    let records = Arc::new(records);
                    found.extend(part.into_iter().map(|(lead, _)| (lead, Ok(Arc::clone(&records)))));
                }
                Err(answer) => found.extend(part.into_iter().map(|(lead, _)| (lead, Err(answer.clone())))),
            }
        }
        found
    }

    /// A duplicate rule found records that the query did not: the same person in another spelling, or made meanwhile.
    async fn duplicates(
        &self,
        lead: &Lead,
        write: Write,
        ids: Vec<String>,
        why: Failure,
        shape: &Shape,
        throttle: &dyn Throttle,
    ) -> Answer {
        // A collection's result may not name them; a single call's does.
        let (ids, why) = if ids.is_empty() {
            match self.api.write_one(&write, throttle).await {
                Answer::Duplicates(ids, why) => (ids, why),
                answer => return answer,
            }
        } else {
            (ids, why)
        };
        let keys: Vec<Keys> = ids
            .iter()
            .map(|id| Keys {
                id: Some(id.clone()),
                ..Keys::default()
            })
            .collect();
        if keys.is_empty() {
            return Answer::Duplicates(ids, why);
        }
        let asked: Vec<&Keys> = keys.iter().collect();
        let records = match self.api.query(shape, &asked, throttle).await {
            Ok((records, _)) => records,
            Err(answer) => return answer,
        };
        let candidates: Vec<Candidate> = records.iter().map(|record| record.candidate.clone()).collect();
        let (email, phone) = (lead.upsert.email(), lead.upsert.phone());
        match self.settings.matching.judge(email, phone, &candidates) {
            Verdict::Update(id) => {
                let record = records.iter().find(|record| record.candidate.id == id);
                let update = self.update(write.lead, lead, &id, record);
                if update.fields.is_empty() {
                    Answer::Done(Some(id))
                } else {
                    self.api.write_one(&update, throttle).await
                }
            }
            Verdict::Create | Verdict::Hold { .. } => Answer::Duplicates(ids, why),
        }
    }
}

/// After so many attempts no other call has just created the record: it is there, and is not found.
const MAX_RACES: u32 = 3;

fn never_found(why: Failure) -> Failure {
    Failure {
        reason: FailureReason::UniqueValueTaken,
        message: "another Salesforce record has one of the lead's unique values (the external id, or a unique field of properties), and the integration user does not find it; share the record with that user, look for it in the recycle bin, or change the value, then resolve or replay the lead".to_owned(),
        ..why
    }
}

/// It was there a moment ago.
fn gone(why: Failure) -> Outcome {
    Outcome::Retry {
        after: None,
        why,
        in_doubt: false,
    }
}

fn outcome(answer: Answer, lead: &Lead, matching: &Matching) -> Outcome {
    match answer {
        Answer::Done(record) => Outcome::Delivered { record },
        Answer::Retry { why, .. }
            if why.reason == FailureReason::CreatedMeanwhile && lead.upsert.attempt > MAX_RACES =>
        {
            Outcome::Hold {
                why: never_found(why),
                candidates: Vec::new(),
            }
        }
        Answer::Retry { after, why, in_doubt } => Outcome::Retry { after, why, in_doubt },
        Answer::Pause(pause, why) => Outcome::Pause { pause, why },
        Answer::Expired(why) => Outcome::Pause {
            pause: RETRY_AFTER_MISCONFIGURED,
            why,
        },
        Answer::Suspect { why, own } => Outcome::Suspect {
            why,
            in_doubt: false,
            own,
        },
        Answer::Reject(why) => Outcome::Reject(why),
        Answer::Refused(why, properties) => plan::refused(&lead.upsert, matching, why, properties),
        Answer::Several(candidates, why) | Answer::Duplicates(candidates, why) => {
            Outcome::Hold { why, candidates }
        }
        Answer::Taken { holder, why, .. } => Outcome::Hold {
            why,
            candidates: holder.into_iter().collect(),
        },
        // It was there a moment ago: what is missing is what the lead refers to.
        Answer::NotFound(why) if why.reason == FailureReason::InvalidReference => {
            let fields = lead.upsert.properties.iter().cloned().collect();
            match references(&fields).as_slice() {
                [] => gone(why),
                named => outcome(without(why, "INVALID_CROSS_REFERENCE_KEY", named), lead, matching),
            }
        }
        Answer::NotFound(why) => gone(why),
        Answer::None(no_answer) => no_answer.into(),
    }
}
