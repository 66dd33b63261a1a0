//! A HubSpot account.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{SecretKeyRef, https_url};
use crate::secret_refs::{SecretPurpose::Credentials, SecretReference, one};

/// A HubSpot account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HubSpot {
    /// The token of a private app, or a service key.
    pub token_secret_ref: SecretKeyRef,
    /// The base URL of the API. Default: `https://api.hubapi.com`.
    #[serde(default = "default_base_url")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("hubspot.baseUrl"))]
    pub base_url: String,
    /// The API version: `v3`, or a dated version such as `2026-03`. Default: `v3`.
    #[serde(default = "default_api_version")]
    #[schemars(length(max = 16), regex(pattern = r"^(v[0-9]{1,2}|[0-9]{4}-[0-9]{2})$"))]
    pub api_version: String,
    /// The HubSpot object that leads are written to. Default: `contacts`.
    #[serde(default = "default_object")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub object: String,
    /// Which calls write leads. `Single`: one call for each lead, with the lowest latency. `Batch`: batch
    /// calls, which use less of the rate limit. `Auto`: single calls when idle and batch calls under load.
    /// Default: `Auto`.
    #[serde(default)]
    pub upsert: Upsert,
    /// The property that identifies a record: `email`, or a unique property of your own such as
    /// `webhook_submission_id`. Default: `email`.
    #[serde(default = "default_unique_property")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub unique_property: String,
    /// Whether the receiver creates properties that `properties` maps but HubSpot does not have. If false,
    /// missing properties are reported. Default: false.
    #[serde(default)]
    pub ensure_properties: bool,
}

/// Which calls write leads to HubSpot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Upsert {
    /// Single calls when idle, batch calls under load.
    #[default]
    Auto,
    /// Single calls.
    Single,
    /// Batch calls.
    Batch,
}

fn default_base_url() -> String {
    "https://api.hubapi.com".to_owned()
}

fn default_api_version() -> String {
    "v3".to_owned()
}

fn default_object() -> String {
    "contacts".to_owned()
}

fn default_unique_property() -> String {
    "email".to_owned()
}

impl HubSpot {
    /// Every key of a Secret that it refers to.
    pub(super) fn secret_refs(&self) -> Vec<SecretReference> {
        let field = "spec.hubspot.tokenSecretRef".to_owned();
        vec![one(field, &self.token_secret_ref, Credentials)]
    }
}
