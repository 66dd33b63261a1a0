//! The order of calls for a lead: one upsert, or lookup, then create or update.

use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::Rest;
use super::answer::{Seen, nameless};
use super::description::{Find, Flow, Write};
use super::find::{Record, Verdict, judge, records, writable};
use super::outcome::{await_lookup, not_visible, path_missing, several, unfinished};
use super::request::Variables;
use crate::crm::answer::Answer;
use crate::crm::{Failure, Known, Outcome, Throttle, Upsert};

/// What a call gave, or what becomes of the lead because it gave nothing.
type Called<T> = Result<T, Outcome>;

impl Rest {
    pub(super) async fn deliver(&self, lead: &Upsert, throttle: &dyn Throttle) -> Outcome {
        let delivered = match &self.settings.flow {
            Flow::Upsert(upsert) => self.upsert_at_once(upsert, lead, throttle).await,
            Flow::Find(find) => self.find_and_write(find, lead, throttle).await,
        };
        delivered.unwrap_or_else(|outcome| outcome)
    }

    async fn upsert_at_once(
        &self,
        upsert: &Write,
        lead: &Upsert,
        throttle: &dyn Throttle,
    ) -> Called<Outcome> {
        let variables = Variables::of(lead);
        Ok(match self.write(upsert, lead, &variables, throttle).await? {
            Answer::Done(record) => Outcome::Delivered { record },
            // The CRM looks for the record itself: nothing else can be tried.
            Answer::Conflict(id, why) => Outcome::Hold {
                why,
                candidates: id.into_iter().collect(),
            },
            Answer::NotFound(why) => path_missing(&why, "rest.upsert.path"),
            other => unfinished(other, false, lead),
        })
    }

    async fn find_and_write(&self, find: &Find, lead: &Upsert, throttle: &dyn Throttle) -> Called<Outcome> {
        // What stands can be left alone only if it is seen; nor does a lead that changes nothing prove that its record is
        // still there.
        let reads = lead.properties.is_empty()
            || self
                .settings
                .matching
                .keeps_any(lead.properties.iter().map(|(name, _)| name.as_str()));
        let known = match &lead.record {
            Some(Known::New) if lead.in_doubt.is_some() => {
                return Ok(Outcome::Hold {
                    why: Failure::new(
                        FailureReason::AnswerLost,
                        "a new record was to be made, and the CRM's answer was lost; look whether it is there",
                    ),
                    candidates: Vec::new(),
                });
            }
            Some(Known::New) => return self.create(find, lead, reads, throttle).await,
            Some(Known::Record(id)) => Some(id),
            None => None,
        };
        if let Some(after) = lead.search_lags(find.lookup.lag) {
            return Ok(Outcome::AwaitVisibility {
                after,
                why: not_visible(),
            });
        }
        if let Some(id) = known
            && !reads
        {
            if let Some(outcome) = self.update(find, lead, id, &lead.properties, throttle).await? {
                return Ok(outcome);
            }
            if lead.chosen {
                return Ok(Outcome::chosen_is_gone(id));
            }
        }
        let found = self.look_up(find, lead, throttle).await?;
        if let Some(id) = known
            && reads
        {
            match found.iter().find(|record| record.id == *id) {
                Some(record) => return self.update_found(find, lead, record, throttle).await,
                None => {
                    if let Some(outcome) = await_lookup(find, lead) {
                        return Ok(outcome);
                    }
                }
            }
        }
        match (judge(&found), known) {
            // Its address may have been changed: another record would be a second one of the person.
            (_, Some(id)) if reads && lead.chosen => self.write_chosen(find, lead, id, throttle).await,
            (Verdict::One(record), _) => self.update_found(find, lead, record, throttle).await,
            (Verdict::Several(candidates), _) => Ok(several(candidates)),
            (Verdict::None, Some(id)) if reads => Ok(Outcome::Hold {
                why: Failure::new(
                    FailureReason::RecordGone,
                    "an earlier lead of this person went to a record that rest.lookup does not show any more; decide whether it \
                     is still the person's, or whether there is to be another",
                ),
                candidates: vec![id.clone()],
            }),
            (Verdict::None, _) => self.create(find, lead, reads, throttle).await,
        }
    }

    /// Writes to the record that a person chose, though the lookup does not show what stands in it: only what may replace
    /// that.
    async fn write_chosen(
        &self,
        find: &Find,
        lead: &Upsert,
        id: &str,
        throttle: &dyn Throttle,
    ) -> Called<Outcome> {
        let matching = &self.settings.matching;
        let given = lead.properties.iter();
        let open: Vec<_> = given.filter(|(name, _)| !matching.keeps(name)).cloned().collect();
        if open.is_empty() {
            return Ok(Outcome::Delivered {
                record: Some(id.to_owned()),
            });
        }
        let updated = self.update(find, lead, id, &open, throttle).await?;
        Ok(updated.unwrap_or_else(|| Outcome::chosen_is_gone(id)))
    }

    /// The records that the lookup shows.
    pub(super) async fn look_up(
        &self,
        find: &Find,
        lead: &Upsert,
        throttle: &dyn Throttle,
    ) -> Called<Vec<Record>> {
        let variables = Variables::of(lead);
        let (answer, seen) = self
            .api
            .call(&find.lookup.call, None, lead, &variables, throttle)
            .await?;
        match answer {
            Answer::Done(_) => records(&find.lookup, &seen, lead),
            Answer::NotFound(why) => Err(path_missing(&why, "rest.lookup.path")),
            Answer::Conflict(_, why) => Err(Outcome::Reject(why)),
            other => Err(unfinished(other, false, lead)),
        }
    }

