//! What metrics are told apart by.

use std::hash::Hash;

use prometheus_client::encoding::EncodeLabelSet;

use crate::ids::WebhookId;
use crate::outcomes::{DeliveryOutcome, RequestOutcome};

/// Labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `namespace/name`; empty where no webhook has the path.
    pub webhook: String,
    /// What became of it.
    pub outcome: RequestOutcome,
}

/// Labels of a connection's end.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectionLabels {
    /// A fixed word.
    pub reason: &'static str,
}

/// Labels of what belongs to a webhook.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WebhookLabels {
    /// `namespace/name`.
    pub webhook: String,
}

/// Labels of an exemplar.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TraceLabels {
    /// The trace, in hexadecimal digits.
    pub trace_id: String,
}

/// Labels of what belongs to a sink.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SinkLabels {
    /// `namespace/name`.
    pub sink: String,
}

/// Labels of what a CRM responded.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResponseLabels {
    /// `namespace/name`.
    pub sink: String,
    /// `429`, the first digit and `xx`, or `none`.
    pub status: &'static str,
}

impl ResponseLabels {
    pub(crate) fn of(sink: &str, status: Option<u16>) -> Self {
        Self {
            sink: sink.to_owned(),
            status: match status {
                None => "none",
                Some(429) => "429",
                Some(..=299) => "2xx",
                Some(..=399) => "3xx",
                Some(..=499) => "4xx",
                Some(_) => "5xx",
            },
        }
    }
}

/// Labels of a notification.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NoticeLabels {
    /// `LeadWebhook` or `CrmSink`.
    pub kind: &'static str,
    /// `namespace/name`.
    pub object: String,
    /// `sent` or `failed`.
    pub outcome: &'static str,
}

impl NoticeLabels {
    pub(crate) fn of(kind: &'static str, object: &str, sent: bool) -> Self {
        Self {
            kind,
            object: object.to_owned(),
            outcome: if sent { "sent" } else { "failed" },
        }
    }
}

/// Labels of a certificate.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CertificateLabels {
    /// Its file.
    pub file: String,
}

/// Labels of the program.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildLabels {
    /// Its version.
    pub version: &'static str,
}

/// Labels of a refused proof.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct UnauthorizedLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// A fixed word.
    pub reason: &'static str,
}

/// Labels of a proof that one of several secrets made.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProofLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// Its place in `secretRefs`, from 0.
    pub secret: u32,
}

impl ProofLabels {
    pub(super) fn of(webhook: &WebhookId, number: usize) -> Self {
        Self {
            webhook: webhook.to_string(),
            secret: u32::try_from(number).unwrap_or(u32::MAX),
        }
    }
}

/// Labels of a lead's field that is not as it was sent.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FieldLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// A name of the mapping.
    pub field: String,
    /// A fixed word.
    pub reason: &'static str,
}

/// Labels of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DeliveryLabels {
    /// `namespace/name`.
    pub sink: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
}

/// Labels of a route from webhook to sink.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// `namespace/name`.
    pub webhook: String,
    /// `namespace/name`.
    pub sink: String,
}

/// Labels of a CRM property; only those that the sink's mapping names.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PropertyLabels {
    /// `namespace/name`.
    pub sink: String,
    /// The CRM's name of it.
    pub property: String,
}

/// Labels of which there is an example, for the documents.
pub(super) trait Labels: Clone + Eq + Hash {
    fn example() -> Self;
}

impl<L: Default + Clone + Eq + Hash> Labels for L {
    fn example() -> Self {
        Self::default()
    }
}

impl Labels for RequestLabels {
    fn example() -> Self {
        Self {
            webhook: String::new(),
            outcome: RequestOutcome::Accepted,
        }
    }
}

impl Labels for DeliveryLabels {
    fn example() -> Self {
        Self {
            sink: String::new(),
            outcome: DeliveryOutcome::Delivered,
        }
    }
}
