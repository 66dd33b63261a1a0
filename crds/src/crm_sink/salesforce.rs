//! A Salesforce organisation.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Expression, SecretKeyRef, exactly_one, https_url};

/// A Salesforce organisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Salesforce {
    /// The organisation's address (My Domain), for example `https://example.my.salesforce.com`.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("salesforce.instanceUrl"))]
    pub instance_url: String,
    /// The REST API's version, as a string. Default: `"62.0"`.
    #[serde(default = "default_api_version")]
    #[schemars(length(max = 6), regex(pattern = r"^[0-9]{2,3}\.0$"))]
    pub api_version: String,
    /// The object that leads become. Default: `Lead`.
    #[serde(default = "default_object")]
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub object: String,
    /// The external id by which Salesforce finds a record. It makes two deliveries of one lead one
    /// record even when an answer is lost. Absent: records are found by a query for
    /// `matching.keys`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// How the receiver signs in: exactly one of `clientCredentials`, `jwtBearer` and
    /// `refreshToken`.
    pub auth: SalesforceAuth,
    /// Whether to `Respect` duplicate rules (the lead is then matched or held) or to save in spite
    /// of rules that allow it (`AllowSave`). Default: `Respect`.
    #[serde(default)]
    pub duplicate_rule: DuplicateRule,
    /// Whether Salesforce's assignment rules run for new records. Default: false.
    #[serde(default)]
    pub assignment_rule: bool,
    /// What is sent where Salesforce demands a value that the lead lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallbacks: Option<Fallbacks>,
}

/// The external id by which Salesforce finds a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalId {
    /// A field that is marked "External ID" and "Unique", for example `Webhook_Submission_ID__c`.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub field: String,
    /// CEL over `lead`, `webhook` and `payload` that gives its value. Where several senders feed the
    /// sink, make their values differ: `webhook.name + '-' + lead.submissionId`. What is not up to 64
    /// lower-case letters, digits, `-` and `_` is stored as its SHA-256. Default: `lead.submissionId`.
    #[serde(default = "default_external_id_value")]
    pub value: Expression,
}

/// What is sent where Salesforce demands a value that the lead lacks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fallbacks {
    /// The family name of a lead without one, for example `[unknown]`. Absent: such a lead is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    pub last_name: Option<String>,
    /// The company of a lead without one, for example `[unknown]`. Absent: such a lead is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub company: Option<String>,
}

/// What to do when a duplicate rule objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DuplicateRule {
    /// Obey it.
    #[default]
    Respect,
    /// Save where the rule allows it.
    AllowSave,
}

/// How the receiver signs in to Salesforce.
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
    /// The connected app's consumer key.
    pub client_id: SecretKeyRef,
    /// The connected app's consumer secret.
    pub client_secret: SecretKeyRef,
}

/// The OAuth 2.0 JWT bearer flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtBearer {
    /// The connected app's consumer key.
    pub client_id: SecretKeyRef,
    /// The RSA private key in PEM whose certificate the connected app has.
    pub private_key: SecretKeyRef,
    /// The Salesforce user in whose name leads are written.
    #[schemars(length(min = 1, max = 255))]
    pub username: String,
    /// The audience of the token. Default: `loginUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// Where to sign in; a sandbox has `https://test.salesforce.com`. Default:
    /// `https://login.salesforce.com`.
    #[serde(default = "default_login_url")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("salesforce.auth.jwtBearer.loginUrl"))]
    pub login_url: String,
}

/// The OAuth 2.0 refresh token flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshToken {
    /// The connected app's consumer key.
    pub client_id: SecretKeyRef,
    /// The connected app's consumer secret. Absent: the app needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretKeyRef>,
    /// The refresh token.
    pub refresh_token: SecretKeyRef,
    /// Where to sign in; a sandbox has `https://test.salesforce.com`. Default:
    /// `https://login.salesforce.com`.
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
