//! The calls to Salesforce.

use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use leadgate_crds::crm_sink::MatchingKey;
use reqwest::{Client, Method};
use serde_json::Value;

use super::Settings;
use super::answer::{Answer, SETTINGS, classify};
use super::auth::Auth;
use super::batch::{self, Kind, Write};
use super::inspect;
use super::limits::Limits;
use super::plan::{self, Lead, Target};
use super::soql::{self, Found, Keys, Shape};
use crate::crm::exchange::{NoAnswer, Reply, exchange};
use crate::crm::{Candidate, Crm, Failure, Gate, Inspection, Outcome, Upsert, Verdict};
use crate::expression::percent_encode;

/// A Salesforce organisation.
pub struct Salesforce {
    settings: Arc<Settings>,
    client: Client,
    auth: Auth,
    limits: Limits,
    /// `https://example.my.salesforce.com/services/data/v62.0`.
    data: String,
}

/// One request, to be made again with another token if need be.
struct Call {
    method: Method,
    url: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Option<Value>,
}

impl Call {
    fn get(url: String) -> Self {
        Self {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: None,
        }
    }
}

impl Salesforce {
    /// An organisation, over a shared HTTP client.
    pub fn new(settings: Arc<Settings>, client: Client) -> Self {
        let data = format!(
            "{}/services/data/v{}",
            settings.instance_url.trim_end_matches('/'),
            settings.api_version
        );
        let auth = Auth::new(client.clone(), settings.timeout);
        Self {
            settings,
            client,
            auth,
            limits: Limits::default(),
            data,
        }
    }

    /// Sends; a token that was refused is replaced once.
    async fn call(&self, call: &Call, gate: &dyn Gate) -> Result<Reply, Answer> {
        let mut refused = None;
        for _ in 0..2 {
            let session = self.auth.session(&self.settings.sign_in, gate).await?;
            let mut request = self
                .client
                .request(call.method.clone(), &call.url)
                .header(http::header::AUTHORIZATION, session.header.clone());
            for (name, value) in &call.headers {
                request = request.header(*name, HeaderValue::from_static(value));
            }
            if let Some(body) = &call.body {
                request = request.json(body);
            }
            let timeout = self.settings.timeout;
            let reply = exchange(request, timeout, gate, "Salesforce", "salesforce.instanceUrl")
                .await
                .map_err(Answer::None)?;
            self.limits.observe(&reply.headers);
            if reply.status != 401 {
                return Ok(reply);
            }
            self.auth.expired(&session).await;
            refused = Some(reply);
        }
        let text = refused.map(|reply| reply.text).unwrap_or_default();
        Err(Answer::settings(
            "InvalidCredentials",
            "Salesforce refused an access token that it had just given; check salesforce.instanceUrl, the connected app's scope `api` and its IP rules".to_owned(),
            &text,
        ))
    }

    fn classify(&self, reply: &Reply) -> Answer {
        classify(reply.status, &reply.headers, &reply.text, &self.settings.object)
    }

