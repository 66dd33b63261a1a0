//! Expressions.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::InvalidValue;

/// The longest CEL source in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 2048;

/// The source of a CEL expression: 1 to 2,048 bytes. It is not compiled here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression(String);

impl Expression {
    /// Takes `source` when it has 1 to 2,048 bytes.
    pub fn new(source: impl Into<String>) -> Result<Self, InvalidValue> {
        let source = source.into();
        match source.len() {
            0 => Err(InvalidValue(
                "an expression must not be empty; leave the field out instead".to_owned(),
            )),
            1..=MAX_EXPRESSION_BYTES => Ok(Self(source)),
            n => Err(InvalidValue(format!(
                "an expression has at most {MAX_EXPRESSION_BYTES} bytes, this one {n}"
            ))),
        }
    }

    /// For defaults that stand in this crate.
    pub(crate) fn literal(source: &'static str) -> Self {
        debug_assert!(!source.is_empty() && source.len() <= MAX_EXPRESSION_BYTES);
        Self(source.to_owned())
    }

    /// The CEL source.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Expression {
    type Error = InvalidValue;

    fn try_from(source: String) -> Result<Self, InvalidValue> {
        Self::new(source)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.0
    }
}

impl FromStr for Expression {
    type Err = InvalidValue;

    fn from_str(source: &str) -> Result<Self, InvalidValue> {
        Self::new(source)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Expression {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_EXPRESSION_BYTES})
    }
}
