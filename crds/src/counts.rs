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

impl StoredCounts {
    /// The percentage of new leads that were rejected because of their content.
    pub fn rejection_rate(&self) -> Option<String> {
        share_at_most(self.rejected, self.accepted.saturating_add(self.rejected))
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

impl DeliveryCounts {
    /// The percentage of settled deliveries that a CRM confirmed; so many others were discarded.
    pub fn success_rate(&self, discarded: i64) -> Option<String> {
        let settled = [self.delivered, self.dead, discarded]
            .into_iter()
            .fold(0, i64::saturating_add);
        share_at_least(self.delivered, settled)
    }
}

/// The percentage of `part` in `whole` with one decimal, rounded down: 100 means all. `None`: there is nothing yet.
pub fn share_at_least(part: i64, whole: i64) -> Option<String> {
    let whole = i128::from(whole);
    (whole > 0).then(|| percent(i128::from(part) * 1000 / whole))
}

/// The same, rounded up: 0 means none.
pub fn share_at_most(part: i64, whole: i64) -> Option<String> {
    let whole = i128::from(whole);
    (whole > 0).then(|| percent((i128::from(part) * 1000 + whole - 1) / whole))
}

fn percent(per_mille: i128) -> String {
    match (per_mille / 10, per_mille % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenths) => format!("{whole}.{tenths}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_never_said_of_less_and_none_never_of_some() {
        for (part, whole, at_least, at_most) in [
            (0, 0, None, None),
            (0, 3, Some("0"), Some("0")),
            (1, 10_000, Some("0"), Some("0.1")),
            (128, 129, Some("99.2"), Some("99.3")),
            (9999, 10_000, Some("99.9"), Some("100")),
            (5, 5, Some("100"), Some("100")),
        ] {
            assert_eq!(share_at_least(part, whole).as_deref(), at_least, "{part} {whole}");
            assert_eq!(share_at_most(part, whole).as_deref(), at_most, "{part} {whole}");
        }
    }
}
