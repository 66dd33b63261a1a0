//! Which keys of Secrets a reconciliation needs, and what for. Pure.

use leadgate_crds::{LeadWebhookSpec, SecretPurpose, SecretReference};

/// The keys with which senders prove who they are.
pub fn proofs(spec: &LeadWebhookSpec) -> Vec<SecretReference> {
    let mut found = spec.secret_refs();
    found.retain(|reference| reference.purpose == SecretPurpose::Proof);
    found
}
