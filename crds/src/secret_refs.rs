//! Which keys of Secrets the resources refer to: what receivers read, what the operator mounts into them, and whose change
//! makes both look again. A test compares it with every reference in the schemas.

use crate::common::{BasicSecretRef, Notify, SecretKeyRef};
use crate::lead_receiver::{Queue, QueueMode};
use crate::{LeadReceiverSpec, LeadWebhookSpec};

/// A key of a Secret that a resource refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretReference {
    /// Where it stands, for example `spec.auth.hmac.secretRefs[0]`.
    pub field: String,
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
    /// What it is for.
    pub purpose: SecretPurpose,
}

/// What a key of a Secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretPurpose {
    /// With it senders prove who they are.
    Proof,
    /// The user name that goes with a proof; it is no secret.
    UserName,
    /// With it the receiver calls a CRM, or the sender's API.
    Credentials,
    /// A receiver starts with it and not with a webhook: the URL of Redis, certificates. Of a webhook: the certificate of its
    /// Ingress, which receivers do not get.
    Infrastructure,
}

use SecretPurpose::{Credentials, Infrastructure, Proof, UserName};

impl LeadWebhookSpec {
    /// Every key of a Secret that the webhook refers to, whatever it is for.
    pub fn secret_refs(&self) -> Vec<SecretReference> {
        let mut found = Vec::new();
        let mut list = |field: &str, references: &[SecretKeyRef]| {
            for (n, reference) in references.iter().enumerate() {
                found.push(one(format!("{field}[{n}]"), reference, Proof));
            }
        };
        if let Some(hmac) = &self.auth.hmac {
            list("spec.auth.hmac.secretRefs", &hmac.secret_refs);
        }
        if let Some(token) = &self.auth.token {
            list("spec.auth.token.secretRefs", &token.secret_refs);
        }
        if let Some(basic) = &self.auth.basic {
            found.extend(pair(
                "spec.auth.basic.secretRef",
                &basic.secret_ref,
                [UserName, Proof],
            ));
        }
        if let Some(token) = &self.auth.challenge_token_secret_ref {
            found.push(one("spec.auth.challengeTokenSecretRef".to_owned(), token, Proof));
        }
        if let Some(hydrate) = &self.payload.hydrate {
            let field = "spec.payload.hydrate.tokenSecretRef".to_owned();
            found.push(one(field, &hydrate.token_secret_ref, Credentials));
        }
        found.extend(self.notify.as_ref().map(Notify::secret_ref));
        if let Some(name) = self
            .ingress
            .as_ref()
            .and_then(|ingress| ingress.tls_secret_name.as_ref())
        {
            found.extend(["tls.crt", "tls.key"].map(|key| SecretReference {
                field: "spec.ingress.tlsSecretName".to_owned(),
                name: name.clone(),
                key: key.to_owned(),
                purpose: Infrastructure,
            }));
        }
        found
    }
}

impl LeadReceiverSpec {
    /// Every key of a Secret that the receiver refers to.
    pub fn secret_refs(&self) -> Vec<SecretReference> {
        let mut found = Vec::new();
        if let Some(QueueMode::Own(url)) = self.queue.as_ref().map(Queue::mode) {
            let field = "spec.queue.redis.urlSecretRef".to_owned();
            found.push(one(field, url, Infrastructure));
        }
        if let Some(encryption) = self.queue.as_ref().and_then(|queue| queue.encryption.as_ref()) {
            let field = "spec.queue.encryption.secretRef".to_owned();
            found.push(one(field, &encryption.secret_ref, Infrastructure));
        }
        let proxy = self.outbound.proxy.as_ref();
        if let Some(url) = proxy.and_then(|proxy| proxy.url_secret_ref.as_ref()) {
            let field = "spec.outbound.proxy.urlSecretRef".to_owned();
            found.push(one(field, url, Infrastructure));
        }
        if let Some(ca) = &self.outbound.ca_secret_ref {
            found.push(SecretReference {
                field: "spec.outbound.caSecretRef".to_owned(),
                name: ca.name.clone(),
                key: ca.key.clone(),
                purpose: Infrastructure,
            });
        }
        if let Some(tls) = &self.tls {
            let mut add = |field: &str, name: &str, key: &str| {
                found.push(SecretReference {
                    field: format!("spec.tls.{field}"),
                    name: name.to_owned(),
                    key: key.to_owned(),
                    purpose: Infrastructure,
                });
            };
            add("secretRef", &tls.secret_ref.name, "tls.crt");
            add("secretRef", &tls.secret_ref.name, "tls.key");
            if let Some(ca) = &tls.client_ca_secret_ref {
                add("clientCaSecretRef", &ca.name, &ca.key);
            }
        }
        found
    }
}

pub(crate) fn one(field: String, reference: &SecretKeyRef, purpose: SecretPurpose) -> SecretReference {
    SecretReference {
        field,
        name: reference.name.clone(),
        key: reference.key.clone(),
        purpose,
    }
}

pub(crate) fn pair(
    field: &str,
    reference: &BasicSecretRef,
    purposes: [SecretPurpose; 2],
) -> [SecretReference; 2] {
    let [user, password] = purposes;
    [
        (&reference.username_key, user),
        (&reference.password_key, password),
    ]
    .map(|(key, purpose)| SecretReference {
        field: field.to_owned(),
        name: reference.name.clone(),
        key: key.clone(),
        purpose,
    })
}
