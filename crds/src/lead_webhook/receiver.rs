//! The queue, the receiver pods, and how they are exposed.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ResourceRequirements, Toleration},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::common::{KEY_PATTERN, LABEL_PATTERN, NAME_PATTERN, SecretKeyRef, SecretRef, at_most_one};

/// The queue that stores accepted leads until they are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// Your own Redis: version 7.0 or newer, with persistence and the eviction policy `noeviction`. Absent:
    /// the operator manages one Redis for all LeadWebhooks of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// When the managed Redis writes to disk (`appendfsync`). `Always`: before a lead is acknowledged.
    /// `EverySecond`: faster, but a crash of the node may lose the last second. Default: `Always`.
    #[serde(default)]
    pub durability: Durability,
    /// The memory request and limit of the managed Redis; leads may use 60 % of it. If LeadWebhooks of the
    /// namespace differ, the largest value applies. At least `64Mi`. Default: `512Mi`.
    #[serde(default = "default_memory")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Mi')) >= 0")
            .message("queue.memory must be a quantity of at least 64Mi: write for example 512Mi")
    )]
    pub memory: Quantity,
    /// The volume of the managed Redis.
    #[serde(default)]
    pub storage: Storage,
}

/// Whose store a webhook's leads are in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QueueMode<'q> {
    /// The Redis that the operator manages for the namespace.
    Managed,
    /// A Redis of the user's own.
    Own(&'q Redis),
}

impl Queue {
    /// Whose store it is.
    pub fn mode(&self) -> QueueMode<'_> {
        self.redis.as_ref().map_or(QueueMode::Managed, QueueMode::Own)
    }

    /// Whether the operator manages it.
    pub fn is_managed(&self) -> bool {
        self.mode() == QueueMode::Managed
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            redis: None,
            durability: Durability::default(),
            memory: default_memory(),
            storage: Storage::default(),
        }
    }
}

/// Your own Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// The URL including user and password: `redis://` or `rediss://`.
    pub url_secret_ref: SecretKeyRef,
}

/// When the managed Redis writes to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Durability {
    /// Before a lead is acknowledged.
    #[default]
    Always,
    /// Every second.
    EverySecond,
}

/// The volume of the managed Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// The size of the volume. Default: `1Gi`.
    #[serde(default = "default_size")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
            .message("queue.storage.size must be a quantity of bytes: write for example 1Gi")
    )]
    pub size: Quantity,
    /// The storage class of the volume. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub storage_class_name: Option<String>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            size: default_size(),
            storage_class_name: None,
        }
    }
}

/// The receiver pods and how they are exposed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = at_most_one(
        &["replicas", "autoscaling"],
        "receiver takes only one of replicas and autoscaling: remove replicas to let the autoscaler decide",
    ),
    validation = at_most_one(
        &["ingress", "gateway"],
        "receiver takes only one of ingress and gateway: keep the one that your cluster's edge implements",
    )
)]
pub struct Receiver {
    /// The number of pods, 0 to 100; `kubectl scale` sets it. Default: 2, or the number chosen by
    /// `autoscaling`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// Scales the number of pods with the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// CPU and memory of each pod. Absent: the operator's defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// TLS termination in the pods. Absent: an edge (Ingress, Gateway or load balancer) terminates TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The Ingress that the operator creates. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// The HTTPRoute (Gateway API) that the operator creates. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// Additional settings of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

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
    /// A Secret of type `kubernetes.io/tls`. It is reloaded when it changes.
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

/// The Ingress that the operator creates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ingress {
    /// The host name.
    #[schemars(length(min = 1, max = 253), regex(pattern = HOST_PATTERN))]
    pub host: String,
    /// The IngressClass. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub class_name: Option<String>,
    /// The Secret with the TLS certificate. Absent: the controller's default certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub tls_secret_name: Option<String>,
    /// Annotations of the Ingress, up to 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
}

/// The HTTPRoute (Gateway API) that the operator creates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gateway {
    /// The Gateways to attach to, 1 to 8.
    #[schemars(length(min = 1, max = 8))]
    pub parent_refs: Vec<ParentRef>,
    /// The host names, up to 16. Default: those of the Gateway's listeners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253), regex(pattern = HOST_PATTERN)))]
    pub hostnames: Vec<String>,
}

/// A Gateway to attach to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParentRef {
    /// The name of the Gateway.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// The namespace of the Gateway. Absent: the namespace of the LeadWebhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN))]
    pub namespace: Option<String>,
    /// A listener of the Gateway. Absent: all listeners.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub section_name: Option<String>,
}

/// Additional settings of the receiver pods.
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
    /// The image pull Secrets, up to 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Vec<SecretRef>,
}

/// A host name, which may start with `*.`.
const HOST_PATTERN: &str = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

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

fn default_memory() -> Quantity {
    Quantity("512Mi".to_owned())
}

fn default_size() -> Quantity {
    Quantity("1Gi".to_owned())
}

fn default_min_replicas() -> i32 {
    2
}

fn default_target_cpu() -> i32 {
    70
}
