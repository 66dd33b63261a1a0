//! A collector of traces: takes OTLP over HTTP, and keeps every span and every byte.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A span, as it is easy to look at.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: it is a root.
    pub(crate) parent: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// Traces and spans.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) failed: bool,
    pub(crate) ended: u64,
}

impl Span {
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// As links name it.
    pub(crate) fn context(&self) -> (String, String) {
        (self.trace.clone(), self.id.clone())
    }
}

#[derive(Default)]
struct Got {
    bytes: Vec<u8>,
    headers: Vec<HeaderMap>,
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
}

/// A collector. It ends when it is dropped.
pub(crate) struct Collector {
    port: u16,
    got: Arc<Mutex<Got>>,
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Collector {
    /// On a port, or on any (0).
    pub(crate) async fn start(port: u16) -> Self {
        let began = Instant::now();
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => break listener,
                // Meanwhile, a connection of another test may have been given the port.
                Err(error) => assert!(began.elapsed() < Duration::from_mins(1), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Got::default()));
        let connections = Arc::new(AtomicUsize::new(0));
        let kept = Arc::clone(&got);
        let take = move |headers: HeaderMap, body: Bytes| async move {
            assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
            take(&mut kept.lock().unwrap(), headers, &body);
            StatusCode::OK
        };
        let app = Router::new().route("/v1/traces", axum::routing::post(take));
        let counted = Arc::clone(&connections);
        let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            port,
            got,
            connections,
            server,
        }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Every byte that came.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.got.lock().unwrap().bytes.clone()
    }

    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.got.lock().unwrap().headers.clone()
    }

    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        self.got.lock().unwrap().resource.clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.got.lock().unwrap().spans.clone()
    }

    /// The spans of this name, in the order in which they ended.
    pub(crate) fn named(&self, name: &str) -> Vec<Span> {
        let mut spans = self.spans();
        spans.retain(|span| span.name == name);
        spans.sort_by_key(|span| span.ended);
        spans
    }

    /// The only span of this name.
    pub(crate) fn only(&self, name: &str) -> Span {
        let mut spans = self.named(name);
        assert_eq!(spans.len(), 1, "{name}: {spans:#?}");
        spans.remove(0)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn take(got: &mut Got, headers: HeaderMap, body: &[u8]) {
    got.bytes.extend_from_slice(body);
    got.headers.push(headers);
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in request.resource_spans {
        got.resource = attributes(resource.resource.unwrap().attributes);
        let scopes = resource.scope_spans.into_iter();
        for span in scopes.flat_map(|scope| scope.spans) {
            got.spans.push(Span {
                kind: span.kind(),
                name: span.name,
                trace: hex::encode(span.trace_id),
                id: hex::encode(span.span_id),
                parent: hex::encode(span.parent_span_id),
                attributes: attributes(span.attributes),
                links: span
                    .links
                    .into_iter()
                    .map(|link| (hex::encode(link.trace_id), hex::encode(link.span_id)))
                    .collect(),
                failed: span.status.is_some_and(|status| status.code == 2),
                ended: span.end_time_unix_nano,
            });
        }
    }
}

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    all.into_iter()
        .map(|KeyValue { key, value, .. }| (key, text(value)))
        .collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    }
}