    /// What queries compare and read; `leads` decide which fields must be read.
    fn shape<'a>(&self, properties: impl Iterator<Item = &'a str>) -> Shape {
        let settings = &self.settings;
        let key = |key, standard| {
            settings
                .matching
                .compares(key)
                .then(|| settings.key_field(standard))
        };
        let mut also: Vec<String> = properties
            .filter(|name| settings.matching.keeps(name) && is_field(name))
            .map(str::to_owned)
            .collect();
        also.sort();
        also.dedup();
        Shape {
            object: settings.object.clone(),
            email: key(MatchingKey::Email, "Email"),
            phone: key(MatchingKey::Phone, "Phone"),
            external: settings
                .external_id
                .as_ref()
                .map(|external| external.field.clone()),
            converts: settings.converts(),
            also,
        }
    }

    /// Delivers leads no two of which may mean one record.
    async fn deliver(
        &self,
        leads: &[(usize, Lead)],
        now: Vec<usize>,
        gate: &dyn Gate,
    ) -> Vec<(usize, Outcome)> {
        let lead = |index: usize| leads.get(index).map(|(_, lead)| lead);
        let names = now
            .iter()
            .filter_map(|i| lead(*i))
            .flat_map(|l| &l.upsert.properties)
            .map(|(name, _)| name.as_str());
        let shape = self.shape(names);
        let mut ended = Vec::new();
        // Records known from earlier leads need no query, unless values that stand are left alone.
        let (mut writes, mut asked) = (Vec::new(), Vec::new());
        for index in now {
            let Some(lead) = lead(index) else { continue };
            match lead.known() {
                Some(id) if shape.also.is_empty() => writes.push(self.update(index, lead, id, None)),
                _ => asked.push((index, false)),
            }
        }
        for (write, answer) in self.write(writes, gate).await {
            match answer {
                // Deleted, merged or converted since: look again.
                Answer::Gone(_) => asked.push((write.lead, true)),
                answer => ended.push((write.lead, outcome(answer))),
            }
        }
        let mut writes = Vec::new();
        let keys: Vec<(usize, Keys)> = asked
            .iter()
            .filter_map(|(index, forget)| Some((*index, lead(*index)?.keys(&shape, *forget))))
            .collect();
        for (index, found) in self.find(&shape, &keys, gate).await {
            let Some(lead) = lead(index) else { continue };
            let forget = asked.contains(&(index, true));
            match found {
                Err(answer) => ended.push((index, outcome(answer))),
                Ok(found) => match plan::target(lead, &found, &self.settings.matching, forget) {
                    Target::Hold { why, candidates } => {
                        ended.push((index, Outcome::Hold { why, candidates }));
                    }
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
                },
            }
        }
        for (write, answer) in self.write(writes, gate).await {
            let index = write.lead;
            let answer = match (answer, lead(index)) {
                (Answer::Duplicates(ids, why), Some(lead)) if write.may_create() => {
                    self.duplicates(lead, write, ids, why, &shape, gate).await
                }
                (answer, _) => answer,
            };
            ended.push((index, outcome(answer)));
        }
        ended
    }

    fn update(&self, index: usize, lead: &Lead, id: &str, record: Option<&Found>) -> Write {
        Write {
            lead: index,
            kind: Kind::Update(id.to_owned()),
            fields: plan::update_body(lead, &self.settings, record),
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
        gate: &dyn Gate,
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
            match self.query(shape, &soql::query(shape, &asked), gate).await {
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

    async fn query(&self, shape: &Shape, query: &str, gate: &dyn Gate) -> Result<(Vec<Found>, bool), Answer> {
        let reply = self
            .call(
                &Call::get(format!("{}/query?q={}", self.data, percent_encode(query))),
                gate,
            )
            .await?;
        match self.classify(&reply) {
            Answer::Done(_) => serde_json::from_str(&reply.text)
                .ok()
                .and_then(|body: Value| soql::results(shape, &body))
                .ok_or_else(|| Answer::Retry {
                    after: None,
                    why: Failure::new(
                        "UnreadableAnswer",
                        "Salesforce's answer to a query cannot be read",
                    ),
                    unknown: false,
                }),
            // A query asks for the sink's own fields: what is wrong with it is wrong for every lead.
            Answer::Reject(why) | Answer::Gone(why) => Err(Answer::Pause(
                SETTINGS,
                Failure {
                    reason: "QueryRefused",
                    message: format!(
                        "Salesforce refused the query for matching.keys, salesforce.externalId.field and overwrite: IfEmpty: {}",
                        why.message
                    ),
                    answer: why.answer,
                },
            )),
            // Nothing is written by a query.
            Answer::Retry { after, why, .. } => Err(Answer::Retry {
                after,
                why,
                unknown: false,
            }),
            answer => Err(answer),
        }
    }

    /// Writes in as few calls as possible.
    async fn write(&self, writes: Vec<Write>, gate: &dyn Gate) -> Vec<(Write, Answer)> {
        let mut done = Vec::with_capacity(writes.len());
        let mut rest = writes;
        while !rest.is_empty() {
            let (now, later) = batch::next(rest);
            rest = later;
            let mut parts = vec![now];
            while let Some(mut part) = parts.pop() {
                match part.as_slice() {
                    [] => {}
                    [one] => {
                        let answer = self.write_one(one, gate).await;
                        done.extend(part.into_iter().map(|write| (write, answer.clone())));
                    }
                    several => match self.write_collection(several, gate).await {
                        Ok(answers) => done.extend(part.into_iter().zip(answers)),
                        // The call as a whole: one of the leads is to blame, and must not stop the others.
                        Err(Answer::Reject(_)) => {
                            let rest = part.split_off(part.len() / 2);
                            parts.push(rest);
                            parts.push(part);
                        }
                        Err(answer) => done.extend(part.into_iter().map(|write| (write, answer.clone()))),
                    },
                }
            }
        }
        done
    }

    async fn write_one(&self, write: &Write, gate: &dyn Gate) -> Answer {
        let sobject = format!("{}/sobjects/{}", self.data, self.settings.object);
        let (method, url) = match &write.kind {
            Kind::Update(id) => (Method::PATCH, format!("{sobject}/{id}")),
            Kind::Upsert(value) => (
                Method::PATCH,
                format!("{sobject}/{}/{}", self.external(), percent_encode(value)),
            ),
            Kind::Insert => (Method::POST, sobject),
        };
        let call = Call {
            method,
            url,
            headers: self.headers(write),
            body: Some(Value::Object(write.fields.clone())),
        };
        let reply = match self.call(&call, gate).await {
            Ok(reply) => reply,
            Err(answer) => return answer,
        };
        match (self.classify(&reply), &write.kind) {
            (Answer::Done(None), Kind::Update(id)) => Answer::Done(Some(id.clone())),
            (answer, _) => self.judged(answer, write),
        }
    }

    /// One answer each, or one to the call as a whole.
    async fn write_collection(&self, writes: &[Write], gate: &dyn Gate) -> Result<Vec<Answer>, Answer> {
        let Some(first) = writes.first() else {
            return Ok(Vec::new());
        };
        let sobjects = format!("{}/composite/sobjects", self.data);
        let (method, url) = match &first.kind {
            Kind::Update(_) => (Method::PATCH, sobjects),
            Kind::Upsert(_) => (
                Method::PATCH,
                format!("{sobjects}/{}/{}", self.settings.object, self.external()),
            ),
            Kind::Insert => (Method::POST, sobjects),
        };
        let call = Call {
            method,
            url,
            headers: self.headers(first),
            body: Some(batch::collection(writes, &self.settings.object, self.external())),
        };
        let reply = self.call(&call, gate).await?;
        match self.classify(&reply) {
            Answer::Done(_) => {
                let body = serde_json::from_str(&reply.text).unwrap_or(Value::Null);
                let answers = batch::items(&body, writes, &self.settings.object);
                let judged = answers
                    .into_iter()
                    .zip(writes)
                    .map(|(answer, write)| self.judged(answer, write));
                Ok(judged.collect())
            }
            Answer::Gone(why) => Err(self.no_such_path(&why)),
            answer => Err(answer),
        }
    }

    /// What an answer means for this kind of write.
    fn judged(&self, answer: Answer, write: &Write) -> Answer {
        match answer {
            Answer::Gone(why) if write.may_create() => {
                if why.reason == "ConvertedLead" {
                    Answer::Several(Vec::new(), why)
                } else {
                    self.no_such_path(&why)
                }
            }
            // Two calls with one new external id at once: the other has made the record, so it will be found.
            Answer::Taken { field, why, .. }
                if field.is_empty() || field.eq_ignore_ascii_case(self.external()) =>
            {
                Answer::Retry {
                    after: None,
                    why: Failure {
                        reason: "CreatedMeanwhile",
                        message: "another call has just created the record; it will be found".to_owned(),
                        answer: why.answer,
                    },
                    unknown: false,
                }
            }
            answer => answer,
        }
    }

    /// 404 where no record is looked for: a matter of the sink's settings, not of the lead.
    fn no_such_path(&self, why: &Failure) -> Answer {
        let Settings {
            object, api_version, ..
        } = self.settings.as_ref();
        Answer::settings(
            "UnknownObject",
            format!(
                "Salesforce knows no object {object}, or no external id field {}, in version {api_version} ({}); see salesforce.object, salesforce.externalId.field and salesforce.apiVersion",
                self.external(),
                why.reason
            ),
            &why.answer,
        )
    }

    fn external(&self) -> &str {
        self.settings
            .external_id
            .as_ref()
            .map_or("", |external| external.field.as_str())
    }

    fn headers(&self, write: &Write) -> Vec<(&'static str, &'static str)> {
        // Left out, assignment rules would run also for changes, and take leads from who works on them.
        let assign = self.settings.assignment_rule && write.may_create();
        let mut headers = vec![("sforce-auto-assign", if assign { "TRUE" } else { "FALSE" })];
        if write.allow_save {
            headers.push(("sforce-duplicate-rule-header", "allowSave=true"));
        }
        headers
    }

    /// A duplicate rule found records that the query did not: the same person in another spelling, or made meanwhile.
    async fn duplicates(
        &self,
        lead: &Lead,
        write: Write,
        ids: Vec<String>,
        why: Failure,
        shape: &Shape,
        gate: &dyn Gate,
    ) -> Answer {
        // A collection's result may not name them; a single call's does.
        let (ids, why) = if ids.is_empty() {
            match self.write_one(&write, gate).await {
                Answer::Duplicates(ids, why) => (ids, why),
                answer => return answer,
            }
        } else {
            (ids, why)
        };
        let by_id = Shape {
            email: Some(
                shape
                    .email
                    .clone()
                    .unwrap_or_else(|| self.settings.key_field("Email")),
            ),
            ..shape.clone()
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
        let query = soql::query(&by_id, &keys.iter().collect::<Vec<_>>());
        let records = match self.query(&by_id, &query, gate).await {
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
                    self.write_one(&update, gate).await
                }
            }
            Verdict::Create | Verdict::Hold { .. } => Answer::Duplicates(ids, why),
        }
    }
}

/// A field's API name: nothing else is put into a query.
fn is_field(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Done(record) => Outcome::Delivered { record },
        Answer::Retry { after, why, unknown } => Outcome::Retry { after, why, unknown },
        Answer::Pause(pause, why) => Outcome::Pause { pause, why },
        Answer::Expired(why) => Outcome::Pause { pause: SETTINGS, why },
        Answer::Reject(why) => Outcome::Reject(why),
        Answer::Several(candidates, why) | Answer::Duplicates(candidates, why) => {
            Outcome::Hold { why, candidates }
        }
        Answer::Taken { holder, why, .. } => Outcome::Hold {
            why,
            candidates: holder.into_iter().collect(),
        },
        // It was there a moment ago.
        Answer::Gone(why) => Outcome::Retry {
            after: None,
            why,
            unknown: false,
        },
        Answer::None(no_answer) => no_answer.into(),
    }
}

