//! The spans of a request: the server's, one for each step, and one for each lead that it brings.

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, SpanKind, TraceId, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::{Traces, child, context, fail, messaging, number};
use crate::ids::WebhookId;
use crate::lead::StoredLead;
use crate::outcomes::RequestOutcome;
use crate::queue::{Admission, NewLead};

/// The trace of a request, which is a trace of its own: the sender's is somebody else's, so it decides nothing here.
#[derive(Default)]
pub(crate) struct RequestTrace(Option<Box<Sampled>>);

struct Sampled {
    tracer: SdkTracer,
    server: Span,
}

/// A step of a request. It ends when it is dropped.
#[must_use]
pub(crate) struct Step(Option<Span>);

/// The leads of a request on their way into the queue. Their spans end when it is dropped.
#[derive(Default)]
#[must_use]
pub(crate) struct Created {
    leads: Vec<Span>,
    send: Option<Span>,
}

impl Traces {
    /// A request to a webhook has come. The sampler decides whether it is traced.
    pub(crate) fn request(&self, webhook: &WebhookId, parts: &Parts) -> RequestTrace {
        let Some(tracer) = &self.0 else {
            return RequestTrace::default();
        };
        let builder = SpanBuilder::from_name("HTTP").with_kind(SpanKind::Server);
        let mut server = tracer.build_with_context(builder, &Context::new());
        if !server.span_context().is_sampled() {
            return RequestTrace::default();
        }
        let method = known(&parts.method);
        let route = format!("/webhooks/{webhook}");
        server.update_name(format!("{} {route}", method.unwrap_or("HTTP")));
        server.set_attributes([
            KeyValue::new("http.request.method", method.unwrap_or("_OTHER")),
            KeyValue::new("http.route", route),
            KeyValue::new("leadgate.webhook", webhook.to_string()),
        ]);
        if let Some(sender) = context::of_sender(&parts.headers) {
            server.add_link(sender, Vec::new());
        }
        RequestTrace(Some(Box::new(Sampled {
            tracer: tracer.clone(),
            server,
        })))
    }
}

impl RequestTrace {
    /// Begins a step.
    pub(crate) fn step(&self, name: &'static str) -> Step {
        Step(self.0.as_ref().map(|trace| {
            let parent = trace.server.span_context();
            child(
                &trace.tracer,
                parent,
                name,
                SpanKind::Internal,
                Vec::new(),
                Vec::new(),
            )
        }))
    }

    /// These leads go into the queue. What connects their deliveries with this request goes with them.
    pub(crate) fn create(&self, webhook: &WebhookId, leads: &mut [NewLead]) -> Created {
        let Some(trace) = &self.0 else {
            return Created::default();
        };
        let parent = trace.server.span_context();
        let mut contexts: Vec<SpanContext> = Vec::with_capacity(leads.len());
        let mut spans = Vec::with_capacity(leads.len());
        for lead in leads {
            let mut attributes = messaging("create", "create", webhook.as_str());
            attributes.push(KeyValue::new("messaging.message.id", lead.id.to_string()));
            let name = format!("create {webhook}");
            let span = child(
                &trace.tracer,
                parent,
                name,
                SpanKind::Producer,
                attributes,
                Vec::new(),
            );
            lead.body = Bytes::from(StoredLead::with_trace(
                &lead.body,
                &context::write(span.span_context()),
            ));
            contexts.push(span.span_context().clone());
            spans.push(span);
        }
        let mut attributes = messaging("send", "send", "queue");
        attributes.push(KeyValue::new(
            "messaging.batch.message_count",
            number(spans.len()),
        ));
        let send = child(
            &trace.tracer,
            parent,
            "send queue",
            SpanKind::Client,
            attributes,
            contexts,
        );
        Created {
            leads: spans,
            send: Some(send),
        }
    }

    /// The id of the trace, for logs.
    pub(crate) fn id(&self) -> Option<TraceId> {
        let trace = self.0.as_ref()?;
        Some(trace.server.span_context().trace_id())
    }

    /// The request is answered.
    pub(crate) fn end(self, outcome: RequestOutcome, status: StatusCode) {
        let Some(mut trace) = self.0 else { return };
        trace.server.set_attributes([
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
            KeyValue::new("leadgate.outcome", outcome.as_str()),
        ]);
        if status.is_server_error() {
            fail(&mut trace.server, outcome.as_str());
        }
    }
}

impl Step {
    /// It failed, for this reason.
    pub(crate) fn failed(&mut self, reason: &'static str) {
        if let Some(span) = &mut self.0 {
            fail(span, reason);
        }
    }
}

impl Created {
    /// The queue has answered.
    pub(crate) fn stored(mut self, admissions: Option<&[Admission]>) {
        let Some(send) = &mut self.send else { return };
        let Some(admissions) = admissions else {
            fail(send, "QueueUnavailable");
            return;
        };
        send.end();
        for (span, admission) in self.leads.iter_mut().zip(admissions) {
            let outcome = match admission {
                Admission::Accepted | Admission::KeyConflict => RequestOutcome::Accepted,
                Admission::Duplicate(first) => {
                    span.set_attribute(KeyValue::new("leadgate.duplicate_of", first.to_string()));
                    RequestOutcome::Duplicate
                }
                Admission::Suppressed => RequestOutcome::Suppressed,
            };
            span.set_attribute(KeyValue::new("leadgate.outcome", outcome.as_str()));
        }
    }
}

/// A method of HTTP; what else a sender calls a method is not repeated.
fn known(method: &Method) -> Option<&'static str> {
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    methods.into_iter().find(|known| method.as_str() == *known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

    #[test]
    fn a_request_that_is_not_traced_allocates_nothing() {
        let unsampled = SdkTracerProvider::builder()
            .with_sampler(Sampler::TraceIdRatioBased(0.0))
            .build();
        let (parts, ()) = http::Request::post("/")
            .header(
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            )
            .body(())
            .unwrap()
            .into_parts();
        let webhook = WebhookId::new("default/web");
        for traces in [
            Traces::default(),
            Traces(Some(unsampled.tracer("leadgate-receiver"))),
        ] {
            let request = || {
                let trace = traces.request(&webhook, &parts);
                trace.step("verify").failed("reason");
                trace.create(&webhook, &mut []).stored(Some(&[]));
                assert_eq!(trace.id(), None);
                trace.end(RequestOutcome::Accepted, StatusCode::OK);
            };
            // The first makes the thread's source of random ids.
            request();
            assert_eq!(allocation_counter::measure(request).count_total, 0);
        }
    }
}
