//! What of a payload is stored with its lead (`payload.keep`): all of it, or what expressions read. Pure.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use crate::expression::Program;

/// What of a payload is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    Whole,
    /// These members, each with all that is in it unless it says more.
    Parts(Parts),
}

/// Members by name; one without members of its own is kept whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts(BTreeMap<Box<str>, Parts>);

impl Kept {
    /// Nothing so far.
    pub(super) fn nothing() -> Self {
        Self::Parts(Parts::default())
    }

    /// And what an expression reads of these variables.
    #[must_use]
    pub(crate) fn and_read_by(self, program: &Program, variables: &[&str]) -> Self {
        let Self::Parts(mut parts) = self else {
            return self;
        };
        match program.reads(variables) {
            None => Self::Whole,
            Some(paths) => {
                for path in paths {
                    parts.add(&path);
                }
                Self::Parts(parts)
            }
        }
    }

    /// And a member of the payload.
    pub(super) fn and(self, name: &str) -> Self {
        match self {
            Self::Whole => Self::Whole,
            Self::Parts(mut parts) => {
                parts.add(&[name]);
                Self::Parts(parts)
            }
        }
    }

    /// The JSON text of what is stored of a payload; `None`: all of it. Looks at the payload as it was read for its mapping:
    /// reading it once more would cost as much again.
    pub(super) fn text(&self, payload: &Value) -> Option<Vec<u8>> {
        match self {
            Self::Parts(parts) if !parts.hold(payload) => {
                // A value with text for names has no reason to fail.
                serde_json::to_vec(&Pruned { payload, parts }).ok()
            }
            Self::Whole | Self::Parts(_) => None,
        }
    }
}

impl Parts {
    fn add(&mut self, path: &[&str]) {
        let Some((name, rest)) = path.split_first() else {
            return;
        };
        match self.0.get_mut(*name) {
            // Kept whole already.
            Some(parts) if parts.0.is_empty() => {}
            Some(parts) if rest.is_empty() => parts.0.clear(),
            Some(parts) => parts.add(rest),
            None => {
                let mut parts = Self::default();
                parts.add(rest);
                self.0.insert((*name).into(), parts);
            }
        }
    }

    /// Whether they are all that there is. Lists are kept whole: which of their elements an expression means, only the
    /// payload tells.
    fn hold(&self, value: &Value) -> bool {
        let Value::Object(fields) = value else {
            return true;
        };
        let mut fields = fields.iter();
        fields.all(|(name, value)| {
            self.0
                .get(name.as_str())
                .is_some_and(|parts| parts.0.is_empty() || parts.hold(value))
        })
    }
}

/// What is kept of a value.
struct Pruned<'v> {
    payload: &'v Value,
    parts: &'v Parts,
}

impl Serialize for Pruned<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(fields) = self.payload else {
            return self.payload.serialize(serializer);
        };
        let mut map = serializer.serialize_map(None)?;
        for (name, payload) in fields {
            match self.parts.0.get(name.as_str()) {
                None => {}
                Some(parts) if parts.0.is_empty() => map.serialize_entry(name, payload)?,
                Some(parts) => map.serialize_entry(name, &Pruned { payload, parts })?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::expression::Names;

    fn kept(expressions: &[&str]) -> Kept {
        expressions.iter().fold(Kept::nothing(), |kept, source| {
            let program = Program::compile(source, &Names::REQUEST).unwrap();
            kept.and_read_by(&program, &["payload", "item"])
        })
    }

    fn pruned(expressions: &[&str], payload: Value) -> Value {
        match kept(expressions).text(&payload) {
            Some(text) => serde_json::from_slice(&text).unwrap(),
            None => payload,
        }
    }

    #[test]
    fn what_no_expression_reads_is_not_kept() {
        let payload = || {
            json!({
                "email": "ada@example.com", "diagnosis": "x", "contact": {"name": "Ada", "iban": "y", "a": {"b": 1, "c": 2}},
                "answers": [{"q": "budget", "a": 1}, {"q": "iban", "a": "y"}], "a key": 1
            })
        };
        let table = [
            (vec!["payload.email"], json!({"email": "ada@example.com"})),
            (
                vec!["payload.?email.orValue('')", "payload.contact.?name"],
                json!({"email": "ada@example.com", "contact": {"name": "Ada"}}),
            ),
            (vec!["item.contact.a.b"], json!({"contact": {"a": {"b": 1}}})),
            (
                vec!["payload.contact.a.b", "payload.contact.a"],
                json!({"contact": {"a": {"b": 1, "c": 2}}}),
            ),
            (
                vec!["payload.contact.a", "payload.contact.a.b"],
                json!({"contact": {"a": {"b": 1, "c": 2}}}),
            ),
            (
                vec!["has(payload.email) ? 1 : 2", "has(payload.contact.iban)"],
                json!({"email": "ada@example.com", "contact": {"iban": "y"}}),
            ),
            (vec!["payload['a key']"], json!({"a key": 1})),
            // A list is kept whole.
            (
                vec!["payload.answers.filter(x, x.q == 'budget')[0].a"],
                json!({"answers": payload()["answers"]}),
            ),
            (vec!["headers['x'] == query.y"], json!({})),
        ];
        for (expressions, expected) in table {
            assert_eq!(pruned(&expressions, payload()), expected, "{expressions:?}");
        }
    }

    #[test]
    fn an_expression_that_reads_the_whole_payload_keeps_it() {
        for whole in [
            "payload",
            "payload == item",
            "payload.map(k, k)",
            "payload[headers.x]",
            "[payload].size()",
        ] {
            assert_eq!(kept(&["payload.email", whole]), Kept::Whole, "{whole}");
        }
        assert_eq!(pruned(&["payload.email"], json!(["a"])), json!(["a"]));
    }
}
