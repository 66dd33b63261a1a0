//! CEL: how a payload becomes a lead, and a lead a CRM record.
//!
//! * [`Program`]: an expression, loaded once and evaluated over borrowed JSON in a [`Scope`].
//! * [`Names`]: what it may name, place by place. Loading resolves every name, so that a mistake is told then.
//! * `parse` reads it with the grammar of the `cel` crate; `compile` resolves names and types to a tree of `node`s; `eval` evaluates it;
//!   `functions` is the table of what there is to call; `budget` says what an evaluation may cost.
//! * From the bottom: `fault`, `budget`, `value`, `kind`, `compare`; then what remembers (`pattern`, `find_field`, `scope`),
//!   together in `env`; `functions`; and `eval` on top. None imports what stands after it.
//!
//! No expression and no payload may hang or crash a receiver, so the evaluator is our own: the one of the `cel` crate
//! has no cost model, and neither its operators nor its functions could be given one. Errors never quote the payload.

mod absent;
mod access;
mod budget;
mod compare;
mod compile;
mod env;
mod eval;
mod fault;
mod find_field;
mod functions;
mod kind;
mod known;
mod names;
mod node;
mod parse;
mod pattern;
mod plain;
mod problem;
mod reads;
mod scope;
mod value;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

pub use budget::sparingly;
use env::Env;
use eval::Evaluation;
use fault::Fault;
pub(crate) use find_field::has_address;
pub use functions::signatures;
use kind::Kind;
pub use names::{CREDENTIALS, Names};
use node::{Literal, Node};
pub use parse::with_room;
pub use plain::{is_blank, percent_encode, plain_text};
pub use problem::{Failed, Invalid, OURS, Problem};
pub use scope::Scope;
use value::Cel;

/// A loaded expression. Several places may share it.
#[derive(Debug)]
pub struct Program(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    source: Box<str>,
    node: Node,
    variables: BTreeSet<String>,
    custom: BTreeSet<String>,
    gives: Kind,
}

/// What the place of an expression takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// True or false.
    Condition,
    /// A list.
    List,
    /// A text.
    Text,
}

impl Wanted {
    /// Why a result of this kind is never that; `None`: it may be.
    fn refuses(self, gives: Kind) -> Option<String> {
        let (fits, wants, remedy) = match self {
            Self::Condition => (
                Kind::Bool,
                "true or false",
                "compare it, as in x == 'a', or ask for it, as in has(x)",
            ),
            Self::List => (Kind::List, "a list", "write [x] for a single element"),
            Self::Text => (Kind::Text, "a text", "string(x) makes one"),
        };
        let may_be = gives == fits || matches!(gives, Kind::Any | Kind::Null | Kind::Optional);
        (!may_be).then(|| format!("this must give {wants}, and gives {}; {remedy}", gives.words()))
    }
}

impl Program {
    /// Loads an expression that may name these, or says all that is wrong with it.
    pub fn compile(source: &str, names: &Names) -> Result<Self, Invalid> {
        if let Some(known) = known::find(source, names) {
            return Ok(Self(known));
        }
        let found = parse::parse(source, |program| compile::resolve(program, source, names));
        let found = found.map_err(|problems| Invalid {
            source_text: source.to_owned(),
            problems,
        })?;
        let loaded = Arc::new(Loaded {
            source: source.into(),
            node: found.node,
            variables: found.variables,
            custom: found.custom,
            gives: found.gives,
        });
        known::keep(&loaded, names);
        Ok(Self(loaded))
    }

    /// The same for a place that takes only such results.
    pub fn compile_to(source: &str, names: &Names, wanted: Wanted) -> Result<Self, Invalid> {
        let program = Self::compile(source, names)?;
        match wanted.refuses(program.0.gives) {
            None => Ok(program),
            Some(message) => Err(Invalid {
                source_text: source.to_owned(),
                problems: vec![Problem::new(0, message)],
            }),
        }
    }

    /// What it gives whatever comes, if it looks at nothing that comes; absent is null.
    pub fn constant(&self) -> Option<Value> {
        let result = self
            .0
            .variables
            .is_empty()
            .then(|| self.evaluate(&Scope::new()))?;
        result.ok().map(Option::unwrap_or_default)
    }

    /// Whether it is a condition that never holds.
    pub fn is_never(&self) -> bool {
        matches!(self.constant(), Some(Value::Null | Value::Bool(false)))
    }

    /// The expression as written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// Evaluates. `None`: the value is absent (null, an empty optional, a missing key or index, or a field of
    /// null), which mapping treats as "not given". `Some(Value::Null)` is what `clear()` gives.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Option<Value>, Failed> {
        let env = Env::new(&scope.forms);
        let given = Evaluation::new(&env, &scope.variables)
            .plain(&self.0.node)
            .and_then(|value| match value {
                Cel::Null => Ok(None),
                value => value.into_json(&env.meter).map(Some),
            });
        let (reason, by_payload) = match given {
            Ok(value) => return Ok(value),
            Err(Fault::Absent) => return Ok(None),
            Err(Fault::Value(reason)) => (reason, true),
            Err(Fault::Type(reason)) => (reason, false),
            Err(Fault::Spent(reason)) => (reason.to_owned(), false),
        };
        Err(self.failed(reason, by_payload))
    }

    /// Evaluates a condition; absent counts as false.
    pub fn test(&self, scope: &Scope<'_>) -> Result<bool, Failed> {
        match self.evaluate(scope)? {
            Some(Value::Bool(answer)) => Ok(answer),
            None => Ok(false),
            Some(_) => Err(self.failed("a condition must give true or false".to_owned(), false)),
        }
    }

    /// The paths, such as `lead.country`, without which it is absent: as a condition it is false then, and so is its
    /// opposite. Those that it covers, by `has(…)` or `.?`, are not among them.
    pub fn needs(&self) -> BTreeSet<String> {
        absent::needs(&self.0.node)
    }

    /// Whether it is the literal null: absent, whatever comes.
    pub fn is_null(&self) -> bool {
        matches!(self.0.node, Node::Literal(Literal::Null))
    }

    /// Whether it looks at a variable.
    pub fn refers_to(&self, variable: &str) -> bool {
        self.0.variables.contains(variable)
    }

    /// The members of these variables that it looks at, as paths; `None`: it looks at the whole of one, or at members that
    /// only a payload tells.
    pub fn reads(&self, variables: &[&str]) -> Option<Vec<Vec<&str>>> {
        reads::paths(&self.0.node, variables)
    }

    /// The fields of `lead.custom` that it names.
    pub fn custom_fields(&self) -> impl Iterator<Item = &str> {
        self.0.custom.iter().map(String::as_str)
    }

    fn failed(&self, reason: String, by_payload: bool) -> Failed {
        Failed {
            source_text: self.0.source.to_string(),
            reason,
            by_payload,
        }
    }
}

#[cfg(test)]
mod tests;
