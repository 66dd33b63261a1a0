//! The objects of a receiver -> the cluster.

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use leadgate_crds::{GROUP, LeadReceiver, VERSION};
use rustls::pki_types::UnixTime;
use serde_json::json;

use super::build::{self, Built};
use super::certificates;
use super::dereference::{Dereferenced, NO_KEYS};
use super::projection::{Earlier, Forms, Projected, SHARDS, project};
use super::queue_url::{self, Password};
use super::replicas::{hand_over, scale};
use super::upgrade::Waits;
use super::validate::{Plan, RedisPlan};
use super::{encryption, ledger_key};
use crate::api_error::{ApplyError, failed, words};
use crate::apply::{create_secret, ensure, fill_secret, random_key, remove, secret};
use crate::context::{Context, name_of};
use crate::events;
use crate::kinds::Kind;
use crate::names::{self, CONFIG};
use crate::ownership::Ownership;
use crate::reasons::Reason;
use crate::stores::{StoreKey, Stores};
use crate::workloads::Name;

/// How often pods are told to look at one configuration. Afterwards they find it by themselves, within a minute or two.
const MAX_TOLD: u32 = 8;

fn ownership<'a>(receiver: &'a LeadReceiver, name: &'a str) -> Ownership<'a> {
    Ownership::To {
        kind: "LeadReceiver",
        name,
        uid: receiver.metadata.uid.as_deref(),
    }
}

/// Makes everything that the plan asks for, and removes what it no longer asks for.
///
/// While an upgrade `waits`, what has the old image stays as it is.
///
/// What the API server refuses, or belongs to somebody else, keeps nothing else from being made; it is told in the end.
pub async fn apply(
    plan: &Plan,
    facts: &Dereferenced,
    waits: Option<&Waits>,
    context: &Context,
) -> Result<(), Vec<ApplyError>> {
    let mut errors = Vec::new();
    match apply_all(plan, facts, waits, &mut errors, context).await {
        Err(error) => Err(vec![error]),
        Ok(()) if errors.is_empty() => Ok(()),
        Ok(()) => Err(errors),
    }
}

async fn apply_all(
    plan: &Plan,
    facts: &Dereferenced,
    waits: Option<&Waits>,
    errors: &mut Vec<ApplyError>,
    context: &Context,
) -> Result<(), ApplyError> {
    let receiver = plan.receiver.as_ref();
    let (namespace, name) = name_of(receiver);
    let belongs = ownership(receiver, &name);
    // Before the queue: without one, there is no lead that other keys would have sealed.
    go_on(encryption::keep(plan, facts, context).await, errors)?;
    if let Some(redis) = &plan.redis {
        let stays = waits.is_some_and(|waits| *waits != Waits::Redis);
        apply_redis(&namespace, redis, stays, errors, context).await?;
    }
    go_on(admin_token(receiver, context, belongs).await, errors)?;
    go_on(ledger_key::keep(receiver, facts, context).await, errors)?;
    let Built { objects, absent } = build::build(plan, &context.settings);
    for object in &objects {
        if object.kind == Kind::Deployment && waits.is_some() {
            let wanted = facts.rollout.as_ref().map(|rollout| rollout.wanted);
            go_on(scale(context, &namespace, object, wanted).await, errors)?;
            continue;
        }
        if object.kind == Kind::Deployment {
            hand_over(context, &namespace, object).await?;
        }
        go_on(
            ensure(context, &namespace, object, belongs).await.map(|_| ()),
            errors,
        )?;
    }
    for (kind, name) in &absent {
        remove(context, &namespace, *kind, name, belongs).await?;
    }
    Ok(())
}

/// Notes what waits for a person; only what passes by itself ends the round.
fn go_on(done: Result<(), ApplyError>, errors: &mut Vec<ApplyError>) -> Result<(), ApplyError> {
    match done {
        Err(error) if error.is_terminal() => {
            errors.push(error);
            Ok(())
        }
        done => done,
    }
}

/// Writes what the pods are to run. Says whether anything has changed.
pub async fn configure(
    receiver: &LeadReceiver,
    forms: &Forms,
    context: &Context,
) -> Result<bool, ApplyError> {
    let (namespace, name) = name_of(receiver);
    let projection = project(forms);
    let projected = Projected {
        digest: projection.digest(),
        too_large: projection.too_large.clone(),
        told: 0,
    };
    let belongs = ownership(receiver, &name);
    let mut changed = false;
    // One at a time: each is up to a megabyte.
    for (object, holds_something) in build::config::config(receiver, projection) {
        let key = (object.kind, namespace.clone(), object.name.clone());
        if holds_something || context.index.get(&key).is_some() {
            changed |= ensure(context, &namespace, &object, belongs).await?;
        }
    }
    let key = (namespace.clone(), name);
    let told_of = context.of_receivers.with(&key, |state| {
        let before = state.projected.replace(projected.clone());
        if changed {
            // They are asked soon whether they run it; at once it would be too early.
            state.failed_polls = 1;
            if let Some((at, _)) = &mut state.asked {
                *at = Instant::now();
            }
        } else if let (Some(before), Some(now)) = (&before, &mut state.projected) {
            now.told = before.told;
        }
        let all = before.map(|before| before.too_large).unwrap_or_default();
        all.into_iter()
            .chain(projected.too_large.iter().cloned())
            .collect::<Vec<_>>()
    });
    for webhook in told_of
        .iter()
        .filter_map(|what| what.strip_prefix("LeadWebhook "))
    {
        context.wake_webhook(&namespace, webhook);
    }
    Ok(changed)
}

