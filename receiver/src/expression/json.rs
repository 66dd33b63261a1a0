//! CEL over borrowed JSON: no copy of the payload, integers stay integers, and iteration is counted.

use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{self, Adder, Container, Indexer, Iterable, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelNull, CelOptional, CelString, CelUInt, LIST_TYPE, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Value};

use super::budget;

/// JSON as a CEL value that borrows it.
pub(super) fn wrap<'a>(value: &'a Value) -> Box<dyn Val + 'a> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Number(n) => {
            if let Some(i) = n.as_i64() {
                Box::new(CelInt::from(i))
            } else if let Some(u) = n.as_u64() {
                Box::new(CelUInt::from(u))
            } else {
                Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN)))
            }
        }
        Value::String(s) => Box::new(CelString::from(s.as_str())),
        Value::Array(items) => Box::new(JsonList {
            items,
            views: OnceLock::new(),
        }),
        Value::Object(map) => Box::new(JsonMap {
            map,
            keys: OnceLock::new(),
        }),
    }
}

/// A CEL value as JSON that owns itself. An empty optional is null.
pub(super) fn unwrap(value: &dyn Val) -> Result<Value, ExecutionError> {
    if let Some(s) = value.downcast_ref::<CelString>() {
        return Ok(Value::String(s.inner().to_owned()));
    }
    if let Some(i) = value.downcast_ref::<CelInt>() {
        return Ok((*i.inner()).into());
    }
    if let Some(u) = value.downcast_ref::<CelUInt>() {
        return Ok((*u.inner()).into());
    }
    if let Some(d) = value.downcast_ref::<CelDouble>() {
        return Ok(serde_json::Number::from_f64(*d.inner()).map_or(Value::Null, Value::Number));
    }
    if let Some(b) = value.downcast_ref::<CelBool>() {
        return Ok(Value::Bool(*b.inner()));
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return optional.option().map_or(Ok(Value::Null), unwrap);
    }
    if let (Some(keys), Some(indexer)) = (value.as_iterable(), value.as_indexer()) {
        let is_map = value.get_type().name() == MAP_TYPE.name();
        let mut entries = keys.iter();
        if is_map {
            let mut map = Map::new();
            while let Some(key) = entries.next() {
                let Some(name) = key.downcast_ref::<CelString>() else {
                    return Err(ExecutionError::function_error(
                        "result",
                        "map keys must be strings",
                    ));
                };
                map.insert(name.inner().to_owned(), unwrap(indexer.get(key)?.as_ref())?);
            }
            return Ok(Value::Object(map));
        }
        let mut list = Vec::new();
        while let Some(item) = entries.next() {
            list.push(unwrap(item)?);
        }
        return Ok(Value::Array(list));
    }
    // Timestamps, durations and bytes: their standard text.
    match cel::Value::try_from(value) {
        Ok(cel::Value::Timestamp(t)) => Ok(Value::String(t.to_rfc3339())),
        Ok(cel::Value::Duration(d)) => Ok(Value::String(format!("{}s", d.num_seconds()))),
        _ => Err(ExecutionError::function_error(
            "result",
            format!("a result of type {} has no JSON form", value.get_type().name()),
        )),
    }
}

#[derive(Debug)]
struct JsonMap<'a> {
    map: &'a Map<String, Value>,
    keys: OnceLock<Vec<Box<dyn Val + 'a>>>,
}

#[derive(Debug)]
struct JsonList<'a> {
    items: &'a [Value],
    views: OnceLock<Vec<Box<dyn Val + 'a>>>,
}

/// Lends views out one by one, until the evaluation's budget is spent.
struct Counted<'b, 'a>(std::slice::Iter<'b, Box<dyn Val + 'a>>);

impl<'b, 'v, 'a: 'v> traits::Iterator<'b, 'v> for Counted<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        if !budget::spend() {
            return None;
        }
        self.0.next().map(|view| &**view as &'b (dyn Val + 'v))
    }
}

fn key_text(key: &dyn Val) -> Result<&str, ExecutionError> {
    key.downcast_ref::<CelString>()
        .map(CelString::inner)
        .ok_or_else(|| ExecutionError::UnexpectedType {
            got: key.get_type().name().to_owned(),
            want: "string".to_owned(),
        })
}

impl<'a> JsonMap<'a> {
    fn field(&self, key: &dyn Val) -> Result<&'a Value, ExecutionError> {
        let key = key_text(key)?;
        self.map.get(key).ok_or_else(|| ExecutionError::no_such_key(key))
    }
}

