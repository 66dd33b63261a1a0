//! Counts that receivers report and that the resources' status shows: each is declared once, here, and appears in
//! `/status`, in the operator's sums and in the status.

use std::iter::Sum;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares counts together with everything that goes through all of them, so that none is forgotten.
macro_rules! counts {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $count:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $($(#[$doc])* pub $count: i64,)+
        }

        impl $name {
            /// Combines each count with the same one of `other`.
            #[must_use]
            pub fn zip(self, other: Self, combine: impl Fn(i64, i64) -> i64) -> Self {
                Self { $($count: combine(self.$count, other.$count),)+ }
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
                all.fold(Self::default(), |sum, one| sum.zip(one, i64::saturating_add))
            }
        }
    };
}

counts! {
    /// Counts of a webhook that its store keeps: every pod reports the same ones.
    StoredCounts {
        /// Leads accepted.
        accepted,
        /// Resends of leads that had been accepted before.
        duplicates,
        /// Requests answered 4xx because of what they hold.
        rejected,
        /// Leads that are kept because no sink takes them.
        unrouted,
        /// Leads that were refused because their person is suppressed.
        suppressed,
    }
}

counts! {
    /// Counts of a webhook that each pod keeps from its start on: those of all pods are added up.
    ProcessCounts {
        /// Requests answered 401 or 403.
        unauthorized,
        /// Requests that `payload.accept` made no lead of.
        ignored,
    }
}

counts! {
    /// Counts of deliveries to a sink, which the store keeps.
    DeliveryCounts {
        /// Deliveries that are still to be made.
        pending,
        /// Deliveries that wait for a person's decision.
        held,
        /// Deliveries that failed for good.
        dead,
        /// Deliveries that the CRM confirmed.
        delivered,
    }
}
