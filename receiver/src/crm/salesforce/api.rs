//! The calls to Salesforce: with a token that is replaced once when it is refused; each answer classified.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;
use leadgate_crds::reason::FailureReason;
use reqwest::Method;
use serde_json::Value;

use super::answer::{Answer, RETRY_AFTER_MISCONFIGURED, classify, in_sight_of, unknown_field};
use super::auth::Auth;
use super::batch::{self, Kind, Write};
use super::contact;
use super::limits::Limits;
use super::settings::Settings;
use super::soql::{self, Found, Keys, MOBILE, Shape};
use crate::crm::{Failure, Outcome, Throttle};
use crate::expression::percent_encode;
use crate::outbound::{Client, NoAnswer, Peer, Reply, exchange};

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

/// An organisation's API, as a sink addresses it.
pub(super) struct Api {
    settings: Arc<Settings>,
    client: Client,
    auth: Auth,
    limits: Limits,
    /// The integration user does not see mobile numbers.
    no_mobile: AtomicBool,
    /// `https://example.my.salesforce.com/services/data/v62.0`.
    data: String,
}

impl Api {
    pub(super) fn new(settings: Arc<Settings>, client: Client) -> Self {
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
            no_mobile: AtomicBool::new(false),
            data,
        }
    }

    /// Whether to leave Salesforce alone: what is left of the daily limit is for others.
    pub(super) fn pause(&self) -> Option<Outcome> {
        self.limits.pause()
    }

    /// What Salesforce says of the sink's object.
    pub(super) async fn describe(&self, throttle: &dyn Throttle) -> Result<Reply, Answer> {
        let object = &self.settings.object;
        let call = Call::get(format!("{}/sobjects/{object}/describe", self.data));
        let reply = self.call(&call, throttle).await?;
        match self.classify(&reply) {
            Answer::Done(_) => Ok(reply),
            answer => Err(answer),
        }
    }

    /// Sends; a token that was refused is replaced once.
    async fn call(&self, call: &Call, throttle: &dyn Throttle) -> Result<Reply, Answer> {
        let mut refused = None;
        for _ in 0..2 {
            let session = self.auth.session(&self.settings.sign_in, throttle).await?;
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
            let peer = Peer::of_delivery("Salesforce", "salesforce.instanceUrl", self.settings.timeout);
            let reply = exchange(request, peer, throttle).await.map_err(Answer::None)?;
            self.limits.observe(&reply.headers);
            if reply.status != 401 {
                return Ok(reply);
            }
            self.auth.expired(&session).await;
            refused = Some(reply);
        }
        let text = refused.map(|reply| reply.text).unwrap_or_default();
        Err(Answer::settings(
            FailureReason::InvalidCredentials,
            "Salesforce refused an access token that it had just given; check salesforce.instanceUrl, the connected app's scope `api` and its IP rules".to_owned(),
            &text,
        ))
    }

    fn classify(&self, reply: &Reply) -> Answer {
        classify(reply, &self.settings.object)
    }

    /// The records that have any of the keys, and whether these are all.
    pub(super) async fn query(
        &self,
        shape: &Shape,
        keys: &[&Keys],
        throttle: &dyn Throttle,
    ) -> Result<(Vec<Found>, bool), Answer> {
        let without_mobile = Shape {
            mobile: None,
            ..shape.clone()
        };
        if shape.mobile.is_some() && !self.no_mobile.load(Ordering::Relaxed) {
            match self.ask(shape, keys, throttle).await {
                Err(answer) if unknown_field(&answer) == Some(MOBILE) => {
                    self.no_mobile.store(true, Ordering::Relaxed);
                }
                result => return result.map_err(of_query),
            }
        }
        self.ask(&without_mobile, keys, throttle).await.map_err(of_query)
    }

    async fn ask(
        &self,
        shape: &Shape,
        keys: &[&Keys],
        throttle: &dyn Throttle,
    ) -> Result<(Vec<Found>, bool), Answer> {
        let query = soql::query(shape, keys);
        let call = Call::get(format!("{}/query?q={}", self.data, percent_encode(&query)));
        // Nothing is written by a query, so no answer leaves nothing in doubt.
        let reply = self.call(&call, throttle).await.map_err(|answer| match answer {
            Answer::None(NoAnswer::Failed(why, _)) => Answer::None(NoAnswer::Failed(why, false)),
            answer => answer,
        })?;
        match self.classify(&reply) {
            Answer::Done(_) => soql::results(shape, reply.json()).ok_or_else(|| Answer::Retry {
                after: None,
                why: Failure::new(
                    FailureReason::UnreadableAnswer,
                    "Salesforce's answer to a query cannot be read",
                ),
                in_doubt: false,
            }),
            answer => Err(answer),
        }
    }

    /// Deletes a record, of the sink's object or a contact.
    pub(super) async fn delete(&self, id: &str, throttle: &dyn Throttle) -> Answer {
        let object = if contact::is_contact(id) {
            contact::OBJECT
        } else {
            &self.settings.object
        };
        let call = Call {
            method: Method::DELETE,
            url: format!("{}/sobjects/{object}/{id}", self.data),
            headers: Vec::new(),
            body: None,
        };
        match self.call(&call, throttle).await {
            Ok(reply) => classify(&reply, object),
            Err(answer) => answer,
        }
    }

    pub(super) async fn write_one(&self, write: &Write, throttle: &dyn Throttle) -> Answer {
        let object = write.object(&self.settings.object);
        let sobject = format!("{}/sobjects/{object}", self.data);
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
        let reply = match self.call(&call, throttle).await {
            Ok(reply) => reply,
            Err(answer) => return answer,
        };
        match self.classify(&reply) {
            Answer::Done(_) => batch::written(&reply, &write.kind),
            answer => self.judged(answer, write),
        }
    }

    /// One answer each, or one to the call as a whole.
    pub(super) async fn write_collection(
        &self,
        writes: &[Write],
        throttle: &dyn Throttle,
    ) -> Result<Vec<Answer>, Answer> {
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
        let reply = self.call(&call, throttle).await?;
        match self.classify(&reply) {
            Answer::Done(_) => {
                let answers = batch::items(reply.json(), writes, &self.settings.object);
                let judged = answers
                    .into_iter()
                    .zip(writes)
                    .map(|(answer, write)| self.judged(answer, write));
                Ok(judged.collect())
            }
            answer => Err(answer),
        }
    }

    /// What an answer means for this kind of write.
    fn judged(&self, answer: Answer, write: &Write) -> Answer {
        match in_sight_of(answer, &write.fields, write.may_create()) {
            Answer::NotFound(why) if write.may_create() => {
                match why.reason {
                    FailureReason::ConvertedLead => Answer::Several(Vec::new(), why),
                    FailureReason::RecordNotFound => self.no_such_path(&why),
                    // It is about what the lead refers to.
                    _ => Answer::Reject(why),
                }
            }
            // Two calls with one new external id at once: the other has made the record, so it will be found.
            Answer::Taken { field, why, .. }
                if field.is_empty() || field.eq_ignore_ascii_case(self.external()) =>
            {
                Answer::Retry {
                    after: None,
                    why: Failure {
                        reason: FailureReason::CreatedMeanwhile,
                        message: "another call has just created the record; it will be found".to_owned(),
                        answer: why.answer,
                        status: why.status,
                    },
                    in_doubt: false,
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
            FailureReason::UnknownObject,
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
}

/// What an answer means to a query, which writes nothing and asks for the sink's own fields: what is wrong with it is wrong for
/// every lead.
fn of_query(answer: Answer) -> Answer {
    match answer {
        Answer::Reject(why) | Answer::Refused(why, _) | Answer::NotFound(why) => Answer::Pause(
            RETRY_AFTER_MISCONFIGURED,
            Failure {
                reason: FailureReason::QueryRefused,
                message: format!(
                    "Salesforce refused the query for matching.keys, salesforce.externalId.field and overwrite: IfEmpty: {}",
                    why.message
                ),
                ..why
            },
        ),
        Answer::Retry { after, why, .. } => Answer::Retry {
            after,
            why,
            in_doubt: false,
        },
        answer => answer,
    }
}
