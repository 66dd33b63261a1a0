//! Every reference to a Secret that the schemas know is one that `secret_refs()` gives: a forgotten one would be neither
//! mounted, nor checked, nor reloaded.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use leadgate_crds::{CrmSinkSpec, LeadReceiverSpec, LeadWebhookSpec};
use serde_json::json;

/// A property that is called so, or one that holds the name of an object and keys in it, refers to a Secret.
fn collect(path: &str, schema: &JSONSchemaProps, found: &mut BTreeSet<String>) {
    let name = path.rsplit('.').next().unwrap_or_default().trim_end_matches("[]");
    let has = |property: &str| {
        schema
            .properties
            .as_ref()
            .is_some_and(|all| all.contains_key(property))
    };
    let is_called_so = ["secretRef", "secretRefs"].contains(&name)
        || name.ends_with("SecretRef")
        || name.ends_with("SecretName");
    let is_shaped_so = has("name") && (has("key") || has("usernameKey"));
    let is_list = schema.type_.as_deref() == Some("array");
    // Taints have a key, and no name.
    if (is_called_so || is_shaped_so) && !is_list {
        found.insert(path.to_owned());
        return;
    }
    for (property, inner) in schema.properties.iter().flatten() {
        collect(&format!("{path}.{property}"), inner, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(inner)) = &schema.items {
        collect(&format!("{path}[]"), inner, found);
    }
}

fn in_schema(definition: &CustomResourceDefinition) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for version in &definition.spec.versions {
        let schema = version.schema.as_ref().unwrap();
        let root = schema.open_api_v3_schema.as_ref().unwrap();
        let spec = &root.properties.as_ref().unwrap()["spec"];
        collect("spec", spec, &mut found);
    }
    assert!(!found.is_empty());
    found
}

/// Fields without the places in lists.
fn fields(references: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    references
        .into_iter()
        .map(|field| field.replace("[0]", "[]"))
        .collect()
}

#[test]
fn a_webhook_gives_every_reference_that_its_schema_knows() {
    let key = json!({"name": "n", "key": "k"});
    let spec: LeadWebhookSpec = serde_json::from_value(json!({
        "source": "generic",
        "auth": {
            "hmac": {"secretRefs": [key]},
            "token": {"secretRefs": [key]},
            "basic": {"secretRef": {"name": "n"}},
            "challengeTokenSecretRef": key,
        },
        "payload": {"hydrate": {"tokenSecretRef": key}},
        "notify": {"urlSecretRef": key},
        "ingress": {"host": "leads.example.com", "tlsSecretName": "n"},
        "sinks": [{"name": "crm"}],
    }))
    .unwrap();
    let given = fields(spec.secret_refs().into_iter().map(|reference| reference.field));
    assert_eq!(given, in_schema(&leadgate_crds::lead_webhook_crd()));
}

#[test]
fn a_receiver_gives_every_reference_that_its_schema_knows() {
    let key = json!({"name": "n", "key": "k"});
    let spec: LeadReceiverSpec = serde_json::from_value(json!({
        "podTemplate": {"imagePullSecrets": [{"name": "n"}]},
        "outbound": {"proxy": {"urlSecretRef": key}, "caSecretRef": key},
        "queue": {"redis": {"urlSecretRef": key}, "encryption": {"secretRef": key}, "podTemplate": {"imagePullSecrets": [{"name": "n"}]}},
        "tls": {"secretRef": {"name": "n"}, "clientCaSecretRef": key},
    }))
    .unwrap();
    let given = fields(spec.secret_refs().into_iter().map(|reference| reference.field));
    assert_eq!(given, in_schema(&leadgate_crds::lead_receiver_crd()));
}

#[test]
fn a_sink_gives_every_reference_that_its_schema_knows() {
    let key = json!({"name": "n", "key": "k"});
    let spec: CrmSinkSpec = serde_json::from_value(json!({
        "hubspot": {"tokenSecretRef": key},
        "notify": {"urlSecretRef": key},
        "salesforce": {
            "instanceUrl": "https://example.my.salesforce.com",
            "auth": {
                "clientCredentials": {"clientId": key, "clientSecret": key},
                "jwtBearer": {"clientId": key, "privateKey": key, "username": "u"},
                "refreshToken": {"clientId": key, "clientSecret": key, "refreshToken": key},
            },
        },
        "rest": {
            "baseUrl": "https://crm.example",
            "auth": {
                "bearer": {"token": key},
                "header": {"name": "x-key", "value": key},
                "basic": {"secretRef": {"name": "n"}},
                "oauth2ClientCredentials": {"tokenUrl": "https://crm.example/token", "clientId": key, "clientSecret": key},
            },
            "create": {"path": "/leads"},
        },
    }))
    .unwrap();
    let given = fields(spec.secret_refs().into_iter().map(|reference| reference.field));
    assert_eq!(given, in_schema(&leadgate_crds::crm_sink_crd()));
}