#[async_trait]
impl Crm for Salesforce {
    async fn upsert(&self, batch: Vec<Upsert>, gate: &dyn Gate) -> Vec<Outcome> {
        if let Some(pause) = self.limits.pause() {
            return vec![pause; batch.len()];
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; batch.len()];
        let mut leads = Vec::with_capacity(batch.len());
        for (place, (upsert, outcome)) in batch.into_iter().zip(&mut outcomes).enumerate() {
            match Lead::new(upsert, &self.settings) {
                Ok(lead) => leads.push((place, lead)),
                Err(why) => *outcome = Some(Outcome::Reject(why)),
            }
        }
        let mut waiting: Vec<usize> = (0..leads.len()).collect();
        while !waiting.is_empty() {
            let (now, later) = plan::pass(&leads, &waiting);
            for (index, outcome) in self.deliver(&leads, now, gate).await {
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
                    why: Failure::new("NoOutcome", "Salesforce's client gave no outcome for the lead"),
                    unknown: true,
                })
            })
            .collect()
    }

    fn max_batch(&self) -> usize {
        batch::MOST
    }

    async fn inspect(&self, properties: &[&str], gate: &dyn Gate) -> Inspection {
        let settings = &self.settings;
        let describe = Call::get(format!("{}/sobjects/{}/describe", self.data, settings.object));
        let answer = match self.call(&describe, gate).await {
            Ok(reply) => match self.classify(&reply) {
                Answer::Done(_) => {
                    let body = serde_json::from_str(&reply.text).unwrap_or(Value::Null);
                    let shape = self.shape(properties.iter().copied());
                    return Inspection {
                        reachable: Some(Ok(())),
                        credentials: Some(Ok(())),
                        problems: inspect::problems(&body, properties, settings, &shape),
                    };
                }
                answer => answer,
            },
            Err(answer) => answer,
        };
        not_described(answer, &settings.object)
    }
}

/// What it means for the sink that there is no description.
fn not_described(answer: Answer, object: &str) -> Inspection {
    let reached = |credentials, problems| Inspection {
        reachable: Some(Ok(())),
        credentials,
        problems,
    };
    match answer {
        Answer::None(NoAnswer::Denied(_)) => Inspection::default(),
        Answer::None(NoAnswer::Failed(why, _)) | Answer::Retry { why, .. } => Inspection {
            reachable: Some(Err(why)),
            ..Inspection::default()
        },
        Answer::Gone(_) => reached(
            Some(Ok(())),
            vec![format!(
                "salesforce.object: Salesforce has no object {object} that the integration user can see; correct the name or salesforce.apiVersion, or give the user's permission set read access"
            )],
        ),
        Answer::Expired(why) => reached(Some(Err(why)), Vec::new()),
        Answer::Pause(_, why)
            if matches!(
                why.reason,
                "InvalidCredentials" | "MissingPermission" | "ApiDisabled"
            ) =>
        {
            reached(Some(Err(why)), Vec::new())
        }
        // A limit that is used up was told to somebody who had signed in.
        Answer::Pause(_, why) => reached(Some(Ok(())), vec![why.message]),
        _ => reached(Some(Ok(())), Vec::new()),
    }
}
