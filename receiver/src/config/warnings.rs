//! What runs, and does something other than its author expects: seen by looking at webhooks and sinks together. Pure.

use leadgate_crds::LeadWebhook;
use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::secret::{SHORTEST, is_short};

use super::sink::Sink;
use crate::nearest::nearest;
use crate::source::Webhook;

/// The keys of senders that are short enough to be found by trying. `read` gives a Secret's value where there is one.
pub(super) fn short_secrets(
    object: &LeadWebhook,
    read: impl Fn(&str, &str) -> Option<Vec<u8>>,
) -> Vec<String> {
    let auth = &object.spec.auth;
    let lists: [(&str, Option<&Vec<SecretKeyRef>>); 2] = [
        ("hmac", auth.hmac.as_ref().map(|own| &own.secret_refs)),
        ("token", auth.token.as_ref().map(|own| &own.secret_refs)),
    ];
    let mut found = Vec::new();
    for (scheme, references) in lists {
        for (n, reference) in references.into_iter().flatten().enumerate() {
            let SecretKeyRef { name, key, .. } = reference;
            if read(name, key).is_some_and(|value| is_short(&value)) {
                found.push(format!(
                    "spec.auth.{scheme}.secretRefs[{n}]: the key {key} of Secret {name} has fewer than {SHORTEST} bytes \
                     and can be guessed; use a longer one, for example from openssl rand -hex 32"
                ));
            }
        }
    }
    found
}

/// Why the URL that a sender signs is probably not the webhook's: with `spec.path`, the schema says so.
pub(super) fn other_url(object: &LeadWebhook, webhook: &Webhook) -> Option<String> {
    let url = object.spec.public_url.as_ref()?;
    (object.spec.path.is_none() && !url.ends_with(&webhook.path)).then(|| {
        format!(
            "spec.publicUrl: it does not end in the webhook's path {}; write the URL exactly as the sender calls it, and set \
             spec.path if the path is another",
            webhook.path
        )
    })
}

/// What is odd about a webhook as it is.
pub(super) fn of_webhook(webhook: &Webhook) -> Vec<String> {
    let mapped = webhook.mapped_fields();
    let mut found = Vec::new();
    for name in webhook.required_fields().filter(|name| !mapped.contains(*name)) {
        found.push(format!(
            "spec.payload.required: {name} is required, but no mapping sets it, so every lead is refused; add \
             spec.payload.lead.{name}"
        ));
    }
    let own = webhook.own_fields();
    let maps_contact = own.iter().any(|field| matches!(*field, "email" | "phone"));
    if webhook.is_thin && webhook.hydrate.is_none() && !maps_contact {
        found.push(
            "spec.payload.hydrate: this sender only notifies of leads, whose fields must be fetched from its API, so every lead is \
             refused; set payload.hydrate.tokenSecretRef"
                .to_owned(),
        );
    } else if !["email", "phone"].iter().any(|field| mapped.contains(*field)) {
        found.push(
            "spec.payload: no mapping sets email or phone, so every lead is refused; add spec.payload.lead.email, or for a \
             sender that posts notifications only, spec.payload.hydrate and its lead.email"
                .to_owned(),
        );
    }
    for (n, route) in webhook.sinks.iter().enumerate() {
        let Some(when) = &route.when else { continue };
        let unfilled = when.needs().into_iter().find(|path| {
            path.strip_prefix("lead.")
                .is_some_and(|field| !mapped.contains(field))
        });
        if let Some(path) = unfilled {
            found.push(format!(
                "spec.sinks[{n}].when: no mapping sets {path}, so the condition is never true; map it under \
                 spec.payload.lead"
            ));
        }
    }
    found.extend(left_out(webhook));
    found.extend(webhook.constants());
    found.extend(webhook.notify_problems.iter().cloned());
    found
}

/// Leads without a value that every condition asks for go to no sink.
fn left_out(webhook: &Webhook) -> Option<String> {
    let conditions = webhook.uncovered();
    if conditions.len() < webhook.sinks.len() {
        return None;
    }
    let (_, first) = conditions.first()?;
    let path = first
        .iter()
        .find(|path| conditions.iter().all(|(_, paths)| paths.contains(path)))?;
    Some(format!(
        "spec.sinks: a lead without {path} goes to no sink, because every `when` needs it; add a sink with otherwise: true, \
         or handle its absence, as in has({path}) && …"
    ))
}

/// Fields of a sink's mapping that no webhook fills.
pub(super) fn of_sink<'w>(sink: &Sink, webhooks: impl Iterator<Item = &'w Webhook>) -> Vec<String> {
    let feeding: Vec<&Webhook> = webhooks
        .filter(|webhook| webhook.sinks.iter().any(|route| route.sink == sink.id))
        .collect();
    let mut found = sink.notify_problems.clone();
    found.extend(sink.crm.warnings());
    if feeding.is_empty() {
        return found; // No webhook feeds it here.
    }
    let filled = || feeding.iter().flat_map(|webhook| webhook.custom_fields());
    let unfilled = sink.mapping.custom_fields().into_iter();
    found.extend(
        unfilled
            .filter(|name| filled().all(|filled| filled != *name))
            .map(|name| {
                let hint = match nearest(name, filled()) {
                    Some(meant) => format!("did you mean lead.custom.{meant}?"),
                    None => format!("add spec.payload.lead.custom.{name} to the webhook that has it"),
                };
                format!(
                    "spec.properties: no webhook that references this sink sets lead.custom.{name}; {hint}"
                )
            }),
    );
    found
}
