//! HTTP Message Signatures (RFC 9421): what a signature must cover, and how old it may be.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A signature as RFC 9421 (HTTP Message Signatures) describes it, in the headers `Signature-Input` and `Signature`. The
/// body is signed by its digest in `Content-Digest` (RFC 9530, `sha-256` or `sha-512`), which is compared with it.
///
/// Where a request has several signatures, one that fulfils all of this is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageSignature {
    /// What a signature must cover, 1 to 32; it may cover more. Names of headers in lower case, and `@method`,
    /// `@target-uri`, `@authority`, `@scheme`, `@path`, `@query` and `@request-target`, whose URL is `publicUrl`. Must
    /// name `content-digest`: without it anybody could change the body. Default: `@method`, `@target-uri` and
    /// `content-digest`.
    #[serde(default = "default_components")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 128)))]
    #[x_kube(
        validation = Rule::new(r"self.all(c, c.matches('^(@(method|target-uri|authority|scheme|path|query|request-target)|[a-z0-9!#$%&*+.^_|~-]+)$'))")
            .message("messageSignature.components holds names of headers in lower case and @method, @target-uri, @authority, @scheme, @path, @query and @request-target, all without parameters"),
        validation = Rule::new("'content-digest' in self")
            .message("messageSignature.components must name content-digest: without it anybody could change the body")
    )]
    pub components: Vec<String>,
    /// The label of the signature to look at, for example `sig1`. Absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z*][a-z0-9_.*-]*$"))]
    pub label: Option<String>,
    /// The signer's names of its keys (the parameter `keyid`), up to 8, of which a signature must bear one. Name the old
    /// and the new one while a key is changed. Default: any, or none at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 256)))]
    pub key_ids: Vec<String>,
    /// How long ago the signature may have been made (`created`, which it must bear), in seconds, 1 to 86400. Default:
    /// 300.
    #[serde(default = "default_tolerance")]
    #[schemars(range(min = 1, max = 86_400))]
    pub tolerance_seconds: i32,
    /// How far the signer's clock may be off: how long `created` may lie in the future, and by how much the tolerance
    /// and `expires` are extended, in seconds, 0 to 300. Default: 5.
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
