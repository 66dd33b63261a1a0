//! Lists, maps and values that may be absent.

use std::cmp::Ordering;
use std::rc::Rc;

use super::function::Form::{Either, Global, Member};
use super::function::{Function, misfit, wrong};
use crate::expression::budget::Meter;
use crate::expression::compare::{compared, equal};
use crate::expression::fault::Fault;
use crate::expression::kind::Kind;
use crate::expression::kind::Kind::{Any, Bool, Int, List as AList, Map as AMap, Optional, Text as AText};
use crate::expression::value::{Answer, Cel, ELEMENT, List};

pub(super) const TABLE: &[Function] = &[
    Function::new("find", Member, &[AList, AText, Any], 3, Any, find),
    Function::new("findKey", Member, &[AMap, AText], 2, Any, find_key),
    Function::new("firstNonEmpty", Member, &[AList], 1, Any, first_non_empty),
    Function::new("size", Either, &[Any], 1, Int, size),
    Function::new("slice", Member, &[AList, Int, Int], 3, AList, slice),
    Function::new("flatten", Member, &[AList, Int], 1, AList, flatten),
    Function::new("distinct", Member, &[AList], 1, AList, distinct),
    Function::new("reverse", Member, &[Any], 1, Any, reverse),
    Function::new("sort", Member, &[AList], 1, AList, sort),
    // What the macro sortBy(x, key) is made of.
    Function::new(
        "@sortByAssociatedKeys",
        Member,
        &[AList, AList],
        2,
        AList,
        sort_by,
    ),
    Function::new("lists.range", Global, &[Int], 1, AList, range),
    Function::new("orValue", Member, &[Optional, Any], 2, Any, or_value),
    Function::new("or", Member, &[Optional, Optional], 2, Optional, or),
    Function::new("hasValue", Member, &[Optional], 1, Bool, has_value),
    Function::new("value", Member, &[Optional], 1, Any, value),
    Function::new("optional.of", Global, &[Any], 1, Optional, of),
    Function::new("optional.none", Global, &[], 0, Optional, none),
    Function::new(
        "optional.ofNonZeroValue",
        Global,
        &[Any],
        1,
        Optional,
        of_non_zero,
    ),
];

fn find<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::List(list), Cel::Text(path), wanted] = args else {
        return misfit();
    };
    for item in list.iter() {
        let found = path.split('.').try_fold(Some(item.clone()), |at, name| {
            meter.step()?;
            Ok::<_, Fault>(at.and_then(|at| match at {
                Cel::Dict(map) => map.get(name),
                _ => None,
            }))
        })?;
        if let Some(found) = found
            && equal(meter, &found, wanted)?
        {
            return Ok(item);
        }
    }
    Ok(Cel::Null)
}

fn find_key<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Dict(map), Cel::Text(part)] = args else {
        return misfit();
    };
    meter.make(part.len() * 3)?;
    let part = part.to_lowercase();
    for key in map.keys(meter)?.iter() {
        let Cel::Text(key) = key else { continue };
        meter.step()?;
        meter.look(key.len() * 4 + part.len())?;
        if key.to_lowercase().contains(&part) {
            return Ok(map.get(&key).unwrap_or(Cel::Null));
        }
    }
    Ok(Cel::Null)
}

fn first_non_empty<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::List(list)] = args else { return misfit() };
    for item in list.iter() {
        meter.step()?;
        if let Cel::Text(text) = &item {
            meter.look(text.len())?;
        }
        if !item.is_blank() {
            return Ok(item.plain());
        }
    }
    Ok(Cel::Null)
}

fn size<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [value] = args else { return misfit() };
    let size = match value {
        Cel::Text(text) => {
            meter.look(text.len())?;
            text.chars().count()
        }
        Cel::List(list) => list.len(),
        Cel::Dict(map) => map.len(),
        Cel::Bytes(bytes) => bytes.len(),
        Cel::Null => return Err(Fault::Absent),
        other => return Err(wrong("size", Kind::of(other), "a text, a list or an object")),
    };
    Ok(Cel::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

/// The elements, as a list that may be changed.
fn elements<'v>(list: &List<'v>, meter: &Meter) -> Result<Vec<Cel<'v>>, Fault> {
    meter.steps(list.len() as u64)?;
    meter.make(list.len() * ELEMENT)?;
    Ok(list.iter().collect())
}

fn slice<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::List(list), Cel::Int(from), Cel::Int(to)] = args else {
        return misfit();
    };
    let (Ok(from), Ok(to)) = (usize::try_from(*from), usize::try_from(*to)) else {
        return Err(Fault::Type("slice() takes no negative places".to_owned()));
    };
    if from > to || to > list.len() {
        return Err(Fault::Value(
            "a list is shorter than the expression expects".to_owned(),
        ));
    }
    meter.steps((to - from) as u64)?;
    meter.make((to - from) * ELEMENT)?;
    Cel::list((from..to).filter_map(|n| list.get(n)).collect(), meter)
}

fn flatten<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let (list, depth) = match args {
        [Cel::List(list)] => (list, 1),
        [Cel::List(list), Cel::Int(depth)] => (list, *depth),
        _ => return misfit(),
    };
    let mut flat = Vec::new();
    flatten_into(list, depth, &mut flat, meter)?;
    Cel::list(flat, meter)
}

