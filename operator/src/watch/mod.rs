//! What wakes the controllers: `primary`, changes of the two resources themselves; `secondary`, those of what belongs to them
//! and of what they name.

pub(crate) mod primary;
mod routes;
pub(crate) mod secondary;
