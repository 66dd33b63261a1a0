//! Where in a request a value is, and how it is written.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{HEADER_PATTERN, exactly_one, is_false};

/// The encoding of a signature.
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

/// The location of a value in a request: exactly one of `header`, `query` and `json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = exactly_one(&["header", "query", "json"], ONE_PLACE))]
pub struct Extractor {
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// The name of a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer into the body, for example `/google_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// A separator of several values, for example a comma. Absent: there is a single value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub split: Option<String>,
    /// A prefix of the value, for example `sha256=`. Values without the prefix are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// Whether values without the prefix are accepted too. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prefix_optional: bool,
}

/// The location and the encoding of the signature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = exactly_one(&["header", "query", "json"], ONE_PLACE))]
pub struct Signature {
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// The name of a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// A separator of several signatures, for example a comma. Only the first 16 are checked. Absent: there
    /// is a single signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub split: Option<String>,
    /// A prefix of the signature, for example `sha256=`. Values without the prefix are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// Whether values without the prefix are accepted too. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prefix_optional: bool,
    /// The encoding of the signature: `hex` or `base64`. Default: the preset's, else `hex`.
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

/// The location and the unit of the time of signing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = exactly_one(&["header", "query", "json"], ONE_PLACE))]
pub struct Timestamp {
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = HEADER_PATTERN))]
    pub header: Option<String>,
    /// The name of a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub query: Option<String>,
    /// A JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/"))]
    pub json: Option<String>,
    /// A separator of several values, for example a comma. Absent: there is a single value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    pub split: Option<String>,
    /// A prefix of the time, for example `t=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: Option<String>,
    /// Whether values without the prefix are accepted too. Default: false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub prefix_optional: bool,
    /// The unit of the Unix time: `seconds` or `milliseconds`. Default: the preset's, else `seconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<TimeUnit>,
    /// How far the time may be in the past or in the future, in seconds, 1 to 86400. Default: the preset's,
    /// else 300.
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

/// The unit of a Unix time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds since 1970.
    #[default]
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}
