//! The values of an evaluation: JSON as it lies in the payload, lent, and what expressions make, shared. Neither is
//! ever copied by being passed on.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Number, Value};

use super::budget::Meter;
use super::fault::Fault;

pub(super) type Answer<'v> = Result<Cel<'v>, Fault>;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Cel<'v> {
    Null,
    /// What `clear()` gives.
    Clear,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(Text<'v>),
    Bytes(Rc<[u8]>),
    List(List<'v>),
    Dict(Dict<'v>),
    Optional(Option<Rc<Cel<'v>>>),
    Time(Timestamp),
    Duration(SignedDuration),
    Type(&'static str),
}

/// A text.
#[derive(Debug, Clone)]
pub(super) enum Text<'v> {
    Lent(&'v str),
    Made(Rc<str>),
}

/// A list.
#[derive(Debug, Clone)]
pub(super) enum List<'v> {
    Lent(&'v [Value]),
    Made(Rc<[Cel<'v>]>),
}

/// A map.
#[derive(Debug, Clone)]
pub(super) enum Dict<'v> {
    Lent(&'v Map<String, Value>),
    Made(Rc<BTreeMap<Rc<str>, Cel<'v>>>),
}

/// What one element of a list or map takes, with its share of the allocator's overhead.
pub(super) const ELEMENT: usize = 64;
/// What a map takes with its first entries.
pub(super) const MAP: usize = 768;

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Made(text) => text,
        }
    }
}

impl<'v> List<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(items) => items.len(),
            Self::Made(items) => items.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Cel<'v>> {
        match self {
            Self::Lent(items) => items.get(index).map(Cel::of),
            Self::Made(items) => items.get(index).cloned(),
        }
    }

    /// The elements; each step is counted by whoever takes it.
    pub(super) fn iter(&self) -> impl Iterator<Item = Cel<'v>> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'v> Dict<'v> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Lent(map) => map.len(),
            Self::Made(map) => map.len(),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Cel<'v>> {
        match self {
            Self::Lent(map) => map.get(key).map(Cel::of),
            Self::Made(map) => map.get(key).cloned(),
        }
    }

    /// The keys, in alphabetical order, as a list.
    pub(super) fn keys(&self, meter: &Meter) -> Result<List<'v>, Fault> {
        meter.make(self.len() * ELEMENT)?;
        let keys: Vec<Cel<'v>> = match self {
            Self::Lent(map) => {
                let map: &'v Map<String, Value> = map;
                map.keys()
                    .map(|key| Cel::Text(Text::Lent(key.as_str())))
                    .collect()
            }
            Self::Made(map) => map
                .keys()
                .map(|key| Cel::Text(Text::Made(Rc::clone(key))))
                .collect(),
        };
        Ok(List::Made(keys.into()))
    }
}

