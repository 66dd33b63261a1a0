//! The objects of a plan -> the cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use leadgate_crds::LeadWebhook;
use serde_json::json;

use super::build::{self, Built};
use super::dereference::Dereferenced;
use super::replicas::hand_over;
use super::validate::{Owner, Plan, RedisPlan};
use crate::apply::{ApplyError, Ownership, create_secret, ensure, random_key, remove, secret};
use crate::context::{Context, name_of};
use crate::kinds::Kind;
use crate::names::{self, FINALIZER, MANAGED_BY, MANAGER};

/// Makes everything that the plan asks for, and removes what it no longer asks for.
pub async fn apply(plan: &Plan, context: &Context) -> Result<(), ApplyError> {
    let (namespace, name) = name_of(plan.webhook.as_ref());
    let uid = plan.webhook.uid().unwrap_or_default();
    let belongs = Ownership::To {
        uid: &uid,
        name: &name,
    };
    if let Some(redis) = &plan.redis {
        apply_redis(&namespace, redis, context).await?;
    }
    admin_token(&plan.webhook, context, belongs).await?;
    let Built { objects, absent } = build::build(plan, &context.settings);
    for object in &objects {
        if object.kind == Kind::Deployment {
            hand_over(context, &namespace, object).await?;
        }
        ensure(context, &namespace, object, belongs).await?;
    }
    for (kind, name) in &absent {
        if *kind == Kind::HttpRoute {
            forget_route(context, &plan.webhook, name, belongs).await?;
        } else {
            remove(context, &namespace, *kind, name, belongs).await?;
        }
    }
    Ok(())
}

/// HTTPRoutes are not watched, because most clusters have none: looked for once, and after the webhook asked for one.
async fn forget_route(
    context: &Context,
    webhook: &LeadWebhook,
    name: &str,
    belongs: Ownership<'_>,
) -> Result<(), ApplyError> {
    let key = name_of(webhook);
    if context.with_state(&key, |memory| memory.route_checked) {
        return Ok(());
    }
    remove(context, &key.0, Kind::HttpRoute, name, belongs).await?;
    context.with_state(&key, |memory| memory.route_checked = true);
    Ok(())
}

/// Keeps a webhook that cannot be applied among the owners of its namespace's Redis. Makes none for its sake.
pub async fn keep_redis(
    webhook: &LeadWebhook,
    facts: &Dereferenced,
    context: &Context,
) -> Result<(), ApplyError> {
    let namespace = webhook.namespace().unwrap_or_default();
    if !webhook.spec.queue.is_managed() || facts.redis.is_none() {
        return Ok(());
    }
    let plan = super::validate::redis(&facts.redis_users, facts.redis.as_ref());
    apply_redis(&namespace, &plan, context).await
}

/// One webhook at a time: all of a namespace want the same objects.
async fn apply_redis(namespace: &str, plan: &RedisPlan, context: &Context) -> Result<(), ApplyError> {
    let lock = context.redis_lock(namespace);
    let _held = lock.lock().await;
    let password = random_key();
    let values = [
        ("redis.conf".to_owned(), format!("requirepass {password}\n")),
        ("password".to_owned(), password),
    ];
    let metadata = ObjectMeta {
        name: Some(names::REDIS.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(names::redis_labels()),
        owner_references: Some(plan.owners.iter().map(|owner| reference(owner, None)).collect()),
        ..ObjectMeta::default()
    };
    create_secret(
        context,
        namespace,
        secret(metadata, values),
        Some(Ownership::Shared),
    )
    .await?;
    for object in build::redis(namespace, plan, &context.settings) {
        ensure(context, namespace, &object, Ownership::Shared).await?;
    }
    Ok(())
}

/// The token with which the operator asks the receivers. It goes with the webhook.
async fn admin_token(
    webhook: &LeadWebhook,
    context: &Context,
    belongs: Ownership<'_>,
) -> Result<(), ApplyError> {
    let (namespace, name) = name_of(webhook);
    let owner = Owner {
        name: name.clone(),
        uid: webhook.uid().unwrap_or_default(),
    };
    let metadata = ObjectMeta {
        name: Some(names::admin(&name)),
        namespace: Some(namespace.clone()),
        labels: Some(names::labels(&name)),
        owner_references: Some(vec![reference(&owner, Some(true))]),
        ..ObjectMeta::default()
    };
    let made = secret(metadata, [("token".to_owned(), random_key())]);
    create_secret(context, &namespace, made, Some(belongs)).await?;
    Ok(())
}

fn reference(owner: &Owner, controller: Option<bool>) -> OwnerReference {
    OwnerReference {
        api_version: format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        kind: "LeadWebhook".to_owned(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller,
        block_owner_deletion: None,
    }
}

/// Creates the first Secret that `hmac` names, if the webhook asks for that and it does not exist. Says whether it did.
///
/// It has no owner: senders are set up with the key, and deleting a webhook to make it anew must not lock them out.
/// Nothing but the label says that it was made here; `kubectl delete secret` removes it.
pub async fn generate_secret(
    webhook: &LeadWebhook,
    facts: &Dereferenced,
    context: &Context,
) -> Result<bool, ApplyError> {
    let wanted = webhook
        .spec
        .auth
        .hmac
        .as_ref()
        .filter(|hmac| hmac.generate_secret);
    let Some(first) = wanted.and_then(|hmac| hmac.secret_refs.first()) else {
        return Ok(false);
    };
    // One of the operator's own would be made without what it is to hold; validation says that it cannot be named.
    if names::is_own_secret(&first.name) {
        return Ok(false);
    }
    if facts.secrets.get(&first.name).is_some_and(Option::is_some) {
        return Ok(false);
    }
    let namespace = webhook.namespace().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(first.name.clone()),
        namespace: Some(namespace.clone()),
        labels: Some(BTreeMap::from([
            (MANAGED_BY.to_owned(), MANAGER.to_owned()),
            (names::COMPONENT.to_owned(), "generated-secret".to_owned()),
            (names::USE.to_owned(), "true".to_owned()),
        ])),
        ..ObjectMeta::default()
    };
    let made = secret(metadata, [(first.key.clone(), random_key())]);
    create_secret(context, &namespace, made, None).await
}

/// Adds or removes the finalizer. The uid makes sure that no other object of this name is meant.
pub async fn set_finalizer(webhook: &LeadWebhook, present: bool, context: &Context) -> kube::Result<()> {
    let (namespace, name) = name_of(webhook);
    let finalizers: &[&str] = if present { &[FINALIZER] } else { &[] };
    let patch = json!({
        "apiVersion": format!("{}/{}", leadgate_crds::GROUP, leadgate_crds::VERSION),
        "kind": "LeadWebhook",
        "metadata": {"name": name, "uid": webhook.uid(), "finalizers": finalizers},
    });
    let api: Api<LeadWebhook> = Api::namespaced(context.client.clone(), &namespace);
    let params = PatchParams::apply(MANAGER).force();
    match api.patch_metadata(&name, &params, &Patch::Apply(&patch)).await {
        Ok(_) => {
            context.metrics.wrote("LeadWebhook", "apply");
            Ok(())
        }
        // It is gone already, or another one has its name.
        Err(kube::Error::Api(status)) if !present && matches!(status.code, 404 | 409 | 422) => Ok(()),
        Err(error) => Err(error),
    }
}
