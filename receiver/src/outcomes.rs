//! What becomes of requests and of attempts to deliver: the words of metrics, answers and logs. The documents list them
//! from here.

use std::fmt::{Error, Write as _};

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use serde::{Serialize, Serializer};

/// Declares outcomes, each with its word; what its comment says is what the documents say.
macro_rules! outcomes {
    ($(#[$about:meta])* $name:ident { $($(#[doc = $meaning:literal])+ $outcome:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $meaning])+ $outcome,)+
        }

        impl $name {
            /// Each of them.
            pub const ALL: &[Self] = &[$(Self::$outcome,)+];

            /// The word for it, which dashboards, alerts and senders rely on.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$outcome => $word,)+
                }
            }

            /// What it means, for people.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$outcome => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), Error> {
                encoder.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

outcomes! {
    /// What became of a request, and of each lead in it.
    RequestOutcome {
        /// 200: at least one lead is new.
        Accepted = "accepted",
        /// 200: all leads are resends of known ones.
        Duplicate = "duplicate",
        /// 200: the request is not a lead, by `payload.accept` or the sender's preset.
        Ignored = "ignored",
        /// 200, told as `ignored`: all leads are of people whose leads are refused (`kubectl leadgate erase --suppress`).
        Suppressed = "suppressed",
        /// A handshake of the sender, answered as its documentation requires.
        Challenge = "challenge",
        /// 400, 413 or 415: the request is authenticated, but not a valid lead. 503: an expression of the webhook failed.
        Rejected = "rejected",
        /// 401, or 403 for an address: authentication failed.
        Unauthorized = "unauthorized",
        /// 403: the request did not reach the proxy by HTTPS (`--behind-tls-proxy`).
        Insecure = "insecure",
        /// 503: the webhook is suspended.
        Suspended = "suspended",
        /// 413: the body is larger than `payload.maxBytes`.
        TooLarge = "too_large",
        /// 503: too many large bodies are in flight, of all webhooks or of this one (`limits.bodyMemory`).
        Busy = "busy",
        /// 503: the webhook has as many pending deliveries as its LeadReceiver allows (`limits.pendingDeliveries`).
        Full = "full",
        /// 408: the body did not arrive in time.
        Slow = "slow",
        /// 400: the body ended too early, or the request has more than one `Host` header.
        Broken = "broken",
        /// 503: the lead was not stored, or the configuration has problems.
        Unavailable = "unavailable",
        /// 405: leads must be sent with POST.
        MethodNotAllowed = "method_not_allowed",
        /// 404: no webhook has this path.
        NotFound = "not_found",
    }
}

outcomes! {
    /// What became of an attempt to deliver a lead.
    DeliveryOutcome {
        /// The CRM confirmed the lead.
        Delivered = "delivered",
        /// The attempt failed; it is repeated later.
        Retried = "retried",
        /// The lead was not sent: the rate limit is used up, or another lead must be tried alone.
        Deferred = "deferred",
        /// The CRM asked to wait, or rejects the whole account: the sink pauses.
        Paused = "paused",
        /// The CRM rejected the lead permanently, or it could not be delivered in time.
        Dead = "dead",
        /// The lead matches several records, or a record in part: a person must decide.
        Held = "held",
        /// The lead's fields were fetched, and its person's leads are refused: it was removed.
        Suppressed = "suppressed",
        /// What was fetched is not a lead, by `payload.hydrate.accept` or the sender's preset: it was removed.
        Ignored = "ignored",
        /// The lease expired before the delivery was settled: another worker owns the lead.
        Stale = "stale",
    }
}

/// Why a lead was removed without being sent, once its fields were fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwanted {
    /// Its person's leads are refused.
    Suppressed,
    /// It is not a lead.
    NotALead,
}

impl Unwanted {
    /// The ledger's word. Scripts have the first one, too.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Suppressed => "Suppressed",
            Self::NotALead => "NotALead",
        }
    }
}

impl From<Unwanted> for DeliveryOutcome {
    fn from(removal: Unwanted) -> Self {
        match removal {
            Unwanted::Suppressed => Self::Suppressed,
            Unwanted::NotALead => Self::Ignored,
        }
    }
}
