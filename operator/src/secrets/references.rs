//! Which keys of Secrets a reconciliation needs, and what for. Pure.

use leadgate_crds::{CrmSinkSpec, LeadWebhookSpec, SecretPurpose, SecretReference};

/// The keys that receivers of a webhook read as files.
pub fn of_webhook(spec: &LeadWebhookSpec) -> Vec<SecretReference> {
    let mut found = spec.secret_refs();
    found.retain(|reference| reference.purpose != SecretPurpose::Infrastructure);
    found
}

/// The keys with which senders prove who they are.
pub fn proofs(spec: &LeadWebhookSpec) -> Vec<SecretReference> {
    let mut found = spec.secret_refs();
    found.retain(|reference| reference.purpose == SecretPurpose::Proof);
    found
}

/// What a webhook needs besides: the Redis URL, the certificate and the authorities of client certificates.
pub fn infrastructure_secrets(spec: &LeadWebhookSpec) -> Vec<SecretReference> {
    let mut found = spec.secret_refs();
    found.retain(|reference| reference.purpose == SecretPurpose::Infrastructure);
    found
}

/// The keys that receivers of a sink's webhooks read as files.
pub fn of_sink(spec: &CrmSinkSpec) -> Vec<SecretReference> {
    spec.secret_refs()
}