    async fn create(
        &self,
        find: &Find,
        lead: &Upsert,
        reads: bool,
        throttle: &dyn Throttle,
    ) -> Called<Outcome> {
        let variables = Variables::for_create(lead);
        let (answer, seen) = self.write_seen(&find.create, lead, &variables, throttle).await?;
        match (answer, &find.create.id) {
            // The second time neither the answer nor the lookup shows what was made. No third one.
            (Answer::Done(None), Some(id)) if lead.in_doubt.is_some() => Ok(Outcome::Hold {
                why: nameless(&self.settings.answers, &seen, id),
                candidates: Vec::new(),
            }),
            (Answer::Done(None), Some(id)) => Ok(Outcome::Retry {
                after: None,
                why: nameless(&self.settings.answers, &seen, id),
                in_doubt: true,
            }),
            (Answer::Done(record), _) => Ok(Outcome::Delivered { record }),
            // Somebody decided that it is none of the records that the CRM has.
            (Answer::Conflict(id, why), _) if lead.record == Some(Known::New) => Ok(Outcome::Hold {
                why,
                candidates: id.into_iter().collect(),
            }),
            (Answer::Conflict(id, why), _) => self.after_conflict(find, lead, id, why, reads, throttle).await,
            (Answer::NotFound(why), _) => Ok(path_missing(&why, "rest.create.path")),
            (other, _) => Ok(unfinished(other.of_a_create(), true, lead)),
        }
    }

    /// The CRM has the record, though the lookup did not show it.
    async fn after_conflict(
        &self,
        find: &Find,
        lead: &Upsert,
        id: Option<String>,
        why: Failure,
        reads: bool,
        throttle: &dyn Throttle,
    ) -> Called<Outcome> {
        if let Some(id) = &id
            && !reads
            && let Some(outcome) = self.update(find, lead, id, &lead.properties, throttle).await?
        {
            return Ok(outcome);
        }
        let found = self.look_up(find, lead, throttle).await?;
        let named = id.and_then(|id| found.iter().find(|record| record.id == id));
        match (named, judge(&found)) {
            (Some(record), _) | (None, Verdict::One(record)) => {
                self.update_found(find, lead, record, throttle).await
            }
            (None, Verdict::Several(candidates)) => Ok(several(candidates)),
            // Its search may lag behind; or what the CRM calls a duplicate is not what `match` calls the person.
            (None, Verdict::None) => Ok(await_lookup(find, lead).unwrap_or_else(|| Outcome::Hold {
                why: Failure::new(
                    FailureReason::RecordConflict,
                    format!(
                        "{}, but rest.lookup finds none; decide which record it is, or whether there is to be another",
                        why.message
                    ),
                )
                .with_answer(&why.answer),
                candidates: Vec::new(),
            })),
        }
    }

    /// Updates a record that the lookup showed.
    async fn update_found(
        &self,
        find: &Find,
        lead: &Upsert,
        record: &Record,
        throttle: &dyn Throttle,
    ) -> Called<Outcome> {
        let properties =
            writable(&self.settings.matching, &lead.properties, &record.fields).map_err(Outcome::Reject)?;
        if properties.is_empty() {
            // Everything that the lead says stands there already, or may not be replaced.
            return Ok(Outcome::Delivered {
                record: Some(record.id.clone()),
            });
        }
        let updated = self.update(find, lead, &record.id, &properties, throttle).await?;
        Ok(updated.unwrap_or_else(|| vanished(find, lead, record)))
    }

    /// Updates a record; `None`: there is none with this id.
    async fn update(
        &self,
        find: &Find,
        lead: &Upsert,
        id: &str,
        properties: &[(String, Value)],
        throttle: &dyn Throttle,
    ) -> Called<Option<Outcome>> {
        let variables = Variables::for_update(lead, id, properties);
        Ok(
            match self.write(&find.update, lead, &variables, throttle).await? {
                Answer::NotFound(_) => None,
                Answer::Done(_) => Some(Outcome::Delivered {
                    record: Some(id.to_owned()),
                }),
                // Another record has one of the lead's values: which of them is the person?
                Answer::Conflict(other, why) => Some(Outcome::Hold {
                    why,
                    candidates: [Some(id.to_owned()), other].into_iter().flatten().collect(),
                }),
                other => Some(unfinished(other, false, lead)),
            },
        )
    }

    /// The same with the answer as it came.
    async fn write_seen(
        &self,
        write: &Write,
        lead: &Upsert,
        variables: &Variables<'_>,
        throttle: &dyn Throttle,
    ) -> Called<(Answer, Seen)> {
        self.api
            .call(&write.call, Some(write), lead, variables, throttle)
            .await
    }

    async fn write(
        &self,
        write: &Write,
        lead: &Upsert,
        variables: &Variables<'_>,
        throttle: &dyn Throttle,
    ) -> Called<Answer> {
        let (answer, _) = self.write_seen(write, lead, variables, throttle).await?;
        Ok(answer)
    }
}

/// So often an index may show what has just been deleted.
const MAX_VANISHED: u32 = 5;

/// The lookup shows a record, and the update does not find it.
fn vanished(find: &Find, lead: &Upsert, record: &Record) -> Outcome {
    let why = |more: &str| {
        Failure::new(
            FailureReason::RecordGone,
            format!("rest.lookup shows a record that rest.update does not find; {more}"),
        )
    };
    if lead.attempt > MAX_VANISHED {
        return Outcome::Hold {
            why: why(
                "it may have been converted, or the credentials may not change it; decide for another record or for a new one",
            ),
            candidates: vec![record.id.clone()],
        };
    }
    Outcome::Retry {
        after: Some(find.lookup.lag),
        why: why("it may just have been deleted"),
        in_doubt: false,
    }
}

#[cfg(test)]
mod tests;
