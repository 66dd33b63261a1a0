//! Traces: what they tell of a lead, what is never in them, and that nothing depends on who collects them.

mod collector;

use std::time::Duration;

use collector::{Collector, Span};
use leadgate_tests::hubspot::{Config, Fault, HubSpot, Rule};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver, program};
use leadgate_tests::signing;
use leadgate_tests::wire::{Answer, exchange, request};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

const SECRET: &str = "traced-s3cret-of-the-webhook";
const PATIENCE: Duration = Duration::from_mins(1);
/// A lead's sender, as none of its spans calls it.
const ADA: &str = "ada.lovelace";
const STRANGER: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

struct Scene {
    hubspot: HubSpot,
    sink: HubSpotSink,
    receiver: Receiver,
}

impl Scene {
    async fn start(environment: &[(&str, &str)], change: impl FnOnce(&mut HubSpotSink)) -> Self {
        let hubspot = HubSpot::start(Config::default()).await.unwrap();
        let mut sink = HubSpotSink::new(hubspot.base_url(), hubspot.token());
        change(&mut sink);
        let webhook =
            mapped_webhook("web", SECRET).replacen("  sinks:", "  retention: {payloads: 1h}\n  sinks:", 1);
        let mut options = Options::new(sink.yaml());
        options.manifests.push(("web.yaml".into(), webhook));
        options.environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let receiver = Receiver::start(options).await.unwrap();
        Self {
            hubspot,
            sink,
            receiver,
        }
    }

    async fn post(&self, body: &Value, more: &[(&str, &str)]) -> Answer {
        let body = body.to_string().into_bytes();
        let signature = signing::generic(SECRET, &body)[0].1.clone();
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("X-Webhook-Signature", signature.as_str()),
        ];
        headers.extend_from_slice(more);
        let bytes = request("POST", "/webhooks/default/web?utm=ada.lovelace", &headers, &body);
        exchange(self.receiver.address(), bytes).await.unwrap()
    }

    /// Sends a lead that is taken; returns its id.
    async fn lead(&self, name: &str) -> String {
        let traceparent = format!("00-{}-{}-01", STRANGER.0, STRANGER.1);
        let body = json!({
            "email": format!("{name}@example.com"), "firstName": "Augusta",
            "phone": (name == ADA).then_some("+4930901821"),
            "submissionId": format!("form-{name}"), "note": "confidential"
        });
        let answer = self
            .post(
                &body,
                &[
                    ("traceparent", &traceparent),
                    ("tracestate", "who=ada.lovelace"),
                    ("User-Agent", "Mallory"),
                ],
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.receiver
            .until(what, PATIENCE, || std::future::ready(holds()))
            .await;
    }

    async fn arrived(&self, name: &str) {
        let email = format!("{name}@example.com");
        self.until("the lead is in the CRM", || {
            self.hubspot.contact(&email).is_some()
        })
        .await;
    }

    async fn dropped(&self) -> f64 {
        let name = "leadgate_trace_spans_dropped_total";
        self.receiver.metric(name, &[]).await.unwrap()
    }

    fn lines(&self, with: &str) -> usize {
        self.receiver
            .log()
            .lines()
            .filter(|line| line.contains(with))
            .count()
    }
}

/// What `kubectl leadgate` says.
async fn leadgate(scene: &Scene, arguments: &[&str]) -> String {
    let program = tokio::task::spawn_blocking(|| program("kubectl-leadgate", false));
    let output = tokio::process::Command::new(program.await.unwrap().unwrap())
        .args(arguments)
        .args(["--server", &format!("http://{}", scene.receiver.admin_address())])
        .env_remove("KUBECONFIG")
        .output()
        .await
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn endpoint(collector: &Collector) -> Vec<(&'static str, String)> {
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
        ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
    ]
}

