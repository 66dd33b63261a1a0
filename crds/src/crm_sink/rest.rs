//! Any CRM with a REST API, in data instead of code.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{
    BasicSecretRef, Duration, Expression, HEADER_PATTERN, HeaderValue, SecretKeyRef, between, exactly_one,
    header_names, https_url, is_default,
};
use crate::secret_refs::{SecretPurpose::Credentials, SecretReference, one, pair};

/// Any CRM with a REST API: one `upsert` call, or `lookup`, `create` and `update`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new(
        "has(self.upsert) ? !has(self.lookup) && !has(self.create) && !has(self.update) : has(self.lookup) && has(self.create) && has(self.update)"
    )
    .message("rest needs either upsert alone or all three of lookup, create and update")
)]
pub struct Rest {
    /// The base URL that every path is appended to, for example `https://crm.example.com`.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("rest.baseUrl"))]
    pub base_url: String,
    /// How the receiver authenticates to the CRM: exactly one of `bearer`, `header`, `basic` and
    /// `oauth2ClientCredentials`.
    pub auth: RestAuth,
    /// Additional headers of every call, as constant strings; up to 32. Use `auth` for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, HeaderValue>", extend("maxProperties" = 32))]
    #[x_kube(validation = header_names("rest.headers", "rest.auth"))]
    pub headers: BTreeMap<String, String>,
    /// The call that creates or updates a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upsert: Option<UpsertCall>,
    /// The call that finds a person's records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// The call that creates a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<Create>,
    /// The call that updates a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// The call that deletes a record, for `privacy.crm: Delete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<DeleteCall>,
    /// The call that reads a record, for `audit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadCall>,
    /// How the CRM's responses are interpreted.
    #[serde(default)]
    pub answers: Answers,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
}

impl Method {
    /// As it is written in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// The call that creates or updates a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpsertCall {
    /// The HTTP method: `GET`, `POST`, `PUT` or `PATCH`. Default: `PUT`.
    #[serde(default = "put")]
    pub method: Method,
    /// CEL over `lead`, `webhook`, `payload` and `properties` that returns the path including the query, for
    /// example `'/api/contacts/' + urlencode(lead.email)`.
    pub path: Expression,
    /// CEL that returns the body, which is sent as JSON. Default: `properties`, the mapped properties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Expression>,
    /// CEL over the response's `body`, `status` and `headers` that returns the id of the record. Default:
    /// `answers.id`, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Expression>,
}

/// The call that finds a person's records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lookup {
    /// The HTTP method: `GET`, `POST`, `PUT` or `PATCH`. Default: `GET`.
    #[serde(default = "get")]
    pub method: Method,
    /// CEL over `lead`, `webhook`, `payload` and `properties` that returns the path including the query.
    pub path: Expression,
    /// CEL that returns the body, for APIs that search by POST. Default: no body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Expression>,
    /// CEL over the response's `body` that returns the list of records, for example `body.results`.
    pub records: Expression,
    /// CEL over `record` and `lead` that returns whether a record belongs to the lead, for example
    /// `record.email == lead.email`. Many searches return more than was asked for.
    #[serde(rename = "match")]
    pub matches: Expression,
    /// CEL over `record` that returns its id as a string, for example `string(record.id)`.
    pub id: Expression,
    /// How long this call may fail to show a new record, for CRMs whose search lags behind writes. When it is
    /// unknown whether a record was created, the receiver waits this long before it trusts the lookup. From
    /// `0s` to `1h`. Default: `30s`.
    #[serde(default = "default_lag")]
    #[x_kube(validation = between("rest.lookup.lag", "0s", "1h"))]
    pub lag: Duration,
}

/// The call that creates a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Create {
    /// The HTTP method: `GET`, `POST`, `PUT` or `PATCH`. Default: `POST`.
    #[serde(default = "post")]
    pub method: Method,
    /// CEL over `lead`, `webhook`, `payload` and `properties` that returns the path including the query.
    pub path: Expression,
    /// CEL that returns the body, which is sent as JSON. Default: `properties`, the mapped properties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Expression>,
    /// CEL over the response's `body`, `status` and `headers` that returns the id of the new record. Default:
    /// `body.id`.
    #[serde(default = "body_id")]
    pub id: Expression,
}

