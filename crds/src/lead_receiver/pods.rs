//! The pods: how many, with what, and who may reach them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSecurityContext, Toleration};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::common::{KEY_PATTERN, NAME_PATTERN, SecretRef};

/// Scales the number of pods with the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("autoscaling.minReplicas must not exceed autoscaling.maxReplicas")
        .field_path(".minReplicas")
)]
pub struct Autoscaling {
    /// The minimum number of pods, 1 to 100. Default: 2.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: i32,
    /// The maximum number of pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// The target CPU utilisation in percent of the requested CPU, 1 to 100. Default: 70.
    #[serde(rename = "targetCPU", default = "default_target_cpu")]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu: i32,
}

/// TLS termination in the pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// A Secret of type `kubernetes.io/tls`, with the keys `tls.crt` and `tls.key`. It is reloaded when it changes.
    pub secret_ref: SecretRef,
    /// The CA bundle (PEM) that client certificates are verified against, for `auth.clientCertificate`
    /// without `forwarded`. It is reloaded when it changes. Absent: no client certificate is requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_secret_ref: Option<CaSecretRef>,
}

/// A Secret in the same namespace that contains a CA bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaSecretRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// The key of the CA bundle. Default: `ca.crt`, as cert-manager writes it.
    #[serde(default = "default_ca_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY_PATTERN))]
    pub key: String,
}

/// Additional settings of pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplate {
    /// Additional labels, up to 64. The operator's labels take precedence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,
    /// Additional annotations, up to 64. The operator's annotations take precedence.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
    /// The labels that a node must have to run the pods, up to 64. Default: any node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub node_selector: BTreeMap<String, String>,
    /// The taints that the pods tolerate, up to 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// The `affinity` of the pods, as in a Pod. Absent: the operator spreads the pods over nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::any_object")]
    pub affinity: Option<serde_json::Value>,
    /// The `topologySpreadConstraints` of the pods, as in a Pod, up to 16. Default: the operator's
    /// constraints, which spread the pods over nodes and zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    pub topology_spread_constraints: Vec<serde_json::Value>,
    /// The PriorityClass of the pods. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub priority_class_name: Option<String>,
    /// The security context of the pods, as in a Pod, in addition to the operator's: `runAsNonRoot: true` and the
    /// seccomp profile `RuntimeDefault`. Absent: the user is that of the image, or on OpenShift one of the
    /// namespace's range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<PodSecurityContext>,
    /// The image pull Secrets, up to 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<SecretRef>,
}

/// Who may reach the pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicy {
    /// Whether the operator creates a NetworkPolicy. Default: true.
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    /// The peers that may post to webhooks, as in a NetworkPolicy, up to 32. Default: every address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub senders: Vec<NetworkPolicyPeer>,
    /// The peers that may reach the admin port (health, metrics, status and dead letters), as in a
    /// NetworkPolicy, up to 32. They must include the operator. Default: every pod of the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub admins: Vec<NetworkPolicyPeer>,
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self {
            enabled: default_enabled(),
            senders: Vec::new(),
            admins: Vec::new(),
        }
    }
}

fn objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
    })
}

fn default_ca_key() -> String {
    "ca.crt".to_owned()
}

fn default_min_replicas() -> i32 {
    2
}

fn default_target_cpu() -> i32 {
    70
}

fn default_enabled() -> bool {
    true
}
