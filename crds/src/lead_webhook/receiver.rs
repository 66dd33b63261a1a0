//! The queue, the pods that receive, and how they are reached.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{ResourceRequirements, Toleration},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::common::{KEY_PATTERN, LABEL_PATTERN, NAME_PATTERN, SecretKeyRef, SecretRef, at_most_one};

/// Where accepted leads are kept until they are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// A Redis (7.0 or newer, with persistence and `noeviction`) of your own. Absent: one Redis is
    /// managed in this namespace for all LeadWebhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// When the managed Redis writes to disk (`appendfsync`): `Always`, before a lead is
    /// acknowledged; or `EverySecond`, faster, but a crash of the node may lose the last second.
    /// Default: `Always`.
    #[serde(default)]
    pub durability: Durability,
    /// The managed Redis's memory, requested and limited alike; leads may fill 60 % of it. The largest that a LeadWebhook of
    /// the namespace asks for counts. At least `64Mi`; default `512Mi`.
    #[serde(default = "default_memory")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Mi')) >= 0")
            .message("queue.memory must be a quantity of at least 64Mi: write for example 512Mi")
    )]
    pub memory: Quantity,
    /// The managed Redis's volume.
    #[serde(default)]
    pub storage: Storage,
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

/// A Redis of your own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// The URL with user and password: `redis://` or `rediss://`.
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

/// The managed Redis's volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// Its size. Default: `1Gi`.
    #[serde(default = "default_size")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
            .message("queue.storage.size must be a quantity of bytes: write for example 1Gi")
    )]
    pub size: Quantity,
    /// Its storage class. Absent: the cluster's default.
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

/// The pods that receive, and how they are reached.
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
    /// The number of pods, 0 to 100; `kubectl scale` sets it. Default: 2, or what `autoscaling`
    /// decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// Lets the load decide the number of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// CPU and memory of each pod. Absent: the operator's defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// TLS in the pods. Absent: an edge (Ingress, Gateway or load balancer) terminates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// An Ingress that the operator makes. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,
    /// An HTTPRoute (Gateway API) that the operator makes. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
    /// What else the pods need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
}

/// Lets the load decide the number of pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.minReplicas <= self.maxReplicas")
        .message("autoscaling.minReplicas must not exceed autoscaling.maxReplicas")
        .field_path(".minReplicas")
)]
pub struct Autoscaling {
    /// The fewest pods, 1 to 100. Default: 2.
    #[serde(default = "default_min_replicas")]
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: i32,
    /// The most pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// The CPU load to aim at, in percent of the requested CPU, 1 to 100. Default: 70.
    #[serde(rename = "targetCPU", default = "default_target_cpu")]
    #[schemars(range(min = 1, max = 100))]
    pub target_cpu: i32,
}

/// TLS in the pods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// A Secret of type `kubernetes.io/tls`. It is read again when it changes.
    pub secret_ref: SecretRef,
    /// The certificates (PEM) of those who sign senders' client certificates, for `auth.clientCertificate` without
    /// `forwarded`. They are read again when they change. Absent: no client certificate is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_secret_ref: Option<CaSecretRef>,
}

/// A Secret in the same namespace that holds certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaSecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// The key that holds them; default `ca.crt`, as cert-manager writes it.
    #[serde(default = "default_ca_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY_PATTERN))]
    pub key: String,
}

/// An Ingress that the operator makes.
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
    /// The Secret that holds the certificate. Absent: the controller's default certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub tls_secret_name: Option<String>,
    /// Annotations of the Ingress, up to 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
}

/// An HTTPRoute (Gateway API) that the operator makes.
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
    /// The Gateway's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
    /// Its namespace. Absent: this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN))]
    pub namespace: Option<String>,
    /// One of its listeners. Absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub section_name: Option<String>,
}

/// What else the receiver's pods need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodTemplate {
    /// Labels, up to 64; those of the operator win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub labels: BTreeMap<String, String>,
    /// Annotations, up to 64; those of the operator win.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,
    /// Labels of the nodes that may run the pods, up to 64. Default: any node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate, up to 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// The pods' `affinity`, as in a Pod. Absent: the operator spreads the pods over nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::any_object")]
    pub affinity: Option<serde_json::Value>,
    /// The pods' `topologySpreadConstraints`, as in a Pod, up to 16. Default: the operator's spread
    /// over nodes and zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    pub topology_spread_constraints: Vec<serde_json::Value>,
    /// The pods' PriorityClass. Absent: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub priority_class_name: Option<String>,
    /// Secrets with which the image is pulled, up to 16.
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
