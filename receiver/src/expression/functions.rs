//! The functions that mapping needs and CEL lacks. Each is bounded: input by the payload, output by [`LONGEST`].
//!
//! | Function | Meaning |
//! |---|---|
//! | `list.find(path, value)` | the first element whose field at the dotted `path` equals `value`, else null |
//! | `map.findKey(text)` | the value of the (alphabetically first) key that contains `text` in any case, else null |
//! | `findField(form, name)` | the answer that is this field of a lead, by label, type or id, else null |
//! | `list.firstNonEmpty()` | the first element that is neither null, missing, nor blank, else null |
//! | `string.lower()`, `string.upper()` | Unicode case, unlike `lowerAscii` |
//! | `urlencode(string)` | percent-encoding for a path segment or query value |
//! | `parseJson(string)` | JSON text as a value, else null |
//! | `isCIDR(string)` | whether it is an address range, as in Kubernetes |
//! | `parseTime(any)` | a time in any usual form as RFC 3339 in UTC, else null |
//! | `parseTime(string, format)` | the same for a form of one's own (`%d.%m.%Y %H:%M`), without an offset taken as UTC |
//! | `text(any)` | a string as it is, a number without loss, a list's first element; null stays null |

#![allow(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "the signature of a CEL function"
)]

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelNull, CelOptional, CelString, CelUInt, DYN_TYPE, LIST_TYPE, MAP_TYPE,
    STRING_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{find_field, json};

/// Longest text a function may make.
const LONGEST: usize = 1 << 20;
/// Longest text that is looked at as a time, and longest format, in bytes.
const LONGEST_TIME: usize = 100;

/// Registers the functions.
pub(super) fn register(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_member_overload(
        "find",
        "list.find(string,dyn)",
        LIST_TYPE,
        vec![STRING_TYPE, DYN_TYPE],
        find,
    )?;
    env.add_member_overload(
        "findKey",
        "map.findKey(string)",
        MAP_TYPE,
        vec![STRING_TYPE],
        find_key,
    )?;
    env.add_member_overload(
        "firstNonEmpty",
        "list.firstNonEmpty()",
        LIST_TYPE,
        vec![],
        first_non_empty,
    )?;
    env.add_member_overload("lower", "string.lower()", STRING_TYPE, vec![], lower)?;
    env.add_member_overload("upper", "string.upper()", STRING_TYPE, vec![], upper)?;
    env.add_overload(
        "findField",
        "findField(dyn,string)",
        vec![DYN_TYPE, STRING_TYPE],
        find_form_field,
    )?;
    env.add_overload("urlencode", "urlencode(string)", vec![STRING_TYPE], urlencode)?;
    env.add_overload("parseJson", "parseJson(string)", vec![STRING_TYPE], parse_json)?;
    env.add_overload("isCIDR", "isCIDR(string)", vec![STRING_TYPE], is_cidr)?;
    env.add_overload("parseTime", "parseTime(dyn)", vec![DYN_TYPE], parse_time)?;
    env.add_overload(
        "parseTime",
        "parseTime(dyn,string)",
        vec![DYN_TYPE, STRING_TYPE],
        parse_time,
    )?;
    env.add_overload("text", "text(dyn)", vec![DYN_TYPE], text)?;
    Ok(())
}

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

fn null<'b, 'v>() -> CowVal<'b, 'v> {
    CowVal::owned(CelNull)
}

fn string_arg<'x>(
    args: &'x [CowVal<'_, '_>],
    index: usize,
    function: &str,
) -> Result<&'x str, ExecutionError> {
    args.get(index)
        .and_then(|arg| arg.downcast_ref::<CelString>())
        .map(CelString::inner)
        .ok_or_else(|| ExecutionError::function_error(function, format!("argument {index} must be a string")))
}

fn bounded(function: &str, text: String) -> Result<CelString<'static>, ExecutionError> {
    if text.len() > LONGEST {
        return Err(ExecutionError::function_error(
            function,
            "the result is longer than 1 MiB",
        ));
    }
    Ok(CelString::from(text))
}

fn find<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let path = string_arg(&args, 1, "find")?;
    let (Some(list), Some(wanted)) = (args.first().and_then(|l| l.as_iterable()), args.get(2)) else {
        return Err(ExecutionError::function_error(
            "find",
            "call it as list.find(path, value)",
        ));
    };
    let mut items = list.iter();
    while let Some(item) = items.next() {
        if at_path(item, path, |value| value.equals(wanted.as_ref())) {
            return Ok(CowVal::Owned(item.clone_as_boxed()));
        }
    }
    Ok(null())
}

/// Whether `test` holds for the value at a dotted path; `false` where the path leads nowhere.
fn at_path(value: &dyn Val, path: &str, test: impl Fn(&dyn Val) -> bool) -> bool {
    let (head, rest) = path
        .split_once('.')
        .map_or((path, None), |(head, rest)| (head, Some(rest)));
    let Some(field) = value
        .as_indexer()
        .and_then(|i| i.get(&CelString::from(head)).ok())
    else {
        return false;
    };
    match rest {
        Some(rest) => at_path(field.as_ref(), rest, test),
        None => test(field.as_ref()),
    }
}

