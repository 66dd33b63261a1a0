//! What is wrong with the manifests, and where.

use std::fmt;

use leadgate_crds::report;
pub use leadgate_crds::report::Severity;

use super::locate::Place;

/// Something in the manifests that cannot run as it is, or that will surprise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Whether the object runs nonetheless.
    pub severity: Severity,
    /// The file, relative to the manifests' folder; empty for the folder itself.
    pub file: String,
    /// The line in the file, from 1 on, where it is known.
    pub line: Option<u64>,
    /// `LeadWebhook default/website`; empty when the file cannot be read at all.
    pub object: String,
    /// What is wrong, with the field and the remedy.
    pub message: String,
    /// Whether an earlier form of the object keeps running.
    pub previous_kept: bool,
    pub(super) place: Option<Place>,
}

impl Problem {
    pub(super) fn of_file(file: &str, message: String) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            line: None,
            object: String::new(),
            message,
            previous_kept: false,
            place: None,
        }
    }

    /// As `/status` and `check -o json` tell it.
    pub fn report(&self) -> report::Problem {
        report::Problem {
            severity: self.severity,
            file: self.file.clone(),
            line: self.line,
            object: self.object.clone(),
            message: self.message.clone(),
            previous_kept: self.previous_kept,
        }
    }

    /// What is wrong, and what runs nonetheless.
    pub fn told(&self) -> String {
        let kept = if self.previous_kept {
            " (the previous version keeps running)"
        } else {
            ""
        };
        format!("{}{kept}", self.message)
    }

    /// What it says, on whatever line.
    pub fn gist(&self) -> (&str, &str, &str) {
        (&self.file, &self.object, &self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        f.write_str(&self.told())
    }
}
