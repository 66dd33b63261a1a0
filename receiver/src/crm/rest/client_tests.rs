//! The calls in their order, against a CRM that plays a script.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::http::Request as HttpRequest;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use leadgate_crds::crm_sink::{MatchingKey, Method as Spec, Overwrite, PartialMatch};
use serde_json::json;

use super::*;
use crate::crm::rest::{Answers, Auth, Body, Lookup, Part};
use crate::crm::{Denied, Matching};
use crate::expression::Program;
use crate::queue::CrmHealth;

struct Open;

#[async_trait]
impl Gate for Open {
    async fn pass(&self) -> Result<(), Denied> {
        Ok(())
    }
    async fn report(&self, _health: CrmHealth, _elapsed: Duration) {}
}

fn part(field: &'static str, source: &str) -> Part {
    Part {
        field,
        program: Program::compile(source).unwrap(),
    }
}

fn call(name: &'static str, method: Spec, path: &str, body: Body) -> Call {
    Call {
        name,
        method,
        path: part("rest.x.path", path),
        body,
    }
}

/// `METHOD /path`, and what it answers.
type Step = (&'static str, u16, Value);

struct Script {
    rest: Rest,
    /// Requests that were made, with their bodies.
    asked: Arc<Mutex<Vec<String>>>,
    left: Arc<Mutex<VecDeque<Step>>>,
}

impl Script {
    async fn new(steps: Vec<Step>, lag: Duration, overwrite: Overwrite, upsert: bool) -> Self {
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
                    Some((expected, status, body)) if expected == line => (
                        axum::http::StatusCode::from_u16(status).unwrap(),
                        axum::Json(body),
                    ),
                    // A request that the script does not have shows in the outcome.
                    other => (
                        axum::http::StatusCode::IM_A_TEAPOT,
                        axum::Json(json!(format!("{other:?}"))),
                    ),
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let flow = if upsert {
            Flow::Upsert(Write {
                call: call(
                    "upsert",
                    Spec::Put,
                    "'/c/' + urlencode(lead.email)",
                    Body::Properties,
                ),
                id: Some(part("rest.upsert.id", "body.id")),
            })
        } else {
            Flow::Find(Box::new(Find {
                lookup: Lookup {
                    call: call("lookup", Spec::Get, "'/find'", Body::Empty),
                    records: part("rest.lookup.records", "body"),
                    matches: part("rest.lookup.match", "record.email == lead.email"),
                    id: part("rest.lookup.id", "text(record.id)"),
                    lag,
                },
                create: Write {
                    call: call("create", Spec::Post, "'/new'", Body::Properties),
                    id: Some(part("rest.create.id", "text(body.id)")),
                },
                update: Write {
                    call: call("update", Spec::Patch, "'/' + id", Body::Properties),
                    id: None,
                },
            }))
        };
        let settings = Settings {
            base_url,
            auth: Auth::Header(AUTHORIZATION, HeaderValue::from_static("Bearer t")),
            headers: HeaderMap::new(),
            flow,
            answers: Answers {
                delivered: part("rest.answers.delivered", "status < 300"),
                conflict: part("rest.answers.conflict", "status == 409"),
                retry: part("rest.answers.retry", "status == 429 || status >= 500"),
                message: None,
                id: Some(part("rest.answers.id", "text(body.existing)")),
            },
            timeout: Duration::from_secs(5),
            matching: Matching {
                keys: vec![MatchingKey::Email, MatchingKey::Phone],
                on_partial: PartialMatch::Hold,
                overwrite,
                overwrite_properties: BTreeMap::new(),
            },
        };
        Self {
            rest: Rest::new(Arc::new(settings), Client::new()),
            asked,
            left,
        }
    }

    /// The outcome in words: `delivered 7`, `retry Settling unknown=false`, …
    async fn deliver(&self, lead: Upsert) -> String {
        match self.rest.upsert(vec![lead], &Open).await.pop().unwrap() {
            Outcome::Delivered { record } => format!("delivered {}", record.unwrap_or_default()),
            Outcome::Retry { why, unknown, .. } => format!("retry {} unknown={unknown}", why.reason),
            Outcome::Pause { why, .. } => format!("pause {}", why.reason),
            Outcome::Reject(why) => format!("reject {} {}", why.reason, why.answer),
            Outcome::Hold { why, candidates } => format!("hold {} {}", why.reason, candidates.join(",")),
            Outcome::Denied(denied) => format!("{denied:?}"),
        }
    }

    fn bodies(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn lead(record: Option<Known>, unknown: bool) -> Upsert {
    Upsert {
        properties: vec![
            ("email".to_owned(), json!("ada@example.com")),
            ("city".to_owned(), json!("Ulm")),
        ],
        lead: json!({"email": "ada@example.com"}),
        record,
        unknown,
        ..Upsert::default()
    }
}

fn known(id: &str) -> Option<Known> {
    Some(Known::Record(id.to_owned()))
}

fn ada(id: u64) -> Value {
    json!({"id": id, "email": "ada@example.com", "city": "Bonn"})
}

#[tokio::test]
async fn each_way_through_the_calls_ends_as_it_must() {
    let table: Vec<(&str, Option<Known>, bool, Vec<Step>, &str)> = vec![
        (
            "nobody is found",
            None,
            false,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 201, json!({"id": 7})),
            ],
            "delivered 7",
        ),
        (
            "somebody is found",
            None,
            false,
            vec![("GET /find", 200, json!([ada(5)])), ("PATCH /5", 200, json!({}))],
            "delivered 5",
        ),
        (
            "two are found",
            None,
            false,
            vec![("GET /find", 200, json!([ada(5), ada(6)]))],
            "hold SeveralRecords 5,6",
        ),
        (
            "the record is known",
            known("3"),
            false,
            vec![("PATCH /3", 200, json!({}))],
            "delivered 3",
        ),
        (
            "the known record is gone",
            known("3"),
            false,
            vec![
                ("PATCH /3", 404, json!({})),
                ("GET /find", 200, json!([])),
                ("POST /new", 200, json!({"id": 8})),
            ],
            "delivered 8",
        ),
        (
            "a person wants a new one",
            Some(Known::New),
            false,
            vec![("POST /new", 200, json!({"id": 9}))],
            "delivered 9",
        ),
        (
            "a person wants a new one, the CRM does not",
            Some(Known::New),
            false,
            vec![("POST /new", 409, json!({"existing": 5}))],
            "hold RecordConflict 5",
        ),
        (
            "a person wants a new one, which may be there",
            Some(Known::New),
            true,
            vec![],
            "hold AnswerLost ",
        ),
        (
            "a conflict names the record",
            None,
            false,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 409, json!({"existing": 5})),
                ("PATCH /5", 200, json!({})),
            ],
            "delivered 5",
        ),
        (
            "a conflict names none, the lookup does",
            None,
            false,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 409, json!({})),
                ("GET /find", 200, json!([ada(5)])),
                ("PATCH /5", 200, json!({})),
            ],
            "delivered 5",
        ),
        (
            "a conflict that the lookup does not show yet",
            None,
            false,
            vec![
                ("GET /find", 200, json!([])),
                ("POST /new", 409, json!({})),
                ("GET /find", 200, json!([])),
            ],
            "retry Settling unknown=false",
        ),
        (
            "an update meets another record's value",
            known("3"),
            false,
            vec![("PATCH /3", 409, json!({"existing": 4}))],
            "hold RecordConflict 3,4",
        ),
        (
            "a failed create may have created",
            None,
            false,
            vec![("GET /find", 200, json!([])), ("POST /new", 502, json!({}))],
            "retry Unavailable unknown=true",
        ),
        (
            "a failed lookup created nothing",
            None,
            false,
            vec![("GET /find", 502, json!({}))],
            "retry Unavailable unknown=false",
        ),
        (
            "a failed update created nothing",
            known("3"),
            false,
            vec![("PATCH /3", 500, json!({}))],
            "retry Unavailable unknown=false",
        ),
        (
            "after a lost answer the lookup is not believed at once",
            None,
            true,
            vec![],
            "retry Settling unknown=false",
        ),
        (
            "a lookup that is not there is no empty one",
            None,
            false,
            vec![("GET /find", 404, json!({}))],
            "pause UnknownPath",
        ),
        (
            "nor is a create that is not there",
            None,
            false,
            vec![("GET /find", 200, json!([])), ("POST /new", 404, json!({}))],
            "pause UnknownPath",
        ),
        (
            "found, then gone",
            None,
            false,
            vec![("GET /find", 200, json!([ada(5)])), ("PATCH /5", 410, json!({}))],
            "retry RecordGone unknown=false",
        ),
        (
            "refused",
            None,
            false,
            vec![("GET /find", 200, json!([])), ("POST /new", 400, json!("no"))],
            "reject Refused \"no\"",
        ),
    ];
    for (case, record, unknown, steps, expected) in table {
        let script = Script::new(steps, Duration::from_mins(1), Overwrite::Always, false).await;
        assert_eq!(
            script.deliver(lead(record, unknown)).await,
            expected,
            "{case}: {:?}",
            script.bodies()
        );
        assert!(
            script.left.lock().unwrap().is_empty(),
            "{case}: {:?}",
            script.bodies()
        );
    }
}

