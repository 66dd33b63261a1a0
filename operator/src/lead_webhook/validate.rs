//! Dereferenced -> a plan, or everything that is wrong. Pure: it reads nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt as _;
use leadgate_crds::addresses::local_urls;
use leadgate_crds::lead_webhook::Durability;
use leadgate_crds::{CrmSink, LeadWebhook, SecretReference};
use serde::Serialize;

use super::dereference::Dereferenced;
use super::endpoints::{self, Endpoint};
use super::waiting;
use crate::kinds::Kind;
use crate::names;
use crate::reasons::Reason;
use crate::rules::Rules;
use crate::secrets;
use crate::validation::{ErrorScope, ValidationError};
use crate::workloads::RedisState;

/// The names of the presets that receivers know.
pub const PRESETS: &[&str] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// A ConfigMap holds at most 1 MiB; some of it is not ours.
pub const LARGEST_CONFIGURATION: usize = 1_000_000;

/// An owner of shared objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub name: String,
    pub uid: String,
}

/// The managed Redis, for all webhooks of the namespace that use it.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisPlan {
    /// `appendfsync`: `Always` if any of the webhooks wants it.
    pub durability: Durability,
    /// The memory: the largest that any of them wants.
    pub memory: String,
    /// The volume's size: the largest that any of them wants, or what the volume has.
    pub size: String,
    /// The volume's storage class, decided when it was made.
    pub storage_class: Option<String>,
    /// The webhooks.
    pub owners: Vec<Owner>,
}

/// What to build; nothing in it can be wrong.
#[derive(Clone, Debug)]
pub struct Plan {
    pub webhook: Arc<LeadWebhook>,
    /// The sinks that it names, and those for which its leads still wait.
    pub sinks: Vec<Arc<CrmSink>>,
    /// Secret -> the keys that are mounted.
    pub files: BTreeMap<String, BTreeSet<String>>,
    /// The managed Redis; absent: the webhook has one of its own.
    pub redis: Option<RedisPlan>,
    /// Whether receivers refuse new leads because the webhook is being deleted.
    pub draining: bool,
    /// The annotations of its Ingress that may be copied.
    pub annotations: BTreeMap<String, String>,
    /// What a person should know although nothing is wrong.
    pub notes: Vec<ValidationError>,
}

