//! What traces tell of requests and leads.

use leadgate_tests::hubspot::{Fault, Rule};
use leadgate_tests::wire::{exchange, request};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::collector::{Collector, Span};
use crate::{ADA, PATIENCE, STRANGER, Scene, borrowed, endpoint, leadgate, tells_nothing_personal};

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_followed_from_its_request_to_its_record_over_a_kill_a_retry_and_a_replay() {
    let collector = Collector::start(0).await;
    let mut environment = endpoint(&collector);
    environment.extend([
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue".to_owned()),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test".to_owned(),
        ),
    ]);
    let mut scene = Scene::start(&borrowed(&environment), |sink| sink.suspend = true).await;

    // Accepted, and the receiver is killed before it delivers.
    let id = scene.lead(ADA).await;
    scene
        .until("the request is told", || {
            !collector.named("POST /webhooks/default/web").is_empty()
        })
        .await;
    scene.receiver.kill();

    let server = collector.only("POST /webhooks/default/web");
    assert_eq!(server.kind, SpanKind::Server);
    assert_eq!(server.parent, "", "a stranger's span is no parent");
    assert_ne!(server.trace, STRANGER.0);
    assert_eq!(server.links, [(STRANGER.0.to_owned(), STRANGER.1.to_owned())]);
    assert_eq!(server.attribute("http.request.method"), "POST");
    assert_eq!(server.attribute("http.route"), "/webhooks/default/web");
    assert_eq!(server.attribute("http.response.status_code"), "200");
    assert_eq!(server.attribute("leadgate.outcome"), "accepted");
    let of_request = |name: &str, kind: SpanKind| {
        let span = collector.only(name);
        assert_eq!(
            (span.kind, &span.trace, &span.parent),
            (kind, &server.trace, &server.id),
            "{name}"
        );
        assert!(!span.failed, "{span:#?}");
        span
    };
    let verify = of_request("verify", SpanKind::Internal);
    let map = of_request("map", SpanKind::Internal);
    let create = of_request("create default/web", SpanKind::Producer);
    let send = of_request("send queue", SpanKind::Client);
    assert!(verify.ended <= map.ended && map.ended <= create.ended);
    assert_eq!(create.attribute("messaging.message.id"), id);
    assert_eq!(create.attribute("leadgate.outcome"), "accepted");
    assert_eq!(send.links, [create.context()]);
    assert_eq!(send.attribute("messaging.batch.message_count"), "1");
    assert_eq!(collector.spans().len(), 5, "{:#?}", collector.spans());

    // The CRM fails, then takes it.
    scene.hubspot.change_faults(|plan| {
        plan.rules = vec![Rule {
            path: "objects/contacts".into(),
            body: String::new(),
            fault: Fault::Status {
                code: 503,
                retry_after: None,
                policy: None,
            },
        }];
    });
    scene.sink.suspend = false;
    scene
        .receiver
        .write_manifest("leadgate.yaml", &scene.sink.yaml())
        .unwrap();
    scene.receiver.restart().await.unwrap();
    let process = "process default/hubspot";
    scene
        .until("an attempt is told", || !collector.named(process).is_empty())
        .await;
    scene.hubspot.change_faults(|plan| plan.rules.clear());
    scene.arrived(ADA).await;
    let outcome = |span: &Span| span.attribute("leadgate.outcome").to_owned();
    scene
        .until("the delivery is told", || {
            collector
                .named(process)
                .last()
                .is_some_and(|span| outcome(span) == "delivered")
        })
        .await;

    // It is replayed.
    let path = format!("/api/v1/leads/{id}/replay?set=delivered");
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let answer = exchange(scene.receiver.admin_address(), head).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    scene
        .until("the replay is told", || {
            let attempts = collector.named(process);
            attempts
                .iter()
                .filter(|span| outcome(span) == "delivered")
                .count()
                == 2
        })
        .await;
    // People find the trace by the lead.
    let told = async |path: String| {
        let (status, text) = scene.receiver.admin(&path).await.unwrap();
        assert_eq!(status, 200, "{text}");
        text
    };
    let story: Value = serde_json::from_str(&told(format!("/api/v1/leads/{id}")).await).unwrap();
    assert_eq!(story["traceId"], json!(server.trace), "{story}");
    let page = told(format!("/console/-/leads/{id}")).await;
    assert!(page.contains(&format!("<dd>{}</dd>", server.trace)), "{page}");
    let traced = leadgate(&scene, &["trace", &id]).await;
    assert!(traced.contains(&format!("trace {}", server.trace)), "{traced}");
    scene.receiver.terminate(PATIENCE).await.unwrap();

    let attempts = collector.named(process);
    for (place, attempt) in attempts.iter().enumerate() {
        assert_eq!(attempt.kind, SpanKind::Consumer);
        assert_eq!((&attempt.trace, &attempt.parent), (&server.trace, &create.id));
        assert_eq!(attempt.links, [create.context()]);
        assert_eq!(attempt.attribute("messaging.message.id"), id);
        assert_eq!(attempt.attribute("leadgate.webhook"), "default/web");
        attempt.attribute("leadgate.waited_ms").parse::<u64>().unwrap();
        let is_replay = place == attempts.len() - 1;
        let number = if is_replay { 1 } else { place + 1 };
        assert_eq!(attempt.attribute("leadgate.attempt"), number.to_string());
        let children: Vec<Span> = collector
            .spans()
            .into_iter()
            .filter(|span| span.parent == attempt.id)
            .collect();
        let named = |name: &str| children.iter().filter(|span| span.name.ends_with(name)).count();
        assert!(named(" HubSpot") >= 1, "{children:#?}");
        assert_eq!(named("settle default/hubspot"), 1, "{children:#?}");
        assert_eq!(children.len(), named(" HubSpot") + 1, "{children:#?}");
        assert!(
            children
                .iter()
                .all(|span| span.kind == SpanKind::Client && span.trace == server.trace)
        );
        if outcome(attempt) == "delivered" {
            // Before it writes, a CRM's client may be told that there is nothing yet.
            let succeeded = |span: &Span| span.name.ends_with(" HubSpot") && !span.failed;
            assert!(!attempt.failed && children.iter().any(succeeded), "{children:#?}");
        }
    }
    let first = &attempts[0];
    assert_eq!((outcome(first).as_str(), first.failed), ("retried", true));
    assert!(!first.attribute("leadgate.reason").is_empty());
    let refused: Vec<Span> = collector
        .spans()
        .into_iter()
        .filter(|span| span.parent == first.id && span.name.ends_with(" HubSpot"))
        .collect();
    let host = scene.hubspot.base_url();
    for call in &refused {
        assert!(call.failed);
        assert_eq!(call.attribute("http.response.status_code"), "503");
        assert_eq!(call.attribute("server.address"), "127.0.0.1");
        assert!(host.ends_with(call.attribute("server.port")));
        assert_eq!(
            call.name,
            format!("{} HubSpot", call.attribute("http.request.method"))
        );
    }

    // The log names the trace beside the lead.
    let log = scene.receiver.log();
    let told = log
        .lines()
        .filter(|line| line.contains(&id) && line.contains("attempt"))
        .collect::<Vec<_>>();
    assert!(
        !told.is_empty() && told.iter().all(|line| line.contains(&server.trace)),
        "{told:#?}"
    );
    assert!(
        collector
            .headers()
            .iter()
            .all(|headers| headers["x-tenant"] == "blue")
    );
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "leadgate-receiver");
    assert_eq!(resource["deployment.environment.name"], "test");
    tells_nothing_personal(&collector);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_new_lead_is_told_by_its_outcome() {
    let collector = Collector::start(0).await;
    let environment = endpoint(&collector);
    let mut scene = Scene::start(&borrowed(&environment), |_| {}).await;
    let first = scene.lead(ADA).await;
    let again = scene.lead(ADA).await;
    assert_eq!(first, again);
    assert_eq!(
        scene
            .post(&json!({"email": "ada.lovelace@@example.com"}), &[])
            .await
            .status,
        400
    );
    let unsigned = request("POST", "/webhooks/default/web", &[], b"{}");
    assert_eq!(
        exchange(scene.receiver.address(), unsigned).await.unwrap().status,
        401
    );
    let strange = request("MALLORY", "/webhooks/default/web", &[], b"{}");
    assert_eq!(
        exchange(scene.receiver.address(), strange).await.unwrap().status,
        405
    );
    scene.receiver.terminate(PATIENCE).await.unwrap();

    let server = collector.named("POST /webhooks/default/web");
    let outcomes: Vec<&str> = server
        .iter()
        .map(|span| span.attribute("leadgate.outcome"))
        .collect();
    assert_eq!(outcomes, ["accepted", "duplicate", "rejected", "unauthorized"]);
    assert!(server.iter().all(|span| !span.failed), "{server:#?}");
    let strange = collector.only("HTTP /webhooks/default/web");
    assert_eq!(strange.attribute("http.request.method"), "_OTHER");
    assert_eq!(
        collector
            .named("verify")
            .iter()
            .filter(|span| span.failed)
            .count(),
        1
    );
    assert_eq!(
        collector.named("map").iter().filter(|span| span.failed).count(),
        1
    );
    let created = collector.named("create default/web");
    assert_eq!(created.len(), 2);
    assert_eq!(created[1].attribute("leadgate.outcome"), "duplicate");
    assert_eq!(created[1].attribute("leadgate.duplicate_of"), first);
    tells_nothing_personal(&collector);
}

