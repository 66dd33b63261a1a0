//! Reading the scripts' answers.

use bytes::Bytes;
use redis::Value;

use crate::queue::QueueError;

/// An answer that does not have the form its script gives it.
pub(super) fn strange(script: &str) -> QueueError {
    QueueError::Corrupt(format!("the script {script} returned an unexpected result"))
}

/// The items of a list.
pub(super) fn items(value: Value, script: &str) -> Result<Vec<Value>, QueueError> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(strange(script)),
    }
}

/// A string's bytes, without a copy.
pub(super) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        _ => None,
    }
}

/// A string.
pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// A number, or a string that is one.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

/// As [`number`], for those that cannot be negative.
pub(super) fn unsigned(value: &Value) -> Option<u64> {
    u64::try_from(number(value)?).ok()
}

/// The next items of a list, for answers of a fixed form.
pub(super) struct Items {
    items: std::vec::IntoIter<Value>,
}

impl Items {
    pub(super) fn of(value: Value, script: &str) -> Result<Self, QueueError> {
        Ok(Self {
            items: items(value, script)?.into_iter(),
        })
    }

    /// The names and values of a hash: RESP3 answers a map.
    pub(super) fn of_map(value: Value, command: &str) -> Result<Self, QueueError> {
        let Value::Map(pairs) = value else {
            return Self::of(value, command);
        };
        let items: Vec<Value> = pairs
            .into_iter()
            .flat_map(|(name, value)| [name, value])
            .collect();
        Ok(Self {
            items: items.into_iter(),
        })
    }

    pub(super) fn next(&mut self) -> Option<Value> {
        self.items.next()
    }

    pub(super) fn text(&mut self) -> Option<String> {
        text(self.next()?)
    }

    pub(super) fn number(&mut self) -> Option<i64> {
        number(&self.next()?)
    }

    pub(super) fn unsigned(&mut self) -> Option<u64> {
        unsigned(&self.next()?)
    }
}
