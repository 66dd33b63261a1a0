//! A valid webhook -> its route, and the Secret that it may have asked for.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use leadgate_crds::LeadWebhook;

use super::dereference::Dereferenced;
use super::route::{self, Backend};
use super::validate::Plan;
use crate::api_error::ApplyError;
use crate::apply::{create_secret, ensure, fill_secret, random_key, remove, secret, was_applied};
use crate::context::{Context, name_of};
use crate::events;
use crate::kinds::{Desired, Kind};
use crate::names::{self, MANAGED_BY, MANAGER};
use crate::ownership::Ownership;
use crate::reasons::Reason;

fn ownership<'a>(webhook: &'a LeadWebhook, name: &'a str) -> Ownership<'a> {
    Ownership::To {
        kind: "LeadWebhook",
        name,
        uid: webhook.metadata.uid.as_deref(),
    }
}

/// Makes the Ingress or HTTPRoute that the webhook asks for, and removes what it no longer asks for.
pub async fn expose(plan: &Plan, backend: Option<&Backend>, context: &Context) -> Result<(), ApplyError> {
    let webhook = plan.webhook.as_ref();
    let key = name_of(webhook);
    let belongs = ownership(webhook, &key.1);
    let Some(backend) = backend else {
        return Ok(());
    };
    match route::ingress(webhook, backend, &plan.annotations) {
        Some(ingress) => {
            leave_class(webhook, &ingress, context).await?;
            ensure(context, &key.0, &ingress, belongs).await?;
        }
        None => remove(context, &key.0, Kind::Ingress, &names::route(&key.1), belongs).await?,
    }
    match route::http_route(webhook, backend) {
        Some(route) => {
            ensure(context, &key.0, &route, belongs).await?;
        }
        None => remove(context, &key.0, Kind::HttpRoute, &names::route(&key.1), belongs).await?,
    }
    Ok(())
}

/// Removes an Ingress that another controller is to serve, so that it is made anew, without the address of the former one. One
/// whose class somebody else has changed is put back instead.
async fn leave_class(webhook: &LeadWebhook, ingress: &Desired, context: &Context) -> Result<(), ApplyError> {
    let key = name_of(webhook);
    let name = (key.0.clone(), ingress.name.clone());
    let wanted = webhook
        .spec
        .ingress
        .as_ref()
        .and_then(|wanted| wanted.class_name.as_deref());
    let is_left = context
        .workloads
        .class(&name)
        .is_some_and(|class| class.is_left_for(wanted));
    if is_left && !was_applied(context, &key.0, ingress) {
        remove(
            context,
            &key.0,
            Kind::Ingress,
            &name.1,
            ownership(webhook, &key.1),
        )
        .await?;
        context.workloads.edge_gone(Kind::Ingress, &name);
    }
    Ok(())
}

/// Removes the route of a webhook that goes: requests must not reach a path that nobody serves.
pub async fn hide(webhook: &LeadWebhook, context: &Context) -> Result<(), ApplyError> {
    let key = name_of(webhook);
    let belongs = ownership(webhook, &key.1);
    remove(context, &key.0, Kind::Ingress, &names::route(&key.1), belongs).await?;
    if webhook.spec.gateway.is_some() {
        remove(context, &key.0, Kind::HttpRoute, &names::route(&key.1), belongs).await?;
    }
    Ok(())
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
    let existing = facts.secrets.get(&first.name).and_then(Option::as_deref);
    // One that another webhook has made, or that was emptied, gets the key that it lacks; a person's is left alone.
    if existing.is_some_and(|seen| !seen.generated || seen.keys.contains_key(&first.key)) {
        return Ok(false);
    }
    // Senders know the former key: people have to hear of the new one.
    let had = webhook.status.iter().flat_map(|status| &status.conditions);
    let remade = had
        .into_iter()
        .any(|said| said.type_ == "Programmed" && said.status == "True")
        || webhook
            .status
            .as_ref()
            .is_some_and(|status| status.leads.stored.accepted > 0);
    let namespace = webhook.namespace().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(first.name.clone()),
        namespace: Some(namespace.clone()),
        labels: Some(BTreeMap::from([
            (MANAGED_BY.to_owned(), MANAGER.to_owned()),
            (names::COMPONENT.to_owned(), names::GENERATED.to_owned()),
            (names::USE.to_owned(), "true".to_owned()),
        ])),
        annotations: remade.then(|| BTreeMap::from([(names::REMADE.to_owned(), "true".to_owned())])),
        ..ObjectMeta::default()
    };
    let made = secret(metadata, [(first.key.clone(), random_key())]);
    let made = if existing.is_some() {
        fill_secret(context, &namespace, &made).await?;
        true
    } else {
        create_secret(context, &namespace, made, None).await?
    };
    if made && remade {
        let note = format!(
            "Secret {} was deleted, or lost its key {}, and is made again with another one: give it to the sender",
            first.name, first.key
        );
        events::tell(context, webhook, Reason::SecretRemade, note).await;
    }
    Ok(made)
}
