//! Dereferenced -> a plan, or everything that is wrong with a receiver. Pure: it reads nothing.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::ResourceExt as _;
use leadgate_crds::LeadReceiver;
use leadgate_crds::common::{Duration, SecretKeyRef};
use leadgate_crds::lead_receiver::{Durability, OwnDurability, PodTemplate};
use leadgate_crds::quantity;

use super::dereference::Dereferenced;
use super::encryption;
use super::queue_url::{self, digest};
use super::resize;
use crate::named;
use crate::names::{self, ALLOW_LOSS};
use crate::reasons::Reason;
use crate::rules::Rules;
use crate::secrets;
use crate::stores::StoreKey;
use crate::validation::{ErrorScope, ValidationError, unread};
use crate::workloads::RedisState;

/// The managed Redis of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisPlan {
    /// How many servers there are to be now.
    pub replicas: i32,
    /// What a person should know while it is not yet the number that they wrote.
    pub resizes: Option<String>,
    /// `appendfsync`.
    pub durability: Durability,
    /// The memory.
    pub memory: String,
    /// The volume's size as it was made, which stands in the StatefulSet for good.
    pub size: String,
    /// The size that is wanted now.
    pub wanted_size: String,
    /// The volume's storage class, decided when it was made.
    pub storage_class: Option<String>,
    /// Other resources than memory.
    pub resources: Option<ResourceRequirements>,
    /// Settings of the pods.
    pub template: PodTemplate,
}

/// What to build; nothing in it can be wrong.
#[derive(Clone, Debug)]
pub struct Plan {
    pub receiver: Arc<LeadReceiver>,
    /// The queue that its pods use.
    pub store: StoreKey,
    /// Changes with the URL of the proxy, if a Secret holds it.
    pub proxy: Option<String>,
    /// Changes with the server of a Redis of the user's own.
    pub server: Option<String>,
    /// The managed Redis, if the pods use it.
    pub redis: Option<RedisPlan>,
    /// How many replicas must have a lead before it is acknowledged; `None`: the URL decides.
    pub acknowledge: Option<i32>,
    /// Over how many shards leads are spread, if it is not one.
    pub shards: Option<i32>,
    /// How long a lead may take to be stored; `None`: as long as receivers think fit.
    pub accept_timeout: Option<Duration>,
    /// How it is known that a Redis of the user's own keeps leads.
    pub own_durability: OwnDurability,
    /// Where the keys are that seal leads in the queue; `None`: they are not sealed.
    pub encryption: Option<SecretKeyRef>,
}

/// A plan, and what a person has to change. What is wrong with the queue does not keep the pods from running with the
/// queue that they have, so there may be both.
#[derive(Clone, Debug, Default)]
pub struct Validated {
    pub plan: Option<Plan>,
    pub errors: Vec<ValidationError>,
    /// What a person should know although nothing waits for it.
    pub hints: Vec<ValidationError>,
}

/// Looks at everything, so that a person sees all mistakes at once.
pub fn validate(receiver: &Arc<LeadReceiver>, facts: &Dereferenced, rules: &Rules) -> Validated {
    let namespace = receiver.namespace().unwrap_or_default();
    let name = receiver.name_any();
    let references = receiver.spec.secret_refs();
    let mut fatal: Vec<_> = unread(receiver.as_ref()).collect();
    fatal.extend(secrets::rules::mistakes(
        &namespace,
        references.iter(),
        &facts.secrets,
        rules.secret_label,
    ));
    if !fatal.is_empty() {
        return Validated {
            plan: None,
            errors: fatal,
            hints: Vec::new(),
        };
    }
    let mut errors = Vec::new();
    errors.extend(shadowed(&name, facts));
    errors.extend(conflicts(&name, facts));
    let wanted = facts.stores.key(&name);
    let store = match in_use(receiver, &wanted, facts) {
        Some((current, error)) => {
            errors.push(error);
            current
        }
        None => wanted,
    };
    if queue_url::is_mistaken(&store, &facts.secrets) {
        errors.push(no_url(&store));
    } else if queue_url::moved(&store, &facts.secrets, facts.projected.as_deref())
        && !names::loss_allowed(receiver.as_ref())
    {
        errors.push(another_server(&store));
    }
    let redis = (store == StoreKey::Managed).then(|| {
        let (plan, problems) = redis(facts);
        // Whoever configures the queue is told; the others only use it.
        if receiver.spec.queue.is_some() && !facts.stores.shadowed.contains_key(&name) {
            errors.extend(problems);
        }
        plan
    });
    let hints = missing(receiver, facts, &mut errors);
    let settings = facts.stores.settings(&store);
    let redis_settings = settings.redis.as_ref();
    Validated {
        plan: Some(Plan {
            receiver: Arc::clone(receiver),
            proxy: proxy(receiver, facts),
            server: queue_url::server_digest(&store, &facts.secrets),
            acknowledge: resize::acknowledge(settings.acknowledge(), &store, facts),
            shards: redis_settings
                .and_then(|redis| redis.shards)
                .filter(|shards| *shards != 1),
            accept_timeout: redis_settings.and_then(|redis| redis.accept_timeout.clone()),
            own_durability: redis_settings
                .and_then(|redis| redis.durability)
                .unwrap_or_default(),
            encryption: encryption::source(&settings, store == StoreKey::Managed),
            store,
            redis,
        }),
        errors,
        hints,
    }
}