/// The call that updates a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    /// The HTTP method: `GET`, `POST`, `PUT` or `PATCH`. Default: `PATCH`.
    #[serde(default = "patch")]
    pub method: Method,
    /// CEL over `id`, `lead`, `webhook`, `payload` and `properties` that returns the path including the
    /// query, for example `'/api/leads/' + id + '/'`.
    pub path: Expression,
    /// CEL that returns the body, which is sent as JSON. Default: `properties`, the mapped properties.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Expression>,
    /// Additional headers of this call, up to 32, for example `If-Match: "*"` where a PATCH would otherwise
    /// recreate a deleted record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, HeaderValue>", extend("maxProperties" = 32))]
    #[x_kube(validation = header_names("rest.update.headers", "rest.auth"))]
    pub headers: BTreeMap<String, String>,
}

/// The call that deletes a record. `answers.gone` and `answers.delivered` mean that the record is no longer
/// there, `answers.retry` that the call is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteCall {
    /// The HTTP method: `DELETE` or `POST`. Default: `DELETE`.
    #[serde(default)]
    pub method: DeleteMethod,
    /// CEL over `id`, the id of the record as a string, that returns the path including the query, for example
    /// `'/api/leads/' + id`.
    pub path: Expression,
    /// CEL over `id` that returns the body, which is sent as JSON. Default: no body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Expression>,
}

/// The call that reads a record by its id. Its method is GET. `answers.gone` means that the record is no longer there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReadCall {
    /// CEL over `id`, the id of the record as a string, that returns the path including the query, for example
    /// `'/api/leads/' + id`.
    pub path: Expression,
    /// CEL over the response's `body` that returns whose record it is, as the `lead` that `lookup` finds others by, for
    /// example `{'email': body.email, 'phone': body.phone}`. The values are normalised as those of leads are.
    pub lead: Expression,
}

/// The HTTP method of a deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DeleteMethod {
    /// DELETE.
    #[default]
    Delete,
    /// POST.
    Post,
}

impl DeleteMethod {
    /// As it is written in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Post => "POST",
        }
    }
}

/// How the CRM's responses are interpreted: CEL over `status` (a number), `headers` (by lower-case name),
/// `body` (null unless it is JSON) and `call` (`upsert`, `lookup`, `create`, `update`, `delete` or `read`). The first
/// expression that returns true decides, in the order `gone`, `delivered`, `conflict`, `retry`. For any other
/// response, 401 and 403 pause the sink, 200 to 299 without JSON is retried, and everything else makes the
/// lead dead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answers {
    /// Whether the record of an `update` no longer exists; it is then looked up again. Default: `status in
    /// [404, 410]`.
    #[serde(default = "gone")]
    pub gone: Expression,
    /// Whether the CRM accepted the lead. A `create` counts as delivered only if its response also contains
    /// the id of the record. Default: `status == 204 || (status < 300 && body != null && body.?success.orValue(true) !=
    /// false && body.?ok.orValue(true) != false)`.
    #[serde(default = "delivered")]
    pub delivered: Expression,
    /// Whether the record already exists; it is then looked up and updated. Default: `status == 409`.
    #[serde(default = "conflict")]
    pub conflict: Expression,
    /// Whether the call is retried later. Default: `status == 429 || status >= 500`.
    #[serde(default = "retry")]
    pub retry: Expression,
    /// The properties that the CRM rejects, as a string or a list, for example `body.errors.map(name, name)`.
    /// The lead is then written without them; see `delivery.onRefusedProperty`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Expression>,
    /// The CRM's error message, for people, for example `body.error`. Default: the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Expression>,
    /// The id of the record in responses that name one, such as a conflict. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Expression>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            gone: gone(),
            delivered: delivered(),
            conflict: conflict(),
            retry: retry(),
            refused: None,
            message: None,
            id: None,
        }
    }
}

/// How the receiver authenticates to the CRM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = exactly_one(
        &["bearer", "header", "basic", "oauth2ClientCredentials"],
        "rest.auth needs exactly one of bearer, header, basic and oauth2ClientCredentials",
    )
)]
pub struct RestAuth {
    /// `Authorization: Bearer <token>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer: Option<RestBearer>,
    /// A header of your choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<RestHeader>,
    /// A user name and a password (HTTP Basic).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<RestBasic>,
    /// The OAuth 2.0 client credentials flow.
    #[serde(rename = "oauth2ClientCredentials", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_credentials: Option<OAuth2ClientCredentials>,
}

