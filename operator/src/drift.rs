//! Objects of the operator that somebody else changes again and again. The first times they are put back at once; then ever
//! more rarely, so that two programs do not chase each other, and a condition says who changes what.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::DynamicObject;
use serde_json::{Map, Value};

use crate::index::Key;
use crate::kinds::Kind;
use crate::names::MANAGER;
use crate::ownership::Ownership;
use crate::repair::REPAIR;

/// From so many times on, it is no accident.
const REPEATED: u32 = 3;
/// After these times, the object is put back again so much later; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// An object that stays as it is for so long after it was put back is left alone by the others.
const QUIET: Duration = Duration::from_mins(2);
/// How many fields are named.
const NAMED: usize = 3;

/// A field that was changed, and by whom, if that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    field: String,
    manager: Option<String>,
}

/// What is remembered of an object that was put back.
#[derive(Debug)]
struct Drift {
    /// Kind and name of the resource that it belongs to; `None`: it is the managed Redis's.
    owner: Option<(String, String)>,
    times: u32,
    /// Until when it stays as it is.
    until: Instant,
    what: String,
}

impl Drift {
    fn is_repeated(&self) -> bool {
        self.times >= REPEATED
    }

    fn is_over(&self, now: Instant) -> bool {
        now > self.until + QUIET
    }
}

/// All objects that were put back lately.
#[derive(Debug, Default)]
pub(crate) struct Drifts(Mutex<HashMap<Key, Drift>>);

/// What a resource says of its objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// What others change again and again; `None`: nothing.
    pub(crate) what: Option<String>,
    /// When to look again.
    pub(crate) again: Option<Duration>,
    /// Whether a ConfigMap or Secret is to be put back now.
    pub(crate) configuration_due: bool,
}

impl Drifts {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, Drift>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an object stays as somebody else made it, for now.
    pub(crate) fn stays(&self, key: &Key, now: Instant) -> bool {
        let all = self.all();
        all.get(key)
            .is_some_and(|drift| drift.is_repeated() && now < drift.until)
    }

    /// An object was put back. Gives what to tell of it, if it is no accident any more.
    pub(crate) fn put_back(
        &self,
        key: Key,
        owner: Ownership<'_>,
        changes: &[Change],
        now: Instant,
    ) -> Option<String> {
        let owner = match owner {
            Ownership::To { kind, name, .. } => Some((kind.to_owned(), name.to_owned())),
            Ownership::Shared => None,
        };
        let what = words(&key, owner.as_ref(), changes);
        let mut all = self.all();
        all.retain(|_, drift| !drift.is_over(now));
        let drift = all.entry(key).or_insert(Drift {
            owner,
            times: 0,
            until: now,
            what: String::new(),
        });
        drift.times = drift.times.saturating_add(1);
        drift.until = now + wait(drift.times);
        drift.what = what;
        drift.is_repeated().then(|| drift.what.clone())
    }

    /// What a resource says. A receiver speaks for the managed Redis, too.
    pub(crate) fn told(&self, kind: &str, (namespace, name): &(String, String), now: Instant) -> Told {
        let all = self.all();
        let concerns = |drift: &Drift| match &drift.owner {
            Some((of, owner)) => of == kind && owner == name,
            None => kind == "LeadReceiver",
        };
        let mut ours: Vec<(&Key, &Drift)> = all
            .iter()
            .filter(|(key, drift)| {
                key.1 == *namespace && concerns(drift) && drift.is_repeated() && !drift.is_over(now)
            })
            .collect();
        ours.sort_by_key(|(key, _)| *key);
        let what: Vec<&str> = ours.iter().map(|(_, drift)| drift.what.as_str()).collect();
        let again = ours.iter().map(|(_, drift)| {
            let due = if now < drift.until {
                drift.until
            } else {
                drift.until + QUIET
            };
            due.saturating_duration_since(now) + Duration::from_millis(100)
        });
        Told {
            again: again.min(),
            configuration_due: ours
                .iter()
                .any(|(key, drift)| matches!(key.0, Kind::ConfigMap | Kind::Secret) && now >= drift.until),
            what: (!what.is_empty()).then(|| what.join("; ")),
        }
    }
}

/// How long an object stays as it is after it was put back so many times: at first, not at all.
fn wait(times: u32) -> Duration {
    match times.checked_sub(REPEATED) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(more))
            .min(LONGEST_WAIT),
    }
}

