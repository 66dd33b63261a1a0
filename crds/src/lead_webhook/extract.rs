//! Where in a request a value is, and how it is written.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{HEADER_PATTERN, exactly_one, is_false};

/// How a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignatureEncoding {
    /// Hexadecimal digits of either case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

const ONE_PLACE: &str = "set exactly one of header, query and json: where in the request the value is, for example header: X-Webhook-Signature";

/// Where in a request a value is: exactly one of `header`, `query` and `json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = exactly_one(&["header", "query", "json"], ONE_PLACE))]
pub struct Extractor {
    /// A header's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// A query parameter's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer into the body, for example `/google_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// What separates several values, for example a comma. Absent: there is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub split: Option<String>,
    /// What stands before the value, for example `sha256=`. Values without it are not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// Whether values without the prefix are accepted too. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prefix_optional: bool,
}

/// Where the signature is, and how it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = exactly_one(&["header", "query", "json"], ONE_PLACE))]
pub struct Signature {
    /// A header's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// A query parameter's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// What separates several signatures, for example a comma; the first 16 are looked at. Absent: there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub split: Option<String>,
    /// What stands before the signature, for example `sha256=`. Values without it are not looked
    /// at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// Whether values without the prefix are accepted too. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prefix_optional: bool,
    /// `hex` or `base64`. Default: the preset's, else `hex`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<SignatureEncoding>,
}

impl Signature {
    /// Where the signature is.
    pub fn extractor(&self) -> Extractor {
        Extractor {
            header: self.header.clone(),
            query: self.query.clone(),
            json: self.json.clone(),
            split: self.split.clone(),
            prefix: self.prefix.clone(),
            prefix_optional: self.prefix_optional,
        }
    }
}

/// Where the time of signing is, and how it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = exactly_one(&["header", "query", "json"], ONE_PLACE))]
pub struct Timestamp {
    /// A header's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// A query parameter's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// What separates several values, for example a comma. Absent: there is one value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub split: Option<String>,
    /// What stands before the time, for example `t=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// Whether values without the prefix are accepted too. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prefix_optional: bool,
    /// Whether the time counts `seconds` or `milliseconds` since 1970. Default: the preset's, else
    /// `seconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
    /// How far the time may lie in the past or in the future, in seconds, 1 to 86400. Default: the
    /// preset's, else 300.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub tolerance_seconds: Option<i32>,
}

impl Timestamp {
    /// Where the time is.
    pub fn extractor(&self) -> Extractor {
        Extractor {
            header: self.header.clone(),
            query: self.query.clone(),
            json: self.json.clone(),
            split: self.split.clone(),
            prefix: self.prefix.clone(),
            prefix_optional: self.prefix_optional,
        }
    }
}

/// What a time counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}
