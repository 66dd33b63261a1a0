//! HTTP Message Signatures (RFC 9421): what a signature must cover, and how old it may be.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An HTTP Message Signature (RFC 9421) in the headers `Signature-Input` and `Signature`. The signature
/// covers the body through its digest in `Content-Digest` (RFC 9530, `sha-256` or `sha-512`), which is
/// compared with the body.
///
/// If a request has several signatures, one that meets all requirements is sufficient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageSignature {
    /// The components that a signature must cover, 1 to 32; it may cover more. Components are names of
    /// headers in lower case, and `@method`, `@target-uri`, `@authority`, `@scheme`, `@path`, `@query` and
    /// `@request-target`, whose URL is `publicUrl`. The list must contain `content-digest`: without it,
    /// anyone could change the body. Default: `@method`, `@target-uri` and `content-digest`.
    #[serde(default = "default_components")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 128)))]
    #[x_kube(
        validation = Rule::new(r"self.all(c, c.matches('^(@(method|target-uri|authority|scheme|path|query|request-target)|[a-z0-9!#$%&*+.^_|~-]+)$'))")
            .message("messageSignature.components holds names of headers in lower case and @method, @target-uri, @authority, @scheme, @path, @query and @request-target, all without parameters"),
        validation = Rule::new("'content-digest' in self")
            .message("messageSignature.components must name content-digest: without it anyone could change the body")
    )]
    pub components: Vec<String>,
    /// The label of the signature to verify, for example `sig1`. Absent: any label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z*][a-z0-9_.*-]*$"))]
    pub label: Option<String>,
    /// The accepted key ids (the parameter `keyid`), up to 8. During a key rotation, list the old and the new
    /// one. Default: any key id, or none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 256)))]
    pub key_ids: Vec<String>,
    /// The maximum age of the signature in seconds, 1 to 86400, by its parameter `created`, which is
    /// required. Default: 300.
    #[serde(default = "default_tolerance")]
    #[schemars(range(min = 1, max = 86_400))]
    pub tolerance_seconds: i32,
    /// The tolerated clock difference in seconds, 0 to 300: how far `created` may be in the future, and by
    /// how much `toleranceSeconds` and `expires` are extended. Default: 5.
    #[serde(default = "default_skew")]
    #[schemars(range(min = 0, max = 300))]
    pub skew_seconds: i32,
}

impl Default for MessageSignature {
    fn default() -> Self {
        Self {
            components: default_components(),
            label: None,
            key_ids: Vec::new(),
            tolerance_seconds: default_tolerance(),
            skew_seconds: default_skew(),
        }
    }
}

fn default_components() -> Vec<String> {
    ["@method", "@target-uri", "content-digest"]
        .map(str::to_owned)
        .to_vec()
}

fn default_tolerance() -> i32 {
    300
}

fn default_skew() -> i32 {
    5
}
