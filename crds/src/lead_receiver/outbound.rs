//! How the pods reach CRMs.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CaSecretRef;
use crate::common::{SecretKeyRef, at_most_one};

/// How the pods reach CRMs: through a proxy, and which authorities they trust.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outbound {
    /// The proxy for calls to CRMs. The queue is reached without it. Absent: CRMs are called directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// A CA bundle (PEM) to trust for CRMs and for `rediss://`, besides the public authorities. It is reloaded
    /// when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
}

/// A forward proxy (HTTP CONNECT).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = at_most_one(
        &["url", "urlSecretRef"],
        "only one of proxy.url and proxy.urlSecretRef can be set: use urlSecretRef for a proxy with a password",
    ),
    validation = Rule::new("has(self.url) || has(self.urlSecretRef)")
        .message("proxy.url is missing: write for example http://proxy.example.com:3128")
)]
pub struct Proxy {
    /// The URL of a proxy without a password, for example `http://proxy.example.com:3128`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = r"^https?://[^@/\s]+/?$"))]
    pub url: Option<String>,
    /// The URL of the proxy including user and password. A changed value replaces the pods, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
    /// The hosts that are called directly: names, domains that start with a dot, addresses and CIDRs, up to 64.
    /// Services of the cluster (`.svc`, `.cluster.local`) always are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253), regex(pattern = r"^[^\s,]+$"))
    )]
    pub no_proxy: Vec<String>,
}
