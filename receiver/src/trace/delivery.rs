//! The spans of an attempt: one for each lead, one for each call to the CRM, and one for the settlement.

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, TraceId};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use reqwest::Request;

use super::{Traces, child, context, fail, messaging, number};
use crate::ids::SinkId;
use crate::lead::StoredLead;
use crate::outcomes::DeliveryOutcome;
use crate::queue::Claim;
use crate::time::since;

/// An attempt at the leads of a call. The spans end when it is dropped.
#[derive(Default)]
pub(crate) struct Processing {
    tracer: Option<SdkTracer>,
    /// Of the leads that are traced, by their places in the call.
    leads: Vec<(usize, Span)>,
}

/// A call to the CRM, or the settlement. It ends when it is dropped.
#[derive(Default)]
#[must_use]
pub struct Call(Option<Span>);

impl Traces {
    /// An attempt at these leads begins. Whether one is traced was decided when it was accepted.
    pub(crate) fn process<'c>(
        &self,
        sink: &SinkId,
        claims: impl IntoIterator<Item = &'c Claim>,
    ) -> Processing {
        let Some(tracer) = &self.0 else {
            return Processing::default();
        };
        let mut leads = Vec::new();
        for (place, claim) in claims.into_iter().enumerate() {
            let Some(created) = StoredLead::trace(&claim.body).and_then(context::parse) else {
                continue;
            };
            let mut attributes = messaging("process", "process", sink.as_str());
            attributes.extend([
                KeyValue::new("messaging.message.id", claim.id.to_string()),
                KeyValue::new("leadgate.webhook", claim.webhook.to_string()),
                KeyValue::new("leadgate.attempt", i64::from(claim.attempt)),
                KeyValue::new("leadgate.waited_ms", number(since(claim.queued_at).as_millis())),
            ]);
            let name = format!("process {sink}");
            let links = vec![created.clone()];
            let span = child(tracer, &created, name, SpanKind::Consumer, attributes, links);
            if span.span_context().is_sampled() {
                leads.push((place, span));
            }
        }
        Processing {
            tracer: (!leads.is_empty()).then(|| tracer.clone()),
            leads,
        }
    }
}

impl Processing {
    /// A request is sent to `peer`, for all leads or for the one at a place. It is told by its method and host: paths and
    /// queries may hold what a lead says.
    pub(crate) fn call(&self, only: Option<usize>, request: &Request, peer: &str) -> Call {
        self.client(only, |_| {
            let url = request.url();
            let method = request.method().to_string();
            let mut attributes = vec![
                KeyValue::new("http.request.method", method.clone()),
                KeyValue::new("server.address", url.host_str().unwrap_or_default().to_owned()),
            ];
            if let Some(port) = url.port_or_known_default() {
                attributes.push(KeyValue::new("server.port", i64::from(port)));
            }
            (format!("{method} {peer}"), attributes)
        })
    }

    /// The outcomes are written down.
    pub(crate) fn settle(&self, sink: &SinkId) -> Call {
        self.client(None, |leads| {
            let mut attributes = messaging("settle", "settle", sink.as_str());
            attributes.push(KeyValue::new("messaging.batch.message_count", number(leads)));
            (format!("settle {sink}"), attributes)
        })
    }

    /// A span that all leads share: it stands in the trace of the first, and links to the others.
    fn client(&self, only: Option<usize>, what: impl FnOnce(usize) -> (String, Vec<KeyValue>)) -> Call {
        let leads = self
            .leads
            .iter()
            .filter(|(at, _)| only.is_none_or(|only| only == *at));
        let mut contexts = leads.map(|(_, span)| span.span_context());
        let (Some(tracer), Some(first)) = (&self.tracer, contexts.next()) else {
            return Call::default();
        };
        let links: Vec<SpanContext> = contexts.cloned().collect();
        let (name, attributes) = what(self.leads.len());
        Call(Some(child(
            tracer,
            first,
            name,
            SpanKind::Client,
            attributes,
            links,
        )))
    }

    /// What became of the lead at this place in the call.
    pub(crate) fn decided(&mut self, place: usize, outcome: DeliveryOutcome, reason: Option<&str>) {
        let Some((_, span)) = self.leads.iter_mut().find(|(at, _)| *at == place) else {
            return;
        };
        span.set_attribute(KeyValue::new("leadgate.outcome", outcome.as_str()));
        if let Some(reason) = reason {
            span.set_attribute(KeyValue::new("leadgate.reason", reason.to_owned()));
            fail(span, reason.to_owned());
        }
    }

    /// The trace of the lead at this place in the call.
    pub(crate) fn id(&self, place: usize) -> Option<TraceId> {
        let (_, span) = self.leads.iter().find(|(at, _)| *at == place)?;
        Some(span.span_context().trace_id())
    }
}

impl Call {
    /// It has an answer with this status.
    pub(crate) fn answered(&mut self, status: u16) {
        let Some(span) = &mut self.0 else { return };
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 400 {
            fail(span, status.to_string());
        }
    }

    /// It failed, for this reason.
    pub(crate) fn failed(&mut self, reason: &str) {
        if let Some(span) = &mut self.0 {
            fail(span, reason.to_owned());
        }
    }
}
