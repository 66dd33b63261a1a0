//! Which Secrets a resource may name, and what is wrong with those that it names. Pure.
//!
//! Whoever may write a CrmSink or LeadWebhook decides where the Secrets that it names are sent. So the operator's own and
//! those that open the cluster cannot be named, and one who runs the operator may demand a label on all others.

use std::collections::BTreeSet;

use leadgate_crds::{SecretPurpose, SecretReference};

use super::{Content, Found, Seen, Value};
use crate::names::{self, USE};
use crate::reasons::Reason;
use crate::validation::{ErrorScope, ValidationError};

/// Types of Secrets that hold credentials of the cluster: tokens of its API, of its registries, and Helm's releases,
/// which hold the values of whatever was installed.
const RESERVED_TYPES: [&str; 5] = [
    "kubernetes.io/service-account-token",
    "kubernetes.io/dockercfg",
    "kubernetes.io/dockerconfigjson",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
];

/// Secrets that may not be named, and Secrets and keys that do not exist or hold an example's text. Each is reported
/// once.
pub fn mistakes<'a>(
    namespace: &str,
    wanted: impl Iterator<Item = &'a SecretReference>,
    found: &Found,
    label_required: bool,
) -> Vec<ValidationError> {
    let mut reported = BTreeSet::new();
    let mut mistakes = Vec::new();
    for reference in wanted {
        let secret = found.get(&reference.name).and_then(Option::as_deref);
        let Some((reason, message)) = mistake(namespace, reference, secret, label_required) else {
            continue;
        };
        let of_key = matches!(reason, Reason::SecretKeyMissing | Reason::SecretPlaceholder);
        let key = of_key.then_some(&reference.key);
        if reported.insert((reason, &reference.name, key)) {
            mistakes.push(ValidationError {
                about: ErrorScope::References,
                reason,
                message,
            });
        }
    }
    mistakes
}

fn mistake(
    namespace: &str,
    SecretReference { field, name, key, .. }: &SecretReference,
    secret: Option<&Seen>,
    label_required: bool,
) -> Option<(Reason, String)> {
    if names::is_own_secret(name) {
        return Some((
            Reason::SecretReserved,
            format!("{field}: Secret {name} is reserved for the operator; create another Secret"),
        ));
    }
    let Some(secret) = secret else {
        return Some((
            Reason::SecretMissing,
            format!(
                "{field}: there is no Secret {name} in namespace {namespace}; create it with the key {key}"
            ),
        ));
    };
    if RESERVED_TYPES.contains(&secret.type_.as_str()) {
        return Some((
            Reason::SecretReserved,
            format!(
                "{field}: Secret {name} in namespace {namespace} is of type {}, which holds credentials of the cluster \
                 and must not be referenced; use a Secret of type Opaque",
                secret.type_
            ),
        ));
    }
    if label_required && !secret.labelled {
        return Some((
            Reason::SecretNotLabelled,
            format!(
                "{field}: Secret {name} in namespace {namespace} has no label {USE}: \"true\", which this operator \
                 requires (chart value secrets.requireLabel); if Leadgate may use it: kubectl label secret {name} \
                 {USE}=true"
            ),
        ));
    }
    match secret.keys.get(key).map(Value::content) {
        None => Some((
            Reason::SecretKeyMissing,
            format!(
                "{field}: Secret {name} in namespace {namespace} has no key {key}, or it is empty; add it"
            ),
        )),
        Some(Content::Placeholder) => Some((
            Reason::SecretPlaceholder,
            format!(
                "{field}: key {key} of Secret {name} in namespace {namespace} still contains a placeholder; put a \
                 value of your own in"
            ),
        )),
        Some(Content::Good | Content::Short) => None,
    }
}

/// What is wrong with the certificate that a webhook's Ingress names: whoever serves the Ingress reads it, not the receivers.
pub(crate) fn certificate(
    namespace: &str,
    wanted: &[SecretReference],
    found: &Found,
) -> Vec<ValidationError> {
    const TYPE: &str = "kubernetes.io/tls";
    let wanted = wanted
        .iter()
        .filter(|reference| reference.purpose == SecretPurpose::Infrastructure);
    let mut mistakes: Vec<ValidationError> = Vec::new();
    for SecretReference { field, name, key, .. } in wanted {
        let subject = format!("{field}: Secret {name} in namespace {namespace}");
        let make = format!(
            "kubectl create secret tls {name} --cert=FILE --key=FILE, or have it made, for example by cert-manager"
        );
        let (about, reason, message) = match found.get(name).and_then(Option::as_deref) {
            None => (
                ErrorScope::Edge,
                Reason::SecretMissing,
                format!(
                    "{field}: there is no Secret {name} in namespace {namespace}; senders get the default certificate of the ingress \
                    controller; {make}"
                ),
            ),
            Some(secret) if !secret.keys.contains_key(key) => (
                ErrorScope::Edge,
                Reason::SecretKeyMissing,
                format!("{subject} has no key {key}, or it is empty; {make}"),
            ),
            Some(secret) if secret.type_ != TYPE => (
                ErrorScope::References,
                Reason::CertificateType,
                format!(
                    "{subject} is of type {}, not {TYPE}, and some ingress controllers do not use it; {make}",
                    secret.type_
                ),
            ),
            Some(_) => continue,
        };
        let is_told = |told: &ValidationError| told.reason == reason && reason != Reason::SecretKeyMissing;
        if !mistakes.iter().any(is_told) {
            mistakes.push(ValidationError {
                about,
                reason,
                message,
            });
        }
    }
    mistakes
}

/// What a person should know of the Secrets with which senders prove who they are, although nothing is wrong: one that is
/// short can be guessed.
pub fn notes<'a>(proofs: impl Iterator<Item = &'a SecretReference>, found: &Found) -> Vec<ValidationError> {
    let short = |reference: &&SecretReference| {
        let secret = found.get(&reference.name).and_then(Option::as_deref);
        secret.and_then(|secret| Some(secret.keys.get(&reference.key)?.content())) == Some(Content::Short)
    };
    let proofs: Vec<&SecretReference> = proofs.collect();
    let mut notes = Vec::new();
    for reference in &proofs {
        let secret = found.get(&reference.name).and_then(Option::as_deref);
        if secret.is_some_and(|secret| secret.remade) {
            notes.push(ValidationError {
                about: ErrorScope::References,
                reason: Reason::SecretRemade,
                message: format!(
                    "{}: Secret {} was deleted and generated again, so the sender needs the new key; give it to the sender, then \
                     remove the annotation {}",
                    reference.field,
                    reference.name,
                    crate::names::REMADE
                ),
            });
        }
    }
    let short = proofs
        .into_iter()
        .filter(short)
        .map(|SecretReference { field, name, key, .. }| ValidationError {
            about: ErrorScope::References,
            reason: Reason::SecretShort,
            message: format!(
                "{field}: key {key} of Secret {name} has fewer than {} bytes and can be guessed; use a longer one, for \
                 example of openssl rand -hex 32, at the sender and here",
                leadgate_crds::secret::SHORTEST
            ),
        });
    notes.extend(short);
    notes
}
