//! Why a verified request is not accepted.

use super::payload::BodyError;
use crate::expression::OURS;
use crate::lead::Problem;

/// The reason of an event that no mapping finds a contact in, though it holds one.
pub(super) const OVERLOOKED: &str = "ContactOverlooked";

pub(super) fn overlooked(problems: &[Problem]) -> bool {
    !problems.is_empty() && problems.iter().all(|problem| problem.reason == OVERLOOKED)
}

/// Why a verified request is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The body cannot be read (400, 413, 415).
    Body(BodyError),
    /// It can be read, and is not a valid lead (400).
    Invalid(Vec<Problem>),
}

impl Refusal {
    /// Whether the webhook's own expressions are at fault, and not what was sent (503).
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Invalid(problems) if problems.iter().any(|problem| problem.reason == OURS))
    }

    /// Whether it is kept for a person, and the sender is told that it is no lead (200): it would send the same again.
    pub fn is_overlooked(&self) -> bool {
        matches!(self, Self::Invalid(problems) if overlooked(problems))
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}
