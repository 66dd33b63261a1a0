//! One lead: its record, found and updated or made.

use std::time::Duration;

use leadgate_crds::crm_sink::MatchingKey;
use leadgate_crds::reason::FailureReason;
use serde_json::Map;

use super::HubSpot;
use super::answer::accepted_choices;
use super::values::{property, texts, without_email};
use crate::crm::answer::Answer;
use crate::crm::{Failure, Known, Outcome, RefusedProperty, Throttle, Upsert, Verdict};
use crate::outbound::NoAnswer;

/// A search may not show a record for so long after it was written (reported by users: up to 30 s).
const SEARCH_LAG: Duration = Duration::from_secs(35);

/// What becomes of the e-mail address when a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    /// It is written like every property.
    Write,
    /// The record has it, perhaps as one of its further addresses: written again it would become the primary one.
    Leave,
    /// It is written if the record has none.
    Fill,
}

/// What matching found.
enum Found {
    Update(String),
    Nothing,
    Ended(Outcome),
}

impl HubSpot {
    pub(super) async fn upsert_one(&self, lead: &Upsert, throttle: &dyn Throttle) -> Outcome {
        match self.find_or_create(lead, throttle).await {
            Ok(outcome) => outcome,
            Err(no_answer) => no_answer.into(),
        }
    }

    async fn find_or_create(&self, lead: &Upsert, throttle: &dyn Throttle) -> Result<Outcome, NoAnswer> {
        let key = self.settings.key(lead);
        // Without a unique value only the search can tell whether a write whose answer was lost made a record, and it
        // lags behind.
        if let Some(left) = lead.search_lags(SEARCH_LAG)
            && key.is_none()
            && lead.record.is_none()
        {
            return Ok(Outcome::AwaitVisibility {
                after: left,
                why: Failure::new(
                    FailureReason::AwaitingVisibility,
                    "the last attempt's answer was lost; waiting until HubSpot's search would show its record",
                ),
            });
        }
        if let Some(Known::Record(record)) = &lead.record {
            let address = if lead.chosen {
                Address::Write
            } else {
                Address::Leave
            };
            let answer = self.write(record, None, address, lead, throttle).await?;
            if let Some(outcome) = self.done(lead, answer) {
                return Ok(outcome);
            }
            if lead.chosen {
                return Ok(Outcome::chosen_is_gone(record));
            }
        }
        if self.settings.phone_first()
            && let Some(outcome) = self.by_matching(lead, throttle).await?
        {
            return Ok(outcome);
        }
        if let Some(key) = &key {
            let address = if self.settings.by_email() {
                Address::Leave
            } else {
                Address::Write
            };
            let unique = Some(self.settings.unique_property.as_str());
            let answer = self.write(key, unique, address, lead, throttle).await?;
            if let Some(outcome) = self.done(lead, answer) {
                return Ok(outcome);
            }
        }
        if !self.settings.phone_first()
            && let Some(outcome) = self.by_matching(lead, throttle).await?
        {
            return Ok(outcome);
        }
        self.create(lead, throttle).await
    }

    /// Updates the record that `matching` names. `None`: there is none.
    async fn by_matching(&self, lead: &Upsert, throttle: &dyn Throttle) -> Result<Option<Outcome>, NoAnswer> {
        if lead.record == Some(Known::New) {
            return Ok(None);
        }
        match self.find(lead, throttle).await? {
            Found::Update(id) => {
                let answer = self.write(&id, None, Address::Write, lead, throttle).await?;
                Ok(self.done(lead, answer))
            }
            Found::Nothing => Ok(None),
            Found::Ended(outcome) => Ok(Some(outcome)),
        }
    }

    async fn find(&self, lead: &Upsert, throttle: &dyn Throttle) -> Result<Found, NoAnswer> {
        let mut candidates = Vec::new();
        let email = property(lead, "email");
        // By the unique property itself the record is looked for anyway.
        let by_email = self.settings.matching.compares(MatchingKey::Email)
            && (self.settings.unique_property != "email" || self.settings.phone_first())
            && self.settings.object == "contacts";
        if by_email && let Some(email) = &email {
            match self.api.read(email, Some("email"), &[], throttle).await? {
                Ok(record) => candidates.push(record.candidate()),
                Err(Answer::NotFound(_)) => {}
                Err(answer) => return Ok(Found::Ended(self.outcome(lead, answer))),
            }
        }
        let phone = self.settings.phone(lead);
        if let Some(phone) = &phone {
            match self
                .api
                .search(&[], std::slice::from_ref(phone), throttle)
                .await?
            {
                Ok(records) => candidates.extend(records.iter().map(super::api::Record::candidate)),
                Err(answer) => return Ok(Found::Ended(self.outcome(lead, answer))),
            }
        }
        let verdict = self
            .settings
            .matching
            .judge(email.as_deref(), phone.as_deref(), &candidates);
        Ok(match verdict {
            Verdict::Update(id) => Found::Update(id),
            Verdict::Create => Found::Nothing,
            Verdict::Hold { why, candidates } => Found::Ended(Outcome::Hold { why, candidates }),
        })
    }

