//! Steps into a value: members and elements.

use std::rc::Rc;

use super::fault::Fault;
use super::kind::Kind;
use super::value::{Answer, Cel};

/// `.name` and `.?name`. After something optional, plain steps are optional too.
pub(super) fn field<'v>(value: &Cel<'v>, name: &str, optional: bool) -> Answer<'v> {
    let (value, optional_before) = match value {
        Cel::Optional(None) => return Ok(Cel::Optional(None)),
        Cel::Optional(Some(inner)) => (&**inner, true),
        other => (other, false),
    };
    let found = match value {
        Cel::Dict(map) => map.get(name),
        _ if optional => None,
        // What CEL calls an error here is, of JSON, a path that leads nowhere.
        Cel::Null => return Err(Fault::Absent),
        _ if optional_before => return Err(Fault::Absent),
        other => return Err(no_member(name, other)),
    };
    given(found, optional || optional_before)
}

pub(super) fn no_member(name: &str, of: &Cel<'_>) -> Fault {
    Fault::Value(format!(
        "the path goes on with .{name} where the payload has {}",
        Kind::of(of).words()
    ))
}

fn given(found: Option<Cel<'_>>, optional: bool) -> Answer<'_> {
    match (found, optional) {
        (Some(value), false) => Ok(value),
        (None, false) => Err(Fault::Absent),
        (found, true) => Ok(Cel::Optional(found.map(Rc::new))),
    }
}

pub(super) fn has<'v>(value: &Cel<'v>, name: &str) -> Answer<'v> {
    match value {
        Cel::Dict(map) => Ok(Cel::Bool(map.get(name).is_some())),
        Cel::Optional(None) => Ok(Cel::Bool(false)),
        Cel::Optional(Some(inner)) => has(inner, name),
        Cel::Null => Err(Fault::Absent),
        other => Err(Fault::Value(format!(
            "has() looks for .{name} where the payload has {}",
            Kind::of(other).words()
        ))),
    }
}

/// `[n]`, `['name']`, `[?n]`.
pub(super) fn index<'v>(value: &Cel<'v>, at: &Cel<'v>, optional: bool) -> Answer<'v> {
    let (value, optional) = match value {
        Cel::Optional(None) => return Ok(Cel::Optional(None)),
        Cel::Optional(Some(inner)) => (&**inner, true),
        other => (other, optional),
    };
    let found = match (value, at) {
        (Cel::Dict(map), Cel::Text(key)) => map.get(key),
        (Cel::List(list), Cel::Int(n)) => usize::try_from(*n).ok().and_then(|n| list.get(n)),
        (Cel::List(list), Cel::UInt(n)) => usize::try_from(*n).ok().and_then(|n| list.get(n)),
        _ if optional => None,
        (Cel::Null, _) | (_, Cel::Null) => return Err(Fault::Absent),
        (other, _) => {
            return Err(Fault::Value(format!(
                "an index does not fit {}, which the payload has there",
                Kind::of(other).words()
            )));
        }
    };
    given(found, optional)
}