impl<'v> Cel<'v> {
    /// JSON, lent.
    pub(super) fn of(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(b) => Self::Bool(*b),
            Value::Number(n) => Self::number(n),
            Value::String(text) => Self::Text(Text::Lent(text)),
            Value::Array(items) => Self::List(List::Lent(items)),
            Value::Object(map) => Self::Dict(Dict::Lent(map)),
        }
    }

    fn number(n: &Number) -> Self {
        match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Self::Int(i),
            (None, Some(u)) => Self::UInt(u),
            (None, None) => Self::Double(n.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// JSON that belongs to nobody.
    pub(super) fn own(value: Value, meter: &Meter) -> Answer<'v> {
        Ok(match value {
            Value::String(text) => Self::text(text, meter)?,
            Value::Array(items) => {
                meter.make(items.len() * ELEMENT)?;
                let items = items.into_iter().map(|item| Self::own(item, meter));
                Self::List(List::Made(items.collect::<Result<Vec<_>, _>>()?.into()))
            }
            Value::Object(map) => {
                meter.make(MAP + map.len() * ELEMENT)?;
                let entries = map
                    .into_iter()
                    .map(|(key, value)| Ok((Rc::from(key), Self::own(value, meter)?)));
                Self::Dict(Dict::Made(Rc::new(entries.collect::<Result<_, Fault>>()?)))
            }
            Value::Number(n) => Self::number(&n),
            Value::Bool(b) => Self::Bool(b),
            Value::Null => Self::Null,
        })
    }

    /// A text that is made; whoever makes a long one has counted it before.
    pub(super) fn text(text: impl Into<Rc<str>> + AsRef<str>, meter: &Meter) -> Answer<'v> {
        meter.make(text.as_ref().len() + ELEMENT)?;
        Ok(Self::Text(Text::Made(text.into())))
    }

    pub(super) fn list(items: Vec<Cel<'v>>, meter: &Meter) -> Answer<'v> {
        meter.make(items.len() * ELEMENT)?;
        Ok(Self::List(List::Made(items.into())))
    }

    /// The name of its type, as CEL has it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Clear => "clear",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Dict(_) => "map",
            Self::Optional(_) => "optional",
            Self::Time(_) => "timestamp",
            Self::Duration(_) => "duration",
            Self::Type(_) => "type",
        }
    }

    /// Any number as the nearest double.
    #[expect(clippy::cast_precision_loss, reason = "CEL's conversion rounds")]
    pub(super) fn as_double(&self) -> Option<f64> {
        match self {
            Self::Int(i) => Some(*i as f64),
            Self::UInt(u) => Some(*u as f64),
            Self::Double(d) => Some(*d),
            _ => None,
        }
    }

    /// Without the optional around it; an empty one is null.
    pub(super) fn plain(self) -> Cel<'v> {
        match self {
            Self::Optional(Some(inner)) => Rc::unwrap_or_clone(inner).plain(),
            Self::Optional(None) => Self::Null,
            other => other,
        }
    }

    /// Nothing that a person could have meant: null, a blank text, an empty optional.
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Null | Self::Optional(None) => true,
            Self::Optional(Some(inner)) => inner.is_blank(),
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// As JSON that owns itself.
    pub(super) fn into_json(self, meter: &Meter) -> Result<Value, Fault> {
        meter.step()?;
        Ok(match self {
            Self::Null | Self::Clear | Self::Optional(None) => Value::Null,
            Self::Bool(b) => Value::Bool(b),
            Self::Int(i) => i.into(),
            Self::UInt(u) => u.into(),
            Self::Double(d) => Number::from_f64(d).map_or(Value::Null, Value::Number),
            Self::Text(text) => {
                meter.make(text.len())?;
                Value::String((*text).to_owned())
            }
            Self::List(List::Lent(items)) => array(items, meter)?,
            Self::Dict(Dict::Lent(map)) => object(map, meter)?,
            Self::List(List::Made(items)) => {
                meter.make(items.len() * ELEMENT)?;
                let items = items.iter().map(|item| item.clone().into_json(meter));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Self::Dict(Dict::Made(map)) => {
                meter.make(MAP + map.len() * ELEMENT)?;
                let entries = map.iter().map(|(key, value)| {
                    meter.make(key.len())?;
                    Ok((key.to_string(), value.clone().into_json(meter)?))
                });
                Value::Object(entries.collect::<Result<_, Fault>>()?)
            }
            Self::Optional(Some(inner)) => Rc::unwrap_or_clone(inner).into_json(meter)?,
            Self::Time(time) => Value::String(time.to_string()),
            Self::Duration(duration) => Value::String(seconds(duration)),
            Self::Bytes(_) => return Err(no_form("bytes; encode them, as in base64.encode(x)")),
            Self::Type(_) => return Err(no_form("a type")),
        })
    }
}

fn no_form(what: &str) -> Fault {
    Fault::Type(format!("it gives {what}, which JSON has no form for"))
}

/// A duration as CEL writes it: `90s`, `0.5s`.
pub(super) fn seconds(duration: SignedDuration) -> String {
    format!("{}s", duration.as_secs_f64())
}

fn copy(value: &Value, meter: &Meter) -> Result<Value, Fault> {
    meter.step()?;
    match value {
        Value::String(text) => {
            meter.make(text.len())?;
            Ok(Value::String(text.clone()))
        }
        Value::Array(items) => array(items, meter),
        Value::Object(map) => object(map, meter),
        scalar => Ok(scalar.clone()),
    }
}

fn array(items: &[Value], meter: &Meter) -> Result<Value, Fault> {
    meter.make(items.len() * ELEMENT)?;
    let items = items.iter().map(|item| copy(item, meter));
    Ok(Value::Array(items.collect::<Result<_, _>>()?))
}

fn object(map: &Map<String, Value>, meter: &Meter) -> Result<Value, Fault> {
    meter.make(MAP + map.len() * ELEMENT)?;
    let entries = map.iter().map(|(key, value)| {
        meter.make(key.len())?;
        Ok((key.clone(), copy(value, meter)?))
    });
    Ok(Value::Object(entries.collect::<Result<_, Fault>>()?))
}