fn borrowed<'a>(environment: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// What is in a lead, or comes from its sender, beside the ids of its trace.
const NEVER_TOLD: &[&str] = &[
    ADA,
    "example.com",
    "Augusta",
    "4930901821",
    "form-",
    "confidential",
    "Mallory",
    "utm",
    "who=",
    SECRET,
];

/// Nothing of it is anywhere in what was exported.
fn tells_nothing_personal(collector: &Collector) {
    let bytes = collector.bytes();
    assert!(!bytes.is_empty());
    for word in NEVER_TOLD {
        let is_there = bytes
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
        assert!(!is_there, "{word} was exported");
    }
}

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
async fn a_sender_does_not_decide_what_is_sampled() {
    let collector = Collector::start(0).await;
    let mut environment = endpoint(&collector);
    environment[2].1 = "parentbased_always_off".to_owned();
    let mut scene = Scene::start(&borrowed(&environment), |_| {}).await;
    scene.lead(ADA).await;
    scene.arrived(ADA).await;
    scene.receiver.terminate(PATIENCE).await.unwrap();
    assert!(collector.spans().is_empty(), "{:#?}", collector.spans());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_anywhere_unless_traces_are_on() {
    let collector = Collector::start(0).await;
    let mut off = endpoint(&collector);
    off.push(("OTEL_SDK_DISABLED", "true".to_owned()));
    let no_endpoint = [("OTEL_TRACES_SAMPLER", "always_on".to_owned())];
    for environment in [&off[..], &no_endpoint] {
        let mut scene = Scene::start(&borrowed(environment), |_| {}).await;
        scene.lead(ADA).await;
        scene.arrived(ADA).await;
        assert_eq!(scene.lines("traces"), 0, "{}", scene.receiver.log());
        scene.receiver.terminate(PATIENCE).await.unwrap();
    }
    assert_eq!(collector.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_no_url_is_told_without_its_password() {
    let mut options = Options::new(String::new());
    let endpoint = "http://user:hunter2@collector internal:4318";
    options.environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT".into(), endpoint.into())];
    let told = format!("{:#}", Receiver::start(options).await.err().unwrap());
    assert!(
        told.contains("OTEL_EXPORTER_OTLP_ENDPOINT, or") && !told.contains("hunter2"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let collector = Collector::start(0).await;
    let mut environment = endpoint(&collector);
    let port = collector.endpoint().rsplit(':').next().unwrap().parse().unwrap();
    environment.push(("OTEL_EXPORTER_OTLP_TIMEOUT", "2000".to_owned()));
    drop(collector);
    let scene = Scene::start(&borrowed(&environment), |_| {}).await;
    for number in 0..20 {
        scene.lead(&format!("ada.lovelace{number}")).await;
        scene.arrived(&format!("ada.lovelace{number}")).await;
    }
    // Five of each request, at least, and the log says it once.
    while scene.dropped().await < 100.0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        scene.lines("traces cannot be exported"),
        1,
        "{}",
        scene.receiver.log()
    );

    let collector = Collector::start(port).await;
    scene.lead(ADA).await;
    scene
        .until("it is told again", || {
            !collector.named("create default/web").is_empty()
        })
        .await;
    scene
        .until("the log says so", || {
            scene.lines("traces are exported again") == 1
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_holds_up_neither_leads_nor_the_end_and_fills_no_memory() {
    // It accepts connections and reads nothing.
    let hangs = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", hangs.local_addr().unwrap());
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
    ];
    let mut scene = Scene::start(&environment, |_| {}).await;
    for number in 0..20 {
        scene.lead(&format!("ada.lovelace{number}")).await;
        scene.arrived(&format!("ada.lovelace{number}")).await;
    }
    // Ten wait, and ten are on their way at most: the others of a hundred are gone.
    let dropped = scene.dropped().await;
    assert!(dropped >= 80.0, "{dropped}");
    scene.receiver.terminate(PATIENCE).await.unwrap();
    assert_eq!(
        scene.lines("did not take the last spans in time"),
        1,
        "{}",
        scene.receiver.log()
    );
}
