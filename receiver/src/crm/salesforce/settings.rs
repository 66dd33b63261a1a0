//! `spec.salesforce`, compiled.

use std::sync::Arc;
use std::time::Duration;

use leadgate_crds::CrmSinkSpec;
use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::crm_sink::{self, DuplicateRule, Fallbacks, SalesforceAuthFlow};

use super::auth::{SignIn, rsa_key};
use crate::crm::properties::PHONE;
use crate::crm::{CrmSettings, CrmSpec, Matching};
use crate::expression::{Names, Program};
use crate::secret_value::{ReadSecret, secret_text};

const CLIENT_ID: &str = "the connected app's consumer key";
const CLIENT_SECRET: &str = "the connected app's consumer secret";

/// Salesforce's own fields of a Lead, for sinks without `properties`.
pub const STANDARD_PROPERTIES: &[(&str, &str)] = &[
    ("Email", "lead.email"),
    ("FirstName", "lead.firstName"),
    ("LastName", "lead.lastName"),
    ("Phone", PHONE),
    ("Company", "lead.company"),
    ("Title", "lead.jobTitle"),
    ("Website", "lead.website"),
    ("Street", "lead.address"),
    ("City", "lead.city"),
    ("State", "lead.state"),
    ("PostalCode", "lead.postalCode"),
    ("Country", "lead.country"),
    ("Description", "lead.message"),
];

/// What a Salesforce sink says.
#[derive(Debug)]
pub(super) struct Settings {
    /// `https://example.my.salesforce.com`.
    pub(super) instance_url: String,
    /// `62.0`.
    pub(super) api_version: String,
    /// `Lead`.
    pub(super) object: String,
    /// By what a record is created exactly once.
    pub(super) external_id: Option<ExternalId>,
    /// How the receiver signs in.
    pub(super) sign_in: SignIn,
    /// Save in spite of duplicate rules that allow it.
    pub(super) allow_save: bool,
    /// Whether assignment rules run for new records.
    pub(super) assignment_rule: bool,
    /// What new records get where the lead has nothing.
    pub(super) fallbacks: Fallbacks,
    /// For one call.
    pub(super) timeout: Duration,
    /// How a lead finds its record.
    pub(super) matching: Matching,
}

/// By what a record is created exactly once.
#[derive(Debug)]
pub(super) struct ExternalId {
    /// A field marked "External ID" and "Unique".
    pub(super) field: String,
    /// Its value, over `lead`, `webhook` and `payload`.
    pub(super) value: Program,
}

impl Settings {
    /// The field that `matching`'s key is compared with: standard objects have `Email` and `Phone`, custom ones have
    /// fields of the user's own.
    pub(super) fn key_field(&self, standard: &str) -> String {
        if self.object.to_ascii_lowercase().ends_with("__c") {
            format!("{standard}__c")
        } else {
            standard.to_owned()
        }
    }

    /// Leads are converted into contacts, and are read-only from then on.
    pub(super) fn converts(&self) -> bool {
        self.object.eq_ignore_ascii_case("Lead")
    }
}

impl CrmSpec for crm_sink::Salesforce {
    fn compile(
        &self,
        sink: &CrmSinkSpec,
        read_secret: &ReadSecret<'_>,
    ) -> Result<Arc<dyn CrmSettings>, Vec<String>> {
        let sign_in = sign_in(self, read_secret);
        let external_id = self.external_id.as_ref().map(external_id).transpose();
        match (sign_in, external_id) {
            (Ok(sign_in), Ok(external_id)) => Ok(Arc::new(Settings {
                instance_url: self.instance_url.clone(),
                api_version: self.api_version.clone(),
                object: self.object.clone(),
                external_id,
                sign_in,
                allow_save: self.duplicate_rule == DuplicateRule::AllowSave,
                assignment_rule: self.assignment_rule,
                fallbacks: self.fallbacks.clone().unwrap_or_default(),
                timeout: sink.delivery.timeout.get(),
                matching: Matching::from(&sink.matching),
            })),
            (sign_in, external_id) => {
                let mut errors = sign_in.err().unwrap_or_default();
                errors.extend(external_id.err());
                Err(errors)
            }
        }
    }

    fn address(&self) -> String {
        format!("salesforce {} {}", self.instance_url, self.object)
    }

    fn standard_properties(&self) -> &'static [(&'static str, &'static str)] {
        STANDARD_PROPERTIES
    }

    fn extends_standard_properties(&self) -> bool {
        self.object == "Lead"
    }

    fn has_contacts(&self) -> bool {
        self.object.eq_ignore_ascii_case("Lead")
    }

    fn unidentified(&self, maps: &dyn Fn(&str) -> bool) -> Option<String> {
        (self.external_id.is_none() && !maps("Email") && !maps("Phone")).then(|| {
            "spec.properties: neither Email nor Phone is given, by which a record is found; add `Email: lead.email`, or set salesforce.externalId"
                .to_owned()
        })
    }
}

fn external_id(spec: &crm_sink::ExternalId) -> Result<ExternalId, String> {
    if spec.field.eq_ignore_ascii_case("Id") {
        return Err(
            "spec.salesforce.externalId.field: Id is Salesforce's own; create a custom field that is marked External ID and Unique"
                .to_owned(),
        );
    }
    let value = Program::compile(spec.value.as_str(), &Names::DELIVERY)
        .map_err(|error| format!("spec.salesforce.externalId.value: {error}"))?;
    Ok(ExternalId {
        field: spec.field.clone(),
        value,
    })
}

