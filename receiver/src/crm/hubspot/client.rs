//! The calls to HubSpot, one lead at a time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::answer::{Answer, classify};
use crate::crm::exchange::{NoAnswer, Reply, exchange};
use crate::crm::{Crm, Failure, Gate, Inspection, Known, Matching, Outcome, Upsert};
use crate::expression::{percent_encode, plain_text};

/// A search may not show a record for so long after it was written (reported by users: up to 30 s).
const SEARCH_LAG: Duration = Duration::from_secs(35);

/// What a HubSpot sink says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://api.hubapi.com`, without a slash at the end.
    pub base_url: String,
    /// `v3` or `2026-03`.
    pub api_version: String,
    /// `contacts`.
    pub object: String,
    /// `email`, or a unique property of the user's own.
    pub unique_property: String,
    /// One by one, or in batches.
    pub upsert: leadgate_crds::crm_sink::Upsert,
    /// Whether missing properties are made.
    pub ensure_properties: bool,
    /// `Bearer …`; marked sensitive.
    pub authorization: HeaderValue,
    /// For one call.
    pub timeout: Duration,
    /// How a lead finds its record.
    pub matching: Matching,
}

/// A HubSpot account.
pub struct HubSpot {
    settings: Arc<Settings>,
    client: Client,
    objects: String,
}

impl HubSpot {
    /// An account, over a shared HTTP client.
    pub fn new(settings: Arc<Settings>, client: Client) -> Self {
        let base = settings.base_url.trim_end_matches('/');
        // v3 stands before `objects`, a dated version behind it.
        let objects = if settings.api_version.starts_with('v') {
            format!("{base}/crm/{}/objects/{}", settings.api_version, settings.object)
        } else {
            format!("{base}/crm/objects/{}/{}", settings.api_version, settings.object)
        };
        Self {
            settings,
            client,
            objects,
        }
    }

    async fn upsert_one(&self, lead: &Upsert, gate: &dyn Gate) -> Outcome {
        // A lead without a unique value is found by search only, which lags behind a write whose answer was lost.
        if lead.unknown && lead.record.is_none() && self.key(lead).is_none() {
            let why = Failure::new(
                "Settling",
                "the last attempt's answer was lost; waiting until HubSpot's search would show its record",
            );
            return Outcome::Retry {
                after: Some(SEARCH_LAG),
                why,
                unknown: false,
            };
        }
        match self.find_or_create(lead, gate).await {
            Ok(answer) => outcome(answer),
            Err(no_answer) => no_answer.into(),
        }
    }

    async fn find_or_create(&self, lead: &Upsert, gate: &dyn Gate) -> Result<Answer, NoAnswer> {
        let body = json!({"properties": texts(&lead.properties)});
        if let Some(Known::Record(record)) = &lead.record {
            match self.update(record, None, &body, gate).await? {
                // Deleted or merged since: look again.
                Answer::NotFound(_) => {}
                answer => return Ok(answer),
            }
        }
        let found = match self.key(lead) {
            Some(key) => {
                self.update(&key, Some(&self.settings.unique_property), &body, gate)
                    .await?
            }
            None => match self.search_by_phone(lead, gate).await? {
                Search::One(id) => self.update(&id, None, &body, gate).await?,
                Search::None => Answer::NotFound(Failure::default()),
                Search::Many => {
                    return Ok(Answer::Conflict(
                        None,
                        Failure::new(
                            "SeveralRecords",
                            "several HubSpot records have the lead's phone number, and the lead has no e-mail address to tell them apart",
                        ),
                    ));
                }
                Search::Answered(answer) => return Ok(answer),
            },
        };
        let Answer::NotFound(_) = found else {
            return Ok(found);
        };
        match self
            .call(self.client.request(Method::POST, &self.objects).json(&body), gate)
            .await?
        {
            Answer::Conflict(Some(id), _) => self.update(&id, None, &body, gate).await,
            // A path that is not there is a matter of the sink's settings, not of the lead.
            Answer::NotFound(why) => Ok(Answer::Pause(
                Duration::from_mins(1),
                Failure::new(
                    "UnknownObject",
                    format!(
                        "HubSpot knows no object `{}`; see hubspot.object and hubspot.apiVersion",
                        self.settings.object
                    ),
                )
                .with_answer(&why.answer),
            )),
            answer => Ok(answer),
        }
    }

