//! The functions of expressions: one table, which says what each takes and gives. Loading checks names, numbers of
//! arguments and types against it, the evaluator calls from it, and the documents list it.
//!
//! Every function counts what it looks at and what it makes, before it does: see [`super::budget`].
#![allow(
    clippy::unnecessary_wraps,
    reason = "the signature of a function of the table"
)]

mod function;
mod list;
mod number;
mod other;
mod quantity;
mod text;
mod time;
mod written;

use super::kind::Kind;
pub(super) use function::{Form, Function};
pub(super) use time::{is_time_format, is_zone, zones};
pub(super) use written::places;

/// The functions of a name.
pub(super) fn named(name: &str) -> impl Iterator<Item = &'static Function> {
    all().filter(move |function| function.name == name)
}

/// Those that only the rules of the resources' schema know.
pub(super) fn of_schemas(name: &str) -> impl Iterator<Item = &'static Function> {
    quantity::TABLE
        .iter()
        .filter(move |function| function.name == name)
}

/// All that people write.
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
