//! Secrets: which keys the resources refer to, and which exist. Values are never kept: only the names of keys that hold
//! something, for as long as the Secret's resource version stays.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use leadgate_crds::common::{BasicSecretRef, SecretKeyRef};
use leadgate_crds::crm_sink::{Crm, RestAuth, SalesforceAuth};
use leadgate_crds::{CrmSinkSpec, LeadWebhookSpec};

/// A key that a resource refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Where it stands, for example `spec.auth.hmac.secretRefs[0]`.
    pub field: String,
    /// The Secret.
    pub name: String,
    /// The key.
    pub key: String,
}

/// The keys that receivers of a webhook read as files.
pub fn of_webhook(spec: &LeadWebhookSpec) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut list = |field: &str, references: &[SecretKeyRef]| {
        for (n, reference) in references.iter().enumerate() {
            found.push(one(format!("{field}[{n}]"), reference));
        }
    };
    if let Some(hmac) = &spec.auth.hmac {
        list("spec.auth.hmac.secretRefs", &hmac.secret_refs);
    }
    if let Some(token) = &spec.auth.token {
        list("spec.auth.token.secretRefs", &token.secret_refs);
    }
    if let Some(basic) = &spec.auth.basic {
        found.extend(pair("spec.auth.basic.secretRef", &basic.secret_ref));
    }
    if let Some(token) = &spec.auth.challenge_token_secret_ref {
        found.push(one("spec.auth.challengeTokenSecretRef".to_owned(), token));
    }
    if let Some(hydrate) = &spec.payload.hydrate {
        found.push(one(
            "spec.payload.hydrate.tokenSecretRef".to_owned(),
            &hydrate.token_secret_ref,
        ));
    }
    found
}

/// What a webhook needs besides: the Redis URL, the certificate and the authorities of client certificates.
pub fn beside_webhook(spec: &LeadWebhookSpec) -> Vec<Reference> {
    let mut found = Vec::new();
    if let Some(redis) = &spec.queue.redis {
        found.push(one(
            "spec.queue.redis.urlSecretRef".to_owned(),
            &redis.url_secret_ref,
        ));
    }
    if let Some(tls) = &spec.receiver.tls {
        for key in ["tls.crt", "tls.key"] {
            found.push(Reference {
                field: "spec.receiver.tls.secretRef".to_owned(),
                name: tls.secret_ref.name.clone(),
                key: key.to_owned(),
            });
        }
        if let Some(ca) = &tls.client_ca_secret_ref {
            found.push(Reference {
                field: "spec.receiver.tls.clientCaSecretRef".to_owned(),
                name: ca.name.clone(),
                key: ca.key.clone(),
            });
        }
    }
    found
}

/// The keys that receivers of a sink's webhooks read as files.
pub fn of_sink(spec: &CrmSinkSpec) -> Vec<Reference> {
    match spec.crm() {
        Some(Crm::HubSpot(hubspot)) => {
            vec![one(
                "spec.hubspot.tokenSecretRef".to_owned(),
                &hubspot.token_secret_ref,
            )]
        }
        Some(Crm::Salesforce(salesforce)) => of_salesforce(&salesforce.auth),
        Some(Crm::Rest(rest)) => of_rest(&rest.auth),
        None => Vec::new(),
    }
}

fn of_salesforce(auth: &SalesforceAuth) -> Vec<Reference> {
    let at = |field: &str, reference: &SecretKeyRef| one(format!("spec.salesforce.auth.{field}"), reference);
    let mut found = Vec::new();
    if let Some(flow) = &auth.client_credentials {
        found.push(at("clientCredentials.clientId", &flow.client_id));
        found.push(at("clientCredentials.clientSecret", &flow.client_secret));
    }
    if let Some(flow) = &auth.jwt_bearer {
        found.push(at("jwtBearer.clientId", &flow.client_id));
        found.push(at("jwtBearer.privateKey", &flow.private_key));
    }
    if let Some(flow) = &auth.refresh_token {
        found.push(at("refreshToken.clientId", &flow.client_id));
        found.extend(
            flow.client_secret
                .iter()
                .map(|secret| at("refreshToken.clientSecret", secret)),
        );
        found.push(at("refreshToken.refreshToken", &flow.refresh_token));
    }
    found
}