fn words((kind, _, name): &Key, owner: Option<&(String, String)>, changes: &[Change]) -> String {
    let mut fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    fields.dedup();
    let mut managers: Vec<&str> = changes
        .iter()
        .filter_map(|change| change.manager.as_deref())
        .collect();
    managers.dedup();
    let by = managers.join(" and ");
    let kind_name = kind.name();
    let what = if fields.is_empty() {
        format!("{kind_name} {name} is deleted again and again")
    } else if by.is_empty() {
        format!(
            "{kind_name} {name}: {} is changed again and again",
            fields.join(", ")
        )
    } else {
        format!(
            "{kind_name} {name}: {} is changed again and again by {by}",
            fields.join(", ")
        )
    };
    let resource = owner.map_or_else(
        || "spec.queue of the LeadReceiver".to_owned(),
        |(kind, name)| format!("{kind} {name}"),
    );
    let remedy = match owner {
        Some((_, receiver)) if *kind == Kind::Deployment && fields == ["spec.replicas"] => format!(
            "scale the LeadReceiver instead (kubectl scale leadreceiver {receiver} --replicas=N), and name it, not the Deployment, in \
             scaleTargetRef of an autoscaler"
        ),
        // Of what was deleted or removed, no object says who did it.
        _ if by.is_empty() => {
            format!("change {resource} instead; who does it, the audit log of the API server tells")
        }
        _ => format!("change {resource} instead, and have {by} leave the object alone"),
    };
    format!("{what}, and put back ever more rarely; {remedy}")
}

/// Pure: which fields of an object that are to be as in `wanted` somebody else has changed.
pub(crate) fn changes(wanted: &Value, live: &DynamicObject) -> Vec<Change> {
    let managers = live.metadata.managed_fields.as_deref().unwrap_or_default();
    let fields = |entry: &ManagedFieldsEntry| entry.fields_v1.as_ref().map(|fields| fields.0.clone());
    let is_ours = |entry: &&ManagedFieldsEntry| {
        let manager = entry.manager.as_deref().unwrap_or_default();
        manager == MANAGER || manager == REPAIR
    };
    let ours = managers
        .iter()
        .find(|entry| is_ours(entry) && entry.operation.as_deref() == Some("Apply"))
        .and_then(fields)
        .unwrap_or_default();
    let Ok(now) = serde_json::to_value(live) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut others: Vec<&ManagedFieldsEntry> = managers.iter().filter(|entry| !is_ours(entry)).collect();
    others.sort_by_key(|entry| std::cmp::Reverse(entry.time.as_ref().map(|time| time.0)));
    for entry in &others {
        let mut changed = Vec::new();
        if let Some(theirs) = fields(entry) {
            taken(&theirs, &ours, wanted, &now, "", &mut changed);
        }
        found.extend(changed.into_iter().map(|field| Change {
            field,
            manager: entry.manager.clone(),
        }));
    }
    if found.is_empty() {
        // What was removed belongs to nobody; whoever wrote last is likely to have done it.
        let mut gone = Vec::new();
        missing(wanted, &now, "", &mut gone);
        let last = others
            .iter()
            .find(|entry| entry.subresource.as_deref() != Some("status"));
        found.extend(gone.into_iter().map(|field| Change {
            field,
            manager: last.and_then(|entry| entry.manager.clone()),
        }));
    }
    found.truncate(NAMED);
    found
}

fn joined(path: &str, field: &str) -> String {
    match path {
        "" => field.to_owned(),
        _ if field.starts_with('[') => format!("{path}{field}"),
        _ => format!("{path}.{field}"),
    }
}

/// The fields of `theirs` that are not among `ours`, although they are wanted otherwise. In the form of managed fields: `f:` is
/// a field, `k:` an element of a list with these keys.
fn taken(theirs: &Value, ours: &Value, wanted: &Value, now: &Value, path: &str, found: &mut Vec<String>) {
    for (key, inner) in theirs.as_object().into_iter().flatten() {
        let (wanted, now, path) = if let Some(field) = key.strip_prefix("f:") {
            (wanted.get(field), now.get(field), joined(path, field))
        } else if let Some(Ok(keys)) = key
            .strip_prefix("k:")
            .map(serde_json::from_str::<Map<String, Value>>)
        {
            let of = |list: &Value| {
                let is_it = |item: &&Value| keys.iter().all(|(key, value)| item.get(key) == Some(value));
                list.as_array().and_then(|list| list.iter().find(is_it).cloned())
            };
            let named = keys
                .values()
                .map(|value| value.to_string().trim_matches('"').to_owned());
            let place = format!("[{}]", named.collect::<Vec<_>>().join(","));
            if let (Some(wanted), Some(now)) = (of(wanted), of(now)) {
                let none = Value::Null;
                let own = ours.get(key).unwrap_or(&none);
                taken(inner, own, &wanted, &now, &joined(path, &place), found);
            }
            continue;
        } else {
            continue;
        };
        let (Some(wanted), Some(now)) = (wanted, now) else {
            continue;
        };
        let is_leaf = inner.as_object().is_none_or(Map::is_empty);
        match ours.get(key) {
            None if is_leaf && wanted != now => found.push(path),
            own if !is_leaf => taken(inner, own.unwrap_or(&Value::Null), wanted, now, &path, found),
            _ => {}
        }
    }
}

