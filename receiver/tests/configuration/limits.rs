//! What a LeadReceiver allows each of its webhooks, and that one at its limits leaves the others untouched.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, StatusCode};
use leadgate_receiver::config::Config;
use leadgate_receiver::http::{App, BodyBudget, router};
use leadgate_receiver::log_limit::LogLimit;
use leadgate_receiver::metrics::{Metrics, RequestLabels};
use leadgate_receiver::outcomes::RequestOutcome;
use leadgate_receiver::queue::{self, OpenOptions};
use leadgate_receiver::trace::Traces;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

use crate::folder::{Folder, problems, receiver, webhook};

/// A webhook that is noisy, on a receiver with limits, and one that is not, on the same.
fn folder(limits: &Value) -> Folder {
    let folder = Folder::new();
    folder.write("noisy", &webhook("noisy", 1, &json!({})));
    folder.write("quiet", &webhook("quiet", 1, &json!({})));
    folder.write("receiver", &receiver("default", &json!({"limits": limits})));
    folder
}

/// Everything that takes requests, without sockets.
struct Server {
    app: Arc<App>,
    publish: watch::Sender<Arc<Config>>,
    _store: tempfile::TempDir,
}

impl Server {
    async fn start(config: Config) -> Self {
        assert_eq!(problems(&config), Vec::<String>::new());
        let store = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", store.path().join("leads.db").display());
        let (publish, config) = watch::channel(Arc::new(config));
        let app = Arc::new(App {
            config,
            queue: queue::open(&url, OpenOptions::default()).await.unwrap(),
            metrics: Arc::new(Metrics::new()),
            bodies: BodyBudget::new(16 << 20),
            behind_tls_proxy: false,
            queue_log: Arc::new(LogLimit::new()),
            traces: Traces::default(),
        });
        Self {
            app,
            publish,
            _store: store,
        }
    }

    async fn post(&self, webhook: &str, body: Body) -> Response {
        let request = Request::post(format!("/webhooks/shop/{webhook}"))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        router(Arc::clone(&self.app)).oneshot(request).await.unwrap()
    }

    async fn lead(&self, webhook: &str, number: usize) -> Response {
        let lead =
            json!({"email": format!("p{number}@example.com"), "submissionId": format!("{webhook}-{number}")});
        self.post(webhook, lead.to_string().into()).await
    }

    fn count(&self, webhook: &str, outcome: RequestOutcome) -> u64 {
        let labels = RequestLabels {
            webhook: format!("shop/{webhook}"),
            outcome,
        };
        self.app.metrics.requests.get_or_create(&labels).get()
    }
}

/// A body that is sent piece by piece.
fn in_pieces() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (pieces, arriving) = mpsc::unbounded_channel();
    let stream = stream::unfold(arriving, |mut arriving| async move {
        Some((arriving.recv().await?, arriving))
    });
    let body = Body::from_stream(stream.map(Ok::<Bytes, std::convert::Infallible>));
    (pieces, body)
}

#[test]
fn a_webhook_has_the_limits_of_its_receiver_or_the_defaults() {
    let folder = folder(&json!({"bodyMemory": "1Mi", "rejectedCopies": "2Mi", "pendingDeliveries": 3}));
    folder.write(
        "other",
        &webhook("other", 1, &json!({"receiverRef": {"name": "other"}})),
    );
    let config = folder.load(None);
    let of = |config: &Config, name: &str| {
        let path = format!("/webhooks/shop/{name}");
        let allowed = config.route(&path).unwrap().share.allowance;
        (
            allowed.body_memory,
            allowed.rejected_copies,
            allowed.pending_deliveries,
        )
    };
    assert_eq!(of(&config, "noisy"), (1 << 20, 2 << 20, Some(3)));
    assert_eq!(of(&config, "other"), (32 << 20, 64 << 20, None));
    // Limits change without the webhooks.
    folder.write(
        "receiver",
        &receiver("default", &json!({"limits": {"bodyMemory": "3Mi"}})),
    );
    let changed = folder.load(Some(&config));
    assert_eq!(of(&changed, "noisy"), (3 << 20, 64 << 20, None));
    assert_eq!(
        changed.changes_since(&config).changed,
        ["LeadReceiver shop/default"]
    );
    // A LeadReceiver with a mistake keeps the limits that it had.
    folder.write(
        "receiver",
        &receiver("default", &json!({"limits": {"bodyMemory": "1"}})),
    );
    let broken = folder.load(Some(&changed));
    assert_eq!(of(&broken, "noisy"), (3 << 20, 64 << 20, None));
    assert!(broken.problems[0].previous_kept);
    std::fs::remove_file(folder.path().join("receiver.json")).unwrap();
    assert_eq!(
        of(&folder.load(Some(&broken)), "noisy"),
        (32 << 20, 64 << 20, None)
    );
}