impl Val for JsonMap<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }
    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }
    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }
    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }
    fn equals(&self, other: &dyn Val) -> bool {
        let (Some(sizer), Some(indexer)) = (other.as_sizer(), other.as_indexer()) else {
            return false;
        };
        other.get_type().name() == MAP_TYPE.name()
            && usize::try_from(*sizer.size().inner()).is_ok_and(|n| n == self.map.len())
            && self.map.iter().all(|(key, value)| {
                budget::spend()
                    && indexer
                        .get(&CelString::from(key.as_str()))
                        .is_ok_and(|theirs| wrap(value).equals(theirs.as_ref()))
            })
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(JsonMap {
            map: self.map,
            keys: OnceLock::new(),
        })
    }
}

impl Indexer for JsonMap<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.field(key).map(|value| CowVal::Owned(wrap(value)))
    }
    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.field(key).map(|value| -> Box<dyn Val + 'v> { wrap(value) })
    }
}

impl<'a> Iterable for JsonMap<'a> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        let keys = self.keys.get_or_init(|| {
            self.map
                .keys()
                .map(|k| -> Box<dyn Val + 'a> { Box::new(CelString::from(k.as_str())) })
                .collect()
        });
        Box::new(Counted(keys.iter()))
    }
}

impl Sizer for JsonMap<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.map.len()).unwrap_or(i64::MAX))
    }
}

impl Container for JsonMap<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.map.contains_key(key_text(key)?))
    }
}

impl<'a> JsonList<'a> {
    fn item(&self, index: &dyn Val) -> Result<&'a Value, ExecutionError> {
        let position = if let Some(i) = index.downcast_ref::<CelInt>() {
            usize::try_from(*i.inner()).ok()
        } else if let Some(u) = index.downcast_ref::<CelUInt>() {
            usize::try_from(*u.inner()).ok()
        } else {
            return Err(ExecutionError::UnexpectedType {
                got: index.get_type().name().to_owned(),
                want: "int".to_owned(),
            });
        };
        position
            .and_then(|i| self.items.get(i))
            .ok_or_else(|| ExecutionError::IndexOutOfBounds(cel::Value::Null))
    }
}

impl Val for JsonList<'_> {
    fn get_type(&self) -> &Type {
        &LIST_TYPE
    }
    fn cel_type() -> &'static Type {
        &LIST_TYPE
    }
    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }
    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }
    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }
    fn equals(&self, other: &dyn Val) -> bool {
        let (Some(sizer), Some(iterable)) = (other.as_sizer(), other.as_iterable()) else {
            return false;
        };
        if other.get_type().name() != LIST_TYPE.name()
            || !usize::try_from(*sizer.size().inner()).is_ok_and(|n| n == self.items.len())
        {
            return false;
        }
        let mut theirs = iterable.iter();
        self.items
            .iter()
            .all(|item| budget::spend() && theirs.next().is_some_and(|their| wrap(item).equals(their)))
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(JsonList {
            items: self.items,
            views: OnceLock::new(),
        })
    }
}

impl Adder for JsonList<'_> {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let iterable = other
            .as_iterable()
            .ok_or_else(|| ExecutionError::UnexpectedType {
                got: other.get_type().name().to_owned(),
                want: "list".to_owned(),
            })?;
        let mut list: Vec<Box<dyn Val + 'v>> = self
            .items
            .iter()
            .map(|item| -> Box<dyn Val + 'v> { wrap(item) })
            .collect();
        let mut theirs = iterable.iter();
        while let Some(their) = theirs.next() {
            list.push(their.clone_as_boxed());
        }
        Ok(CowVal::owned(CelList::from(list)))
    }
}

impl Indexer for JsonList<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.item(index).map(|value| CowVal::Owned(wrap(value)))
    }
    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.item(index).map(|value| -> Box<dyn Val + 'v> { wrap(value) })
    }
}

impl Iterable for JsonList<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Counted(
            self.views
                .get_or_init(|| self.items.iter().map(wrap).collect())
                .iter(),
        ))
    }
}

impl Sizer for JsonList<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.items.len()).unwrap_or(i64::MAX))
    }
}

impl Container for JsonList<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self
            .items
            .iter()
            .any(|item| budget::spend() && wrap(item).equals(value)))
    }
}
