//! Spans on their way to the collector: a bounded queue, and a task that sends what is in it. The receiver never waits for
//! the collector; what there is no room for, or the collector does not take, is dropped and counted.

use std::env;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{Config, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Traces;
use crate::outbound::Client;

/// How long a shutdown waits for the collector.
const FLUSH: Duration = Duration::from_secs(3);
/// What a mistake in the variables is told by.
const NO_URL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, is no URL; set the collector's, such as \
                      http://localhost:4318";
/// More of a collector's answer is not read.
const MAX_ANSWER: usize = 64 << 10;
/// More spans never wait, whatever is configured.
const MOST_WAITING: usize = 1 << 20;

/// The task that sends spans.
pub(crate) struct Exporting {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Starts traces, if the environment names a collector, as the specification of OpenTelemetry's variables has it.
pub(crate) fn start(
    client: impl FnOnce() -> anyhow::Result<Client>,
    dropped: &Counter,
) -> anyhow::Result<(Traces, Option<Exporting>)> {
    if !is_on(&variable) {
        return Ok((Traces::default(), None));
    }
    let resource = resource();
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector(client()?))
        .build()
        // Its own words quote the URL, which may hold a password.
        .map_err(|_| anyhow!(NO_URL))?;
    exporter.set_resource(&resource);
    let settings = Settings::read(&variable);
    let (sender, spans) = channel(settings.waiting);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_processor(Queue {
            spans: sender,
            dropped: dropped.clone(),
        })
        .build();
    let sampler = Config::default().sampler;
    tracing::info!(?sampler, "exporting traces");
    let stop = CancellationToken::new();
    let export = Export {
        exporter,
        settings,
        dropped: dropped.clone(),
        fails: false,
    };
    let task = tokio::spawn(export.run(spans, stop.clone()));
    let tracer = provider.tracer("leadgate-receiver");
    Ok((Traces(Some(tracer)), Some(Exporting { stop, task })))
}

impl Exporting {
    /// Sends what is left, for a few seconds at most.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        match tokio::time::timeout(FLUSH, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the export of traces failed"),
            Err(_) => tracing::warn!("the collector did not take the last spans in time; they are lost"),
        }
    }
}

/// A variable of the environment; an empty one counts as absent.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn is_on(variable: &dyn Fn(&str) -> Option<String>) -> bool {
    let is = |name, word: &str| variable(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let has_endpoint = [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ]
    .into_iter()
    .any(|name| variable(name).is_some());
    has_endpoint && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

/// What is told of this process.
fn resource() -> Resource {
    let told = Resource::builder_empty()
        .with_service_name("leadgate-receiver")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => told.with_service_name(name).build(),
        None => told.build(),
    }
}

/// How spans are put together.
#[derive(Debug, PartialEq)]
struct Settings {
    /// So many wait at most.
    waiting: usize,
    /// So many go at once.
    batch: usize,
    /// A span waits so long for others.
    delay: Duration,
    /// The collector may take so long.
    timeout: Duration,
}

impl Settings {
    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let number = |names: &[&str], default| {
            let set = names.iter().find_map(|name| variable(name));
            set.and_then(|text| u64::from_str(text.trim()).ok())
                .unwrap_or(default)
        };
        let count = |name, default| usize::try_from(number(&[name], default)).unwrap_or(MOST_WAITING);
        let waiting = count("OTEL_BSP_MAX_QUEUE_SIZE", 2048).clamp(1, MOST_WAITING);
        let timeouts = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        Self {
            waiting,
            batch: count("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512).clamp(1, waiting),
            delay: Duration::from_millis(number(&["OTEL_BSP_SCHEDULE_DELAY"], 5000)),
            timeout: Duration::from_millis(number(&timeouts, 10_000)),
        }
    }
}

/// Where spans wait.
#[derive(Debug)]
struct Queue {
    spans: Sender<SpanData>,
    dropped: Counter,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = self.spans.try_send(span) {
            self.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The task's state.
struct Export {
    exporter: SpanExporter,
    settings: Settings,
    dropped: Counter,
    /// The last batch was not taken: that was said already.
    fails: bool,
}

impl Export {
    async fn run(mut self, mut spans: Receiver<SpanData>, stop: CancellationToken) {
        let mut batch = Vec::new();
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.fill(&mut spans, &mut batch) => {}
                () = stop.cancelled() => {}
            }
            self.send(&mut batch).await;
        }
        spans.close();
        while spans.recv_many(&mut batch, self.settings.batch).await > 0 {
            self.send(&mut batch).await;
        }
    }

    /// Waits for a span, then for others that may go with it.
    async fn fill(&self, spans: &mut Receiver<SpanData>, batch: &mut Vec<SpanData>) {
        let most = self.settings.batch;
        if spans.recv_many(batch, most).await == 0 {
            return std::future::pending().await;
        }
        let others =
            async { while batch.len() < most && spans.recv_many(batch, most - batch.len()).await > 0 {} };
        let _ = tokio::time::timeout(self.settings.delay, others).await;
    }

    async fn send(&mut self, batch: &mut Vec<SpanData>) {
        let spans = batch.len();
        if spans == 0 {
            return;
        }
        let export = self.exporter.export(std::mem::take(batch));
        let sent = tokio::time::timeout(self.settings.timeout, export).await;
        let trouble = match sent {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the collector did not answer in time".to_owned()),
        };
        match &trouble {
            Some(error) => {
                self.dropped.inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
                if !self.fails {
                    tracing::warn!(
                        error,
                        "traces cannot be exported; spans are dropped until they can"
                    );
                }
            }
            None if self.fails => tracing::info!("traces are exported again"),
            None => {}
        }
        self.fails = trouble.is_some();
    }
}

/// The collector, over the receiver's own HTTP client.
struct Collector(Client);

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = self.0.request(parts.method, parts.uri.to_string());
        let mut answer = request.headers(parts.headers).body(body).send().await?;
        let mut told = BytesMut::new();
        while let Some(chunk) = answer.chunk().await? {
            told.extend_from_slice(&chunk);
            if told.len() > MAX_ANSWER {
                break;
            }
        }
        let mut response = Response::new(told.freeze());
        *response.status_mut() = answer.status();
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn with(set: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> + use<> {
        let set: HashMap<String, String> = set
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        move |name| set.get(name).cloned()
    }

    #[test]
    fn traces_are_on_only_with_an_endpoint() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let table = [
            (&[][..], false),
            (&[("OTEL_TRACES_SAMPLER", "always_on")], false),
            (&[endpoint], true),
            (
                &[(
                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                    "http://collector:4318/v1/traces",
                )],
                true,
            ),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], false),
            (&[endpoint, ("OTEL_SDK_DISABLED", "false")], true),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "otlp")], true),
        ];
        for (set, on) in table {
            assert_eq!(is_on(&with(set)), on, "{set:?}");
        }
    }

    #[test]
    fn settings_are_those_of_the_specification_and_bounded() {
        let default = Settings {
            waiting: 2048,
            batch: 512,
            delay: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
        };
        assert_eq!(Settings::read(&with(&[])), default);
        let nonsense = with(&[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
            ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ]);
        assert_eq!(Settings::read(&nonsense), default);
        let set = with(&[
            ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99999999999"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1000"),
        ]);
        let expected = Settings {
            waiting: 1,
            batch: 1,
            delay: Duration::from_millis(100),
            timeout: Duration::from_secs(1),
        };
        assert_eq!(Settings::read(&set), expected);
    }
}