fn flatten_into<'v>(
    list: &List<'v>,
    depth: i64,
    flat: &mut Vec<Cel<'v>>,
    meter: &Meter,
) -> Result<(), Fault> {
    for item in list.iter() {
        meter.step()?;
        match item {
            Cel::List(inner) if depth > 0 => flatten_into(&inner, depth - 1, flat, meter)?,
            other => {
                meter.make(ELEMENT * 2)?;
                flat.push(other);
            }
        }
    }
    Ok(())
}

fn distinct<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::List(list)] = args else { return misfit() };
    let mut unique: Vec<Cel<'v>> = Vec::new();
    for item in list.iter() {
        let mut known = false;
        for seen in &unique {
            meter.step()?;
            if equal(meter, seen, &item)? {
                known = true;
                break;
            }
        }
        if !known {
            meter.make(ELEMENT * 2)?;
            unique.push(item);
        }
    }
    Cel::list(unique, meter)
}

fn reverse<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    match args {
        [Cel::List(list)] => {
            let mut items = elements(list, meter)?;
            items.reverse();
            Cel::list(items, meter)
        }
        [Cel::Text(text)] => {
            meter.make(text.len() * 3)?;
            Cel::text(text.chars().rev().collect::<String>(), meter)
        }
        [Cel::Null] => Err(Fault::Absent),
        [other] => Err(wrong("reverse", Kind::of(other), "a list or a text")),
        _ => misfit(),
    }
}

fn sort<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::List(list)] = args else { return misfit() };
    let items = elements(list, meter)?;
    sorted(items.iter().cloned().zip(items.iter().cloned()).collect(), meter)
}

fn sort_by<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::List(list), Cel::List(keys)] = args else {
        return misfit();
    };
    let (items, keys) = (elements(list, meter)?, elements(keys, meter)?);
    sorted(keys.into_iter().zip(items).collect(), meter)
}

/// The second ones in the order of the first ones, which must be of one type.
fn sorted<'v>(mut keyed: Vec<(Cel<'v>, Cel<'v>)>, meter: &Meter) -> Answer<'v> {
    meter.make(keyed.len() * ELEMENT * 2)?;
    // Counted before: a comparison cannot be given up half-way.
    let rounds = keyed.len().checked_ilog2().map_or(1, |n| n as usize + 1);
    for (key, _) in &keyed {
        meter.steps(rounds as u64)?;
        if let Cel::Text(text) = key {
            meter.look(text.len() * rounds)?;
        }
    }
    // What does not compare with the first would not sort; nor does NaN.
    if let Some((first, _)) = keyed.first()
        && !keyed
            .iter()
            .all(|(key, _)| Kind::of(key) == Kind::of(first) && compared(key, key) == Some(Ordering::Equal))
    {
        return Err(Fault::Type(
            "sort() takes elements of one type that can be compared".to_owned(),
        ));
    }
    keyed.sort_by(|(a, _), (b, _)| compared(a, b).unwrap_or(Ordering::Equal));
    Cel::list(keyed.into_iter().map(|(_, item)| item).collect(), meter)
}

fn range<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Int(n)] = args else { return misfit() };
    let size =
        usize::try_from(*n).map_err(|_| Fault::Type("lists.range() takes no negative number".to_owned()))?;
    meter.steps(size as u64)?;
    meter.make(size.saturating_mul(ELEMENT))?;
    Cel::list((0..*n).map(Cel::Int).collect(), meter)
}

fn or_value<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Optional(value), other] = args else {
        return misfit();
    };
    Ok(value.as_deref().unwrap_or(other).clone())
}

fn or<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Optional(value), other] = args else {
        return misfit();
    };
    Ok(value
        .as_ref()
        .map_or_else(|| other.clone(), |value| Cel::Optional(Some(Rc::clone(value)))))
}

fn has_value<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Optional(value)] = args else {
        return misfit();
    };
    Ok(Cel::Bool(value.is_some()))
}

fn value<'v>(_: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [Cel::Optional(value)] = args else {
        return misfit();
    };
    value.as_deref().cloned().ok_or(Fault::Absent)
}

fn of<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let [value] = args else { return misfit() };
    meter.make(ELEMENT)?;
    Ok(Cel::Optional(Some(Rc::new(value.clone()))))
}

fn none<'v>(_: &Meter, _: &[Cel<'v>]) -> Answer<'v> {
    Ok(Cel::Optional(None))
}

fn of_non_zero<'v>(meter: &Meter, args: &[Cel<'v>]) -> Answer<'v> {
    let zero = match args {
        [Cel::Text(text)] => text.is_empty(),
        [Cel::List(list)] => list.len() == 0,
        [Cel::Dict(map)] => map.len() == 0,
        [Cel::Int(0) | Cel::UInt(0) | Cel::Bool(false) | Cel::Null] => true,
        [Cel::Double(d)] => *d == 0.0,
        _ => false,
    };
    if zero {
        Ok(Cel::Optional(None))
    } else {
        of(meter, args)
    }
}
