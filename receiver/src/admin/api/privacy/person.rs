//! Whether something that is held names a person. Pure.

use crate::lead::{named_in, named_in_text};
use crate::queue::{DeadLetter, Identity};

/// Every e-mail address and phone number that a lead names anywhere: in its fields, in what its sender posted, and in what a
/// CRM answered.
pub(super) fn named_by(lead: &DeadLetter, region: Option<&str>) -> Vec<Identity> {
    let mut found = named_in(&lead.body, region);
    found.extend(named_in_text(&lead.why.message, region));
    found.extend(named_in_text(&lead.why.answer, region));
    found
}