/// Makes the kubelets refresh the volumes of the pods at once: a changed annotation of a pod does. Without it they look about
/// once a minute.
pub async fn tell_pods(receiver: &LeadReceiver, context: &Context) {
    let (namespace, name) = name_of(receiver);
    let key = (namespace.clone(), name.clone());
    let value = context.of_receivers.with(&key, |state| {
        let projected = state.projected.as_mut()?;
        if projected.told >= MAX_TOLD {
            return None;
        }
        projected.told += 1;
        Some(format!("{}.{}", projected.digest, projected.told))
    });
    let Some(value) = value else { return };
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &namespace);
    let patch = json!({"metadata": {"annotations": {CONFIG: value}}});
    for pod in context.workloads.pods(&namespace, &name) {
        match api
            .patch_metadata(&pod.name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
        {
            Ok(_) => context.metrics.wrote("Pod", "patch"),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => {
                tracing::warn!(
                    namespace,
                    pod = pod.name,
                    error = words(&error),
                    "failed to annotate a pod; it finds its configuration later"
                );
            }
        }
    }
}

/// The last valid form of what is invalid now, as an earlier operator wrote it.
pub async fn recover(receiver: &LeadReceiver, context: &Context) -> Result<(), ApplyError> {
    let (namespace, name) = name_of(receiver);
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
    let mut earlier = Earlier::default();
    for n in 0..SHARDS {
        let map = names::config(&name, n);
        if context
            .index
            .get(&(Kind::ConfigMap, namespace.clone(), map.clone()))
            .is_none()
        {
            continue;
        }
        let found = api
            .get_opt(&map)
            .await
            .map_err(|error| crate::api_error::failed(Kind::ConfigMap, &map, error))?;
        earlier.read(
            found
                .iter()
                .flat_map(|map| map.data.iter().flatten().map(|(_, text)| text)),
        );
    }
    for webhook in context.webhooks_of(&namespace, |_| true) {
        let name = webhook.name_any();
        context
            .of_webhooks
            .with(&(namespace.clone(), name.clone()), |state| {
                let invalid = state.validated.as_ref().is_some_and(|(_, valid)| !valid);
                if invalid && state.earlier.as_ref().is_none_or(Option::is_none) {
                    let found = earlier.webhooks.iter().find(|earlier| earlier.name_any() == name);
                    state.earlier = Some(found.cloned().map(Arc::new));
                }
            });
    }
    for sink in earlier.sinks {
        context
            .of_sinks
            .with(&(namespace.clone(), sink.name_any()), |state| {
                state.accepted.get_or_insert_with(|| sink.into());
            });
    }
    Ok(())
}

/// One receiver at a time: all of a namespace want the same objects.
async fn apply_redis(
    namespace: &str,
    plan: &RedisPlan,
    stays: bool,
    errors: &mut Vec<ApplyError>,
    context: &Context,
) -> Result<(), ApplyError> {
    let lock = context.redis_lock(namespace);
    let _held = lock.lock().await;
    for object in build::redis::redis(namespace, plan, &context.settings) {
        if stays && object.kind == Kind::StatefulSet {
            continue;
        }
        go_on(
            ensure(context, namespace, &object, Ownership::Shared)
                .await
                .map(|_| ()),
            errors,
        )?;
    }
    Ok(())
}

