//! Numbers, and conversions to them.

use std::cmp::Ordering;

use super::function::Form::Global;
use super::function::{Function, misfit, unreadable, wrong};
use crate::expression::budget::Meter;
use crate::expression::compare::compared;
use crate::expression::fault::Fault;
use crate::expression::kind::Kind;
use crate::expression::kind::Kind::{Any, Bool, Double, Int, UInt};
use crate::expression::value::{Answer, Cel};

pub(super) const TABLE: &[Function] = &[
    Function::new("int", Global, &[Any], 1, Int, int),
    Function::new("uint", Global, &[Any], 1, UInt, uint),
    Function::new("double", Global, &[Any], 1, Double, double),
    Function::new("bool", Global, &[Any], 1, Bool, boolean),
    Function::new("math.abs", Global, &[Any], 1, Any, abs),
    Function::new("math.ceil", Global, &[Any], 1, Double, ceil),
    Function::new("math.floor", Global, &[Any], 1, Double, floor),
    Function::new("math.round", Global, &[Any], 1, Double, round),
    Function::new("math.trunc", Global, &[Any], 1, Double, trunc),
    // What the macros math.greatest(…) and math.least(…) are made of.
    Function::new("math.@max", Global, &[Any, Any], 1, Any, greatest),
    Function::new("math.@min", Global, &[Any, Any], 1, Any, least),
];

/// Longest text that is read as a number, in bytes.
const MAX_DIGITS: usize = 400;

fn digits<'t>(text: &'t str, what: &str) -> Result<&'t str, Fault> {
    (text.len() <= MAX_DIGITS)
        .then_some(text)
        .ok_or_else(|| unreadable(what))
}

/// A double's whole part, where it is one that an `i64` holds.
#[expect(clippy::cast_possible_truncation, reason = "the bounds are checked")]
fn whole(d: f64) -> Option<i64> {
    (-9.2e18..=9.2e18).contains(&d).then_some(d.trunc() as i64)
}

fn int<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let what = "a whole number";
    let read = match args {
        [Cel::Int(i)] => Some(*i),
        [Cel::UInt(u)] => i64::try_from(*u).ok(),
        [Cel::Double(d)] => whole(*d),
        [Cel::Text(text)] => digits(text, what)?.trim().parse().ok(),
        [Cel::Time(time)] => Some(time.as_second()),
        [Cel::Duration(duration)] => Some(duration.as_secs()),
        [Cel::Null] => return Err(Fault::Absent),
        [other] => return Err(wrong("int", Kind::of(other), "a number or a text")),
        _ => return misfit(),
    };
    read.map(Cel::Int).ok_or_else(|| unreadable(what))
}

fn uint<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match (args, int(meter, args)) {
        ([Cel::UInt(u)], _) => Ok(Cel::UInt(*u)),
        (_, Ok(Cel::Int(i))) => u64::try_from(i)
            .map(Cel::UInt)
            .map_err(|_| unreadable("a number from 0 on")),
        (_, other) => other,
    }
}

fn double<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let what = "a number";
    match args {
        [Cel::Text(text)] => digits(text, what)?
            .trim()
            .parse()
            .map(Cel::Double)
            .map_err(|_| unreadable(what)),
        [Cel::Null] => Err(Fault::Absent),
        [number] => number
            .as_double()
            .map(Cel::Double)
            .ok_or_else(|| wrong("double", Kind::of(number), "a number or a text")),
        _ => misfit(),
    }
}

fn boolean<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::Bool(b)] => Ok(Cel::Bool(*b)),
        [Cel::Text(text)] => match &**text {
            "true" | "True" | "TRUE" | "t" | "1" => Ok(Cel::Bool(true)),
            "false" | "False" | "FALSE" | "f" | "0" => Ok(Cel::Bool(false)),
            _ => Err(unreadable("true or false")),
        },
        [Cel::Null] => Err(Fault::Absent),
        [other] => Err(wrong("bool", Kind::of(other), "a text")),
        _ => misfit(),
    }
}

fn abs<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::Int(i)] => i
            .checked_abs()
            .map(Cel::Int)
            .ok_or_else(|| Fault::Value("a number is too large".to_owned())),
        [Cel::UInt(u)] => Ok(Cel::UInt(*u)),
        [other] => rounded("math.abs", other, f64::abs),
        _ => misfit(),
    }
}

fn rounded<'v>(name: &str, value: &Cel<'v>, how: fn(f64) -> f64) -> Answer<'v> {
    match value {
        Cel::Null => Err(Fault::Absent),
        number => number
            .as_double()
            .map(|d| Cel::Double(how(d)))
            .ok_or_else(|| wrong(name, Kind::of(number), "a number")),
    }
}

fn ceil<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    args.first()
        .map_or_else(misfit, |value| rounded("math.ceil", value, f64::ceil))
}

fn floor<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    args.first()
        .map_or_else(misfit, |value| rounded("math.floor", value, f64::floor))
}

fn round<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    args.first()
        .map_or_else(misfit, |value| rounded("math.round", value, f64::round))
}

fn trunc<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    args.first()
        .map_or_else(misfit, |value| rounded("math.trunc", value, f64::trunc))
}

fn greatest<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    extreme("math.greatest", meter, args, Ordering::Greater)
}

fn least<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    extreme("math.least", meter, args, Ordering::Less)
}

fn extreme<'v>(name: &str, meter: &Meter, args: &[Cel<'v>], wanted: Ordering) -> Answer<'v> {
    let numbers: Vec<Cel<'v>> = match args {
        [Cel::List(list)] => {
            meter.make(list.len() * crate::expression::value::ELEMENT)?;
            list.iter().collect()
        }
        several => several.to_vec(),
    };
    let mut best: Option<Cel<'v>> = None;
    for number in numbers {
        meter.step()?;
        match number {
            Cel::Null => return Err(Fault::Absent),
            Cel::Int(_) | Cel::UInt(_) | Cel::Double(_) => {}
            other => return Err(wrong(name, Kind::of(&other), "numbers")),
        }
        if best
            .as_ref()
            .is_none_or(|best| compared(&number, best) == Some(wanted))
        {
            best = Some(number);
        }
    }
    best.ok_or(Fault::Absent)
}