/// What it names and does not exist. As long as pods have to be made with it, it is a mistake; those that run need it no more.
fn missing(
    receiver: &LeadReceiver,
    facts: &Dereferenced,
    errors: &mut Vec<ValidationError>,
) -> Vec<ValidationError> {
    let runs = facts.rollout.as_ref().is_some_and(|rollout| rollout.complete);
    let redis_runs = facts
        .redis
        .as_ref()
        .is_some_and(|redis| redis.complete && redis.ready > 0 && redis.is_in_step());
    let mut hints = Vec::new();
    for reference in named::of_receiver(receiver) {
        let is_of_queue = reference.field.starts_with("spec.queue.");
        let found = named::mistakes(&[reference], &facts.named, ErrorScope::Spec);
        if if is_of_queue { redis_runs } else { runs } {
            hints.extend(found);
        } else {
            errors.extend(found);
        }
    }
    // A registry may give the image without it.
    hints.extend(facts.no_pull_secrets.iter().map(|(field, name)| {
        let message = format!(
            "{field}: there is no Secret {name}, so images are pulled without it; create it (kubectl create secret docker-registry \
             {name}), or remove it"
        );
        ValidationError::of_spec(Reason::ReferenceMissing, message)
    }));
    hints
}

/// Leads stay where they are.
fn no_url(store: &StoreKey) -> ValidationError {
    let message = format!(
        "spec.queue.redis.urlSecretRef: {} holds no URL of a Redis; write it as redis://:PASSWORD@HOST:6379/0 (rediss:// for TLS, \
         redis+sentinel:// for Sentinel, redis+cluster:// for Redis Cluster)",
        store.shown()
    );
    ValidationError::of_spec(Reason::QueueUrlInvalid, message)
}

fn another_server(store: &StoreKey) -> ValidationError {
    let message = format!(
        "spec.queue.redis.urlSecretRef: {} names another server or database than the pods use, which keep theirs: leads in it would \
         be left behind. To change the server, write its URL into another Secret and name that one here; to give up the leads, \
         set the annotation {ALLOW_LOSS}: \"true\"",
        store.shown()
    );
    ValidationError::of_spec(Reason::StoreInUse, message)
}

/// A digest of the proxy's URL: a process reads it once.
fn proxy(receiver: &LeadReceiver, facts: &Dereferenced) -> Option<String> {
    let reference = receiver.spec.outbound.proxy.as_ref()?.url_secret_ref.as_ref()?;
    let secret = facts.secrets.get(&reference.name)?.as_ref()?;
    Some(digest(secret.keys.get(&reference.key)?.bytes()))
}

/// Two receivers would configure one queue: the older one does.
fn shadowed(name: &str, facts: &Dereferenced) -> Option<ValidationError> {
    let older = facts.stores.shadowed.get(name)?;
    Some(ValidationError::of_spec(
        Reason::StoreConflict,
        format!(
            "spec.queue: LeadReceiver {older} already configures this queue, so this field has no effect; remove it to use \
             that queue, or name a Redis of your own in spec.queue.redis"
        ),
    ))
}

/// Sinks that this receiver's queue and an older one feed.
fn conflicts(name: &str, facts: &Dereferenced) -> Option<ValidationError> {
    let store = facts.stores.key(name);
    let mut all = Vec::new();
    for (sink, (active, feeds)) in &facts.contested {
        let Some(ours) = feeds.get(&store).filter(|_| *active != store) else {
            continue;
        };
        let theirs = feeds.get(active).cloned().unwrap_or_default();
        let list = |names: &std::collections::BTreeSet<String>| {
            names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        };
        all.push(if theirs.webhooks.is_empty() {
            format!(
                "CrmSink {sink} first gets the {} deliveries that are pending in the other queue ({})",
                theirs.pending,
                active.shown()
            )
        } else {
            format!(
                "CrmSink {sink} is fed from this queue (LeadWebhook {}) and from another one ({}; LeadWebhook {})",
                list(&ours.webhooks),
                active.shown(),
                list(&theirs.webhooks)
            )
        });
    }
    (!all.is_empty()).then(|| {
        ValidationError::of_spec(
            Reason::StoreConflict,
            format!(
                "spec.queue: {}; order and rate limits hold within one queue only, so leads for it are kept in this queue \
                 until the other one no longer feeds it: give the webhooks the same receiverRef, create a CrmSink for each \
                 queue, or remove spec.queue",
                all.join("; ")
            ),
        )
    })
}

