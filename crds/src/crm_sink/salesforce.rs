//! A Salesforce organisation.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Expression, SecretKeyRef, exactly_one, https_url};
use crate::secret_refs::{SecretPurpose::Credentials, SecretReference, one};

/// A Salesforce organisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Salesforce {
    /// The URL of the organisation (My Domain), for example `https://example.my.salesforce.com`.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("salesforce.instanceUrl"))]
    pub instance_url: String,
    /// The version of the REST API, as a string. Default: `"62.0"`.
    #[serde(default = "default_api_version")]
    #[schemars(length(max = 6), regex(pattern = r"^[0-9]{2,3}\.0$"))]
    pub api_version: String,
    /// The Salesforce object that leads are written to. Default: `Lead`.
    #[serde(default = "default_object")]
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub object: String,
    /// The external ID that identifies a record. With an external ID, two deliveries of one lead create one
    /// record even if a response is lost. Absent: records are found by a query for `matching.keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// How the receiver authenticates to Salesforce: exactly one of `clientCredentials`, `jwtBearer` and
    /// `refreshToken`.
    pub auth: SalesforceAuth,
    /// How duplicate rules are handled. `Respect`: obey them; the lead is then matched or held. `AllowSave`:
    /// save the record in spite of rules that allow it. Default: `Respect`.
    #[serde(default)]
    pub duplicate_rule: DuplicateRule,
    /// Whether Salesforce's assignment rules run for new records. Default: false.
    #[serde(default)]
    pub assignment_rule: bool,
    /// Values for fields that Salesforce requires and the lead lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallbacks: Option<Fallbacks>,
}

/// The external ID that identifies a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalId {
    /// The name of a field that is marked "External ID" and "Unique", for example `Webhook_Submission_ID__c`.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub field: String,
    /// CEL over `lead`, `webhook` and `payload` that returns the value of the external ID. If several senders
    /// feed the sink, make their values distinct, for example `webhook.name + '-' + lead.submissionId`. A
    /// value of up to 64 lower-case letters, digits, `-` and `_` is stored as it is; any other value is
    /// stored as its SHA-256. Default: `lead.submissionId`.
    #[serde(default = "default_external_id_value")]
    pub value: Expression,
}

/// Values for fields that Salesforce requires and the lead lacks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fallbacks {
    /// The last name of a lead without one, for example `[unknown]`. Absent: such a lead becomes dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    pub last_name: Option<String>,
    /// The company of a lead without one, for example `[unknown]`. Absent: such a lead becomes dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub company: Option<String>,
}

/// What happens when a duplicate rule objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DuplicateRule {
    /// The rule is obeyed.
    #[default]
    Respect,
    /// The record is saved where the rule allows it.
    AllowSave,
}

/// How the receiver authenticates to Salesforce.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = exactly_one(
        &["clientCredentials", "jwtBearer", "refreshToken"],
        "salesforce.auth needs exactly one of clientCredentials, jwtBearer and refreshToken",
    )
)]
pub struct SalesforceAuth {
    /// The OAuth 2.0 client credentials flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_credentials: Option<ClientCredentials>,
    /// The OAuth 2.0 JWT bearer flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_bearer: Option<JwtBearer>,
    /// The OAuth 2.0 refresh token flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<RefreshToken>,
}

/// The one flow of a [`SalesforceAuth`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SalesforceAuthFlow<'a> {
    /// Client credentials.
    ClientCredentials(&'a ClientCredentials),
    /// JWT bearer.
    JwtBearer(&'a JwtBearer),
    /// Refresh token.
    RefreshToken(&'a RefreshToken),
}

impl SalesforceAuth {
    /// The flow, when exactly one is set.
    pub fn flow(&self) -> Option<SalesforceAuthFlow<'_>> {
        match (&self.client_credentials, &self.jwt_bearer, &self.refresh_token) {
            (Some(x), None, None) => Some(SalesforceAuthFlow::ClientCredentials(x)),
            (None, Some(x), None) => Some(SalesforceAuthFlow::JwtBearer(x)),
            (None, None, Some(x)) => Some(SalesforceAuthFlow::RefreshToken(x)),
            _ => None,
        }
    }
}

/// The OAuth 2.0 client credentials flow, at `instanceUrl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCredentials {
    /// The consumer key of the connected app.
    pub client_id: SecretKeyRef,
    /// The consumer secret of the connected app.
    pub client_secret: SecretKeyRef,
}

/// The OAuth 2.0 JWT bearer flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtBearer {
    /// The consumer key of the connected app.
    pub client_id: SecretKeyRef,
    /// The RSA private key (PEM) of the certificate that is uploaded to the connected app.
    pub private_key: SecretKeyRef,
    /// The Salesforce user that leads are written as.
    #[schemars(length(min = 1, max = 255))]
    pub username: String,
    /// The audience of the token. Default: `loginUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// The login URL; for a sandbox `https://test.salesforce.com`. Default: `https://login.salesforce.com`.
    #[serde(default = "default_login_url")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("salesforce.auth.jwtBearer.loginUrl"))]
    pub login_url: String,
}

/// The OAuth 2.0 refresh token flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshToken {
    /// The consumer key of the connected app.
    pub client_id: SecretKeyRef,
    /// The consumer secret of the connected app. Absent: the app does not need one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretKeyRef>,
    /// The refresh token.
    pub refresh_token: SecretKeyRef,
    /// The login URL; for a sandbox `https://test.salesforce.com`. Default: `https://login.salesforce.com`.
    #[serde(default = "default_login_url")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("salesforce.auth.refreshToken.loginUrl"))]
    pub login_url: String,
}

fn default_api_version() -> String {
    "62.0".to_owned()
}

fn default_object() -> String {
    "Lead".to_owned()
}

fn default_external_id_value() -> Expression {
    Expression::literal("lead.submissionId")
}

fn default_login_url() -> String {
    "https://login.salesforce.com".to_owned()
}

impl Salesforce {
    /// Every key of a Secret that it refers to.
    pub(super) fn secret_refs(&self) -> Vec<SecretReference> {
        let mut found = Vec::new();
        let mut add = |field: &str, reference: &SecretKeyRef| {
            found.push(one(
                format!("spec.salesforce.auth.{field}"),
                reference,
                Credentials,
            ));
        };
        if let Some(flow) = &self.auth.client_credentials {
            add("clientCredentials.clientId", &flow.client_id);
            add("clientCredentials.clientSecret", &flow.client_secret);
        }
        if let Some(flow) = &self.auth.jwt_bearer {
            add("jwtBearer.clientId", &flow.client_id);
            add("jwtBearer.privateKey", &flow.private_key);
        }
        if let Some(flow) = &self.auth.refresh_token {
            add("refreshToken.clientId", &flow.client_id);
            if let Some(secret) = &flow.client_secret {
                add("refreshToken.clientSecret", secret);
            }
            add("refreshToken.refreshToken", &flow.refresh_token);
        }
        found
    }
}