#[tokio::test]
async fn a_lost_answer_waits_out_the_searchs_lag_and_no_longer() {
    let lag = Duration::from_millis(200);
    let steps = vec![
        ("GET /find", 200, json!([])),
        ("POST /new", 502, json!({})),
        ("GET /find", 200, json!([ada(7)])),
        ("PATCH /7", 200, json!({})),
    ];
    let script = Script::new(steps, lag, Overwrite::Always, false).await;
    assert_eq!(
        script.deliver(lead(None, false)).await,
        "retry Unavailable unknown=true"
    );
    assert_eq!(
        script.deliver(lead(None, true)).await,
        "retry Settling unknown=false"
    );
    tokio::time::sleep(lag).await;
    // The queue still says that it is unknown: it waits once, not for ever.
    assert_eq!(script.deliver(lead(None, true)).await, "delivered 7");
    // Where the lookup never lags, it is believed at once.
    let steps = vec![("GET /find", 200, json!([ada(7)])), ("PATCH /7", 200, json!({}))];
    let script = Script::new(steps, Duration::ZERO, Overwrite::Always, false).await;
    assert_eq!(script.deliver(lead(None, true)).await, "delivered 7");
}

#[tokio::test]
async fn what_stands_in_the_record_is_not_replaced() {
    // The record is read first, even when its id is known.
    let half = json!([{"id": 5, "email": "ada@example.com", "city": ""}]);
    let steps = vec![("GET /find", 200, half), ("PATCH /5", 200, json!({}))];
    let script = Script::new(steps, Duration::from_mins(1), Overwrite::IfEmpty, false).await;
    assert_eq!(script.deliver(lead(known("5"), false)).await, "delivered 5");
    assert_eq!(script.bodies().last().unwrap(), "PATCH /5 {\"city\":\"Ulm\"}");
    // Nothing to write is nothing to send.
    let script = Script::new(
        vec![("GET /find", 200, json!([ada(5)]))],
        Duration::ZERO,
        Overwrite::IfEmpty,
        false,
    )
    .await;
    assert_eq!(script.deliver(lead(None, false)).await, "delivered 5");
    // A known record that the lookup does not show yet is waited for, not written blindly, and not made again.
    let script = Script::new(
        vec![("GET /find", 200, json!([]))],
        Duration::from_mins(1),
        Overwrite::IfEmpty,
        false,
    )
    .await;
    assert_eq!(
        script.deliver(lead(known("5"), false)).await,
        "retry Settling unknown=false"
    );
}

