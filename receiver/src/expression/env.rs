//! One evaluation: what it may still cost, and what it remembers.

use super::budget::Meter;
use super::find_field::Forms;
use super::pattern::LastPattern;

/// What functions need besides their arguments.
pub(super) struct Env<'s> {
    pub(super) meter: Meter,
    pub(super) pattern: LastPattern,
    /// Forms that evaluations in the same scope have read.
    pub(super) forms: &'s Forms,
}

impl<'s> Env<'s> {
    pub(super) fn new(forms: &'s Forms) -> Self {
        Self {
            meter: Meter::new(),
            pattern: LastPattern::default(),
            forms,
        }
    }
}
