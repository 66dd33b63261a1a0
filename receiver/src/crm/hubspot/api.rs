//! The calls to HubSpot, each one HTTP exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::answer::{classify, of_unread, of_write};
use super::search::{self, Query};
use super::settings::Settings;
use crate::crm::answer::Answer;
use crate::crm::{Candidate, Throttle};
use crate::expression::{percent_encode, plain_text};
use crate::outbound::{Body, Client, NoAnswer, Peer, Reply, exchange};

/// HubSpot's bound on the results of a page of a search.
pub(super) const SEARCH_PAGE_SIZE: usize = 200;
/// A wait this short is waited at once, so often; a longer one is the sink's.
const MAX_WAIT_IN_PLACE: Duration = Duration::from_millis(1500);
const MAX_WAITS_IN_PLACE: u32 = 3;

/// HubSpot's API, as a sink addresses it.
pub(super) struct Api {
    settings: Arc<Settings>,
    client: Client,
    objects: String,
    properties: String,
    /// The account has no property with phone numbers as digits.
    no_digits: AtomicBool,
}

/// A record that was read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: String,
    /// Property -> value.
    pub(super) properties: Value,
}

impl Record {
    fn of(body: &Value) -> Option<Self> {
        Some(Self {
            id: body.get("id").and_then(plain_text)?,
            properties: body.get("properties").cloned().unwrap_or_default(),
        })
    }

    pub(super) fn candidate(&self) -> Candidate {
        let text = |name: &str| {
            self.properties
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Candidate {
            id: self.id.clone(),
            email: text("email"),
            phones: ["phone", "mobilephone"].into_iter().filter_map(text).collect(),
        }
    }
}

/// What reading gave: records, or an answer that speaks against it.
pub(super) type Read<T> = Result<Result<T, Answer>, NoAnswer>;

impl Api {
    pub(super) fn new(settings: Arc<Settings>, client: Client) -> Self {
        let base = settings.base_url.trim_end_matches('/');
        let (version, object) = (&settings.api_version, &settings.object);
        // v3 stands before `objects`, a dated version behind it.
        let (objects, properties) = if version.starts_with('v') {
            (
                format!("{base}/crm/{version}/objects/{object}"),
                format!("{base}/crm/{version}/properties/{object}"),
            )
        } else {
            (
                format!("{base}/crm/objects/{version}/{object}"),
                format!("{base}/crm/properties/{version}/{object}"),
            )
        };
        Self {
            settings,
            client,
            objects,
            properties,
            no_digits: AtomicBool::new(false),
        }
    }

    pub(super) async fn update(
        &self,
        key: &str,
        id_property: Option<&str>,
        properties: &Map<String, Value>,
        throttle: &dyn Throttle,
    ) -> Result<Answer, NoAnswer> {
        let request = self.client.request(Method::PATCH, self.record(key, id_property));
        self.call(request.json(&json!({"properties": properties})), throttle)
            .await
    }

    pub(super) async fn create(
        &self,
        properties: &Map<String, Value>,
        throttle: &dyn Throttle,
    ) -> Result<Answer, NoAnswer> {
        let request = self.client.request(Method::POST, &self.objects);
        self.call(request.json(&json!({"properties": properties})), throttle)
            .await
    }

    /// One record, with its e-mail address, phone numbers and `names`.
    pub(super) async fn read(
        &self,
        key: &str,
        id_property: Option<&str>,
        names: &[&str],
        throttle: &dyn Throttle,
    ) -> Read<Record> {
        let mut url = self.record(key, id_property);
        url.push(if id_property.is_some() { '&' } else { '?' });
        url.push_str("properties=");
        let mut all = vec!["email", "phone", "mobilephone"];
        all.extend(names);
        url.push_str(&percent_encode(&all.join(",")));
        let reply = self
            .exchange(self.client.request(Method::GET, url), throttle)
            .await?;
        Ok(match (reply.status, Record::of(reply.json())) {
            (200, Some(record)) => Ok(record),
            _ => Err(of_unread(&reply)),
        })
    }

    /// Records that may have one of the e-mail addresses or phone numbers, however they hold it; what was just written may be
    /// missing for half a minute.
    pub(super) async fn search(
        &self,
        emails: &[String],
        phones: &[String],
        throttle: &dyn Throttle,
    ) -> Read<Vec<Record>> {
        let mut found: Vec<Record> = Vec::new();
        for query in search::queries(emails, phones) {
            match self.ask(&query, throttle).await? {
                Ok(records) => {
                    for record in records {
                        if found.iter().all(|known| known.id != record.id) {
                            found.push(record);
                        }
                    }
                }
                Err(answer) => return Ok(Err(answer)),
            }
        }
        Ok(Ok(found))
    }

