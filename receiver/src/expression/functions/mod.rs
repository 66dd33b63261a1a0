//! The functions of expressions: one table, which says what each takes and gives. Loading checks names, numbers of
//! arguments and types against it, the evaluator calls from it, and the documents list it.
//!
//! Every function counts what it looks at and what it makes, before it does: see [`Meter`].
#![allow(
    clippy::unnecessary_wraps,
    reason = "the signature of a function of the table"
)]

mod list;
mod number;
mod other;
mod pattern;
mod text;
mod time;

pub(super) use number::as_double;
pub use other::{is_blank, percent_encode, plain_text};
pub(super) use pattern::Pattern;

use super::budget::Meter;
use super::value::{Answer, Cel, Fault};

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

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `f(x)`.
    Global,
    /// `x.f()`.
    Member,
    /// Both.
    Either,
}

type Run = for<'v> fn(&Meter, &[Cel<'v>]) -> Answer<'v>;

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// What it takes, what it is called on first.
    pub(super) takes: &'static [Kind],
    /// How many of these must be given.
    pub(super) least: usize,
    pub(super) gives: Kind,
    run: Run,
}

impl Function {
    const fn new(
        name: &'static str,
        form: Form,
        takes: &'static [Kind],
        least: usize,
        gives: Kind,
        run: Run,
    ) -> Self {
        Self {
            name,
            form,
            takes,
            least,
            gives,
            run,
        }
    }

    /// Calls it. An argument that is null where something else is needed makes the result absent, as a missing one does.
    pub(super) fn call<'v>(&self, meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
        for (arg, takes) in args.iter().zip(self.takes) {
            let kind = Kind::of(arg);
            if *takes == Kind::Any || *takes == kind {
                continue;
            }
            return Err(match kind {
                Kind::Null => Fault::Absent,
                _ => wrong(self.name, kind, takes.words()),
            });
        }
        (self.run)(meter, args)
    }
}

/// A function got what it does not take.
fn wrong(name: &str, got: Kind, wants: &str) -> Fault {
    Fault::Type(format!("{name}() takes {wants}, not {}", got.words()))
}

/// A value that a conversion cannot read.
fn unreadable(what: &str) -> Fault {
    Fault::Value(format!("a value cannot be read as {what}"))
}

/// The arguments do not fit the table, which [`Function::call`] has checked.
fn misfit<'v>() -> Answer<'v> {
    Err(Fault::Type(
        "a function got a value that it does not take".to_owned(),
    ))
}

/// The functions of a name.
pub(super) fn named(name: &str) -> impl Iterator<Item = &'static Function> {
    all().filter(move |function| function.name == name)
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Function> {
    [text::TABLE, list::TABLE, number::TABLE, time::TABLE, other::TABLE]
        .into_iter()
        .flatten()
}

/// The signatures, for the documents: `string.split(separator…)` and the like, in words of types.
pub fn signatures() -> Vec<String> {
    all()
        .filter(|function| !function.name.contains('@'))
        .map(|function| {
            let name = |kind: &Kind| match kind {
                Kind::Any => "any",
                Kind::Null => "null",
                Kind::Bool => "bool",
                Kind::Int => "int",
                Kind::UInt => "uint",
                Kind::Double => "double",
                Kind::Text => "string",
                Kind::Bytes => "bytes",
                Kind::List => "list",
                Kind::Map => "map",
                Kind::Optional => "optional",
                Kind::Time => "timestamp",
                Kind::Duration => "duration",
                Kind::Type => "type",
            };
            let (receiver, rest, least) = match (function.form, function.takes) {
                (Form::Global, takes) => (String::new(), takes, function.least),
                (_, [first, rest @ ..]) => (
                    format!("{}.", name(first)),
                    rest,
                    function.least.saturating_sub(1),
                ),
                (_, []) => (String::new(), function.takes, 0),
            };
            let mut args = String::new();
            for (n, kind) in rest.iter().enumerate() {
                let comma = if n == 0 { "" } else { ", " };
                args.push_str(&if n < least {
                    format!("{comma}{}", name(kind))
                } else {
                    format!("[{comma}{}]", name(kind))
                });
            }
            format!("{receiver}{}({args}) -> {}", function.name, name(&function.gives))
        })
        .collect()
}
