//! Types, as far as they are known.

use super::value::Cel;

/// What is known of a value's type when an expression is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Known only when a lead comes.
    Any,
    Null,
    Bool,
    Int,
    UInt,
    Double,
    Text,
    Bytes,
    List,
    Map,
    Optional,
    Time,
    Duration,
    Type,
}

impl Kind {
    /// Of a value.
    pub(super) fn of(value: &Cel<'_>) -> Self {
        match value {
            Cel::Null => Self::Null,
            Cel::Clear => Self::Any,
            Cel::Bool(_) => Self::Bool,
            Cel::Int(_) => Self::Int,
            Cel::UInt(_) => Self::UInt,
            Cel::Double(_) => Self::Double,
            Cel::Text(_) => Self::Text,
            Cel::Bytes(_) => Self::Bytes,
            Cel::List(_) => Self::List,
            Cel::Dict(_) => Self::Map,
            Cel::Optional(_) => Self::Optional,
            Cel::Time(_) => Self::Time,
            Cel::Duration(_) => Self::Duration,
            Cel::Type(_) => Self::Type,
        }
    }

    /// In words, with an article.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Int | Self::UInt => "a whole number",
            Self::Double => "a decimal number",
            Self::Text => "a text",
            Self::Bytes => "bytes",
            Self::List => "a list",
            Self::Map => "an object",
            Self::Optional => "a value that may be absent (.?)",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::Type => "a type",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::UInt | Self::Double)
    }
}
