//! People with several records: two queries for many of them; four where leads are matched with contacts.

use leadgate_crds::crm_sink::ContactMatch;

use super::Salesforce;
use super::answer::{Answer, record_id};
use super::soql::{self, Keys, Shape};
use crate::crm::{Candidate, Throttle, Twins, Undone, phone_forms};

impl Salesforce {
    pub(super) async fn find_twins(
        &self,
        ids: &[String],
        throttle: &dyn Throttle,
    ) -> Result<Vec<Twins>, Undone> {
        if let Some(pause) = self.api.pause() {
            return Err(pause.into());
        }
        let matching = &self.settings.matching;
        let leads = Shape::of(&self.settings, std::iter::empty());
        let contacts = (matching.contacts != ContactMatch::Create).then(|| leads.of_contacts());
        let shapes: Vec<Shape> = [leads].into_iter().chain(contacts).collect();
        let by_id = ids.iter().map(|id| Keys {
            id: record_id(id),
            ..Keys::default()
        });
        let own = self.candidates(&shapes, by_id, throttle).await?;
        let keys = matching.twin_keys(&own);
        let by_email = keys.emails.into_iter().map(|email| Keys {
            email: Some(email),
            ..Keys::default()
        });
        let by_phone = keys.phones.iter().map(|phone| Keys {
            phones: phone_forms::forms(phone),
            ..Keys::default()
        });
        let found = self
            .candidates(&shapes, by_email.chain(by_phone), throttle)
            .await?;
        Ok(matching.twins(ids, &own, &found))
    }

    async fn candidates(
        &self,
        shapes: &[Shape],
        keys: impl Iterator<Item = Keys>,
        throttle: &dyn Throttle,
    ) -> Result<Vec<Candidate>, Undone> {
        let keys: Vec<(usize, Keys)> = keys.filter(|keys| !keys.is_empty()).enumerate().collect();
        let mut found = Vec::new();
        for shape in shapes {
            for part in soql::chunks(shape, &keys) {
                let asked: Vec<&Keys> = part.iter().map(|(_, keys)| keys).collect();
                let (records, _) = self.api.query(shape, &asked, throttle).await.map_err(undone)?;
                found.extend(records.into_iter().map(|record| record.candidate));
            }
        }
        Ok(found)
    }
}

/// What an answer means for a call that delivers no lead.
pub(super) fn undone(answer: Answer) -> Undone {
    match answer {
        Answer::Done(_) => Undone::strange(),
        Answer::Retry { after, why, .. } => Undone::Later {
            after: after.unwrap_or_default(),
            why,
        },
        Answer::Pause(after, why) => Undone::Later { after, why },
        Answer::Suspect { why, .. } | Answer::Expired(why) => Undone::later(why),
        Answer::None(no_answer) => no_answer.into(),
        Answer::NotFound(why)
        | Answer::Several(_, why)
        | Answer::Duplicates(_, why)
        | Answer::Taken { why, .. }
        | Answer::Reject(why)
        | Answer::Refused(why, _) => Undone::Failed(why),
    }
}
