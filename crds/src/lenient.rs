//! Reads what a newer version of the definitions allows: what this version does not know is left out and named, and the rest
//! is read. Nothing but the metadata can make it fail, so one object keeps nobody from reading the others.

use std::borrow::Cow;

use kube::Resource;
use kube::core::ObjectMeta;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use serde_path_to_error::{Path, Segment};

use crate::{CrmSink, LeadReceiver, LeadWebhook};

/// So much of one object may be left out by itself; then all of its specification is.
const MOST: usize = 32;

/// An object as far as this version knows it.
#[derive(Clone, Debug)]
pub struct Lenient<K> {
    /// The object, without what is named in `unread`.
    pub object: K,
    /// The paths of its specification that were left out, for example `spec.payload.future`.
    pub unread: Vec<String>,
}

/// A resource of Leadgate's.
pub trait Definition: Resource<DynamicType = ()> + DeserializeOwned {
    /// The fields that its specification has to have, each with a value that says nothing.
    const REQUIRED: &'static [(&'static str, &'static str)] = &[];
}

impl Definition for LeadWebhook {
    const REQUIRED: &'static [(&'static str, &'static str)] = &[("auth", "{}"), ("sinks", "[]")];
}

impl Definition for CrmSink {}

impl Definition for LeadReceiver {}

impl<'de, K: Definition> Deserialize<'de> for Lenient<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl<K: Resource> Resource for Lenient<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.object.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.object.meta_mut()
    }
}

/// Words for a person about a part that was left out.
pub fn told(unread: &str) -> String {
    format!(
        "{unread}: this version of Leadgate does not know the field or its value; upgrade Leadgate, or remove the field"
    )
}

/// Reads an object. An error: its metadata cannot be read.
fn read<K: Definition>(mut value: Value) -> Result<Lenient<K>, serde_json::Error> {
    let mut unread = Vec::new();
    for _ in 0..MOST {
        let error = match serde_path_to_error::deserialize(&value) {
            Ok(object) => return Ok(Lenient { object, unread }),
            Err(error) => error,
        };
        if let Some(path) = leave_out(&mut value, error.path()) {
            unread.extend(Some(path).filter(|path| path.starts_with("spec")));
        } else if !fill_in::<K>(&mut value, &mut unread) {
            break;
        }
    }
    if let Some(object) = value.as_object_mut() {
        object.insert("spec".to_owned(), json!({}));
        object.remove("status");
    }
    fill_in::<K>(&mut value, &mut unread);
    Ok(Lenient {
        object: serde_json::from_value(value)?,
        unread: vec!["spec".to_owned()],
    })
}

/// Adds the required fields that are missing; whether there was one.
fn fill_in<K: Definition>(value: &mut Value, unread: &mut Vec<String>) -> bool {
    let Some(Value::Object(spec)) = value.get_mut("spec") else {
        return false;
    };
    let before = spec.len();
    for (name, nothing) in K::REQUIRED {
        if spec.contains_key(*name) {
            continue;
        }
        spec.insert(
            (*name).to_owned(),
            serde_json::from_str(nothing).unwrap_or_default(),
        );
        let path = format!("spec.{name}");
        if !unread.contains(&path) {
            unread.push(path);
        }
    }
    spec.len() > before
}