#[tokio::test(flavor = "multi_thread")]
async fn durations_name_a_trace_where_there_is_one_and_somebody_asks() {
    const OPEN_METRICS: (&str, &str) = (
        "Accept",
        "application/openmetrics-text; version=1.0.0, text/plain; q=0.5",
    );
    let metrics = async |scene: &Scene, headers: &[(&str, &str)]| {
        let asked = request("GET", "/metrics", headers, b"");
        exchange(scene.receiver.admin_address(), asked)
            .await
            .unwrap()
            .text()
    };
    let off = Scene::start(&[], |_| {}).await;
    off.lead("untraced").await;
    off.arrived("untraced").await;
    assert!(!metrics(&off, &[OPEN_METRICS]).await.contains("trace_id"));

    let collector = Collector::start(0).await;
    let scene = Scene::start(&borrowed(&endpoint(&collector)), |_| {}).await;
    scene.lead(ADA).await;
    scene.arrived(ADA).await;
    scene
        .until("the request is told", || {
            !collector.named("POST /webhooks/default/web").is_empty()
        })
        .await;
    let trace = collector.only("POST /webhooks/default/web").trace;
    let exemplar = format!(" # {{trace_id=\"{trace}\"}} ");
    for metric in [
        "leadgate_accept_duration_seconds_bucket",
        "leadgate_speed_to_lead_seconds_bucket",
    ] {
        scene
            .receiver
            .until(metric, PATIENCE, || async {
                let text = metrics(&scene, &[OPEN_METRICS]).await;
                text.lines()
                    .any(|line| line.starts_with(metric) && line.contains(&exemplar))
            })
            .await;
    }
    assert!(!metrics(&scene, &[]).await.contains("trace_id"));
}
