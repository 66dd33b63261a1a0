//! How a request's body becomes leads.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{
    Duration, Expression, HEADER_PATTERN, SecretKeyRef, any_object, between, https_url, is_default,
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

/// How a request's body becomes leads. Absent fields come from the preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Payload {
    /// How bodies are written: `Auto` (by Content-Type), `Json`, `Form` or `Multipart`. Default: the
    /// preset's, else `Auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,

    /// The longest body in bytes, compressed or not; longer ones are answered 413. From 1024 to
    /// 16777216 (16 MiB); default 1048576 (1 MiB).
    #[serde(default = "default_max_bytes")]
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub max_bytes: i64,

    /// CEL over `payload` and `headers` that gives true or false. False: the request is answered 200
    /// and makes no lead. Default: the preset's, else `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept: Option<Expression>,

    /// CEL over `payload` that gives a list, for senders that put several leads into one request;
    /// each element is then `item` in the other expressions. Default: the preset's, else one lead for
    /// each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Expression>,

    /// What happens when some of `items` are not valid. `Each`: the valid ones are accepted, each of the others is
    /// kept as a rejected request of its own, and the answer (200) lists them all; 400 if none is valid. `AllOrNone`:
    /// 400, and none is accepted. Default `Each`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub items_policy: ItemsPolicy,

    /// What each field of the lead is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lead: LeadMapping,

    /// Fetches the lead's fields from the sender's API, for senders that only notify (Meta, LinkedIn, HubSpot,
    /// Eventbrite). It is done when the lead is delivered, never while the sender waits. Absent: a notification is
    /// accepted only if it holds an e-mail address or a phone number itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hydrate: Option<Hydrate>,

    /// The country of phone numbers without a country code, as two capital letters (ISO 3166), for
    /// example `DE`. Absent: such numbers are kept as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2), regex(pattern = r"^[A-Z]{2}$"))]
    pub default_region: Option<String>,

    /// Fields without which a lead is rejected, beyond "an e-mail address or a phone number", which
    /// always holds; up to 32. A custom field is written `custom.<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 80)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new(format!("self.all(f, {})", is_lead_field("f")))
            .message(format!("payload.required holds names of lead fields: {FIELD_HELP}").as_str())
    )]
    pub required: Vec<String>,

    /// What happens when an optional field is not valid. `Reject`: the request is answered 400 with every error.
    /// `DropField`: the lead is accepted without the field; the answer, the log, the metric
    /// `leadgate_fields_left_out_total` and the stored lead name the field and the reason. The last way to reach the
    /// person, fields in `required`, and `rules` reject in any case. Default: the preset's (`DropField` where nobody
    /// would see the 400), else `Reject`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_invalid: Option<OnInvalid>,

    /// Fields that are cut, with `…` at their end, when they are longer than their limit, up to 32; for example
    /// `message`. A custom field is written `custom.<name>`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 80)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new(format!("self.all(f, {})", is_lead_field("f")))
            .message(format!("payload.truncate holds names of lead fields: {FIELD_HELP}").as_str())
    )]
    pub truncate: Vec<String>,

    /// What else must hold, up to 32. All are checked and all that fail are reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub rules: Vec<ValidationRule>,

    /// The longest value of a field in characters, 1 to 65536; longer values are not valid. Fields
    /// that are not named have sensible limits: 254 for email, 64 for phone, 16 for phoneExtension, 100
    /// for names, 10000 for message, 2048 for website, 1000 for the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Length>", extend("maxProperties" = 64))]
    #[x_kube(
        validation = Rule::new(format!("self.all(f, {})", is_lead_field("f")))
            .message(format!("payload.maxLengths has names of lead fields as keys: {FIELD_HELP}").as_str())
    )]
    pub max_lengths: BTreeMap<String, i32>,

    /// A JSON Schema (2020-12) that the raw payload must satisfy. It may not refer to other
    /// documents. Absent: any payload.
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

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// As its Content-Type says.
    #[default]
    Auto,
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data`; files are not kept.
    Multipart,
}

/// What happens when some of a request's elements are not valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ItemsPolicy {
    /// Each is judged by itself.
    #[default]
    Each,
    /// One that is not valid rejects all.
    AllOrNone,
}

/// What happens when an optional field is not valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnInvalid {
    /// The lead is rejected.
    #[default]
    Reject,
    /// The lead is accepted without the field.
    DropField,
}

/// What each field of a lead is: CEL over `payload`, `item`, `headers` and `query`. Absent fields
/// come from the preset; a preset without a mapping takes the fields of the same name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeadMapping {
    /// The e-mail address. It is trimmed, brought to lower case, and its domain to ASCII (`xn--…`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Expression>,
    /// The phone number. It is brought to the form +4930123456 where it can be read with certainty, and kept as it is
    /// elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Expression>,
    /// The extension behind a switchboard's number. Default: what stands in `phone` behind `x`, `ext.`, `Durchwahl` and
    /// the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_extension: Option<Expression>,
    /// The given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<Expression>,
    /// The family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Expression>,
    /// The whole name, for senders that do not split it. `firstName` and `lastName` are taken from it where that can be
    /// told; one word, or a name that cannot be split with certainty, is `firstName` whole. Titles and degrees stand in
    /// `fullName` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_name: Option<Expression>,
    /// The company.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<Expression>,
    /// The person's job title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_title: Option<Expression>,
    /// The person's or company's website.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<Expression>,
    /// Street and house number.
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
    /// What the person wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Expression>,
    /// The channel that the lead came through. Default: the webhook's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Expression>,
    /// The submission's id, which the CRM record may carry. Default: the id under which it was
    /// accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission_id: Option<Expression>,
    /// When the person submitted it (RFC 3339, or seconds since 1970). Default: the time of
    /// acceptance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captured_at: Option<Expression>,
    /// Further fields, up to 64, by a name of your choice: `lead.custom.<name>` in other expressions.
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
    /// CEL over `lead`, `payload` and `headers` that must give true, for example
    /// `lead.custom.budget >= 0`.
    pub expression: Expression,
    /// What the sender is told if it does not, 1 to 256 characters.
    #[schemars(length(min = 1, max = 256))]
    pub message: String,
    /// The field that the sender is told. Absent: the lead as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    pub field: Option<String>,
}

/// Fetches a lead's fields with one authenticated GET.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hydrate {
    /// The token for the sender's API.
    pub token_secret_ref: SecretKeyRef,
    /// The API's address; a notification can never change the host. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = https_url("payload.hydrate.baseUrl"))]
    pub base_url: Option<String>,
    /// CEL over `payload`, `item`, `headers` and `query` that gives the path with its query. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Expression>,
    /// The header that carries the token. Default: the preset's, else `Authorization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// The word before the token; empty: none. Default: the preset's, else `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9._~+/-]*$"))]
    pub scheme: Option<String>,
    /// What each field of the lead is: CEL over `payload`, which is the API's answer, and `item`, which is what was
    /// received. Default: the preset's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lead: LeadMapping,
}

/// How a resend is told from a new submission.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Idempotency {
    /// CEL over `payload`, `item`, `headers` and `query` that is the same for every resend of one
    /// submission; of a list no part may be missing. Default: the header `X-Idempotency-Key` or `Idempotency-Key`, else the
    /// preset's together with the e-mail address or phone number, else `payload.submissionId`, else `payload.eventId`,
    /// else e-mail and time, else a digest of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Expression>,
    /// How long a key is remembered. From `1s` to `720h`. Default: the preset's, else `24h`, or `10m` for
    /// a digest of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("idempotency.window", "1s", "720h"))]
    pub window: Option<Duration>,
}

fn default_max_bytes() -> i64 {
    1_048_576
}
