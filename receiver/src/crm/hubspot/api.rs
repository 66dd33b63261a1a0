//! The calls to HubSpot, each one HTTP exchange.

use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::Settings;
use super::answer::{Answer, classify};
use crate::crm::exchange::{Body, NoAnswer, Reply, exchange};
use crate::crm::{Candidate, Gate};
use crate::expression::{percent_encode, plain_text};

/// HubSpot's bound on the results of a page of a search.
const PAGE: usize = 200;

/// HubSpot's API, as a sink addresses it.
pub(super) struct Api {
    settings: Arc<Settings>,
    client: Client,
    objects: String,
    properties: String,
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
            phone: text("phone"),
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
        }
    }

    pub(super) async fn update(
        &self,
        key: &str,
        id_property: Option<&str>,
        properties: &Map<String, Value>,
        gate: &dyn Gate,
    ) -> Result<Answer, NoAnswer> {
        let request = self.client.request(Method::PATCH, self.record(key, id_property));
        self.call(request.json(&json!({"properties": properties})), gate)
            .await
    }

    pub(super) async fn create(
        &self,
        properties: &Map<String, Value>,
        gate: &dyn Gate,
    ) -> Result<Answer, NoAnswer> {
        let request = self.client.request(Method::POST, &self.objects);
        self.call(request.json(&json!({"properties": properties})), gate)
            .await
    }

    /// One record, with its e-mail address, phone number and `names`.
    pub(super) async fn read(
        &self,
        key: &str,
        id_property: Option<&str>,
        names: &[&str],
        gate: &dyn Gate,
    ) -> Read<Record> {
        let mut url = self.record(key, id_property);
        url.push(if id_property.is_some() { '&' } else { '?' });
        url.push_str("properties=");
        let mut all = vec!["email", "phone"];
        all.extend(names);
        url.push_str(&percent_encode(&all.join(",")));
        let reply = self.exchange(self.client.request(Method::GET, url), gate).await?;
        Ok(match (reply.status, Record::of(reply.json())) {
            (200, Some(record)) => Ok(record),
            _ => Err(reply.answer()),
        })
    }

    /// Records whose `property` has one of the values; what was just written may be missing for half a minute.
    pub(super) async fn search(
        &self,
        property: &str,
        values: &[String],
        gate: &dyn Gate,
    ) -> Read<Vec<Record>> {
        let filter = match values {
            [value] => json!({"propertyName": property, "operator": "EQ", "value": value}),
            values => json!({"propertyName": property, "operator": "IN", "values": values}),
        };
        let query = json!({
            "filterGroups": [{"filters": [filter]}],
            "properties": ["email", "phone"], "limit": PAGE,
        });
        let url = format!("{}/search", self.objects);
        let reply = self
            .exchange(self.client.request(Method::POST, url).json(&query), gate)
            .await?;
        Ok(if reply.status == 200 {
            Ok(reply.records())
        } else {
            Err(reply.answer())
        })
    }

    /// Records by id or by a unique property; those that do not exist are not among them.
    pub(super) async fn read_batch(
        &self,
        keys: &[String],
        id_property: Option<&str>,
        names: &[&str],
        gate: &dyn Gate,
    ) -> Read<Vec<Record>> {
        let inputs: Vec<Value> = keys.iter().map(|key| json!({"id": key})).collect();
        let mut all = vec!["email", "phone"];
        all.extend(names);
        if let Some(property) = id_property {
            all.push(property);
        }
        let mut body = json!({"inputs": inputs, "properties": all});
        if let (Some(property), Some(fields)) = (id_property, body.as_object_mut()) {
            fields.insert("idProperty".to_owned(), json!(property));
        }
        let reply = self.batch("read", &body, gate).await?;
        Ok(match reply.status {
            200 | 207 => Ok(reply.records()),
            _ => Err(reply.answer()),
        })
    }

    /// `batch/{kind}`.
    pub(super) async fn batch(&self, kind: &str, body: &Value, gate: &dyn Gate) -> Result<Reply, NoAnswer> {
        let url = format!("{}/batch/{kind}", self.objects);
        self.exchange(self.client.request(Method::POST, url).json(body), gate)
            .await
    }

    /// All properties of the object.
    pub(super) async fn schema(&self, gate: &dyn Gate) -> Result<Reply, NoAnswer> {
        self.exchange(self.client.request(Method::GET, &self.properties), gate)
            .await
    }

    /// Makes a property.
    pub(super) async fn create_property(
        &self,
        definition: &Value,
        gate: &dyn Gate,
    ) -> Result<Reply, NoAnswer> {
        let request = self.client.request(Method::POST, &self.properties);
        self.exchange(request.json(definition), gate).await
    }

    /// One record, to see whether the token may read records.
    pub(super) async fn any_record(&self, gate: &dyn Gate) -> Result<Reply, NoAnswer> {
        let url = format!("{}?limit=1", self.objects);
        self.exchange(self.client.request(Method::GET, url), gate).await
    }

    fn record(&self, key: &str, id_property: Option<&str>) -> String {
        let mut url = format!("{}/{}", self.objects, percent_encode(key));
        if let Some(property) = id_property {
            url.push_str("?idProperty=");
            url.push_str(&percent_encode(property));
        }
        url
    }

    async fn call(&self, request: RequestBuilder, gate: &dyn Gate) -> Result<Answer, NoAnswer> {
        Ok(self.exchange(request, gate).await?.answer())
    }

    async fn exchange(&self, request: RequestBuilder, gate: &dyn Gate) -> Result<Reply, NoAnswer> {
        let request = request.header(http::header::AUTHORIZATION, self.settings.authorization.clone());
        exchange(request, self.settings.timeout, gate, "HubSpot", "hubspot.baseUrl").await
    }
}

impl Reply {
    pub(super) fn answer(&self) -> Answer {
        // A page in place of a record proves nothing.
        if self.status < 300 && !matches!(self.body, Body::Json(_) | Body::Empty) {
            return Answer::Retry(None, self.foreign("HubSpot"));
        }
        classify(self.status, &self.headers, &self.text)
    }

    fn records(&self) -> Vec<Record> {
        self.json()
            .get("results")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Record::of)
            .collect()
    }
}
