//! What a person has to change in an object. Pure.

use kube::{Resource, ResourceExt as _};
use leadgate_crds::lenient::told;

use crate::names;
use crate::reasons::Reason;

/// Which condition a mistake makes false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorScope {
    /// What the object says.
    Spec,
    /// What it refers to.
    References,
    /// What its Ingress or HTTPRoute refers to: whoever serves these needs it, not the receivers.
    Edge,
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

/// What a newer version of the definitions allows and this operator does not know. Nothing of it is guessed: the last form that was
/// read whole stays.
pub(crate) fn unread<K: Resource>(object: &K) -> impl Iterator<Item = ValidationError> {
    let unread = object.annotations().get(names::UNREAD);
    let paths = unread.into_iter().flat_map(|paths| paths.lines());
    paths.map(|path| ValidationError::of_spec(Reason::FieldUnknown, told(path)))
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
