//! A schema whose cost a sender cannot choose: each value of a payload is looked at a bounded number of times. A schema that
//! refers to itself in two branches of an `anyOf` looks twice at each level, and so 2^n times at a payload n levels deep.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// So many schemas, with the references followed, are more than any payload needs.
const MOST_SCHEMAS: usize = 5000;

/// Keywords whose schemas are about different values than each other: of the members of an object and the items of a list.
const APART: [&str; 6] = [
    "properties",
    "additionalProperties",
    "unevaluatedProperties",
    "items",
    "prefixItems",
    "unevaluatedItems",
];
/// Keywords that hold values, not schemas.
const PLAIN: [&str; 5] = ["const", "enum", "default", "examples", "required"];
/// Keywords that hold schemas by name.
const BY_NAME: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];

/// Refuses a schema that may cost more than its payloads are long.
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let mut anchors = BTreeMap::new();
    collect_anchors(schema, &mut anchors);
    let mut walk = Walk {
        root: schema,
        anchors,
        left: MOST_SCHEMAS,
        inside: Vec::new(),
        asked: Vec::new(),
    };
    walk.follow("#", &Value::Null)?;
    Ok(())
}

struct Walk<'s> {
    root: &'s Value,
    anchors: BTreeMap<&'s str, &'s Value>,
    left: usize,
    /// The schemas whose references are being followed.
    inside: Vec<&'s Value>,
    /// Those that were asked how often they come back to themselves.
    asked: Vec<&'s Value>,
}

impl<'s> Walk<'s> {
    /// How often a schema, at one value, comes back to `origin`, one of those it stands in.
    fn looks(&mut self, schema: &'s Value, origin: &'s Value) -> Result<usize, String> {
        let Value::Object(keywords) = schema else {
            return Ok(0);
        };
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            format!(
                "with its references followed, it has more than {MOST_SCHEMAS} schemas; write a simpler one"
            )
        })?;
        let (mut apart, mut together) = (0, 0);
        for (keyword, value) in keywords {
            let looks = self.keyword(keyword, value, origin)?;
            if APART.contains(&keyword.as_str()) {
                apart = apart.max(looks);
            } else {
                together += looks;
            }
        }
        Ok(apart + together)
    }

    fn keyword(&mut self, keyword: &str, value: &'s Value, origin: &'s Value) -> Result<usize, String> {
        match (keyword, value) {
            ("$ref" | "$dynamicRef", Value::String(to)) => self.follow(to, origin),
            ("$defs" | "definitions", _) => Ok(0),
            (_, Value::Object(named)) if BY_NAME.contains(&keyword) => {
                self.all(named.values(), keyword, origin)
            }
            (_, Value::Array(listed)) if !PLAIN.contains(&keyword) => {
                self.all(listed.iter(), keyword, origin)
            }
            (_, Value::Object(_)) if !PLAIN.contains(&keyword) => self.looks(value, origin),
            _ => Ok(0),
        }
    }

    /// Of several schemas: those of different values do not add up.
    fn all(
        &mut self,
        schemas: impl Iterator<Item = &'s Value>,
        keyword: &str,
        origin: &'s Value,
    ) -> Result<usize, String> {
        let mut looks = 0;
        for schema in schemas {
            let more = self.looks(schema, origin)?;
            looks = if APART.contains(&keyword) {
                looks.max(more)
            } else {
                looks + more
            };
        }
        Ok(looks)
    }

    fn follow(&mut self, to: &str, origin: &'s Value) -> Result<usize, String> {
        let Some(target) = self.target(to) else {
            return Ok(0);
        };
        if std::ptr::eq(target, origin) {
            return Ok(1);
        }
        let is_in = |schemas: &[&Value]| schemas.iter().any(|known| std::ptr::eq(*known, target));
        if is_in(&self.inside) {
            // It was followed from here; how often it comes back to itself is asked there.
            return Ok(0);
        }
        let is_new = !is_in(&self.asked);
        self.inside.push(target);
        let looks = self.looks(target, origin);
        let again = if is_new {
            self.asked.push(target);
            self.looks(target, target)?
        } else {
            0
        };
        self.inside.pop();
        if again > 1 {
            return Err(format!(
                "{to} refers to itself more than once for the same value, so the cost would grow with each level of a payload; \
                 refer to it in one branch only"
            ));
        }
        looks
    }

    /// What a reference leads to in this schema. What leads elsewhere is told by the library.
    fn target(&self, to: &str) -> Option<&'s Value> {
        match to.strip_prefix('#')? {
            "" => Some(self.root),
            pointer if pointer.starts_with('/') => {
                let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
                self.root.pointer(&pointer)
            }
            anchor => self.anchors.get(anchor).copied(),
        }
    }
}

fn collect_anchors<'s>(schema: &'s Value, anchors: &mut BTreeMap<&'s str, &'s Value>) {
    let mut of = |keywords: &'s Map<String, Value>| {
        for name in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = keywords.get(name).and_then(Value::as_str) {
                anchors.insert(name, schema);
            }
        }
    };
    match schema {
        Value::Object(keywords) => {
            of(keywords);
            keywords
                .values()
                .for_each(|below| collect_anchors(below, anchors));
        }
        Value::Array(all) => all.iter().for_each(|below| collect_anchors(below, anchors)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_whose_cost_grows_with_the_depth_of_a_payload_is_refused() {
        let branch = |name: &str| json!({"properties": {"c": {"$ref": "#/$defs/n"}}, "required": [name]});
        let chain: Map<String, Value> = (0..20)
            .map(|n| {
                let next = format!("#/$defs/n{}", n + 1);
                (
                    format!("n{n}"),
                    json!({"allOf": [{"$ref": next}, {"$ref": next}]}),
                )
            })
            .chain([("n20".to_owned(), json!({"type": "object"}))])
            .collect();
        for (schema, problem) in [
            (
                json!({"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [branch("x"), branch("y")]}}}),
                "more than once",
            ),
            (
                json!({"oneOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}),
                "more than once",
            ),
            (
                json!({"if": {"items": {"$ref": "#"}}, "else": {"items": {"$ref": "#"}}}),
                "more than once",
            ),
            (
                json!({"not": {"items": {"$ref": "#"}}, "contains": {"$ref": "#"}}),
                "more than once",
            ),
            (
                json!({"$ref": "#/$defs/a", "$defs": {
                    "a": {"anyOf": [{"$ref": "#/$defs/b"}, {"items": {"$ref": "#/$defs/a"}}]},
                    "b": {"items": {"$ref": "#/$defs/a"}}}}),
                "more than once",
            ),
            (json!({"$ref": "#/$defs/n0", "$defs": chain}), "more than 5000"),
        ] {
            let refused = check(&schema).unwrap_err();
            assert!(refused.contains(problem), "{schema}: {refused}");
        }
        for schema in [
            json!({"type": "object", "properties": {"email": {"type": "string"}}, "required": ["email"]}),
            json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "additionalProperties": false}),
            json!({"items": {"$ref": "#"}, "properties": {"more": {"$ref": "#"}}}),
            json!({"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}}]}),
            json!({"$ref": "#node", "$defs": {"n": {"$anchor": "node", "items": {"$ref": "#node"}}}}),
            json!({"properties": {"a": {"$ref": "#/$defs/t"}, "b": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"enum": [{"$ref": "x"}]}}}),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }
}