    async fn ask(&self, query: &Query, throttle: &dyn Throttle) -> Read<Vec<Record>> {
        let url = format!("{}/search", self.objects);
        let mut waits = MAX_WAITS_IN_PLACE;
        loop {
            let by_digits = self.settings.object == "contacts" && !self.no_digits.load(Ordering::Relaxed);
            let request = self
                .client
                .request(Method::POST, &url)
                .json(&query.body(by_digits, SEARCH_PAGE_SIZE));
            let reply = self.exchange(request, throttle).await?;
            if let (200, Some(records)) = (reply.status, records(&reply)) {
                return Ok(Ok(records));
            }
            match of_unread(&reply) {
                // An account (or a stand-in for one) without the property that holds numbers as digits.
                Answer::Refused(..) if by_digits => self.no_digits.store(true, Ordering::Relaxed),
                // Searches have a limit of their own, five a second.
                Answer::Pause(wait, _) if wait <= MAX_WAIT_IN_PLACE && waits > 0 => {
                    waits -= 1;
                    tokio::time::sleep(wait).await;
                }
                answer => return Ok(Err(answer)),
            }
        }
    }

    /// Records by id or by a unique property; those that do not exist are not among them.
    pub(super) async fn read_batch(
        &self,
        keys: &[String],
        id_property: Option<&str>,
        names: &[&str],
        throttle: &dyn Throttle,
    ) -> Read<Vec<Record>> {
        let inputs: Vec<Value> = keys.iter().map(|key| json!({"id": key})).collect();
        let mut all = vec!["email", "phone", "mobilephone"];
        all.extend(names);
        if let Some(property) = id_property {
            all.push(property);
        }
        let mut body = json!({"inputs": inputs, "properties": all});
        if let (Some(property), Some(fields)) = (id_property, body.as_object_mut()) {
            fields.insert("idProperty".to_owned(), json!(property));
        }
        let reply = self.batch("read", &body, throttle).await?;
        Ok(match (reply.status, records(&reply)) {
            (200 | 207, Some(records)) => Ok(records),
            _ => Err(of_unread(&reply)),
        })
    }

    /// `batch/{kind}`.
    pub(super) async fn batch(
        &self,
        kind: &str,
        body: &Value,
        throttle: &dyn Throttle,
    ) -> Result<Reply, NoAnswer> {
        let url = format!("{}/batch/{kind}", self.objects);
        self.exchange(self.client.request(Method::POST, url).json(body), throttle)
            .await
    }

    /// Deletes a record for good, by its id: without `idProperty`, since an e-mail address that HubSpot does not know is put on a
    /// list and can never be used again.
    pub(super) async fn delete(&self, id: &str, throttle: &dyn Throttle) -> Result<Answer, NoAnswer> {
        let url = format!("{}/gdpr-delete", self.objects);
        let request = self
            .client
            .request(Method::POST, url)
            .json(&json!({"objectId": id}));
        let reply = self.exchange(request, throttle).await?;
        Ok(match (reply.status, &reply.body) {
            (204, Body::Empty) => Answer::Done(None),
            _ => classify(&reply),
        })
    }

    /// All properties of the object.
    pub(super) async fn schema(&self, throttle: &dyn Throttle) -> Result<Reply, NoAnswer> {
        self.exchange(self.client.request(Method::GET, &self.properties), throttle)
            .await
    }

    /// Makes a property.
    pub(super) async fn create_property(
        &self,
        definition: &Value,
        throttle: &dyn Throttle,
    ) -> Result<Reply, NoAnswer> {
        let request = self.client.request(Method::POST, &self.properties);
        self.exchange(request.json(definition), throttle).await
    }

    /// One record, to see whether the token may read records.
    pub(super) async fn any_record(&self, throttle: &dyn Throttle) -> Result<Reply, NoAnswer> {
        let url = format!("{}?limit=1", self.objects);
        self.exchange(self.client.request(Method::GET, url), throttle)
            .await
    }

    fn record(&self, key: &str, id_property: Option<&str>) -> String {
        let mut url = format!("{}/{}", self.objects, percent_encode(key));
        if let Some(property) = id_property {
            url.push_str("?idProperty=");
            url.push_str(&percent_encode(property));
        }
        url
    }

    async fn call(&self, request: RequestBuilder, throttle: &dyn Throttle) -> Result<Answer, NoAnswer> {
        Ok(of_write(&self.exchange(request, throttle).await?))
    }

    async fn exchange(&self, request: RequestBuilder, throttle: &dyn Throttle) -> Result<Reply, NoAnswer> {
        let request = request.header(http::header::AUTHORIZATION, self.settings.authorization.clone());
        let peer = Peer::of_delivery("HubSpot", "hubspot.baseUrl", self.settings.timeout);
        exchange(request, peer, throttle).await
    }
}

/// The records of a list; `None`: it is no list.
fn records(reply: &Reply) -> Option<Vec<Record>> {
    let results = reply.json().get("results").and_then(Value::as_array)?;
    Some(results.iter().filter_map(Record::of).collect())
}
