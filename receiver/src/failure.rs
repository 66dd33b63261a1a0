//! Why a lead did not arrive: what calls, CRMs and deliveries say of it.

use leadgate_crds::reason::FailureReason;

use crate::shown;

/// The longest part of a CRM's answer that is kept with a dead lead.
const MAX_KEPT_ANSWER: usize = 4096;

/// Why a lead did not arrive. `message` goes to logs and status: it names properties and codes and quotes no value.
/// `answer` goes into the dead letter only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In a word.
    pub reason: FailureReason,
    /// For a person, without personal data.
    pub message: String,
    /// The CRM's own words, bounded.
    pub answer: String,
    /// The HTTP status of its answer, for the ledger.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure without an answer.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: shown::message(message),
            answer: String::new(),
            status: None,
        }
    }

    /// With the status of the CRM's answer.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// With the CRM's words, cut to a bearable length; control characters, which a terminal would obey, are replaced.
    #[must_use]
    pub fn with_answer(mut self, answer: &str) -> Self {
        let end = answer.floor_char_boundary(MAX_KEPT_ANSWER);
        self.answer = answer
            .get(..end)
            .unwrap_or_default()
            .chars()
            .map(|c| {
                if c.is_control() && c != '\n' && c != '\t' {
                    '\u{fffd}'
                } else {
                    c
                }
            })
            .collect();
        self
    }
}