fn find_key<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let part = string_arg(&args, 1, "findKey")?.to_lowercase();
    let map = args
        .first()
        .and_then(|map| Some((map.as_iterable()?, map.as_indexer()?)));
    let Some((keys, values)) = map else {
        return Ok(null());
    };
    let mut found: Option<String> = None;
    let mut keys = keys.iter();
    while let Some(key) = keys.next() {
        let Some(name) = key.downcast_ref::<CelString>().map(CelString::inner) else {
            continue;
        };
        if name.to_lowercase().contains(&part) && found.as_deref().is_none_or(|known| name < known) {
            found = Some(name.to_owned());
        }
    }
    match found {
        Some(name) => Ok(CowVal::Owned(
            values.get(&CelString::from(name))?.as_ref().clone_as_boxed(),
        )),
        None => Ok(null()),
    }
}

fn find_form_field<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let field = find_field::named(string_arg(&args, 1, "findField")?).ok_or_else(|| {
        ExecutionError::function_error(
            "findField",
            "the second argument must be a field of a lead, such as 'email'",
        )
    })?;
    let Some(form) = args.first() else {
        return Ok(null());
    };
    let found = find_field::find(&json::unwrap(form.as_ref())?, field);
    Ok(found.map_or_else(null, |value| CowVal::Owned(own(value))))
}

fn is_empty(value: &dyn Val) -> bool {
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return optional.option().is_none_or(is_empty);
    }
    value.downcast_ref::<CelNull>().is_some()
        || value
            .downcast_ref::<CelString>()
            .is_some_and(|s| s.inner().trim().is_empty())
}

fn first_non_empty<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(list) = args.first().and_then(|l| l.as_iterable()) else {
        return Ok(null());
    };
    let mut items = list.iter();
    while let Some(item) = items.next() {
        if !is_empty(item) {
            let inner = item
                .downcast_ref::<CelOptional>()
                .and_then(CelOptional::option)
                .unwrap_or(item);
            return Ok(CowVal::Owned(inner.clone_as_boxed()));
        }
    }
    Ok(null())
}

fn lower<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    Ok(CowVal::owned(bounded(
        "lower",
        string_arg(&args, 0, "lower")?.to_lowercase(),
    )?))
}

fn upper<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    Ok(CowVal::owned(bounded(
        "upper",
        string_arg(&args, 0, "upper")?.to_uppercase(),
    )?))
}

fn urlencode<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let encoded = percent_encode(string_arg(&args, 0, "urlencode")?);
    Ok(CowVal::owned(bounded("urlencode", encoded)?))
}

fn is_cidr<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let text = string_arg(&args, 0, "isCIDR")?;
    Ok(CowVal::owned(CelBool::from(text.parse::<ipnet::IpNet>().is_ok())))
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

fn parse_json<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let text = string_arg(&args, 0, "parseJson")?;
    Ok(serde_json::from_str::<Value>(text).map_or_else(|_| null(), |value| CowVal::Owned(own(value))))
}

/// JSON as a CEL value that owns itself.
fn own<'v>(value: Value) -> Box<dyn Val + 'v> {
    use cel::common::types::{CelList, CelMap, CelMapKey};
    match value {
        Value::String(s) => Box::new(CelString::from(s)),
        Value::Array(items) => Box::new(CelList::from(
            items.into_iter().map(own).collect::<Vec<Box<dyn Val + 'v>>>(),
        )),
        Value::Object(map) => {
            let entries: std::collections::HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> = map
                .into_iter()
                .map(|(key, value)| (CelMapKey::from(key), own(value)))
                .collect();
            Box::new(CelMap::from(entries))
        }
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(b)),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Box::new(CelInt::from(i)),
            (None, Some(u)) => Box::new(CelUInt::from(u)),
            (None, None) => Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN))),
        },
    }
}

fn text<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.first() else {
        return Ok(null());
    };
    Ok(match json::unwrap(value.as_ref())? {
        Value::Array(items) => items.first().and_then(plain_text),
        other => plain_text(&other),
    }
    .map_or_else(null, |text| CowVal::owned(CelString::from(text))))
}

/// One argument: any usual form. Two: that of the second. What cannot be read is null, as an empty answer is.
fn parse_time<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.first() else {
        return Ok(null());
    };
    let Some(text) = plain_text(&json::unwrap(value.as_ref())?) else {
        return Ok(null());
    };
    let text = text.trim();
    if text.len() > LONGEST_TIME {
        return Ok(null());
    }
    let time = match args.get(1) {
        None => crate::lead::instant(text),
        Some(_) => in_format(text, string_arg(&args, 1, "parseTime")?),
    };
    Ok(time.map_or_else(null, |text| CowVal::owned(CelString::from(text))))
}

/// A time in a format of strftime's letters.
fn in_format(text: &str, format: &str) -> Option<String> {
    let format = format.get(..format.len().min(LONGEST_TIME))?;
    let parts = BrokenDownTime::parse(format, text).ok()?;
    if let Ok(time) = parts.to_timestamp() {
        return Some(time.to_string());
    }
    let civil = parts
        .to_datetime()
        .or_else(|_| parts.to_date().map(jiff::civil::DateTime::from));
    let zoned = civil.ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().to_string())
}

/// A scalar as text, without losing digits; `None` for null, lists and maps.
pub fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
