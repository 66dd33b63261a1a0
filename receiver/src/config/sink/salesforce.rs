//! `spec.salesforce`.

use std::time::Duration;

use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::crm_sink::{DuplicateRule, ExternalId, Salesforce, SalesforceAuthFlow};

use super::secret_text;
use crate::crm::Matching;
use crate::crm::salesforce::{self, SignIn, rsa_key};
use crate::expression::{Names, Program};
use crate::source::ReadSecret;

const CLIENT_ID: &str = "the connected app's consumer key";
const CLIENT_SECRET: &str = "the connected app's consumer secret";

/// Compiles; every error names its field and the remedy.
pub(super) fn settings(
    spec: &Salesforce,
    timeout: Duration,
    matching: Matching,
    read_secret: &ReadSecret<'_>,
) -> Result<salesforce::Settings, Vec<String>> {
    let sign_in = sign_in(spec, read_secret);
    let external_id = spec.external_id.as_ref().map(external_id).transpose();
    match (sign_in, external_id) {
        (Ok(sign_in), Ok(external_id)) => Ok(salesforce::Settings {
            instance_url: spec.instance_url.clone(),
            api_version: spec.api_version.clone(),
            object: spec.object.clone(),
            external_id,
            sign_in,
            allow_save: spec.duplicate_rule == DuplicateRule::AllowSave,
            assignment_rule: spec.assignment_rule,
            fallbacks: spec.fallbacks.clone().unwrap_or_default(),
            timeout,
            matching,
        }),
        (sign_in, external_id) => {
            let mut errors = sign_in.err().unwrap_or_default();
            errors.extend(external_id.err());
            Err(errors)
        }
    }
}

fn external_id(spec: &ExternalId) -> Result<salesforce::ExternalId, String> {
    if spec.field.eq_ignore_ascii_case("Id") {
        return Err(
            "spec.salesforce.externalId.field: Id is Salesforce's own; create a custom field that is marked External ID and Unique"
                .to_owned(),
        );
    }
    let value = Program::compile(spec.value.as_str(), &Names::DELIVERY)
        .map_err(|error| format!("spec.salesforce.externalId.value: {error}"))?;
    Ok(salesforce::ExternalId {
        field: spec.field.clone(),
        value,
    })
}

fn sign_in(spec: &Salesforce, read_secret: &ReadSecret<'_>) -> Result<SignIn, Vec<String>> {
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
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use serde_json::{Value, json};

    fn errors(auth: &Value, external: &Value) -> Vec<String> {
        let spec: Salesforce = serde_json::from_value(json!({
            "instanceUrl": "https://x.my.salesforce.com", "auth": auth, "externalId": external,
        }))
        .unwrap();
        let read = |_: &str, key: &str| match key {
            "good" => Ok(b" value\n".to_vec()),
            "blank" => Ok(b" \n".to_vec()),
            "binary" => Ok(vec![0xff, 0xfe]),
            _ => Err("Secret s has no such key".to_owned()),
        };
        let matching = Matching::from(&leadgate_crds::crm_sink::Matching::default());
        settings(&spec, Duration::from_secs(1), matching, &read)
            .map(|_| ())
            .err()
            .unwrap_or_default()
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
