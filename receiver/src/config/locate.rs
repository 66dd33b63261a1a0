//! The line of a file on which a field stands. Asked only when there is something to say about it.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Where in a file an object stands: the number of its document, and the items of Lists on the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Place {
    document: usize,
    items: Vec<usize>,
}

impl Place {
    pub(super) fn document(document: usize) -> Self {
        Self {
            document,
            items: Vec::new(),
        }
    }

    pub(super) fn item(&self, n: usize) -> Self {
        let mut place = self.clone();
        place.items.push(n);
        place
    }
}

/// How manifests are read. Snippets would quote Secrets into logs; aliases can grow a small file without end.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_documents: 10_000, max_aliases: 0 },
    }
}

/// The places of all fields of a file.
pub(super) enum Lines {
    /// All are on the first line, as in files that programs write.
    First,
    Places(Vec<Spanned<Node>>),
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        if text.starts_with('{') && !text.trim_end().contains('\n') {
            return Self::First;
        }
        Self::Places(serde_saphyr::from_multiple_with_options(text, options()).unwrap_or_default())
    }

    /// The line, from 1 on, of a field such as `spec.sinks[0].when`, or of the innermost of its parents that is there.
    pub(super) fn find(&self, place: &Place, field: &str) -> Option<u64> {
        let Self::Places(documents) = self else {
            return Some(1);
        };
        let mut node = documents.get(place.document)?;
        for n in &place.items {
            node = node.value.member("items")?.1.value.item(*n)?;
        }
        let mut line = node.referenced.line();
        let mut rest = field;
        while let Some((at, below, after)) = node.value.step(rest) {
            (line, node, rest) = (at, below, after);
        }
        Some(line)
    }
}

/// A value, of which only the places are kept.
pub(super) enum Node {
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
    List(Vec<Spanned<Node>>),
    Scalar,
}

impl Node {
    fn member(&self, name: &str) -> Option<&(Spanned<String>, Spanned<Self>)> {
        let Self::Map(members) = self else { return None };
        members.iter().find(|(key, _)| key.value == name)
    }

    fn item(&self, n: usize) -> Option<&Spanned<Self>> {
        let Self::List(items) = self else { return None };
        items.get(n)
    }

    /// One step down a path: the line, what is there, and the rest of the path. A name may hold dots itself, so the
    /// longest that fits is taken.
    fn step<'p>(&self, path: &'p str) -> Option<(u64, &Spanned<Self>, &'p str)> {
        if let Some((number, after)) = path.strip_prefix('[').and_then(|path| path.split_once(']')) {
            let item = self.item(number.parse().ok()?)?;
            return Some((item.referenced.line(), item, after));
        }
        let Self::Map(members) = self else { return None };
        let path = path.strip_prefix('.').unwrap_or(path);
        let fits = |name: &str| {
            let after = path.strip_prefix(name)?;
            (!name.is_empty() && (after.is_empty() || after.starts_with(['.', '[']))).then_some(after)
        };
        members
            .iter()
            .filter_map(|(key, below)| Some((key, below, fits(&key.value)?)))
            .max_by_key(|(key, ..)| key.value.len())
            .map(|(key, below, after)| (key.referenced.line(), below, after))
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Places)
    }
}

struct Places;

impl<'de> Visitor<'de> for Places {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Map(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment
apiVersion: v1
spec:
  sinks:
    - {name: a}
    - name: b
      when: >-
        lead.email
        != ''
  lead: {custom.size: x, 'custom': 1}
---
kind: List
items:
  - kind: A
    spec: {x: 1}
  - kind: B
    spec:
      x: 2
";

    #[test]
    fn a_field_is_found_on_its_line_and_one_that_is_missing_on_its_parents() {
        let lines = Lines::of(FILE);
        let (first, second) = (Place::document(0), Place::document(1));
        for (place, field, line) in [
            (&first, "apiVersion", 2),
            (&first, "spec.sinks[1].when", 7),
            (&first, "spec.sinks[1]", 6),
            (&first, "spec.sinks[7].when", 4),
            (&first, "spec.lead.custom.size", 10),
            (&first, "spec.payload.lead.email", 3),
            (&first, "", 2),
            (&second, "kind", 12),
            (&second.item(1), "spec.x", 18),
            (&second.item(0), "spec.x", 15),
        ] {
            assert_eq!(lines.find(place, field), Some(line), "{field}");
        }
        assert_eq!(lines.find(&Place::document(9), "spec"), None);
    }
}
