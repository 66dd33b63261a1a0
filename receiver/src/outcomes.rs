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
        /// 200: at least one of its leads is new.
        Accepted = "accepted",
        /// 200: all of its leads were known.
        Duplicate = "duplicate",
        /// 200: `payload.accept`, or the sender's preset, makes no lead of it.
        Ignored = "ignored",
        /// A handshake of the sender, answered as the sender documents it.
        Challenge = "challenge",
        /// 400, 413 or 415: it is verified, and not a valid lead. 503 where an expression of the webhook failed.
        Rejected = "rejected",
        /// 401, or 403 for an address: the sender is not believed.
        Unauthorized = "unauthorized",
        /// 403: it did not come by HTTPS to the proxy (`--behind-tls-proxy`).
        Insecure = "insecure",
        /// 503: the webhook is suspended.
        Suspended = "suspended",
        /// 413: its body is larger than `payload.maxBytes`.
        TooLarge = "too_large",
        /// 503: too many large bodies at once.
        Busy = "busy",
        /// 408: its body did not arrive in time.
        Slow = "slow",
        /// 400: its body ended too early, or it has more than one `Host` header.
        Broken = "broken",
        /// 503: the lead could not be stored, or the configuration has problems.
        Unavailable = "unavailable",
        /// 405: leads are sent with POST.
        MethodNotAllowed = "method_not_allowed",
        /// 404: no webhook has its path.
        NotFound = "not_found",
    }
}

outcomes! {
    /// What became of an attempt to deliver a lead.
    DeliveryOutcome {
        /// The CRM confirmed it.
        Delivered = "delivered",
        /// It failed, and the lead will be tried again.
        Retried = "retried",
        /// It was not sent: the rate limit has no room, or another lead has to be tried alone.
        Deferred = "deferred",
        /// The CRM asked to wait, or takes nothing from this account now: the sink pauses.
        Paused = "paused",
        /// The CRM refused it for good, or it could not be delivered in time.
        Dead = "dead",
        /// It is not clear which record it belongs to: a person decides.
        Held = "held",
        /// The claim had ended before the outcome was written: another worker has the lead.
        Stale = "stale",
    }
}
