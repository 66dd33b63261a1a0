//! What holds answers.

use serde_json::{Map, Value};

use crate::expression::budget::Meter;
use crate::expression::fault::Fault;

/// The longest label, in bytes; more is no label, and not looked at.
pub(super) const MAX_LABEL: usize = 200;
/// How deep forms are looked into.
pub(super) const MAX_DEPTH: usize = 4;
/// An address, of a list with its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    List(usize, usize),
    Object(usize),
}

/// What holds answers.
#[derive(Debug, Clone, Copy)]
pub(in crate::expression) enum Form<'f> {
    /// One after the other, each with its label.
    List(&'f [Value]),
    /// By label or id.
    Object(&'f Map<String, Value>),
}

impl<'f> Form<'f> {
    /// What JSON holds answers.
    pub(in crate::expression) fn of(value: &'f Value) -> Option<Self> {
        match value {
            Value::Array(items) => Some(Self::List(items)),
            Value::Object(map) => Some(Self::Object(map)),
            _ => None,
        }
    }

    /// Where it lies. A list and its first element may begin at one address.
    pub(super) fn place(self) -> Place {
        match self {
            Self::List(items) => Place::List(items.as_ptr().addr(), items.len()),
            Self::Object(map) => Place::Object(std::ptr::from_ref(map).addr()),
        }
    }

    /// Counts what reading takes: each name and each short text may be the label.
    pub(super) fn count(self, meter: &Meter) -> Result<(), Fault> {
        self.count_to(MAX_DEPTH + 2, meter)
    }

    fn count_to(self, depth: usize, meter: &Meter) -> Result<(), Fault> {
        let each = |name: &str, value: &'f Value| {
            let text = value.as_str().unwrap_or_default();
            meter.steps(100 + 8 * (name.len().min(MAX_LABEL) + text.len().min(MAX_LABEL)) as u64)?;
            match Self::of(value) {
                Some(inner) if depth > 0 => inner.count_to(depth - 1, meter),
                _ => Ok(()),
            }
        };
        match self {
            Self::List(items) => items.iter().try_for_each(|item| each("", item)),
            Self::Object(map) => map.iter().try_for_each(|(name, value)| each(name, value)),
        }
    }
}
