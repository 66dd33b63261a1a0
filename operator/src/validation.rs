//! What a person has to change in an object. Pure.

use crate::reasons::Reason;

/// Which condition a mistake makes false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorScope {
    /// What the object says.
    Spec,
    /// What it refers to.
    References,
    /// What becomes of its leads.
    Delivery,
}

/// Something that a person has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    /// Which condition says so.
    pub about: ErrorScope,
    /// Why.
    pub reason: Reason,
    /// The field, what is wrong with it, and what to do.
    pub message: String,
}

impl ValidationError {
    /// About what the object says.
    pub(crate) fn of_spec(reason: Reason, message: String) -> Self {
        Self {
            about: ErrorScope::Spec,
            reason,
            message,
        }
    }
}
