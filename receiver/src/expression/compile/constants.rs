//! What the constants among the arguments of a call tell before a lead comes: a call that never works is a mistake, and one
//! that silently gives nothing is a worse one.

use crate::expression::env::Env;
use crate::expression::eval::Evaluation;
use crate::expression::fault::Fault;
use crate::expression::find_field::{self, Forms};
use crate::expression::functions::{self, Function};
use crate::expression::node::{Literal, Node};
use crate::nearest::nearest;

/// What is wrong, and what was meant perhaps.
pub(super) type Mistake = (String, Option<String>);

/// Why a call with these arguments gives nothing, whatever comes; `None`: it may give something.
pub(super) fn mistake(function: &'static Function, args: &[Node]) -> Option<Mistake> {
    match (function.name, args) {
        ("findField", [_, name]) => text(name).and_then(unknown_field),
        ("parseTime", [_, format]) => text(format).and_then(no_time_format),
        ("format", [form, values]) => text(form).and_then(|form| unfilled(form, values)),
        // The parts of a time take a zone.
        (part, [_, zone]) if part.starts_with("get") => text(zone).and_then(unknown_zone),
        _ => None,
    }
}

/// Why a call of constants fails; `None`: it does not, or its arguments are none.
pub(super) fn failure(call: &Node) -> Option<String> {
    let Node::Call(_, args) = call else { return None };
    if !args.iter().all(is_constant) {
        return None;
    }
    let forms = Forms::default();
    match Evaluation::new(&Env::new(&forms), &[]).of(call) {
        Err(Fault::Value(reason) | Fault::Type(reason)) => Some(reason),
        Ok(_) | Err(Fault::Absent | Fault::Spent(_)) => None,
    }
}

fn is_constant(node: &Node) -> bool {
    match node {
        Node::Literal(_) => true,
        Node::List(items) => items.iter().all(|(item, _)| is_constant(item)),
        _ => false,
    }
}

fn text(node: &Node) -> Option<&str> {
    match node {
        Node::Literal(Literal::Text(text)) => Some(text),
        _ => None,
    }
}

fn unknown_field(name: &str) -> Option<Mistake> {
    if find_field::named(name).is_some() {
        return None;
    }
    let close = nearest(name, find_field::names()).map(|name| format!("findField(x, '{name}')"));
    Some((format!("findField() knows no field {name}"), close))
}

fn no_time_format(format: &str) -> Option<Mistake> {
    let message = "parseTime() reads no time in this format; write it in the letters of strftime, as in '%Y-%m-%d %H:%M'";
    (!functions::is_time_format(format)).then(|| (message.to_owned(), None))
}

fn unknown_zone(name: &str) -> Option<Mistake> {
    if functions::is_zone(name) {
        return None;
    }
    // `Berlin` is in Europe.
    let city = |zone: &&str| {
        zone.rsplit('/')
            .next()
            .is_some_and(|city| city.eq_ignore_ascii_case(name))
    };
    let close = functions::zones()
        .find(city)
        .or_else(|| nearest(name, functions::zones()));
    let message = "there is no such time zone; write one as in 'Europe/Berlin' or '+02:00'";
    Some((message.to_owned(), close.map(|zone| format!("'{zone}'"))))
}

fn unfilled(form: &str, values: &Node) -> Option<Mistake> {
    let places = match functions::places(form) {
        Ok(places) => places,
        Err(why) => return Some((format!("format() {why}"), None)),
    };
    match values {
        Node::List(values) if values.len() < places => Some((
            format!("format() has {places} places, and {} values", values.len()),
            None,
        )),
        _ => None,
    }
}