/// The fields that are wanted and not there.
fn missing(wanted: &Value, now: &Value, path: &str, found: &mut Vec<String>) {
    for (field, wanted) in wanted.as_object().into_iter().flatten() {
        let path = joined(path, field);
        match now.get(field) {
            Some(now) => missing(wanted, now, &path, found),
            None if wanted.is_null() || wanted.as_object().is_some_and(Map::is_empty) => {}
            None => found.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> Key {
        (
            Kind::Deployment,
            "sales".to_owned(),
            "leadgate-receiver-web".to_owned(),
        )
    }

    const OWNER: Ownership<'_> = Ownership::To {
        kind: "LeadReceiver",
        name: "web",
        uid: Some("1"),
    };

    fn change(field: &str, manager: &str) -> Change {
        Change {
            field: field.to_owned(),
            manager: Some(manager.to_owned()),
        }
    }

    #[test]
    fn what_is_changed_again_and_again_is_put_back_ever_more_rarely_until_it_stays() {
        let drifts = Drifts::default();
        let web = ("sales".to_owned(), "web".to_owned());
        let mut now = Instant::now();
        let mut put_back = 0;
        // Somebody changes it every two seconds, for ten minutes.
        for _ in 0..300 {
            now += Duration::from_secs(2);
            if !drifts.stays(&key(), now) {
                drifts.put_back(key(), OWNER, &[change("spec.replicas", "kubectl")], now);
                put_back += 1;
            }
        }
        assert!((5..=9).contains(&put_back), "{put_back}");
        let told = drifts.told("LeadReceiver", &web, now).what.unwrap();
        assert!(
            told.contains("spec.replicas is changed again and again by kubectl"),
            "{told}"
        );
        assert!(told.contains("kubectl scale leadreceiver web"), "{told}");
        let other = ("sales".to_owned(), "shop".to_owned());
        assert_eq!(drifts.told("LeadReceiver", &other, now), Told::default());
        assert_eq!(drifts.told("LeadWebhook", &web, now), Told::default());
        now += LONGEST_WAIT + QUIET + Duration::from_secs(1);
        assert_eq!(drifts.told("LeadReceiver", &web, now), Told::default());
        assert_eq!(drifts.put_back(key(), OWNER, &[], now), None, "it is forgotten");
    }

    #[test]
    fn an_accident_is_put_back_at_once_and_told_by_nobody() {
        let drifts = Drifts::default();
        let now = Instant::now();
        for _ in 0..2 {
            assert!(!drifts.stays(&key(), now));
            assert_eq!(drifts.put_back(key(), OWNER, &[], now), None);
        }
        let web = ("sales".to_owned(), "web".to_owned());
        assert_eq!(drifts.told("LeadReceiver", &web, now), Told::default());
    }

    #[test]
    fn the_field_and_who_wrote_it_are_named() {
        let wanted = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 2,
            "template": {"spec": {"containers": [{"name": "receiver", "image": "i:1"}]}}}});
        let live = |managed: Value, spec: Value, labels: Value| -> DynamicObject {
            serde_json::from_value(
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec,
                "metadata": {"name": "d", "labels": labels, "managedFields": managed}}),
            )
            .unwrap()
        };
        let entry = |manager: &str, operation: &str, fields: Value| {
            json!({"manager": manager, "operation": operation,
            "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "time": "2026-11-27T10:00:00Z", "fieldsV1": fields})
        };
        let image = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"receiver\"}": {".": {}, "f:image": {}}}}}}});
        let number = json!({"f:spec": {"f:replicas": {}}});
        let as_wanted = |image: &str, replicas: i64| {
            json!({"replicas": replicas,
            "template": {"spec": {"containers": [{"name": "receiver", "image": image, "other": 1}]}}})
        };
        for (case, managed, spec, labels, expected) in [
            (
                "an autoscaler",
                json!([
                    entry(MANAGER, "Apply", image.clone()),
                    entry("kube-controller-manager", "Update", number.clone())
                ]),
                as_wanted("i:1", 7),
                json!({"a": "b"}),
                vec![change("spec.replicas", "kube-controller-manager")],
            ),
            (
                "an image",
                json!([
                    entry(MANAGER, "Apply", number.clone()),
                    entry("kubectl-set", "Update", image.clone())
                ]),
                as_wanted("i:2", 2),
                json!({"a": "b"}),
                vec![change(
                    "spec.template.spec.containers[receiver].image",
                    "kubectl-set",
                )],
            ),
            (
                "a label that was removed",
                json!([
                    entry(MANAGER, "Apply", number.clone()),
                    entry("kubectl-label", "Update", json!({}))
                ]),
                as_wanted("i:1", 2),
                json!({}),
                vec![change("metadata.labels.a", "kubectl-label")],
            ),
            (
                "what both write alike",
                json!([
                    entry(MANAGER, "Apply", number.clone()),
                    entry("x", "Apply", number.clone())
                ]),
                as_wanted("i:1", 2),
                json!({"a": "b"}),
                vec![],
            ),
        ] {
            assert_eq!(changes(&wanted, &live(managed, spec, labels)), expected, "{case}");
        }
    }
}
