//! Which keys of Secrets the resources refer to. Pure.

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
    let mut found = of_auth(spec);
    if let Some(hydrate) = &spec.payload.hydrate {
        found.push(one(
            "spec.payload.hydrate.tokenSecretRef".to_owned(),
            &hydrate.token_secret_ref,
        ));
    }
    found
}

/// The keys with which senders prove who they are: all but the user name, which is no secret.
pub fn proofs(spec: &LeadWebhookSpec) -> Vec<Reference> {
    let basic = spec.auth.basic.as_ref().map(|basic| &basic.secret_ref);
    let is_user = |reference: &Reference| {
        basic.is_some_and(|basic| basic.name == reference.name && basic.username_key == reference.key)
    };
    let mut found = of_auth(spec);
    found.retain(|reference| !is_user(reference));
    found
}

fn of_auth(spec: &LeadWebhookSpec) -> Vec<Reference> {
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
    found
}

/// What a webhook needs besides: the Redis URL, the certificate and the authorities of client certificates.
pub fn infrastructure_secrets(spec: &LeadWebhookSpec) -> Vec<Reference> {
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