/// Keeps the Secret of the managed Redis, if the pods use it, whatever becomes of it: its password, and its certificates. Says
/// whether it was written.
pub async fn keep_redis_secret(
    receiver: &Arc<LeadReceiver>,
    facts: &Dereferenced,
    context: &Context,
) -> Result<bool, ApplyError> {
    if receiver.metadata.deletion_timestamp.is_some() || !facts.used.contains(&StoreKey::Managed) {
        return Ok(false);
    }
    let (namespace, _) = name_of(receiver.as_ref());
    let due = facts.certificates_due;
    let (password, remade) = match &facts.password_of_redis {
        Password::Kept(_) if !due.any() => return Ok(false),
        Password::Kept(password) | Password::Follow(password) => (password.clone(), None),
        Password::Restore(password) => (
            password.clone(),
            Some("was deleted or emptied and is restored with the same password"),
        ),
        // A Redis that runs has a password that nobody else knows any more.
        Password::New => (
            random_key(),
            facts.redis.as_ref().map(|_| {
                "was lost and is made again with another password; the managed Redis takes it within two minutes, and senders \
                 may get 503 until then"
            }),
        ),
    };
    let lock = context.redis_lock(&namespace);
    let _held = lock.lock().await;
    let keys = facts.secret_of_redis.as_ref().map_or(&NO_KEYS, |seen| &seen.keys);
    let projected = facts.projected.as_ref().map_or(&NO_KEYS, |seen| &seen.keys);
    let trusted = projected.get(&StoreKey::Managed.authorities_file());
    let mut values =
        certificates::made(due, keys, trusted, &namespace, UnixTime::now()).map_err(|error| {
            ApplyError::Certificate {
                name: names::REDIS.to_owned(),
                error,
            }
        })?;
    values.insert(queue_url::CONFIG.to_owned(), queue_url::configuration(&password));
    values.insert(queue_url::PASSWORD.to_owned(), password);
    let metadata = ObjectMeta {
        name: Some(names::REDIS.to_owned()),
        namespace: Some(namespace.clone()),
        labels: Some(names::redis_labels()),
        ..ObjectMeta::default()
    };
    let made = secret(metadata, values);
    if !create_secret(context, &namespace, made.clone(), Some(Ownership::Shared)).await? {
        fill_secret(context, &namespace, &made).await?;
    }
    if due.any() {
        tracing::info!(
            namespace,
            authority = due.authority,
            certificate = due.certificate,
            "the managed Redis has another certificate or authority"
        );
    }
    if let Some(what) = remade {
        let note = format!("Secret {} {what}", names::REDIS);
        events::tell(context, receiver.as_ref(), Reason::SecretRemade, note).await;
    }
    Ok(true)
}

/// Removes the managed Redis of a namespace in which no receiver but perhaps `leaving` uses it any more. Its volume stays.
pub async fn release_redis(
    facts: &Dereferenced,
    context: &Context,
    (namespace, leaving): &Name,
) -> Result<(), ApplyError> {
    let others = facts
        .receivers
        .iter()
        .filter(|other| other.name_any() != *leaving);
    let others: Vec<_> = others.cloned().collect();
    let has_pods_there = |receiver: &LeadReceiver| {
        let name = receiver.name_any();
        let rollout = context.workloads.rollout(namespace, &names::receiver(&name));
        let pods = context.workloads.pods(namespace, &name);
        let mut used = rollout.iter().map(|rollout| rollout.store.as_ref());
        used.any(|store| store == Some(&StoreKey::Managed))
            || pods.iter().any(|pod| pod.store == Some(StoreKey::Managed))
    };
    let stays = facts
        .receivers
        .iter()
        .any(|receiver| receiver.metadata.deletion_timestamp.is_none() && has_pods_there(receiver));
    if stays || !others.is_empty() && Stores::of(&others).uses_managed() {
        return Ok(());
    }
    let lock = context.redis_lock(namespace);
    let _held = lock.lock().await;
    for (kind, name) in build::redis::OBJECTS.into_iter().rev() {
        remove(context, namespace, kind, name, Ownership::Shared).await?;
    }
    Ok(())
}

/// Removes everything that a receiver consists of. Of one that exists, the garbage collector would remove most of it.
pub async fn release(receiver: &LeadReceiver, context: &Context) -> Result<(), ApplyError> {
    let (namespace, name) = name_of(receiver);
    for (kind, object) in build::all(&name) {
        remove(context, &namespace, kind, &object, ownership(receiver, &name)).await?;
    }
    Ok(())
}

/// The token with which the operator asks the pods. It goes with the receiver.
async fn admin_token(
    receiver: &LeadReceiver,
    context: &Context,
    belongs: Ownership<'_>,
) -> Result<(), ApplyError> {
    let (namespace, name) = name_of(receiver);
    let owner = receiver.metadata.uid.clone().map(|uid| OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "LeadReceiver".to_owned(),
        name: name.clone(),
        uid,
        controller: Some(true),
        block_owner_deletion: None,
    });
    let metadata = ObjectMeta {
        name: Some(names::admin(&name)),
        namespace: Some(namespace.clone()),
        labels: Some(names::labels(&name)),
        owner_references: owner.map(|owner| vec![owner]),
        ..ObjectMeta::default()
    };
    let made = secret(metadata, [("token".to_owned(), random_key())]);
    let existed = context
        .of_receivers
        .with(&(namespace.clone(), name.clone()), |state| {
            state.figures.is_some()
        });
    let mut new = create_secret(context, &namespace, made.clone(), Some(belongs)).await?;
    if !new {
        let object = names::admin(&name);
        let found = context
            .secrets
            .find(&context.client, &namespace, [object.clone()].into());
        let found = found
            .await
            .map_err(|error| failed(Kind::Secret, &object, error))?;
        let found = found.into_values().flatten().next();
        if found.is_some_and(|found| !found.keys.contains_key("token")) {
            fill_secret(context, &namespace, &made).await?;
            new = true;
        }
    }
    if new && existed {
        // The pods read it again; until they have, they refuse the new one.
        tell_pods(receiver, context).await;
        let note = format!(
            "Secret {} was deleted or emptied and is made again with another token",
            names::admin(&name)
        );
        events::tell(context, receiver, Reason::SecretRemade, note).await;
    }
    Ok(())
}