fn of_rest(auth: &RestAuth) -> Vec<Reference> {
    let at = |field: &str, reference: &SecretKeyRef| one(format!("spec.rest.auth.{field}"), reference);
    let mut found = Vec::new();
    if let Some(bearer) = &auth.bearer {
        found.push(at("bearer.token", &bearer.token));
    }
    if let Some(header) = &auth.header {
        found.push(at("header.value", &header.value));
    }
    if let Some(basic) = &auth.basic {
        found.extend(pair("spec.rest.auth.basic.secretRef", &basic.secret_ref));
    }
    if let Some(oauth2) = &auth.oauth2_client_credentials {
        found.push(at("oauth2ClientCredentials.clientId", &oauth2.client_id));
        found.push(at("oauth2ClientCredentials.clientSecret", &oauth2.client_secret));
    }
    found
}

fn one(field: String, reference: &SecretKeyRef) -> Reference {
    Reference {
        field,
        name: reference.name.clone(),
        key: reference.key.clone(),
    }
}

fn pair(field: &str, reference: &BasicSecretRef) -> [Reference; 2] {
    [&reference.username_key, &reference.password_key].map(|key| Reference {
        field: field.to_owned(),
        name: reference.name.clone(),
        key: key.clone(),
    })
}

/// The keys of each Secret that hold something; `None`: there is no such Secret.
pub type Found = BTreeMap<String, Option<BTreeSet<String>>>;

#[derive(Debug, Clone)]
struct Known {
    version: String,
    keys: Option<BTreeSet<String>>,
}

/// Which Secrets exist, from a watch of their metadata; and their keys, asked for when somebody wants to know.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<HashMap<(String, String), Known>>);

impl Secrets {
    fn known(&self) -> MutexGuard<'_, HashMap<(String, String), Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch shows a Secret. Says whether that is news.
    pub fn seen(&self, namespace: &str, name: &str, version: &str) -> bool {
        let mut known = self.known();
        let key = (namespace.to_owned(), name.to_owned());
        if known.get(&key).is_some_and(|secret| secret.version == version) {
            return false;
        }
        let version = version.to_owned();
        known.insert(key, Known { version, keys: None });
        true
    }

    /// A Secret is gone.
    pub fn gone(&self, namespace: &str, name: &str) {
        self.known().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// The watch starts over. Gives what is gone.
    pub fn keep_only(&self, seen: &HashSet<(String, String)>) -> Vec<(String, String)> {
        let mut known = self.known();
        let gone: Vec<_> = known.keys().filter(|key| !seen.contains(*key)).cloned().collect();
        for key in &gone {
            known.remove(key);
        }
        gone
    }

    /// The keys of the named Secrets.
    pub async fn keys(
        &self,
        client: &Client,
        namespace: &str,
        names: BTreeSet<String>,
    ) -> kube::Result<Found> {
        let mut found = Found::new();
        for name in names {
            let keys = self.keys_of(client, namespace, &name).await?;
            found.insert(name, keys);
        }
        Ok(found)
    }

    async fn keys_of(
        &self,
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> kube::Result<Option<BTreeSet<String>>> {
        let key = (namespace.to_owned(), name.to_owned());
        let known = self.known().get(&key).cloned();
        // What the watch does not show does not exist: no call, and the watch tells when it comes.
        let Some(known) = known else { return Ok(None) };
        if known.keys.is_some() {
            return Ok(known.keys);
        }
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let Some(secret) = api.get_opt(name).await? else {
            return Ok(None);
        };
        let keys: BTreeSet<String> = secret
            .data
            .iter()
            .flatten()
            .filter(|(_, value)| !value.0.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        let version = secret.metadata.resource_version.unwrap_or_default();
        let keys = Some(keys);
        self.known().insert(
            key,
            Known {
                version,
                keys: keys.clone(),
            },
        );
        Ok(keys)
    }
}