    /// The lead's value of the unique property.
    fn key(&self, lead: &Upsert) -> Option<String> {
        property(lead, &self.settings.unique_property)
    }

    async fn update(
        &self,
        key: &str,
        id_property: Option<&str>,
        body: &Value,
        gate: &dyn Gate,
    ) -> Result<Answer, NoAnswer> {
        let mut url = format!("{}/{}", self.objects, percent_encode(key));
        if let Some(property) = id_property {
            url.push_str("?idProperty=");
            url.push_str(&percent_encode(property));
        }
        self.call(self.client.request(Method::PATCH, url).json(body), gate)
            .await
    }

    async fn search_by_phone(&self, lead: &Upsert, gate: &dyn Gate) -> Result<Search, NoAnswer> {
        let Some(phone) = property(lead, "phone") else {
            return Ok(Search::None);
        };
        let query = json!({
            "filterGroups": [{"filters": [{"propertyName": "phone", "operator": "EQ", "value": phone}]}],
            "properties": ["phone"], "limit": 2,
        });
        let url = format!("{}/search", self.objects);
        let reply = self
            .exchange(self.client.request(Method::POST, url).json(&query), gate)
            .await?;
        if reply.status != 200 {
            return Ok(Search::Answered(classify(
                reply.status,
                &reply.headers,
                &reply.text,
            )));
        }
        let found: Value = serde_json::from_str(&reply.text).unwrap_or(Value::Null);
        let ids: Vec<String> = found
            .get("results")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|record| record.get("id").and_then(plain_text))
            .collect();
        Ok(match ids.as_slice() {
            [] => Search::None,
            [id] => Search::One(id.clone()),
            _ => Search::Many,
        })
    }

    async fn call(&self, request: RequestBuilder, gate: &dyn Gate) -> Result<Answer, NoAnswer> {
        let reply = self.exchange(request, gate).await?;
        Ok(classify(reply.status, &reply.headers, &reply.text))
    }

    async fn exchange(&self, request: RequestBuilder, gate: &dyn Gate) -> Result<Reply, NoAnswer> {
        let request = request.header(http::header::AUTHORIZATION, self.settings.authorization.clone());
        exchange(request, self.settings.timeout, gate, "HubSpot", "hubspot.baseUrl").await
    }
}

/// What a search found.
enum Search {
    None,
    One(String),
    Many,
    Answered(Answer),
}

#[async_trait]
impl Crm for HubSpot {
    async fn upsert(&self, batch: Vec<Upsert>, gate: &dyn Gate) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for lead in &batch {
            outcomes.push(self.upsert_one(lead, gate).await);
        }
        outcomes
    }

    fn max_batch(&self) -> usize {
        1
    }

    async fn inspect(&self, _properties: &[&str], _gate: &dyn Gate) -> Inspection {
        Inspection::default()
    }
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Done(record) => Outcome::Delivered { record },
        Answer::Retry(after, why) => Outcome::Retry {
            after,
            unknown: why.reason == "Unavailable",
            why,
        },
        Answer::Pause(pause, why) => Outcome::Pause { pause, why },
        Answer::Reject(why) => Outcome::Reject(why),
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

fn property(lead: &Upsert, name: &str) -> Option<String> {
    let (_, value) = lead.properties.iter().find(|(known, _)| known == name)?;
    text(value).filter(|text| !text.is_empty())
}

/// HubSpot takes texts only: numbers and booleans as written, lists joined with `;` as for multiple checkboxes.
fn texts(properties: &[(String, Value)]) -> Map<String, Value> {
    properties
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), Value::String(text(value)?))))
        .collect()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => Some(items.iter().filter_map(plain_text).collect::<Vec<_>>().join(";")),
        Value::Object(_) => Some(value.to_string()),
        other => plain_text(other),
    }
}
