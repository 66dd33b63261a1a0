//! What an answer of a CRM means, in the words that all tables of answers share.

use std::time::Duration;

use super::{Failure, RefusedProperty};

/// One answer to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Done; the record's id, if the body tells.
    Done(Option<String>),
    /// No record has that key, or nothing is at that path.
    NotFound(Failure),
    /// Another record has that key; its id, if the answer tells.
    Conflict(Option<String>, Failure),
    /// Temporary.
    Retry {
        /// Not before this.
        after: Option<Duration>,
        /// Why.
        why: Failure,
        /// Whether the CRM may have written it.
        in_doubt: bool,
    },
    /// Nothing will be accepted for so long.
    Pause(Duration, Failure),
    /// The lead is to blame, or the account: see [`super::Outcome::Suspect`].
    Suspect {
        /// Why.
        why: Failure,
        /// Whether the CRM may have written it.
        in_doubt: bool,
        /// Whether the CRM said so itself, not something in between.
        own: bool,
    },
    /// Acceptable without these properties, if any are named.
    Refused(Failure, Vec<RefusedProperty>),
    /// Never acceptable.
    Reject(Failure),
}

impl Answer {
    /// The same to a call that makes a record: what something in between says does not tell what the CRM did before, nor does
    /// giving up waiting (408).
    pub(super) fn of_a_create(self) -> Self {
        match self {
            Self::Suspect { why, own: false, .. } => Self::Suspect {
                why,
                in_doubt: true,
                own: false,
            },
            Self::Retry { after, why, .. } if why.status == Some(408) => Self::Retry {
                after,
                why,
                in_doubt: true,
            },
            answer => answer,
        }
    }

    /// The same to a call that writes nothing: it leaves nothing in doubt.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Retry { after, why, .. } => Self::Retry {
                after,
                why,
                in_doubt: false,
            },
            Self::Suspect { why, own, .. } => Self::Suspect {
                why,
                in_doubt: false,
                own,
            },
            answer => answer,
        }
    }
}