/// Leads stay where they are: a queue that holds some is not left behind.
fn in_use(
    receiver: &LeadReceiver,
    wanted: &StoreKey,
    facts: &Dereferenced,
) -> Option<(StoreKey, ValidationError)> {
    let current = facts.rollout.as_ref()?.store.clone()?;
    if current == *wanted || names::loss_allowed(receiver) {
        return None;
    }
    let name = receiver.name_any();
    let running = facts.rollout.as_ref().is_some_and(|rollout| rollout.wanted > 0);
    let kept = facts.figures.as_ref().map(crate::stats::ReceiverStats::kept);
    if facts.others_use(&current, &name) || kept == Some(0) && (facts.refuses || !running) {
        return None;
    }
    let what = match kept {
        Some(0) => {
            let message = "spec.queue: the webhooks answer 503 for a moment, until no pod uses the current queue any more";
            return Some((
                current,
                ValidationError::of_spec(Reason::StoreInUse, message.to_owned()),
            ));
        }
        Some(leads) => format!("holds {leads} deliveries (pending, held or dead)"),
        None => "may hold leads: the receivers have not reported yet".to_owned(),
    };
    let message = format!(
        "spec.queue: the current queue ({}) {what}, so the pods stay with it; wait until its leads are delivered, decide about or \
         discard the others, or give them up with the annotation {ALLOW_LOSS}: \"true\"",
        current.shown()
    );
    Some((current, ValidationError::of_spec(Reason::StoreInUse, message)))
}

/// One Redis for all. What a volume cannot do, and what would make Redis refuse leads, is not done.
fn redis(facts: &Dereferenced) -> (RedisPlan, Vec<ValidationError>) {
    let queue = facts.stores.settings(&StoreKey::Managed);
    let live = facts.redis.as_ref();
    let mut problems = Vec::new();
    problems.extend(live.and_then(|live| storage(queue.storage.size.0.as_str(), live)));
    problems.extend(live.and_then(|live| class(queue.storage.storage_class_name.as_deref(), live)));
    let memory = match live.and_then(|live| memory(queue.memory.0.as_str(), live, facts)) {
        Some((kept, problem)) => {
            problems.push(problem);
            kept
        }
        None => queue.memory.0.clone(),
    };
    let kept = live.and_then(|live| Some((live.size.clone()?.0, live.storage_class.clone())));
    let (size, storage_class) = kept.unwrap_or_else(|| {
        (
            queue.storage.size.0.clone(),
            queue.storage.storage_class_name.clone(),
        )
    });
    let (replicas, resizes) = resize::servers(queue.replicas(), facts);
    let plan = RedisPlan {
        replicas,
        resizes,
        durability: queue.durability,
        memory,
        wanted_size: queue.storage.size.0.clone(),
        size,
        storage_class,
        resources: queue.resources.clone(),
        template: queue.pod_template.clone().unwrap_or_default(),
    };
    (plan, problems)
}

fn storage(wanted: &str, live: &RedisState) -> Option<ValidationError> {
    let has = &live.size.as_ref()?.0;
    (bytes(wanted) < bytes(has)).then(|| {
        let message = format!(
            "spec.queue.storage.size: the volume has {has} and cannot shrink to {wanted}; write {has}"
        );
        ValidationError::of_spec(Reason::StorageFixed, message)
    })
}

fn class(wanted: Option<&str>, live: &RedisState) -> Option<ValidationError> {
    let wanted = wanted.filter(|wanted| live.storage_class.as_deref() != Some(*wanted))?;
    let has = match &live.storage_class {
        Some(class) => format!("write {class}"),
        None => "remove the field".to_owned(),
    };
    let message = format!(
        "spec.queue.storage.storageClassName: the volume exists and cannot change its class to {wanted}; {has}, or move the queue to a \
         Redis of your own (spec.queue.redis)"
    );
    Some(ValidationError::of_spec(Reason::StorageFixed, message))
}

/// A memory that the leads in the queue would not fit into.
fn memory(wanted: &str, live: &RedisState, facts: &Dereferenced) -> Option<(String, ValidationError)> {
    let has = &live.memory.as_ref()?.0;
    let used = facts.figures.as_ref()?.queue_bytes?;
    if bytes(wanted) >= bytes(has) || max_memory(wanted) > used {
        return None;
    }
    let message = format!(
        "spec.queue.memory: the leads in the queue use {used} bytes, and with {wanted} they may use {}, so the queue keeps {has}; wait \
         until leads are delivered, or write more",
        max_memory(wanted)
    );
    Some((
        has.clone(),
        ValidationError::of_spec(Reason::QueueTooSmall, message),
    ))
}

/// What leads may fill, in bytes. The rest is for what delivery writes while the store is full, for buffers, and for pages
/// that change while a child process rewrites the append-only file: Redis refuses a lead rather than being killed.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a quantity of memory is positive and far below 2^53"
)]
pub fn max_memory(limit: &str) -> u64 {
    (bytes(limit) * 0.6) as u64
}

/// `1Gi` -> bytes, to compare sizes. What is not understood is small.
pub(super) fn bytes(text: &str) -> f64 {
    quantity::parse(text).unwrap_or_default()
}
