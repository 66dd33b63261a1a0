//! How the body of a request is parsed and mapped to leads.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{
    Duration, Expression, HEADER_PATTERN, HeaderValue, SecretKeyRef, any_object, between, header_names,
    https_url, is_default,
};

/// The fields of a lead as they are written in `payload.lead`, `payload.required` and
/// `payload.maxLengths`; a custom field is written `custom.<name>`.
pub const LEAD_FIELDS: [&str; 19] = [
    "email",
    "phone",
    "phoneExtension",
    "firstName",
    "lastName",
    "fullName",
    "company",
    "jobTitle",
    "website",
    "address",
    "city",
    "state",
    "postalCode",
    "country",
    "message",
    "source",
    "submissionId",
    "capturedAt",
    "custom",
];

/// How the body of a request is parsed and mapped to leads. Absent fields are taken from the preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Payload {
    /// The format of the body: `Auto` (by Content-Type), `Json`, `Form` or `Multipart`. Default: the
    /// preset's, else `Auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,

    /// The maximum size of the body in bytes, both compressed and decompressed. Larger bodies are answered
    /// with 413. From 1024 to 16777216 (16 MiB). Default: 1048576 (1 MiB).
    #[serde(default = "default_max_bytes")]
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub max_bytes: i64,

    /// CEL over `payload` and `headers` that returns whether the request contains leads. If false, the
    /// request is answered with 200 and ignored. Default: the preset's, else `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<Expression>,

    /// CEL over `payload` that returns a list, for senders that put several leads into one request. Each
    /// element is available as `item` in the other expressions. Default: the preset's, else one lead for each
    /// request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Expression>,

    /// What happens when some elements of `items` are invalid. `Each`: valid elements are accepted, each
    /// invalid element is kept as a separate rejected request, and the response (200) lists all of them; if
    /// none is valid, the response is 400. `AllOrNone`: the response is 400 and no element is accepted.
    /// Default: `Each`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub items_policy: ItemsPolicy,

    /// The mapping of the payload to the fields of a lead.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lead: LeadMapping,

    /// How much of a payload is stored with its lead. `Mapped`: what the expressions of this webhook and of its
    /// sinks read when the lead is accepted; a mapping that is corrected later finds nothing else. An
    /// expression that reads the payload as a whole, `schema`, and a sink without a manifest keep all of it.
    /// `Whole`: all of it. Rejected requests are always kept whole. Default: `Mapped`, or `Whole` if
    /// `retention.payloads` is set, since payloads are then kept to be mapped again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,

    /// Fetches the lead's fields from the sender's API, for senders that only send a notification (Meta,
    /// LinkedIn, HubSpot, Eventbrite). The fetch happens at delivery, never while the sender waits. Absent: a
    /// notification is accepted only if it contains an e-mail address or a phone number itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hydrate: Option<Hydrate>,

    /// The country of phone numbers without a country code, as two capital letters (ISO 3166), for example
    /// `DE`. Absent: such numbers are kept unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub default_region: Option<String>,

    /// Fields that a lead must have, in addition to an e-mail address or a phone number, one of which is
    /// always required; up to 32. A custom field is written as `custom.<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 80)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new(format!("self.all(f, {})", is_lead_field("f")))
            .message(format!("payload.required holds names of lead fields: {FIELD_HELP}").as_str())
    )]
    pub required: Vec<String>,

    /// What happens when an optional field is invalid. `Reject`: the request is answered with 400 and all
    /// errors. `DropField`: the lead is accepted without the field; the response, the log, the metric
    /// `leadgate_fields_left_out_total` and the stored lead name the field and the reason; a message that is
    /// too long is truncated. The only e-mail
    /// address or phone number, fields in `required`, and failed `rules` are always rejected. Default: the
    /// preset's (`DropField` for senders that nobody would see the 400 of), else `Reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_invalid: Option<OnInvalid>,

    /// Fields that are truncated, with a trailing `…`, if they exceed their maximum length, for example
    /// `message`; up to 32. A custom field is written as `custom.<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 80)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new(format!("self.all(f, {})", is_lead_field("f")))
            .message(format!("payload.truncate holds names of lead fields: {FIELD_HELP}").as_str())
    )]
    pub truncate: Vec<String>,

    /// Additional validation rules, up to 32. All rules are evaluated, and all failures are reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub rules: Vec<ValidationRule>,

    /// The maximum length of fields in characters, 1 to 65536. Longer values are invalid. Defaults: 254 for
    /// email, 64 for phone, 16 for phoneExtension, 100 for names, 10000 for message, 2048 for website, 1000
    /// for other fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Length>", extend("maxProperties" = 64))]
    #[x_kube(
        validation = Rule::new(format!("self.all(f, {})", is_lead_field("f")))
            .message(format!("payload.maxLengths has names of lead fields as keys: {FIELD_HELP}").as_str())
    )]
    pub max_lengths: BTreeMap<String, i32>,

    /// A JSON Schema (2020-12) that the raw payload must satisfy. References to other documents are not
    /// allowed. Absent: any payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub schema: Option<serde_json::Value>,
}

impl Default for Payload {
    fn default() -> Self {
        Self {
            format: None,
            max_bytes: default_max_bytes(),
            accept: None,
            items: None,
            items_policy: ItemsPolicy::default(),
            lead: LeadMapping::default(),
            keep: None,
            hydrate: None,
            default_region: None,
            required: Vec::new(),
            on_invalid: None,
            truncate: Vec::new(),
            rules: Vec::new(),
            max_lengths: BTreeMap::new(),
            schema: None,
        }
    }
}

const FIELD_HELP: &str = "email, phone, phoneExtension, firstName, lastName, fullName, company, jobTitle, website, address, city, state, postalCode, country, message, source, submissionId, capturedAt or custom.<name>";

