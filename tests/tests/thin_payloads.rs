//! Senders that only notify, and senders that first ask: Meta's notification becomes a complete lead, from Meta's host
//! only, and its handshake is answered without signing anything for strangers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use leadgate_tests::hubspot::{Config, HubSpot};
use leadgate_tests::manifests::HubSpotSink;
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, exchange, request};
use serde_json::{Value, json};

const APP_SECRET: &str = "meta-app-s3cret";
const PAGE_TOKEN: &str = "page-t0ken";

/// The part of the Graph API that leads come from. It fails the first call.
#[derive(Default)]
struct Graph {
    calls: AtomicUsize,
    /// The token that it takes now, if that is another one.
    token: Mutex<Option<&'static str>>,
    paths: Mutex<Vec<String>>,
}

async fn lead(State(graph): State<Arc<Graph>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    graph.paths.lock().unwrap().push(id.clone());
    let token = graph.token.lock().unwrap().unwrap_or(PAGE_TOKEN);
    if headers
        .get("authorization")
        .is_none_or(|value| value != &format!("Bearer {token}"))
    {
        // As Meta says that a token is over.
        let error = json!({"message": "Error validating access token: Session has expired", "type": "OAuthException",
            "code": 190, "error_subcode": 463, "fbtrace_id": "A"});
        return (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    }
    match (graph.calls.fetch_add(1, Ordering::SeqCst), id.as_str()) {
        (0, _) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (_, "404404") => StatusCode::NOT_FOUND.into_response(),
        (_, "999") => Json(json!({"id": id, "field_data": [
            {"name": "email", "values": ["test@meta.com"]},
            {"name": "full_name", "values": ["<test lead: dummy data for full_name>"]}]}))
        .into_response(),
        (_, "555") => Json(json!({"id": id, "field_data": [{"name": "first_name", "values": ["Nobody"]}]}))
            .into_response(),
        _ => Json(
            json!({"id": id, "created_time": "2026-09-21T13:33:20+0000", "field_data": [
                {"name": "email", "values": [format!("lead-{id}@example.com")]},
                {"name": "first_name", "values": ["Ana"]}, {"name": "last_name", "values": ["García"]},
            ]}),
        )
        .into_response(),
    }
}

struct Rig {
    hubspot: HubSpot,
    receiver: Receiver,
    graph: Arc<Graph>,
    api: String,
}

/// A webhook of Meta's that fetches leads from `api`.
fn manifest(api: &str, token: &str) -> String {
    format!(
        r"apiVersion: leadgate.dev/v1alpha1
kind: LeadWebhook
metadata: {{name: meta, namespace: default}}
spec:
  source: meta
  auth:
    hmac: {{secretRefs: [{{name: meta, key: appSecret}}]}}
    challengeTokenSecretRef: {{name: meta, key: verifyToken}}
  payload:
    hydrate: {{baseUrl: '{api}', tokenSecretRef: {{name: meta, key: pageToken}}}}
  sinks: [{{name: hubspot}}]
---
{{apiVersion: v1, kind: Secret, metadata: {{name: meta, namespace: default}}, stringData: {{appSecret: {APP_SECRET}, verifyToken: choose-me, pageToken: {token}}}}}
"
    )
}

impl Rig {
    async fn start() -> Self {
        let graph = Arc::new(Graph::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v23.0/{id}", get(lead))
            .with_state(Arc::clone(&graph));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let hubspot = HubSpot::start(Config::default()).await.unwrap();
        let sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
        let mut options = Options::new(sink.yaml());
        let api = format!("http://{address}");
        options
            .manifests
            .push(("meta.yaml".into(), manifest(&api, PAGE_TOKEN)));
        let receiver = Receiver::start(options).await.unwrap();
        Self {
            hubspot,
            receiver,
            graph,
            api,
        }
    }

    async fn notify(&self, ids: &[&str]) -> Answer {
        let changes: Vec<Value> = ids
            .iter()
            .map(|id| json!({"field": "leadgen", "value": {"leadgen_id": id, "page_id": "1", "created_time": 1_790_000_000}}))
            .collect();
        let body =
            json!({"object": "page", "entry": [{"id": "1", "time": 1, "changes": changes}]}).to_string();
        let headers = signing::github(APP_SECRET, body.as_bytes(), "unused");
        let mut all = vec![("Content-Type", "application/json")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        exchange(
            self.receiver.address(),
            request("POST", "/webhooks/default/meta", &all, body.as_bytes()),
        )
        .await
        .unwrap()
    }

    async fn get(&self, query: &str) -> Answer {
        let path = format!("/webhooks/default/meta?{query}");
        exchange(self.receiver.address(), request("GET", &path, &[], b""))
            .await
            .unwrap()
    }

    async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.receiver
            .until(what, Duration::from_mins(1), || std::future::ready(holds()))
            .await;
    }

    async fn dead(&self) -> Vec<Value> {
        let (_, text) = self.receiver.admin("/deadletters?set=dead").await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["items"]
            .as_array()
            .unwrap()
            .clone()
    }
}

#[tokio::test]
async fn a_notification_becomes_a_complete_lead_once_the_api_answers() {
    let rig = Rig::start().await;
    let first = rig.notify(&["123123123123", "77"]).await;
    assert_eq!(
        (first.status, first.json()["status"].as_str()),
        (200, Some("accepted")),
        "{}",
        first.text()
    );
    // The same notification again, as Meta sends it until it is believed.
    assert_eq!(
        rig.notify(&["123123123123", "77"]).await.json()["status"],
        "duplicate"
    );
    rig.until("both leads are in the CRM", || {
        rig.hubspot.contact("lead-77@example.com").is_some()
            && rig.hubspot.contact("lead-123123123123@example.com").is_some()
    })
    .await;
    let contact = rig.hubspot.contact("lead-77@example.com").unwrap();
    assert_eq!(
        contact.properties.get("firstname").map(String::as_str),
        Some("Ana")
    );
    assert!(
        rig.graph.calls.load(Ordering::SeqCst) >= 3,
        "the failed call was repeated"
    );
    assert!(rig.hubspot.records_per_email().values().all(|n| *n == 1));
    let log = rig.receiver.log();
    assert!(!log.contains(PAGE_TOKEN) && !log.contains("lead-77@"), "{log}");
}

#[tokio::test]
async fn what_the_api_does_not_have_or_cannot_complete_is_dead_with_its_reason() {
    let rig = Rig::start().await;
    for id in ["1", "404404", "555"] {
        assert_eq!(rig.notify(&[id]).await.status, 200);
    }
    let began = Instant::now();
    while rig.dead().await.len() < 2 {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "{}",
            rig.receiver.log_tail(20)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut reasons: Vec<String> = rig
        .dead()
        .await
        .iter()
        .map(|lead| lead["reason"].as_str().unwrap().to_owned())
        .collect();
    reasons.sort();
    assert_eq!(reasons, ["HydrateRefused", "InvalidLead"]);
}

#[tokio::test]
async fn a_fetched_record_that_is_no_lead_is_removed_and_counted() {
    // Given a notification of a test lead, which only its answers show,
    let rig = Rig::start().await;
    for id in ["999", "77"] {
        assert_eq!(rig.notify(&[id]).await.json()["status"], "accepted");
    }
    // when it is fetched,
    let removed = || async {
        let (_, text) = rig.receiver.admin("/metrics").await.unwrap();
        text.lines().any(|line| {
            line.starts_with("leadgate_deliveries_total{")
                && line.contains("outcome=\"ignored\"")
                && line.ends_with(" 1")
        })
    };
    rig.receiver
        .until("the test lead is removed", Duration::from_mins(1), removed)
        .await;
    rig.until("the other lead is in the CRM", || {
        rig.hubspot.contact("lead-77@example.com").is_some()
    })
    .await;
    // then nobody has to look at it, and the CRM has not seen it.
    assert_eq!(rig.dead().await, Vec::<Value>::new());
    assert!(rig.hubspot.contact("test@meta.com").is_none());
    let filter = json!({"filter": {"reason": "NotALead"}});
    let found = rig.api("POST", "/leads/search", &filter).await;
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
}

#[tokio::test]
async fn a_token_that_is_over_costs_no_lead_and_a_new_one_is_used_at_once() {
    let rig = Rig::start().await;
    *rig.graph.token.lock().unwrap() = Some("n3w-t0ken");
    assert_eq!(rig.notify(&["11", "12"]).await.status, 200);
    let waits = || async {
        let (_, text) = rig.receiver.admin("/status").await.unwrap();
        let status: Value = serde_json::from_str(&text).unwrap();
        status["sinks"][0]["lastError"]["reason"] == "HydrateCredentials"
    };
    rig.receiver
        .until("the reason is told", Duration::from_mins(1), waits)
        .await;
    assert_eq!(rig.dead().await, Vec::<Value>::new());
    rig.receiver
        .write_manifest("meta.yaml", &manifest(&rig.api, "n3w-t0ken"))
        .unwrap();
    rig.until("both leads are in the CRM", || {
        rig.hubspot.contact("lead-11@example.com").is_some()
            && rig.hubspot.contact("lead-12@example.com").is_some()
    })
    .await;
    assert_eq!(rig.dead().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_notification_cannot_choose_where_the_token_goes() {
    let rig = Rig::start().await;
    for id in ["../../admin", "1@evil.example", "x?y=/..", "//evil.example/"] {
        assert_eq!(rig.notify(&[id]).await.status, 200, "{id}");
    }
    rig.until("all were asked for", || {
        rig.graph.paths.lock().unwrap().len() >= 4
    })
    .await;
    // Each came to the one route of the fixed host, as one segment.
    let paths = rig.graph.paths.lock().unwrap().clone();
    assert!(
        ["../../admin", "1@evil.example", "x?y=/..", "//evil.example/"]
            .iter()
            .all(|id| paths.iter().any(|p| p == id)),
        "{paths:?}"
    );
}

#[tokio::test]
async fn the_handshake_is_answered_for_the_right_token_only_and_echoes_no_markup() {
    let rig = Rig::start().await;
    let ask = |token: &str, challenge: &str| {
        format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge={challenge}")
    };
    let good = rig.get(&ask("choose-me", "1158201444")).await;
    assert_eq!((good.status, good.text()), (200, "1158201444".into()));
    assert_eq!(good.header("content-type"), Some("text/plain"));
    for (token, challenge, status) in [
        ("wrong", "1158201444", 403),
        ("choose-me", "%3Cscript%3E", 400),
        ("choose-me", "", 400),
    ] {
        let answer = rig.get(&ask(token, challenge)).await;
        assert_eq!(answer.status, status, "{token} {challenge}: {}", answer.text());
        assert!(!answer.text().contains("script"), "{}", answer.text());
    }
    assert_eq!(rig.get("nothing=1").await.status, 405);
}

impl Rig {
    /// A call of the API.
    async fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let call = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        );
        exchange(self.receiver.admin_address(), call)
            .await
            .unwrap()
            .json()
    }
}

#[tokio::test]
async fn an_erasure_finds_whom_a_lead_is_about_once_it_was_fetched() {
    // Given a thin lead that was fetched and delivered,
    let rig = Rig::start().await;
    rig.notify(&["1"]).await;
    rig.until("it is in the CRM", || {
        rig.hubspot.contact("lead-1@example.com").is_some()
    })
    .await;
    let person = json!({"email": "lead-1@example.com"});
    let record = rig.hubspot.contact("lead-1@example.com").unwrap().id.to_string();
    let began = Instant::now();
    while rig
        .api(
            "POST",
            "/leads/search",
            &json!({"filter": {"state": "Delivered"}}),
        )
        .await["items"]
        .as_array()
        .unwrap()
        .is_empty()
    {
        assert!(began.elapsed() < Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // when its person is erased and suppressed,
    let asked = json!({"person": person, "suppress": true});
    let erasure = rig.api("POST", "/privacy/erasures", &asked).await;
    let path = format!("/privacy/erasures/{}", erasure["id"].as_str().unwrap());
    let ended = loop {
        let now = rig.api("GET", &path, &json!({})).await;
        if now["state"] != "Running" {
            break now;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{now}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };

    // then the erasure tells the record,
    assert_eq!(ended["entries"], 1, "{ended}");
    assert_eq!(ended["records"][0]["record"], record, "{ended}");
    assert_eq!(ended["records"][0]["reason"], "NotAskedFor", "{ended}");

    // and another lead of theirs is removed once it is fetched.
    let updates = rig.hubspot.writes().len();
    rig.notify(&["1"]).await;
    let again = json!({"object": "page", "entry": [{"id": "2", "time": 2, "changes": [
        {"field": "leadgen", "value": {"leadgen_id": "1", "page_id": "2", "created_time": 1_790_000_001}}]}]});
    let body = again.to_string();
    let headers = signing::github(APP_SECRET, body.as_bytes(), "unused");
    let mut all = vec![("Content-Type", "application/json")];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
    let post = request("POST", "/webhooks/default/meta", &all, body.as_bytes());
    exchange(rig.receiver.address(), post).await.unwrap();
    rig.notify(&["2"]).await;
    rig.until("the next lead is delivered", || {
        rig.hubspot.contact("lead-2@example.com").is_some()
    })
    .await;
    assert!(
        rig.hubspot.writes().len() <= updates + 1,
        "{:?}",
        rig.hubspot.writes()
    );
    assert!(rig.dead().await.is_empty());
}