/// Takes out what stands at the end of a path, or what it is a part of where it is missing. Gives the path of what it took;
/// `None`: it is not a part of the specification or the status.
fn leave_out(value: &mut Value, path: &Path) -> Option<String> {
    let steps: Vec<&Segment> = path.iter().collect();
    let root = match steps.first()? {
        Segment::Map { key } if key == "spec" || key == "status" => key,
        _ => return None,
    };
    (1..=steps.len()).rev().find_map(|length| {
        let (last, parents) = steps.get(..length)?.split_last()?;
        let mut parent = &mut *value;
        for step in parents {
            parent = match step {
                Segment::Seq { index } => parent.get_mut(*index)?,
                Segment::Map { key } => parent.get_mut(key)?,
                // The variant of an enum is the key of its value.
                Segment::Enum { variant } => parent.get_mut(variant)?,
                Segment::Unknown => return None,
            };
        }
        match last {
            Segment::Seq { index } => {
                let elements = parent.as_array_mut()?;
                (*index < elements.len()).then(|| elements.remove(*index))?;
            }
            Segment::Map { key } if parents.is_empty() && *key == *root => return None,
            Segment::Map { key } | Segment::Enum { variant: key } => {
                parent.as_object_mut()?.remove(key)?;
            }
            Segment::Unknown => return None,
        }
        let taken = steps.iter().take(length).map(ToString::to_string);
        Some(taken.collect::<Vec<_>>().join(".").replace(".[", "["))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "leadgate.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "a", "namespace": "b", "generation": 7},
            "spec": spec,
        })
    }

    #[test]
    fn what_a_newer_version_allows_is_left_out_and_named() {
        let good = json!({"auth": {"basic": {"secretRef": {"name": "a"}}}, "sinks": [{"name": "crm"}]});
        let mut table = vec![(json!({}), vec![], vec!["crm"])];
        for (more, unread) in [
            (json!({"future": {"a": 1}}), vec!["spec.future"]),
            (
                json!({"payload": {"future": 1, "onInvalid": "DropField"}}),
                vec!["spec.payload.future"],
            ),
            (
                json!({"payload": {"onInvalid": "Ponder"}}),
                vec!["spec.payload.onInvalid"],
            ),
            (
                json!({"payload": 7, "later": 1}),
                vec!["spec.later", "spec.payload"],
            ),
            (json!({"auth": "Ponder"}), vec!["spec.auth"]),
            (json!({"auth": {"future": {}}}), vec!["spec.auth.future"]),
        ] {
            table.push((more, unread, vec!["crm"]));
        }
        table.push((
            json!({"sinks": [{"name": "crm", "future": 1}, {"name": "b"}]}),
            vec!["spec.sinks[0].future"],
            vec!["crm", "b"],
        ));
        for (more, expected, sinks) in table {
            let mut spec = good.clone();
            for (key, value) in more.as_object().unwrap() {
                spec[key] = value.clone();
            }
            let mut read: Lenient<LeadWebhook> =
                serde_json::from_value(object("LeadWebhook", &spec)).unwrap();
            read.unread.sort();
            assert_eq!(read.unread, expected, "{more}");
            assert_eq!(read.meta().generation, Some(7));
            let names: Vec<&str> = read
                .object
                .spec
                .sinks
                .iter()
                .map(|sink| sink.name.as_str())
                .collect();
            assert_eq!(names, sinks, "{more}");
        }
    }

    #[test]
    fn an_object_of_which_nothing_is_known_is_still_there() {
        fn unread<K: Definition>(kind: &str, spec: &Value) -> Vec<String> {
            let read: Lenient<K> = serde_json::from_value(object(kind, spec)).unwrap();
            read.unread
        }
        for spec in [json!(7), json!([1]), json!("text")] {
            assert_eq!(unread::<LeadWebhook>("LeadWebhook", &spec), ["spec"]);
            assert_eq!(unread::<CrmSink>("CrmSink", &spec), ["spec"]);
            assert_eq!(unread::<LeadReceiver>("LeadReceiver", &spec), ["spec"]);
        }
        let many: Value = (0..100)
            .map(|n| (format!("future{n}"), json!(1)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        assert_eq!(unread::<CrmSink>("CrmSink", &many), ["spec"]);
    }

    #[test]
    fn a_status_of_another_version_is_no_mistake() {
        let mut sink = object("CrmSink", &json!({}));
        sink["status"] = json!({"observedGeneration": "seven", "future": 1});
        let read: Lenient<CrmSink> = serde_json::from_value(sink).unwrap();
        assert_eq!(read.unread, Vec::<String>::new());
    }
}