/// The one scheme of a [`RestAuth`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RestAuthScheme<'a> {
    /// A bearer token.
    Bearer(&'a RestBearer),
    /// A header.
    Header(&'a RestHeader),
    /// User name and password.
    Basic(&'a RestBasic),
    /// Client credentials.
    OAuth2ClientCredentials(&'a OAuth2ClientCredentials),
}

impl RestAuth {
    /// The scheme, when exactly one is set.
    pub fn scheme(&self) -> Option<RestAuthScheme<'_>> {
        match (
            &self.bearer,
            &self.header,
            &self.basic,
            &self.oauth2_client_credentials,
        ) {
            (Some(x), None, None, None) => Some(RestAuthScheme::Bearer(x)),
            (None, Some(x), None, None) => Some(RestAuthScheme::Header(x)),
            (None, None, Some(x), None) => Some(RestAuthScheme::Basic(x)),
            (None, None, None, Some(x)) => Some(RestAuthScheme::OAuth2ClientCredentials(x)),
            _ => None,
        }
    }
}

/// `Authorization: Bearer <token>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestBearer {
    /// The token.
    pub token: SecretKeyRef,
}

/// A header of your choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestHeader {
    /// The name of the header, for example `X-Api-Key`.
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub name: String,
    /// The value of the header.
    pub value: SecretKeyRef,
    /// A prefix of the value, for example `Zoho-oauthtoken ` including its trailing space. Default: no
    /// prefix.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(length(max = 64), regex(pattern = r"^[\x20-\x7e]*$"))]
    pub prefix: String,
}

/// A user name and a password (HTTP Basic).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestBasic {
    /// The Secret with the user name and the password.
    pub secret_ref: BasicSecretRef,
}

/// The OAuth 2.0 client credentials flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuth2ClientCredentials {
    /// The URL of the token endpoint.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("rest.auth.oauth2ClientCredentials.tokenUrl"))]
    pub token_url: String,
    /// The client ID.
    pub client_id: SecretKeyRef,
    /// The client secret.
    pub client_secret: SecretKeyRef,
    /// The requested scopes, up to 32. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(min = 1, max = 256), regex(pattern = r"^\S+$"))
    )]
    pub scopes: Vec<String>,
    /// The requested audience. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub audience: Option<String>,
    /// Additional parameters for the token endpoint, up to 16, for example `soid` for Zoho. Use
    /// `clientSecret` for secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, HeaderValue>", extend("maxProperties" = 16))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.matches('^[A-Za-z0-9_.-]{1,128}$') && !(k in ['grant_type', 'client_id', 'client_secret', 'scope', 'audience']))")
            .message("oauth2ClientCredentials.parameters has names of further parameters as keys, not grant_type, client_id, client_secret, scope or audience: these have fields of their own")
    )]
    pub parameters: BTreeMap<String, String>,
    /// The scheme before the token in the `Authorization` header. Default: `Bearer`.
    #[serde(default = "bearer")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._~-]+$"))]
    pub scheme: String,
}

fn get() -> Method {
    Method::Get
}

fn post() -> Method {
    Method::Post
}

fn put() -> Method {
    Method::Put
}

fn patch() -> Method {
    Method::Patch
}

fn default_lag() -> Duration {
    Duration::seconds(30)
}

fn bearer() -> String {
    "Bearer".to_owned()
}

fn body_id() -> Expression {
    Expression::literal("body.id")
}

fn gone() -> Expression {
    Expression::literal("status in [404, 410]")
}

fn delivered() -> Expression {
    Expression::literal(
        "status == 204 || (status < 300 && body != null && body.?success.orValue(true) != false && body.?ok.orValue(true) != false)",
    )
}

fn conflict() -> Expression {
    Expression::literal("status == 409")
}

fn retry() -> Expression {
    Expression::literal("status == 429 || status >= 500")
}

impl Rest {
    /// Every key of a Secret that it refers to.
    pub(super) fn secret_refs(&self) -> Vec<SecretReference> {
        let at = |field: &str, reference: &SecretKeyRef| {
            one(format!("spec.rest.auth.{field}"), reference, Credentials)
        };
        let mut found = Vec::new();
        if let Some(bearer) = &self.auth.bearer {
            found.push(at("bearer.token", &bearer.token));
        }
        if let Some(header) = &self.auth.header {
            found.push(at("header.value", &header.value));
        }
        if let Some(basic) = &self.auth.basic {
            let field = "spec.rest.auth.basic.secretRef";
            found.extend(pair(field, &basic.secret_ref, [Credentials; 2]));
        }
        if let Some(oauth2) = &self.auth.oauth2_client_credentials {
            found.push(at("oauth2ClientCredentials.clientId", &oauth2.client_id));
            found.push(at("oauth2ClientCredentials.clientSecret", &oauth2.client_secret));
        }
        found
    }
}