#[tokio::test]
async fn bodies_of_one_webhook_leave_room_for_those_of_another() {
    let folder = folder(&json!({"bodyMemory": "64Ki"}));
    let server = Server::start(folder.load(None)).await;
    // Given a body that fills the webhook's memory and is not complete,
    let (pieces, body) = in_pieces();
    let half = format!(
        "{{\"email\": \"a@example.com\", \"note\": \"{}",
        "x".repeat(70 << 10)
    );
    pieces.send(half.into()).unwrap();
    let first = server.post("noisy", body);
    tokio::pin!(first);
    let soon = tokio::time::timeout(Duration::from_millis(200), &mut first).await;
    assert!(
        soon.is_err(),
        "alone, it is let in although it is larger than the limit"
    );
    // when more come in, also after the limits were read again,
    assert_eq!(
        server.lead("noisy", 1).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    folder.write(
        "receiver",
        &receiver("default", &json!({"limits": {"bodyMemory": "65Ki"}})),
    );
    let again = folder.load(Some(&server.app.config.borrow()));
    server.publish.send_replace(Arc::new(again));
    let refused = server.lead("noisy", 1).await;
    // then the webhook refuses them, and the other does not.
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(server.count("noisy", RequestOutcome::Busy), 2);
    for number in 0..20 {
        assert_eq!(server.lead("quiet", number).await.status(), StatusCode::OK);
    }
    pieces.send("\"}".into()).unwrap();
    drop(pieces);
    assert_eq!(first.await.status(), StatusCode::OK);
    assert_eq!(server.lead("noisy", 1).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn leads_that_wait_of_one_webhook_leave_room_for_those_of_another() {
    let folder = folder(&json!({"pendingDeliveries": 3}));
    let server = Server::start(folder.load(None)).await;
    for number in 0..3 {
        assert_eq!(server.lead("noisy", number).await.status(), StatusCode::OK);
    }
    let refused = server.lead("noisy", 3).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(server.count("noisy", RequestOutcome::Full), 1);
    for number in 0..3 {
        assert_eq!(server.lead("quiet", number).await.status(), StatusCode::OK);
    }
    // The limit is counted, whatever the configuration becomes meanwhile.
    let again = folder.load(Some(&server.app.config.borrow()));
    server.publish.send_replace(Arc::new(again));
    assert_eq!(
        server.lead("noisy", 4).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn copies_of_rejected_requests_are_kept_as_the_receiver_allows() {
    let folder = folder(&json!({"rejectedCopies": "64Ki"}));
    let server = Server::start(folder.load(None)).await;
    let invalid = || Body::from(json!({"email": "none", "message": "x".repeat(40 << 10)}).to_string());
    for webhook in ["quiet", "noisy", "noisy", "noisy"] {
        assert_eq!(
            server.post(webhook, invalid()).await.status(),
            StatusCode::BAD_REQUEST
        );
    }
    let webhooks = ["shop/noisy", "shop/quiet"].map(queue::WebhookId::from);
    let stats = server.app.queue.webhook_stats(&webhooks).await.unwrap();
    let told: Vec<_> = stats
        .iter()
        .map(|of| (of.rejected, of.rejected_dropped))
        .collect();
    assert_eq!(told, [(3, 2), (1, 0)]);
}

/// Work that takes long is done by turns: a webhook with much of it waits for itself.
#[tokio::test]
async fn heavy_expressions_of_one_webhook_do_not_stop_another() {
    let folder = folder(&json!({}));
    // Some hundred thousand steps for each request.
    let heavy = "payload.list.all(a, payload.list.all(b, a + b >= 0)) ? payload.email : ''";
    folder.write(
        "noisy",
        &webhook("noisy", 1, &json!({"payload": {"lead": {"email": heavy}}})),
    );
    let server = Arc::new(Server::start(folder.load(None)).await);
    let list: Vec<u32> = (0..200).collect();
    let noisy: Vec<_> = (0..40)
        .map(|number| {
            let (server, list) = (Arc::clone(&server), list.clone());
            tokio::spawn(async move {
                let lead = json!({"email": format!("n{number}@example.com"), "list": list});
                server.post("noisy", lead.to_string().into()).await.status()
            })
        })
        .collect();
    for number in 0..20 {
        assert_eq!(server.lead("quiet", number).await.status(), StatusCode::OK);
    }
    let ended = noisy.iter().filter(|task| task.is_finished()).count();
    assert!(
        ended < 40,
        "the quiet webhook waited for all of the noisy one's work"
    );
    for task in noisy {
        assert_eq!(task.await.unwrap(), StatusCode::OK);
    }
}