    /// Updates a record; values that stand and are to be kept are left out.
    async fn write(
        &self,
        key: &str,
        id_property: Option<&str>,
        address: Address,
        lead: &Upsert,
        throttle: &dyn Throttle,
    ) -> Result<Answer, NoAnswer> {
        let plain = match address {
            Address::Write => texts(&lead.properties),
            Address::Leave => without_email(lead),
            Address::Fill => Map::new(),
        };
        if !plain.is_empty() && !self.settings.reads_first(lead) {
            return self.api.update(key, id_property, &plain, throttle).await;
        }
        let names: Vec<&str> = lead.properties.iter().map(|(name, _)| name.as_str()).collect();
        let record = match self.api.read(key, id_property, &names, throttle).await? {
            Ok(record) => record,
            Err(answer) => return Ok(answer),
        };
        let mut properties = self.settings.to_write(lead, &record.properties);
        let has_one = record.candidate().email.is_some();
        if address == Address::Leave || (address == Address::Fill && has_one) {
            properties.remove("email");
        }
        if properties.is_empty() {
            return Ok(Answer::Done(Some(record.id)));
        }
        self.api.update(&record.id, None, &properties, throttle).await
    }

    async fn create(&self, lead: &Upsert, throttle: &dyn Throttle) -> Result<Outcome, NoAnswer> {
        let answer = match self.api.create(&texts(lead.for_create()), throttle).await? {
            Answer::Conflict(Some(id), _) => self.write(&id, None, Address::Fill, lead, throttle).await?,
            // A path that is not there is a matter of the sink's settings, not of the lead.
            Answer::NotFound(why) => Answer::Pause(
                Duration::from_mins(1),
                Failure::new(
                    FailureReason::UnknownObject,
                    format!(
                        "HubSpot knows no object `{}`; see hubspot.object and hubspot.apiVersion",
                        self.settings.object
                    ),
                )
                .with_answer(&why.answer),
            ),
            answer => answer.of_a_create(),
        };
        Ok(self.outcome(lead, answer))
    }

    /// What an answer means for the lead, unless it is that there is no such record.
    fn done(&self, lead: &Upsert, answer: Answer) -> Option<Outcome> {
        match answer {
            Answer::NotFound(_) => None,
            answer => Some(self.outcome(lead, answer)),
        }
    }

    /// What an answer means for the lead.
    fn outcome(&self, lead: &Upsert, answer: Answer) -> Outcome {
        match answer {
            Answer::Refused(why, properties) => {
                let only_address = properties.iter().all(|refused| {
                    refused.property == "email" && refused.reason == FailureReason::InvalidEmail
                });
                let known = only_address && self.settings.known_without_email(lead);
                let optional = |refused: &RefusedProperty| {
                    property(lead, &refused.property).is_some()
                        && (known || !self.settings.identifies(lead, &refused.property))
                };
                if !properties.is_empty() && properties.iter().all(optional) {
                    let properties = properties.into_iter().map(|refused| RefusedProperty {
                        instead: property(lead, &refused.property)
                            .and_then(|sent| accepted_choices(&why.answer, &refused.property, &sent)),
                        ..refused
                    });
                    let properties = properties.collect();
                    Outcome::Refused { why, properties }
                } else {
                    Outcome::Reject(self.explain(lead, why))
                }
            }
            answer => outcome(answer),
        }
    }

    /// HubSpot's own message for a contact without any name does not say what it lacks.
    fn explain(&self, lead: &Upsert, why: Failure) -> Failure {
        let named = ["email", "firstname", "lastname"]
            .into_iter()
            .any(|name| property(lead, name).is_some());
        if self.settings.object != "contacts" || named || why.reason != FailureReason::InvalidLead {
            return why;
        }
        let message = "HubSpot makes no contact without email, firstname or lastname; map one of them in spec.properties and replay the lead";
        Failure::new(FailureReason::RequiredPropertyMissing, message).with_answer(&why.answer)
    }
}

/// What an answer means where no lead is to blame.
pub(super) fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Done(record) => Outcome::Delivered { record },
        Answer::Retry { after, why, in_doubt } => Outcome::Retry { after, why, in_doubt },
        Answer::Pause(pause, why) => Outcome::Pause { pause, why },
        Answer::Suspect { why, in_doubt, own } => Outcome::Suspect { why, in_doubt, own },
        Answer::Refused(why, _) | Answer::Reject(why) => Outcome::Reject(why),
        Answer::Conflict(id, why) => Outcome::Hold {
            why,
            candidates: id.into_iter().collect(),
        },
        Answer::NotFound(why) => Outcome::Hold {
            why,
            candidates: Vec::new(),
        },
    }
}
