//! OpenTelemetry traces: what the way of a lead took, from the request to the CRM. Off unless an OTLP endpoint is set.
//!
//! * [`Traces`] makes spans. `request` has those of a request, `delivery` those of an attempt; `context` is what connects
//!   the two, and travels with the stored lead; `export` sends spans to the collector.
//! * The sampler is asked once a request. Of a request that is not sampled, and while traces are off, every value here is
//!   empty and each call returns at once.
//! * Attributes are ids, words of this program, numbers and configured names: never what a sender wrote, or a lead says.

mod context;
mod delivery;
mod export;
mod request;

use std::borrow::Cow;

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

pub use delivery::Call;
pub(crate) use delivery::Processing;
pub(crate) use export::start;
pub(crate) use request::RequestTrace;

/// Makes spans; without a tracer, none.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<SdkTracer>);

/// A span within another one.
fn child(
    tracer: &SdkTracer,
    parent: &SpanContext,
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    links: Vec<SpanContext>,
) -> Span {
    let links = links.into_iter().map(Link::with_context).collect();
    let builder = SpanBuilder::from_name(name)
        .with_kind(kind)
        .with_attributes(attributes)
        .with_links(links);
    let parent = Context::new().with_remote_span_context(parent.clone());
    tracer.build_with_context(builder, &parent)
}

/// What the conventions for messaging say of each operation on a lead.
fn messaging(operation: &'static str, kind: &'static str, destination: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "leadgate"),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", kind),
        KeyValue::new("messaging.destination.name", destination.to_owned()),
    ]
}

/// Marks a span as failed; `reason` is a word of ours.
fn fail(span: &mut Span, reason: impl Into<Cow<'static, str>>) {
    span.set_status(Status::error(""));
    span.set_attribute(KeyValue::new("error.type", reason.into()));
}

/// A number as attributes have it.
fn number(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
