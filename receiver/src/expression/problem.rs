//! What is wrong with an expression, when it is loaded and when it is evaluated.

use std::fmt;

use crate::lead;

/// Something that is wrong with an expression, found when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, in characters from the start.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What was meant, perhaps.
    pub suggestion: Option<String>,
}

impl Problem {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            suggestion: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.at > 0 {
            write!(f, " (at character {})", self.at + 1)?;
        }
        match &self.suggestion {
            Some(meant) => write!(f, "; did you mean `{meant}`?"),
            None => Ok(()),
        }
    }
}

/// An expression that cannot be used, and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The expression.
    pub source_text: String,
    /// At least one, in the order of the text as far as it is known.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: ", shown(&self.source_text))?;
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// An evaluation gave no result. Never quotes the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` failed: {reason}", shown(.source_text))]
pub struct Failed {
    /// The expression.
    pub source_text: String,
    /// In words, without values.
    pub reason: String,
    /// Whether the payload is at fault, which has another shape or value than the expression needs, and not the
    /// expression itself.
    pub by_payload: bool,
}

impl Failed {
    /// As a problem of a lead. The sender can mend what the payload is at fault for, under `reason`; what is wrong with
    /// the expression is [`OURS`].
    pub fn problem(&self, field: impl Into<String>, reason: &'static str) -> lead::Problem {
        let reason = if self.by_payload { reason } else { OURS };
        lead::Problem::new(field, reason, self.to_string())
    }
}

/// The reason of a lead's problem that only whoever wrote the expression can mend.
pub const OURS: &str = "ExpressionFailed";

fn shown(source: &str) -> String {
    match source.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", source.get(..end).unwrap_or_default()),
        None => source.to_owned(),
    }
}
