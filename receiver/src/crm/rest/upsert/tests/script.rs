//! A CRM that plays a script.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::outbound::Client;
use axum::Router;
use axum::body::Body as HttpBody;
use axum::http::Request as HttpRequest;
use axum::response::IntoResponse as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use leadgate_crds::crm_sink::{ContactMatch, MatchingKey, Overwrite, PartialMatch};
use serde_json::json;

use super::super::*;
use crate::crm::rest::auth::Auth;
use crate::crm::rest::description::{Answers, Body, Call, Lookup, Part, Settings};
use crate::crm::{Crm as _, Matching};
use crate::expression::{Names, Program};
use crate::throttle::Unlimited;

pub(super) fn part(field: &'static str, source: &str) -> Part {
    Part {
        field,
        program: Program::compile(source, &Names::ALL).unwrap(),
    }
}

pub(super) fn call(name: &'static str, method: Method, path: &str, body: Body) -> Call {
    Call {
        name,
        method,
        path: part("rest.x.path", path),
        body,
        headers: HeaderMap::new(),
    }
}

/// What something between here and the CRM answers.
pub(super) const PAGE: &str = "<html><body>We are down for maintenance.</body></html>";

/// `METHOD /path`, and what it answers: JSON, or [`PAGE`].
pub(super) type Step = (&'static str, u16, Value);

pub(super) struct Script {
    pub(super) rest: Rest,
    /// Requests that were made, with their bodies.
    asked: Arc<Mutex<Vec<String>>>,
    pub(super) left: Arc<Mutex<VecDeque<Step>>>,
}

impl Script {
    pub(super) async fn new(steps: Vec<Step>, lag: Duration, overwrite: Overwrite, upsert: bool) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(Mutex::new(VecDeque::from(steps)));
        let (noted, script) = (Arc::clone(&asked), Arc::clone(&left));
        let router = Router::new().fallback(move |request: HttpRequest<HttpBody>| {
            let (noted, script) = (Arc::clone(&noted), Arc::clone(&script));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 65536).await.unwrap();
                let line = format!("{} {}", parts.method, parts.uri);
                noted
                    .lock()
                    .unwrap()
                    .push(format!("{line} {}", String::from_utf8_lossy(&body)));
                match script.lock().unwrap().pop_front() {
                    Some((expected, status, body)) if expected == line => {
                        let status = axum::http::StatusCode::from_u16(status).unwrap();
                        if body == PAGE {
                            (status, axum::response::Html(PAGE)).into_response()
                        } else {
                            (status, axum::Json(body)).into_response()
                        }
                    }
                    // A request that the script does not have shows in the outcome.
                    other => (
                        axum::http::StatusCode::IM_A_TEAPOT,
                        axum::Json(json!(format!("{other:?}"))),
                    )
                        .into_response(),
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let flow = if upsert {
            Flow::Upsert(Box::new(Write {
                call: call(
                    "upsert",
                    Method::PUT,
                    "'/c/' + urlencode(lead.email)",
                    Body::Properties,
                ),
                id: Some(part("rest.upsert.id", "body.id")),
            }))
        } else {
            Flow::Find(Box::new(Find {
                lookup: Lookup {
                    call: call("lookup", Method::GET, "'/find'", Body::Empty),
                    records: part("rest.lookup.records", "body"),
                    matches: part("rest.lookup.match", "record.email == lead.email"),
                    id: part("rest.lookup.id", "text(record.id)"),
                    lag,
                },
                create: Write {
                    call: call("create", Method::POST, "'/new'", Body::Properties),
                    id: Some(part("rest.create.id", "text(body.id)")),
                },
                update: Write {
                    call: call("update", Method::PATCH, "'/' + id", Body::Properties),
                    id: None,
                },
            }))
        };
        let settings = Settings {
            base_url,
            auth: Auth::Header(AUTHORIZATION, HeaderValue::from_static("Bearer t")),
            headers: HeaderMap::new(),
            flow,
            delete: None,
            read: None,
            answers: Answers {
                gone: part("rest.answers.gone", "status in [404, 410]"),
                delivered: part(
                    "rest.answers.delivered",
                    "status == 204 || (status < 300 && body != null && body.?success.orValue(true) != false && body.?ok.orValue(true) != false)",
                ),
                conflict: part("rest.answers.conflict", "status == 409"),
                retry: part("rest.answers.retry", "status == 429 || status >= 500"),
                refused: Some(part("rest.answers.refused", "body.errors")),
                message: None,
                id: Some(part("rest.answers.id", "text(body.existing)")),
            },
            timeout: Duration::from_secs(5),
            matching: Matching {
                keys: vec![MatchingKey::Email, MatchingKey::Phone],
                on_partial: PartialMatch::Hold,
                contacts: ContactMatch::Create,
                overwrite,
                overwrite_properties: BTreeMap::new(),
            },
        };
        Self {
            rest: Rest::new(Arc::new(settings), Client::new(true, None).unwrap()),
            asked,
            left,
        }
    }

    /// The outcome in words: `delivered 7`, `await AwaitingVisibility`, …
    pub(super) async fn deliver(&self, lead: Upsert) -> String {
        match self.rest.upsert(&[lead], &Unlimited).await.pop().unwrap() {
            Outcome::Delivered { record } => format!("delivered {}", record.unwrap_or_default()),
            Outcome::Retry { why, in_doubt, .. } => format!("retry {} in_doubt={in_doubt}", why.reason),
            Outcome::AwaitVisibility { why, .. } => format!("await {}", why.reason),
            Outcome::Pause { why, .. } => format!("pause {}", why.reason),
            Outcome::Suspect { why, own, .. } => format!("suspect {} own={own}", why.reason),
            Outcome::Refused { why, properties } => format!("refused {} {properties:?}", why.reason),
            Outcome::Reject(why) => format!("reject {} {}", why.reason, why.answer),
            Outcome::Hold { why, candidates } => format!("hold {} {}", why.reason, candidates.join(",")),
            other @ (Outcome::Throttled(_) | Outcome::Unwanted(_)) => format!("{other:?}"),
        }
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub(super) fn lead(record: Option<Known>, in_doubt: Option<Duration>) -> Upsert {
    Upsert {
        properties: vec![
            ("email".to_owned(), json!("ada@example.com")),
            ("city".to_owned(), json!("Ulm")),
        ],
        lead: json!({"email": "ada@example.com"}),
        record,
        in_doubt,
        ..Upsert::default()
    }
}

pub(super) fn known(id: &str) -> Known {
    Known::Record(id.to_owned())
}

pub(super) fn ada(id: u64) -> Value {
    json!({"id": id, "email": "ada@example.com", "city": "Bonn"})
}
