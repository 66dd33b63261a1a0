//! Dereferenced -> a plan, or everything that is wrong. Pure: it reads nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::ResourceExt as _;
use leadgate_crds::addresses::local_urls;
use leadgate_crds::lead_receiver::DEFAULT_RECEIVER;
use leadgate_crds::{LeadWebhook, SecretReference};
use serde::Serialize;

use super::dereference::Dereferenced;
use super::endpoints::{self, Endpoint};
use super::waiting;
use crate::context::name_of;
use crate::kinds::Kind;
use crate::lead_receiver::projection::secrets_of;
use crate::named;
use crate::reasons::Reason;
use crate::rules::Rules;
use crate::secrets;
use crate::validation::{ErrorScope, ValidationError, unread};

/// The names of the presets that receivers know.
pub const PRESETS: &[&str] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// What was found of a valid webhook.
#[derive(Clone, Debug)]
pub struct Plan {
    pub webhook: Arc<LeadWebhook>,
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
    mistakes.extend(unread(webhook.as_ref()));
    mistakes.extend(preset(webhook));
    mistakes.extend(endpoints::errors(webhook, rules));
    mistakes.extend(clash(webhook, &facts.neighbours));
    mistakes.extend(receiver(webhook, facts));
    mistakes.extend(client_ca(webhook, facts));
    mistakes.extend(local_addresses(&webhook.spec));
    if webhook.spec.gateway.is_some() && !facts.gateway_api {
        mistakes.push(ValidationError {
            about: ErrorScope::References,
            reason: Reason::GatewayApiMissing,
            message: format!(
                "spec.gateway: this cluster has no {}s; install the Gateway API (gateway.networking.k8s.io/v1), \
                 or use spec.ingress",
                Kind::HttpRoute.name()
            ),
        });
    }
    let mut wanted = secrets_of(webhook);
    for (n, route) in webhook.spec.sinks.iter().enumerate() {
        match facts.sinks.get(&route.name).cloned().flatten() {
            Some(sink) => {
                wanted.extend(sink.spec.secret_refs().into_iter().map(|reference| SecretReference {
                    field: format!("CrmSink {}: {}", route.name, reference.field),
                    ..reference
                }));
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
    let namespace = webhook.namespace().unwrap_or_default();
    mistakes.extend(secrets::rules::mistakes(
        &namespace,
        wanted.iter(),
        &facts.secrets,
        rules.secret_label,
    ));
    if facts.too_large {
        mistakes.push(ValidationError {
            about: ErrorScope::Spec,
            reason: Reason::ConfigurationTooLarge,
            message: format!(
                "spec: the ConfigMap of LeadReceiver {} in which the webhook belongs is full; shorten spec.payload.schema or \
                 expressions, or name another LeadReceiver in spec.receiverRef",
                webhook.spec.receiver_ref.name
            ),
        });
    }
    let edge = edge(webhook, facts);
    if !mistakes.is_empty() {
        mistakes.extend(edge);
        return Err(mistakes);
    }
    let (annotations, mut notes) = endpoints::annotations(webhook, rules);
    notes.extend(edge);
    for (name, leads) in facts
        .waiting
        .iter()
        .filter(|(name, _)| !facts.kept.contains(*name))
    {
        if let Err(why) = still_delivered(name, facts, &namespace, rules) {
            notes.push(waiting::without_sink(name, *leads, &why));
        }
    }
    notes.extend(secrets::rules::notes(
        secrets::proofs(&webhook.spec).iter(),
        &facts.secrets,
    ));
    Ok(Plan {
        webhook: Arc::clone(webhook),
        annotations,
        notes,
    })
}

/// What its Ingress or HTTPRoute needs. It is made nevertheless: a certificate may be made for it, and a class or Gateway may
/// come later.
fn edge(webhook: &LeadWebhook, facts: &Dereferenced) -> Vec<ValidationError> {
    let (namespace, _) = name_of(webhook);
    let mut found = named::mistakes(&named::of_webhook(webhook), &facts.named, ErrorScope::Edge);
    found.extend(secrets::rules::certificate(
        &namespace,
        &webhook.spec.secret_refs(),
        &facts.secrets,
    ));
    found
}

/// Why nothing can be delivered to a sink that the webhook no longer names. That is no mistake of the webhook's: its other
/// leads must go on.
fn still_delivered(name: &str, facts: &Dereferenced, namespace: &str, rules: &Rules) -> Result<(), String> {
    let sink = facts
        .sinks
        .get(name)
        .cloned()
        .flatten()
        .ok_or("it does not exist")?;
    let references = sink.spec.secret_refs();
    let wrong = secrets::rules::mistakes(namespace, references.iter(), &facts.secrets, rules.secret_label);
    match wrong.into_iter().next() {
        Some(mistake) => Err(mistake.message),
        None => Ok(()),
    }
}

/// The receiver that it names has to exist; one named `default` is implied.
fn receiver(webhook: &LeadWebhook, facts: &Dereferenced) -> Option<ValidationError> {
    let name = &webhook.spec.receiver_ref.name;
    facts.receiver.is_none().then(|| ValidationError {
        about: ErrorScope::References,
        reason: Reason::ReceiverMissing,
        message: format!(
            "spec.receiverRef.name: there is no LeadReceiver {name} in namespace {}; create it, or remove spec.receiverRef to use \
             the LeadReceiver {DEFAULT_RECEIVER}",
            webhook.namespace().unwrap_or_default()
        ),
    })
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
fn client_ca(webhook: &LeadWebhook, facts: &Dereferenced) -> Option<ValidationError> {
    let certificate = webhook.spec.auth.client_certificate.as_ref()?;
    let receiver = facts.receiver.as_ref()?;
    let tls = receiver.spec.tls.as_ref();
    let is_checked =
        certificate.forwarded.is_some() || tls.is_some_and(|tls| tls.client_ca_secret_ref.is_some());
    (!is_checked).then(|| ValidationError {
        about: ErrorScope::Spec,
        reason: Reason::ClientCaMissing,
        message: format!(
            "spec.auth.clientCertificate: no component verifies client certificates; where the receivers terminate TLS, name the \
             authority's certificates in spec.tls.clientCaSecretRef of LeadReceiver {}; where an edge does, set \
             spec.auth.clientCertificate.forwarded",
            receiver.name_any()
        ),
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