/// Looks at everything, so that a person sees all mistakes at once.
pub fn validate(
    webhook: &Arc<LeadWebhook>,
    facts: &Dereferenced,
    rules: &Rules,
) -> Result<Plan, Vec<ValidationError>> {
    let mut mistakes = Vec::new();
    mistakes.extend(preset(webhook));
    mistakes.extend(endpoints::errors(webhook, rules));
    mistakes.extend(clash(webhook, &facts.neighbours));
    mistakes.extend(client_ca(webhook));
    mistakes.extend(local_addresses(&webhook.spec));
    if webhook.spec.receiver.gateway.is_some() && !facts.gateway_api {
        mistakes.push(ValidationError {
            about: ErrorScope::References,
            reason: Reason::GatewayApiMissing,
            message: format!(
                "spec.receiver.gateway: this cluster has no {}s; install the Gateway API (gateway.networking.k8s.io/v1), \
                 or use spec.receiver.ingress",
                Kind::HttpRoute.name()
            ),
        });
    }
    let mut sinks = Vec::new();
    let mut wanted = secrets::of_webhook(&webhook.spec);
    for (n, route) in webhook.spec.sinks.iter().enumerate() {
        match facts.sinks.get(&route.name).cloned().flatten() {
            Some(sink) => {
                wanted.extend(secrets::of_sink(&sink.spec).into_iter().map(|reference| SecretReference {
                    field: format!("CrmSink {}: {}", route.name, reference.field),
                    ..reference
                }));
                sinks.push(sink);
            }
            None => mistakes.push(ValidationError {
                about: ErrorScope::References,
                reason: Reason::SinkMissing,
                message: format!(
                    "spec.sinks[{n}].name: there is no CrmSink {} in namespace {}; create it, or remove it from \
                     spec.sinks",
                    route.name,
                    webhook.namespace().unwrap_or_default()
                ),
            }),
        }
    }
    let beside = secrets::infrastructure_secrets(&webhook.spec);
    let namespace = webhook.namespace().unwrap_or_default();
    mistakes.extend(secrets::rules::mistakes(
        &namespace,
        wanted.iter().chain(&beside),
        &facts.secrets,
        rules.secret_label,
    ));
    let size: usize = super::build::manifests(webhook, &sinks, false)
        .values()
        .map(String::len)
        .sum();
    if size > LARGEST_CONFIGURATION {
        mistakes.push(ValidationError {
            about: ErrorScope::Spec,
            reason: Reason::ConfigurationTooLarge,
            message: format!(
                "spec: with its CrmSinks it has {size} bytes as YAML, a ConfigMap holds {LARGEST_CONFIGURATION}; \
                 shorten spec.payload.schema or the sinks' expressions"
            ),
        });
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for reference in wanted {
        files.entry(reference.name).or_default().insert(reference.key);
    }
    let (annotations, mut notes) = endpoints::annotations(webhook, rules);
    for (name, leads) in &facts.waiting {
        match still_delivered(name, facts, &namespace, rules) {
            Ok((sink, references)) => {
                sinks.push(sink);
                for reference in references {
                    files.entry(reference.name).or_default().insert(reference.key);
                }
            }
            Err(why) => notes.push(waiting::without_sink(name, *leads, &why)),
        }
    }
    notes.extend(secrets::rules::notes(
        secrets::proofs(&webhook.spec).iter(),
        &facts.secrets,
    ));
    Ok(Plan {
        webhook: Arc::clone(webhook),
        sinks,
        files,
        redis: webhook
            .spec
            .queue
            .is_managed()
            .then(|| redis(&facts.redis_users, facts.redis.as_ref())),
        draining: webhook.metadata.deletion_timestamp.is_some(),
        annotations,
        notes,
    })
}

/// A sink that the webhook no longer names, with the Secrets that it needs; or why nothing can be delivered to it. That is
/// no mistake of the webhook's: its other leads must go on.
fn still_delivered(
    name: &str,
    facts: &Dereferenced,
    namespace: &str,
    rules: &Rules,
) -> Result<(Arc<CrmSink>, Vec<SecretReference>), String> {
    let sink = facts
        .sinks
        .get(name)
        .cloned()
        .flatten()
        .ok_or("it does not exist")?;
    let references = secrets::of_sink(&sink.spec);
    let wrong = secrets::rules::mistakes(namespace, references.iter(), &facts.secrets, rules.secret_label);
    match wrong.into_iter().next() {
        Some(mistake) => Err(mistake.message),
        None => Ok((sink, references)),
    }
}

fn preset(webhook: &LeadWebhook) -> Option<ValidationError> {
    let source = &webhook.spec.source;
    (!PRESETS.contains(&source.as_str())).then(|| ValidationError {
        about: ErrorScope::Spec,
        reason: Reason::PresetUnknown,
        message: format!(
            "spec.source: no preset is named `{source}`; known presets: {}",
            PRESETS.join(", ")
        ),
    })
}

/// A URL whose host is the pod itself, its neighbours in the pod, or the cloud's metadata server.
pub fn local_addresses(spec: &impl Serialize) -> impl Iterator<Item = ValidationError> {
    // What came from the API server can be written again.
    let spec = serde_json::to_value(spec).unwrap_or_default();
    local_urls(&spec).into_iter().map(|field| ValidationError {
        about: ErrorScope::Spec,
        reason: Reason::LocalAddress,
        message: format!(
            "{field}: the host is local to the receiver's pod or node; use the address of the CRM"
        ),
    })
}

/// A client certificate that nobody looks at: receivers would refuse every request.
fn client_ca(webhook: &LeadWebhook) -> Option<ValidationError> {
    let certificate = webhook.spec.auth.client_certificate.as_ref()?;
    let tls = webhook.spec.receiver.tls.as_ref();
    let is_checked =
        certificate.forwarded.is_some() || tls.is_some_and(|tls| tls.client_ca_secret_ref.is_some());
    (!is_checked).then(|| ValidationError {
        about: ErrorScope::Spec,
        reason: Reason::ClientCaMissing,
        message:
            "spec.auth.clientCertificate: no component verifies client certificates; where the receivers terminate TLS, name the \
             authority's certificates in spec.receiver.tls.clientCaSecretRef; where an edge does, set \
             spec.auth.clientCertificate.forwarded"
                .to_owned(),
    })
}

/// Two webhooks that one edge would have to tell apart by path: the older one keeps it.
fn clash(webhook: &LeadWebhook, neighbours: &[Endpoint]) -> Option<ValidationError> {
    let ours = endpoints::site(webhook);
    let first = neighbours
        .iter()
        .find(|other| other.is_older_than(&ours) && other.clashes_with(&ours))?;
    Some(ValidationError {
        about: ErrorScope::Spec,
        reason: Reason::PathTaken,
        message: format!(
            "spec.path: {} is already used by LeadWebhook {}/{}; use a unique path for each webhook",
            ours.path, first.namespace, first.name
        ),
    })
}

/// One Redis for all its users. What a StatefulSet cannot change is kept as it was made.
pub fn redis(users: &[Arc<LeadWebhook>], live: Option<&RedisState>) -> RedisPlan {
    let mut users: Vec<&Arc<LeadWebhook>> = users.iter().collect();
    users.sort_by_key(|user| user.name_any());
    let always = users
        .iter()
        .any(|user| user.spec.queue.durability == Durability::Always);
    let largest = users
        .iter()
        .map(|user| &user.spec.queue.storage)
        .max_by(|a, b| bytes(&a.size.0).total_cmp(&bytes(&b.size.0)));
    let memory = users
        .iter()
        .map(|user| &user.spec.queue.memory)
        .max_by(|a, b| bytes(&a.0).total_cmp(&bytes(&b.0)))
        .map_or_else(
            || leadgate_crds::lead_webhook::Queue::default().memory.0,
            |memory| memory.0.clone(),
        );
    let wanted_size = largest.map_or_else(|| "1Gi".to_owned(), |storage| storage.size.0.clone());
    let wanted_class = users
        .iter()
        .find_map(|user| user.spec.queue.storage.storage_class_name.clone());
    let kept = live.and_then(|live| Some((live.size.clone()?.0, live.storage_class.clone())));
    let (size, storage_class) = kept.unwrap_or((wanted_size, wanted_class));
    RedisPlan {
        durability: if always || users.is_empty() {
            Durability::Always
        } else {
            Durability::EverySecond
        },
        memory,
        size,
        storage_class,
        owners: users
            .iter()
            .map(|user| Owner {
                name: user.name_any(),
                uid: user.uid().unwrap_or_default(),
            })
            .collect(),
    }
}

/// `1Gi` -> bytes, to compare sizes. What is not understood is small.
pub fn bytes(quantity: &str) -> f64 {
    let digits = quantity
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(digits);
    let factor = match unit {
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "m" => 1e-3,
        _ => 1.0,
    };
    number.parse::<f64>().unwrap_or_default() * factor
}

/// What a person should know although nothing is wrong: the volume is smaller than wanted.
pub fn storage_note(webhook: &LeadWebhook, redis: Option<&RedisState>) -> Option<String> {
    let has = redis?.size.as_ref()?;
    let wants = &webhook.spec.queue.storage.size;
    (bytes(&has.0) < bytes(&wants.0)).then(|| {
        format!(
            "its volume was made with {}, not {}: enlarge the PersistentVolumeClaim data-{}-0 by hand",
            has.0,
            wants.0,
            names::REDIS
        )
    })
}
