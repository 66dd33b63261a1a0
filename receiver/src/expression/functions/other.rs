//! JSON, bytes, addresses, types, and `clear()`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

use super::Form::Global;
use super::Kind::{Any, Bool, Bytes, Text as AText, Type};
use super::{Function, Kind, misfit, unreadable, wrong};
use crate::expression::budget::Meter;
use crate::expression::find_field::{self, Form, Found};
use crate::expression::value::{Answer, Cel, Dict, Fault, List};
use crate::json_text;

pub(super) const TABLE: &[Function] = &[
    Function::new("findField", Global, &[Any, AText], 2, Any, find_form_field),
    Function::new("parseJson", Global, &[AText], 1, Any, parse_json),
    Function::new("isCIDR", Global, &[AText], 1, Bool, is_cidr),
    Function::new("bytes", Global, &[Any], 1, Bytes, bytes),
    Function::new("base64.encode", Global, &[Any], 1, AText, encode),
    Function::new("base64.decode", Global, &[AText], 1, Bytes, decode),
    Function::new("type", Global, &[Any], 1, Type, type_of),
    Function::new("dyn", Global, &[Any], 1, Any, same),
    Function::new("clear", Global, &[], 0, Any, clear),
];

/// What a bracket or comma of JSON text may stand for in memory: `[0]` is a list of its own.
const JSON_ELEMENT: usize = 160;

fn find_form_field<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [form, Cel::Text(name)] = args else {
        return misfit();
    };
    let field = find_field::named(name).ok_or_else(|| {
        Fault::Type("findField() takes the name of a field of a lead, such as 'email'".to_owned())
    })?;
    let given = |found: &Found| {
        let value = found.get(field).cloned();
        value.map_or(Ok(Cel::Null), |value| Cel::own(value, meter))
    };
    match form {
        Cel::List(List::Lent(items)) => given(&*meter.forms.find(Form::List(items), meter)?),
        Cel::Dict(Dict::Lent(map)) => given(&*meter.forms.find(Form::Object(map), meter)?),
        made => {
            let made = made.clone().into_json(meter)?;
            Form::of(&made).map_or(Ok(Cel::Null), |form| given(&*find_field::read(form, meter)?))
        }
    }
}

fn parse_json<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text)] = args else { return misfit() };
    meter.look(text.len() * 4)?;
    let elements = text.bytes().filter(|b| matches!(b, b'[' | b'{' | b',')).count();
    meter.make(text.len() + elements * JSON_ELEMENT)?;
    match json_text::read(text.as_bytes()) {
        Some(value) => Cel::own(value, meter),
        None => Ok(Cel::Null),
    }
}

fn is_cidr<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text)] = args else { return misfit() };
    meter.look(text.len())?;
    Ok(Cel::Bool(text.parse::<ipnet::IpNet>().is_ok()))
}

fn bytes<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::Bytes(_)] => same(meter, args),
        [Cel::Text(text)] => {
            meter.make(text.len())?;
            Ok(Cel::Bytes(text.as_bytes().into()))
        }
        [Cel::Null] => Err(Fault::Absent),
        [other] => Err(wrong("bytes", Kind::of(other), "a text")),
        _ => misfit(),
    }
}

fn encode<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let Cel::Bytes(bytes) = bytes(meter, args)? else {
        return misfit();
    };
    meter.make(bytes.len() * 2)?;
    Cel::text(STANDARD.encode(bytes), meter)
}

fn decode<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Text(text)] = args else { return misfit() };
    meter.make(text.len() * 2)?;
    let decoded = STANDARD_NO_PAD.decode(text.trim_end_matches('='));
    decoded
        .map(|bytes| Cel::Bytes(bytes.into()))
        .map_err(|_| unreadable("base64"))
}

fn type_of<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    args.first()
        .map_or_else(misfit, |value| Ok(Cel::Type(value.type_name())))
}

fn same<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    args.first().cloned().map_or_else(misfit, Ok)
}

fn clear<'v>(_: &Meter, _: &[Cel<'v>]) -> Answer<'v> {
    Ok(Cel::Clear)
}

/// RFC 3986: everything but unreserved characters, so it is safe in a path segment and in a query.
pub fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Nothing that a person could have meant: null, a blank text, a list or an object without anything else in it.
pub fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(is_blank),
        Value::Object(map) => map.values().all(is_blank),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A scalar as text, with all of its digits and no more; `None` for null, lists and maps.
pub fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        // JSON writers that know floats only write 491701234568.0; all whole numbers below 2^53 are exact in one.
        Value::Number(n) => match n.as_f64() {
            #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
            Some(f) if n.is_f64() && f.fract() == 0.0 && f.abs() < 9_007_199_254_740_992.0 => {
                Some((f as i64).to_string())
            }
            _ => Some(n.to_string()),
        },
        Value::Bool(b) => Some(b.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