/// CEL: whether the variable `f` names a lead field.
fn is_lead_field(f: &str) -> String {
    let names: Vec<_> = LEAD_FIELDS
        .iter()
        .filter(|name| **name != "custom")
        .map(|name| format!("'{name}'"))
        .collect();
    format!(
        "{f} in [{}] || {f}.matches('^custom[.][A-Za-z_][A-Za-z0-9_]{{0,63}}$')",
        names.join(", ")
    )
}

/// The schema of a length.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
struct Length(#[schemars(range(min = 1, max = 65_536))] i32);

/// The format of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// As declared by its Content-Type.
    #[default]
    Auto,
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`; files are discarded.
    Multipart,
}

/// How much of a payload is stored with its lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Keep {
    /// What expressions read.
    Mapped,
    /// All of it.
    Whole,
}

/// What happens when some elements of a request are invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ItemsPolicy {
    /// Each element is accepted or rejected separately.
    #[default]
    Each,
    /// One invalid element rejects all of them.
    AllOrNone,
}

/// What happens when an optional field is invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnInvalid {
    /// The lead is rejected.
    #[default]
    Reject,
    /// The lead is accepted without the field.
    DropField,
}

/// The mapping to the fields of a lead: CEL over `payload`, `item`, `headers` and `query`. Absent fields are
/// taken from the preset; a preset without a mapping takes the payload fields of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeadMapping {
    /// The e-mail address. It is trimmed and converted to lower case, and its domain to ASCII (`xn--…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Expression>,
    /// The phone number. It is converted to E.164 form, such as +4930123456, if it can be parsed
    /// unambiguously, and kept unchanged otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Expression>,
    /// The extension of the phone number. Default: the part of `phone` after `x`, `ext.`, `Durchwahl` and the
    /// like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_extension: Option<Expression>,
    /// The given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Expression>,
    /// The family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Expression>,
    /// The full name, for senders that do not split it. `firstName` and `lastName` are derived from it if it
    /// can be split unambiguously; otherwise, and for a single word, the whole name becomes `firstName`.
    /// Titles and degrees are kept in `fullName` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<Expression>,
    /// The company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<Expression>,
    /// The job title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_title: Option<Expression>,
    /// The website of the person or company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<Expression>,
    /// The street and house number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Expression>,
    /// The city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<Expression>,
    /// The state, province or region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Expression>,
    /// The postal code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<Expression>,
    /// The country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Expression>,
    /// The message that the person wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Expression>,
    /// The channel that the lead came from. Default: the name of the webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Expression>,
    /// The id of the submission, which the CRM record may carry. Default: the id assigned when the lead was
    /// accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission_id: Option<Expression>,
    /// The time of the submission (RFC 3339, or seconds since 1970). Default: the time of acceptance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<Expression>,
    /// Custom fields by name, up to 64. Other expressions refer to them as `lead.custom.<name>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[x_kube(
        validation = Rule::new("self.all(k, k.matches('^[A-Za-z_][A-Za-z0-9_]{0,63}$'))")
            .message("payload.lead.custom has names as keys that start with a letter or '_' and go on with letters, digits and '_', 64 at most: write for example budget or utm_source")
    )]
    pub custom: BTreeMap<String, Expression>,
}

/// A condition that every lead must meet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidationRule {
    /// CEL over `lead`, `payload` and `headers` that must return true, for example `lead.custom.budget >= 0`.
    pub expression: Expression,
    /// The error message in the response, 1 to 256 characters.
    #[schemars(length(min = 1, max = 256))]
    pub message: String,
    /// The field that the error refers to. Absent: the whole lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    pub field: Option<String>,
}

/// Fetches a lead's fields with one authenticated GET request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hydrate {
    /// The token for the sender's API.
    pub token_secret_ref: SecretKeyRef,
    /// The base URL of the API. A notification can never change the host. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("payload.hydrate.baseUrl"))]
    pub base_url: Option<String>,
    /// CEL over `payload`, `item`, `headers` and `query` that returns the path including the query. Default:
    /// the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Expression>,
    /// The header that carries the token. Default: the preset's, else `Authorization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// The scheme before the token; empty for none. Default: the preset's, else `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9._~+/-]*$"))]
    pub scheme: Option<String>,
    /// Additional headers of the request, as constant strings; up to 16. They are added to the preset's and replace
    /// those of the same name, for example `LinkedIn-Version: "202609"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, HeaderValue>", extend("maxProperties" = 16))]
    #[x_kube(validation = header_names("payload.hydrate.headers", "payload.hydrate.tokenSecretRef"))]
    pub headers: BTreeMap<String, String>,
    /// CEL over `payload`, the API's response, and `item`, the received notification, that tells which leads are
    /// delivered. The others are removed and counted as ignored. Default: the preset's, else all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<Expression>,
    /// The mapping to the fields of the lead: CEL over `payload`, the API's response, and `item`, the
    /// received notification. Default: the preset's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lead: LeadMapping,
}

/// How a resent submission is recognised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Idempotency {
    /// CEL over `payload`, `item`, `headers` and `query` that returns the same value for every resend of a
    /// submission. If it returns a list, every element must have a value. Default: the header
    /// `X-Idempotency-Key` or `Idempotency-Key`, else the preset's key together with the e-mail address or
    /// phone number, else `payload.submissionId`, else `payload.eventId`, else the e-mail address and time,
    /// else a digest of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Expression>,
    /// How long an idempotency key is remembered. From `1s` to `720h`. Default: the preset's, else `24h`, or
    /// `10m` for a digest of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("idempotency.window", "1s", "720h"))]
    pub window: Option<Duration>,
}

fn default_max_bytes() -> i64 {
    1_048_576
}
