//! The variables that an expression sees.

use std::cell::Cell;

use serde_json::Value;

use super::find_field::Forms;

/// The variables an expression sees, borrowed.
#[derive(Default)]
pub struct Scope<'v> {
    pub(super) variables: Vec<Variable<'v>>,
    pub(super) forms: Forms,
}

/// A variable, by its name.
pub(super) struct Variable<'v> {
    pub(super) name: &'v str,
    pub(super) value: &'v Value,
    /// The marks of its members; 0: not looked at yet.
    marks: Cell<u64>,
}

/// An object with more members has nearly all marks.
const MOST_MARKED: usize = 32;

impl Variable<'_> {
    /// Whether it has no member of a name with this mark. Mappings name many members that a payload may have and few that it
    /// has: most of them are found missing without a look at the object, which costs ten times as much.
    pub(super) fn lacks(&self, mark_of_name: u64) -> bool {
        let Value::Object(map) = self.value else {
            return false;
        };
        if self.marks.get() == 0 {
            self.marks.set(if map.len() > MOST_MARKED {
                u64::MAX
            } else {
                map.keys().fold(0, |marks, name| marks | mark(name))
            });
        }
        self.marks.get() & mark_of_name == 0
    }
}

/// One of 64 bits that a name always has, and few others have.
pub(super) fn mark(name: &str) -> u64 {
    let byte = |at: usize| name.as_bytes().get(at).map_or(0, |byte| usize::from(*byte));
    let last = name.len().wrapping_sub(1);
    1 << ((name.len() + 7 * byte(0) + 23 * byte(last) + 41 * byte(name.len() / 2)) % 64)
}

static NULL: Value = Value::Null;

impl<'v> Scope<'v> {
    /// No variables.
    pub fn new() -> Self {
        Self {
            variables: Vec::with_capacity(6),
            forms: Forms::default(),
        }
    }

    /// Binds a variable; a later one of the same name hides it.
    #[must_use]
    pub fn with(mut self, name: &'v str, value: &'v Value) -> Self {
        let marks = Cell::new(0);
        self.variables.push(Variable { name, value, marks });
        self
    }

    /// Binds a variable to null.
    #[must_use]
    pub fn with_null(self, name: &'v str) -> Self {
        self.with(name, &NULL)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn no_member_that_is_there_is_found_missing() {
        for members in [0, 1, 2, MOST_MARKED, MOST_MARKED + 1, 500] {
            let names: Vec<String> = (0..members)
                .map(|n| format!("{}é{n}", "q".repeat(n % 5)))
                .collect();
            let map: Map<String, Value> = names.iter().map(|name| (name.clone(), Value::Null)).collect();
            let payload = Value::Object(map);
            let scope = Scope::new().with("payload", &payload);
            let [variable] = scope.variables.as_slice() else {
                panic!("one variable");
            };
            assert!(names.iter().all(|name| !variable.lacks(mark(name))), "{members}");
        }
        let nothing = Value::Object(Map::new());
        let scope = Scope::new().with("payload", &nothing).with_null("item");
        assert!(scope.variables[0].lacks(mark("")) && scope.variables[0].lacks(mark("email")));
        assert!(
            !scope.variables[1].lacks(mark("email")),
            "whatever null lacks is told otherwise"
        );
    }
}
