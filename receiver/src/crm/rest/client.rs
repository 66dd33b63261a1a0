//! The calls to the CRM, one lead at a time.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::answer::{Answer, Seen, classify};
use super::auth::{Credentials, Tokens};
use super::find::{Record, Verdict, judge, records, writable};
use super::outcome::{path_missing, several, unfinished};
use super::request::{Request, Variables, request};
use super::search_lag::SearchLag;
use super::settings::{Call, Find, Flow, Settings, Write};
use crate::crm::exchange::{NoAnswer, Reply, exchange};
use crate::crm::{Crm, Failure, Known, Outcome, PreflightReport, Throttle, Upsert};

/// A CRM that a sink describes.
pub struct Rest {
    pub(super) settings: Arc<Settings>,
    client: Client,
    tokens: Tokens,
    search_lag: SearchLag,
}

/// What a call gave, or what becomes of the lead because it gave nothing.
type Called<T> = Result<T, Outcome>;

impl Rest {
    /// A CRM, over a shared HTTP client that follows no redirects.
    pub fn new(settings: Arc<Settings>, client: Client) -> Self {
        Self {
            settings,
            client,
            tokens: Tokens::default(),
            search_lag: SearchLag::default(),
        }
    }

    async fn deliver(&self, lead: &Upsert, throttle: &dyn Throttle) -> Outcome {
        let delivered = match &self.settings.flow {
            Flow::Upsert(upsert) => self.upsert_at_once(upsert, lead, throttle).await,
            Flow::Find(find) => self.find_and_write(find, lead, throttle).await,
        };
        let outcome = delivered.unwrap_or_else(|outcome| outcome);
        match &outcome {
            Outcome::Delivered { .. }
            | Outcome::Reject(_)
            | Outcome::Refused { .. }
            | Outcome::Hold { .. } => self.search_lag.end(lead),
            Outcome::Retry { in_doubt: true, .. } | Outcome::Suspect { in_doubt: true, .. } => {
                self.search_lag.begin(lead);
            }
            Outcome::Retry { .. }
            | Outcome::Suspect { .. }
            | Outcome::AwaitVisibility { .. }
            | Outcome::Throttled(_)
            | Outcome::Pause { .. } => {}
        }
        outcome
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
            Answer::NotFound(why) => Outcome::Reject(why),
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
            Some(Known::New) if lead.in_doubt => {
                return Ok(Outcome::Hold {
                    why: Failure::new(
                        "AnswerLost",
                        "a new record was to be made, and the CRM's answer was lost; look whether it is there",
                    ),
                    candidates: Vec::new(),
                });
            }
            Some(Known::New) => return self.create(find, lead, reads, throttle).await,
            Some(Known::Record(id)) => Some(id),
            None => None,
        };
        if lead.in_doubt
            && let Some(outcome) = self.wait_for_lookup(find, lead)
        {
            return Ok(outcome);
        }
        if let Some(id) = known
            && !reads
            && let Some(outcome) = self.update(find, lead, id, &lead.properties, throttle).await?
        {
            return Ok(outcome);
        }
        let found = self.look_up(find, lead, throttle).await?;
        if let Some(id) = known
            && reads
        {
            match found.iter().find(|record| record.id == *id) {
                Some(record) => return self.update_found(find, lead, record, throttle).await,
                None => {
                    if let Some(outcome) = self.wait_for_lookup(find, lead) {
                        return Ok(outcome);
                    }
                }
            }
        }
        match judge(&found) {
            Verdict::One(record) => self.update_found(find, lead, record, throttle).await,
            Verdict::Several(candidates) => Ok(several(candidates)),
            Verdict::None => self.create(find, lead, reads, throttle).await,
        }
    }

    /// The records that the lookup shows.
    async fn look_up(&self, find: &Find, lead: &Upsert, throttle: &dyn Throttle) -> Called<Vec<Record>> {
        let variables = Variables::of(lead);
        let (answer, seen) = self
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
        match self.write(&find.create, lead, &variables, throttle).await? {
            Answer::Done(record) => Ok(Outcome::Delivered { record }),
            // Somebody decided that it is none of the records that the CRM has.
            Answer::Conflict(id, why) if lead.record == Some(Known::New) => Ok(Outcome::Hold {
                why,
                candidates: id.into_iter().collect(),
            }),
            Answer::Conflict(id, why) => self.after_conflict(find, lead, id, why, reads, throttle).await,
            Answer::NotFound(why) => Ok(path_missing(&why, "rest.create.path")),
            // The second time: neither the answer nor the lookup shows what was made. No third one.
            Answer::Nameless(why) if lead.in_doubt => Ok(Outcome::Hold {
                why,
                candidates: Vec::new(),
            }),
            other => Ok(unfinished(other, true, lead)),
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
            (None, Verdict::None) => Ok(self.wait_for_lookup(find, lead).unwrap_or_else(|| Outcome::Hold {
                why: Failure::new(
                    "RecordConflict",
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
        Ok(updated.unwrap_or_else(|| Outcome::Retry {
            after: Some(find.lookup.lag),
            why: Failure::new(
                "RecordGone",
                "rest.lookup shows a record that rest.update does not find; it may just have been deleted",
            ),
            in_doubt: false,
        }))
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

    /// What to do while the lookup may not show a record that was made.
    fn wait_for_lookup(&self, find: &Find, lead: &Upsert) -> Option<Outcome> {
        let left = self.search_lag.left(lead, find.lookup.lag)?;
        Some(Outcome::Retry {
            after: Some(left),
            why: Failure::new(
                "AwaitingVisibility",
                "the CRM may have a record that its lookup does not show yet; waiting for rest.lookup.lag",
            ),
            in_doubt: false,
        })
    }

    async fn write(
        &self,
        write: &Write,
        lead: &Upsert,
        variables: &Variables<'_>,
        throttle: &dyn Throttle,
    ) -> Called<Answer> {
        let (answer, _) = self
            .call(&write.call, Some(write), lead, variables, throttle)
            .await?;
        Ok(answer)
    }

    async fn call(
        &self,
        call: &Call,
        write: Option<&Write>,
        lead: &Upsert,
        variables: &Variables<'_>,
        throttle: &dyn Throttle,
    ) -> Called<(Answer, Seen)> {
        let request = request(&self.settings.base_url, call, variables).map_err(Outcome::Reject)?;
        let method = method(call);
        let may_create = matches!(call.name, "create" | "upsert");
        let reply = self
            .send(&method, &request, throttle)
            .await
            .map_err(|outcome| match outcome {
                // Only a lost write that may have made a record is a matter of duplicates.
                Outcome::Retry { after, why, in_doubt } => Outcome::Retry {
                    after,
                    why,
                    in_doubt: in_doubt && may_create,
                },
                other => other,
            })?;
        let seen = Seen::new(reply, call.name);
        let sent: Vec<&str> = lead.for_create().map(|(name, _)| name.as_str()).collect();
        let id = write.and_then(|write| write.id.as_ref());
        Ok((classify(&self.settings.answers, &seen, id, &sent), seen))
    }

    /// Sends a request; once more with a new token, when the CRM says that the old one has ended.
    pub(super) async fn send(
        &self,
        method: &Method,
        request: &Request,
        throttle: &dyn Throttle,
    ) -> Result<Reply, Outcome> {
        let credentials = self.credentials(throttle).await?;
        let reply = self.send_with(method, request, &credentials, throttle).await?;
        if reply.status != 401 || !credentials.renewable() {
            return Ok(reply);
        }
        self.tokens.refused(&credentials).await;
        let credentials = self.credentials(throttle).await?;
        Ok(self.send_with(method, request, &credentials, throttle).await?)
    }

    async fn credentials(&self, throttle: &dyn Throttle) -> Result<Credentials, Outcome> {
        let settings = &self.settings;
        self.tokens
            .credentials(&settings.auth, &self.client, settings.timeout, throttle)
            .await
    }

    async fn send_with(
        &self,
        method: &Method,
        request: &Request,
        credentials: &Credentials,
        throttle: &dyn Throttle,
    ) -> Result<Reply, NoAnswer> {
        let settings = &self.settings;
        let mut builder: RequestBuilder = self
            .client
            .request(method.clone(), &request.url)
            .header(http::header::ACCEPT, "application/json");
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        // The sink's own headers replace these.
        builder = builder
            .headers(settings.headers.clone())
            .headers(request.headers.clone())
            .header(&credentials.name, credentials.value.clone());
        exchange(builder, settings.timeout, throttle, "the CRM", "rest.baseUrl").await
    }
}

/// A call's method.
pub(super) fn method(call: &Call) -> Method {
    use leadgate_crds::crm_sink::Method as Spec;
    match call.method {
        Spec::Get => Method::GET,
        Spec::Post => Method::POST,
        Spec::Put => Method::PUT,
        Spec::Patch => Method::PATCH,
    }
}

#[async_trait]
impl Crm for Rest {
    async fn upsert(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for lead in batch {
            outcomes.push(self.deliver(lead, throttle).await);
        }
        outcomes
    }

    fn max_batch(&self) -> usize {
        1
    }

    async fn preflight(
        &self,
        _properties: &[&str],
        _create_only: &[&str],
        throttle: &dyn Throttle,
    ) -> PreflightReport {
        super::preflight::preflight(self, throttle).await
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