fn sign_in(spec: &crm_sink::Salesforce, read_secret: &ReadSecret<'_>) -> Result<SignIn, Vec<String>> {
    let mut errors = Vec::new();
    // Each in a text of its own, so that all that is missing is told at once.
    let mut text = |at: &str, reference: &SecretKeyRef, what: &str| -> String {
        let at = format!("spec.salesforce.auth.{at}");
        secret_text(&at, reference, what, read_secret)
            .and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| {
                    format!(
                        "{at}: Secret {} key {} is not text; put {what} there",
                        reference.name, reference.key
                    )
                })
            })
            .unwrap_or_else(|error| {
                errors.push(error);
                String::new()
            })
    };
    let sign_in = match spec.auth.flow() {
        None => {
            return Err(vec![
                "spec.salesforce.auth: set exactly one of clientCredentials, jwtBearer and refreshToken"
                    .to_owned(),
            ]);
        }
        Some(SalesforceAuthFlow::ClientCredentials(flow)) => Some(SignIn::ClientCredentials {
            url: spec.instance_url.clone(),
            client_id: text("clientCredentials.clientId", &flow.client_id, CLIENT_ID),
            client_secret: text(
                "clientCredentials.clientSecret",
                &flow.client_secret,
                CLIENT_SECRET,
            ),
        }),
        Some(SalesforceAuthFlow::RefreshToken(flow)) => Some(SignIn::RefreshToken {
            url: flow.login_url.clone(),
            client_id: text("refreshToken.clientId", &flow.client_id, CLIENT_ID),
            client_secret: flow
                .client_secret
                .as_ref()
                .map(|secret| text("refreshToken.clientSecret", secret, CLIENT_SECRET)),
            refresh_token: text(
                "refreshToken.refreshToken",
                &flow.refresh_token,
                "the refresh token",
            ),
        }),
        Some(SalesforceAuthFlow::JwtBearer(flow)) => {
            let client_id = text("jwtBearer.clientId", &flow.client_id, CLIENT_ID);
            let pem = text(
                "jwtBearer.privateKey",
                &flow.private_key,
                "an RSA private key in PEM",
            );
            if pem.is_empty() {
                None
            } else {
                match rsa_key(pem.as_bytes()) {
                    Ok(key) => Some(SignIn::JwtBearer {
                        url: flow.login_url.clone(),
                        client_id,
                        key: Box::new(key),
                        username: flow.username.clone(),
                        audience: flow
                            .audience
                            .clone()
                            .unwrap_or_else(|| flow.login_url.trim_end_matches('/').to_owned()),
                    }),
                    Err(error) => {
                        errors.push(format!(
                            "spec.salesforce.auth.jwtBearer.privateKey: Secret {} key {}: {error}",
                            flow.private_key.name, flow.private_key.key
                        ));
                        None
                    }
                }
            }
        }
    };
    match sign_in {
        Some(sign_in) if errors.is_empty() => Ok(sign_in),
        _ => Err(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn errors(auth: &Value, external: &Value) -> Vec<String> {
        let spec: crm_sink::Salesforce = serde_json::from_value(json!({
            "instanceUrl": "https://x.my.salesforce.com", "auth": auth, "externalId": external,
        }))
        .unwrap();
        let read = |_: &str, key: &str| match key {
            "good" => Ok(b" value\n".to_vec()),
            "blank" => Ok(b" \n".to_vec()),
            "binary" => Ok(vec![0xff, 0xfe]),
            _ => Err("Secret s has no such key".to_owned()),
        };
        let sink: CrmSinkSpec = serde_json::from_value(json!({})).unwrap();
        spec.compile(&sink, &read).map(|_| ()).err().unwrap_or_default()
    }

    #[test]
    fn every_error_names_its_field_and_all_are_told() {
        let key = |key: &str| json!({"name": "s", "key": key});
        let flow = |id: &str, secret: &str| json!({"clientCredentials": {"clientId": key(id), "clientSecret": key(secret)}});
        let external = json!({"field": "Sub__c"});
        assert_eq!(errors(&flow("good", "good"), &external), Vec::<String>::new());
        let found = errors(
            &flow("missing", "blank"),
            &json!({"field": "Sub__c", "value": "lead."}),
        );
        for (error, part) in found.iter().zip([
            "spec.salesforce.auth.clientCredentials.clientId: Secret s has no such key",
            "spec.salesforce.auth.clientCredentials.clientSecret: Secret s key blank is empty; put the connected app's consumer secret there",
            "spec.salesforce.externalId.value: `lead.`: it ends too early, after lead.",
        ]) {
            assert!(error.starts_with(part), "{error}");
        }
        assert_eq!(found.len(), 3);
        let jwt = json!({"jwtBearer": {"clientId": key("good"), "privateKey": key("good"), "username": "u"}});
        let found = errors(&jwt, &external);
        assert!(
            found.len() == 1 && found[0].starts_with("spec.salesforce.auth.jwtBearer.privateKey: Secret s key good: there is no private key in PEM"),
            "{found:?}"
        );
        let refresh = json!({"refreshToken": {"clientId": key("binary"), "refreshToken": key("good")}});
        assert!(errors(&refresh, &external)[0].contains("is not text"));
        assert!(
            errors(&flow("good", "good"), &json!({"field": "ID"}))[0]
                .contains("externalId.field: Id is Salesforce's own")
        );
    }
}
