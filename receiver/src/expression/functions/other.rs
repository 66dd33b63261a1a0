//! JSON, bytes, addresses, types, and `clear()`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::function::Form::Global;
use super::function::{Function, misfit, unreadable, wrong};
use crate::expression::budget::Meter;
use crate::expression::env::Env;
use crate::expression::fault::Fault;
use crate::expression::find_field::{self, Form, Found};
use crate::expression::kind::Kind;
use crate::expression::kind::Kind::{Any, Bool, Bytes, Text as AText, Type};
use crate::expression::value::{Answer, Cel, Dict, List};
use crate::json_text;

pub(super) const TABLE: &[Function] = &[
    Function::remembering("findField", Global, &[Any, AText], 2, Any, find_form_field),
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

fn find_form_field<'v>(env: &Env<'_>, args: &[Cel<'v>]) -> Answer<'v> {
    let [form, Cel::Text(name)] = args else {
        return misfit();
    };
    let meter = &env.meter;
    let field = find_field::named(name).ok_or_else(|| {
        Fault::Type("findField() takes the name of a field of a lead, such as 'email'".to_owned())
    })?;
    let given = |found: &Found| {
        let value = found.get(field).cloned();
        value.map_or(Ok(Cel::Null), |value| Cel::own(value, meter))
    };
    match form {
        Cel::List(List::Lent(items)) => given(&*env.forms.find(Form::List(items), meter)?),
        Cel::Dict(Dict::Lent(map)) => given(&*env.forms.find(Form::Object(map), meter)?),
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