#[tokio::test]
async fn one_call_does_it_all_where_the_crm_can() {
    let put = "PUT /c/ada%40example.com";
    for (status, body, expected) in [
        (200, json!({"id": "x1"}), "delivered x1"),
        (409, json!({"existing": 4}), "hold RecordConflict 4"),
        (404, json!({}), "reject UnknownPath {}"),
        (503, json!({}), "retry Unavailable unknown=false"),
        (401, json!({}), "pause InvalidCredentials"),
    ] {
        let script = Script::new(vec![(put, status, body)], Duration::ZERO, Overwrite::Always, true).await;
        assert_eq!(script.deliver(lead(known("ignored"), false)).await, expected);
    }
}

#[tokio::test]
async fn an_inspection_asks_for_nobody_and_writes_nothing() {
    let nobody = "GET /c/leadgate-check%40leadgate.invalid";
    let table = [
        (false, "GET /find", 200, json!([]), "reachable, credentials good"),
        (
            false,
            "GET /find",
            401,
            json!({}),
            "reachable, credentials InvalidCredentials",
        ),
        (
            false,
            "GET /find",
            500,
            json!({}),
            "reachable, credentials unknown",
        ),
        (true, nobody, 404, json!({}), "reachable, credentials good"),
        (true, nobody, 405, json!({}), "reachable, credentials good"),
        (
            true,
            nobody,
            403,
            json!({}),
            "reachable, credentials InvalidCredentials",
        ),
        (true, nobody, 429, json!({}), "reachable, credentials unknown"),
    ];
    for (upsert, line, status, body, expected) in table {
        let script = Script::new(
            vec![(line, status, body)],
            Duration::ZERO,
            Overwrite::Always,
            upsert,
        )
        .await;
        let found = script.rest.inspect(&[], &Open).await;
        assert_eq!((found.reachable, found.problems.len()), (Some(Ok(())), 0));
        let credentials = match found.credentials {
            None => "unknown",
            Some(Ok(())) => "good",
            Some(Err(why)) => why.reason,
        };
        assert_eq!(
            format!("reachable, credentials {credentials}"),
            expected,
            "{line} {status}"
        );
        assert!(script.left.lock().unwrap().is_empty());
    }
}
