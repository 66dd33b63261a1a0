//! Stateful stand-ins for the CRMs of `examples/crms`: the few calls that a lead needs, as their documents describe
//! them. Each CRM is one file that answers one request at a time; what they share is here.

mod active_campaign;
mod close;
mod django_crm;
mod dynamics;
mod espocrm;
mod odoo;
mod pipedrive;
mod zoho;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub use active_campaign::ActiveCampaign;
pub use close::Close;
pub use django_crm::DjangoCrm;
pub use dynamics::Dynamics;
pub use espocrm::EspoCrm;
pub use odoo::Odoo;
pub use pipedrive::Pipedrive;
pub use zoho::Zoho;

/// Every stand-in refuses addresses of this domain in its own words, as its CRM refuses what is no address.
pub const REFUSED: &str = "@refused.example";
/// A number that the CRMs which name the fields they refuse do not take.
pub const REFUSED_NUMBER: &str = "+4930999999";

/// One request.
pub struct Asked {
    /// `GET`, …
    pub method: String,
    /// Decoded.
    pub path: String,
    /// Decoded.
    pub query: HashMap<String, String>,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    /// JSON; null if it is none.
    pub body: Value,
    /// As it was sent.
    pub text: String,
}

impl Asked {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A query parameter, or nothing.
    pub fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Method and path.
    pub fn line(&self) -> (&str, &str) {
        (&self.method, &self.path)
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Told {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

impl Told {
    /// JSON.
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Some(body),
        }
    }

    /// Nothing but a status.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
        }
    }

    /// With a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A record, whatever the CRM calls its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// As the CRM keeps it.
    pub email: String,
    /// Last name, or the whole name where the CRM has but one.
    pub name: String,
    /// All of it.
    pub fields: Value,
}

/// A CRM's API.
pub trait Api: Send + 'static {
    /// Answers a request.
    fn answer(&mut self, asked: &Asked) -> Told;
    /// Its records.
    fn records(&self) -> Vec<Kept>;
    /// What it says when its rate limit is used up for some seconds.
    fn limited(&self, seconds: u64) -> Told;
    /// Whether a request writes.
    fn writes(&self, asked: &Asked) -> bool;
    /// What a lookup says that finds nothing; `None`: the CRM has no lookup.
    fn nothing_found(&self) -> Option<Told>;
}

/// What goes wrong once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The next request meets the rate limit, for so many seconds.
    Limited(u64),
    /// The next write is carried out, and its answer is 502.
    LostWrite,
    /// The next lookup does not show what is there: search lags.
    BlindLookup,
}

struct State {
    api: Box<dyn Api>,
    mishaps: VecDeque<Mishap>,
    closed_until: Option<Instant>,
    /// Requests during a limit's time.
    early: usize,
    /// Every so many requests something goes wrong by itself.
    fails_every: Option<usize>,
    requests: Vec<String>,
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Told {
        self.requests.push(format!("{} {}", asked.method, asked.path));
        if self.closed_until.is_some_and(|until| Instant::now() < until) {
            self.early += 1;
        }
        if let Some(every) = self.fails_every
            && self.requests.len().is_multiple_of(every)
        {
            // In turn: a write whose answer is lost, a failure before anything was done, the rate limit.
            match (self.requests.len() / every) % 5 {
                0..=2 => self.mishaps.push_back(Mishap::LostWrite),
                3 => return Told::json(500, json!({"message": "internal error"})),
                _ => self.mishaps.push_back(Mishap::Limited(1)),
            }
        }
        match self.mishaps.front().copied() {
            Some(Mishap::Limited(seconds)) => {
                self.mishaps.pop_front();
                self.closed_until = Some(Instant::now() + Duration::from_secs(seconds));
                self.api.limited(seconds)
            }
            Some(Mishap::LostWrite) if self.api.writes(asked) => {
                self.mishaps.pop_front();
                self.api.answer(asked);
                Told::json(502, json!({"message": "bad gateway"}))
            }
            Some(Mishap::BlindLookup) if !self.api.writes(asked) => {
                self.mishaps.pop_front();
                self.api.nothing_found().unwrap()
            }
            _ => self.api.answer(asked),
        }
    }
}

/// A running stand-in; dropping it closes it.
pub struct Crm {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Crm {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Crm {
    /// Starts one.
    pub async fn start(api: Box<dyn Api>) -> Self {
        let state = Arc::new(Mutex::new(State {
            api,
            mishaps: VecDeque::new(),
            closed_until: None,
            early: 0,
            fails_every: None,
            requests: Vec::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        let router = Router::new().fallback(move |request: Request<Body>| {
            let shared = Arc::clone(&shared);
            async move { respond(&shared, request).await }
        });
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            state,
            address,
            server,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its records.
    pub fn records(&self) -> Vec<Kept> {
        self.lock().api.records()
    }

    /// The records of an address, whatever its case.
    pub fn of(&self, email: &str) -> Vec<Kept> {
        let mut records = self.records();
        records.retain(|record| record.email.eq_ignore_ascii_case(email));
        records
    }

    /// What goes wrong next.
    pub fn mishap(&self, mishap: Mishap) {
        self.lock().mishaps.push_back(mishap);
    }

    /// From now on every `n`th request meets a mishap.
    pub fn fails_every(&self, n: usize) {
        self.lock().fails_every = Some(n);
    }

    /// Whether all that was to go wrong has.
    pub fn calm(&self) -> bool {
        self.lock().mishaps.is_empty()
    }

    /// Requests that came while the CRM had asked to wait.
    pub fn early(&self) -> usize {
        self.lock().early
    }

    /// Methods and paths of all requests.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }
}

async fn respond(state: &Mutex<State>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let text = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let asked = Asked {
        method: parts.method.to_string(),
        path: decoded(parts.uri.path()),
        query: pairs(parts.uri.query().unwrap_or_default()),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
        text,
    };
    let told = state.lock().unwrap().answer(&asked);
    let mut response = Response::builder().status(told.status);
    for (name, value) in told.headers {
        response = response.header(name, value);
    }
    match told.body {
        Some(body) => response
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
        None => response.body(Body::empty()).unwrap(),
    }
}

/// A form or a query.
fn pairs(text: &str) -> HashMap<String, String> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(&value.replace('+', " "))))
        .collect()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// A text field of a JSON object, or nothing.
fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// Whether a CRM takes this for an address.
fn is_address(email: &str) -> bool {
    email.contains('@') && !email.ends_with(REFUSED)
}

/// Puts the fields of `changes` into `record`.
fn change(record: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        record[name] = value.clone();
    }
}
