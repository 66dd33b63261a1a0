//! The CustomResourceDefinitions of the resources.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::core::CustomResourceExt;
use serde_json::json;

use crate::{CrmSink, LeadReceiver, LeadWebhook};

/// The definition of LeadWebhook.
pub fn lead_webhook_crd() -> CustomResourceDefinition {
    finish(LeadWebhook::crd())
}

/// The definition of LeadReceiver.
pub fn lead_receiver_crd() -> CustomResourceDefinition {
    finish(LeadReceiver::crd())
}

/// The definition of CrmSink.
pub fn crm_sink_crd() -> CustomResourceDefinition {
    finish(CrmSink::crd())
}

/// What the derive macros cannot say.
fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let Some(root) = version
            .schema
            .as_mut()
            .and_then(|s| s.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        tidy(root);
        let Some(properties) = &mut root.properties else {
            continue;
        };
        if let Some(status) = properties.get_mut("status") {
            // Tools that wait for an object (kstatus) must not take a new one for finished.
            status.default = Some(JSON(json!({"observedGeneration": -1})));
        }
    }
    crd
}

/// Goes through the whole schema.
///
/// - `nullable` goes: the API server then takes `x: null` as if x were absent, so that defaults apply
///   and rules that ask `has(self.x)` say no (server-side apply refuses the null instead).
/// - Line breaks of doc comments become blanks.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        let paragraphs: Vec<_> = description
            .split("\n\n")
            .map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        *description = paragraphs.join("\n\n");
    }
    for inner in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        tidy(inner);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(inner)) => tidy(inner),
        Some(JSONSchemaPropsOrArray::Schemas(all)) => all.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(inner)) = &mut schema.additional_properties {
        tidy(inner);
    }
}
