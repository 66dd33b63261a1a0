//! The queue: where accepted leads are until they are delivered.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PodTemplate;
use crate::common::{NAME_PATTERN, SecretKeyRef};

/// The queue that stores accepted leads until they are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// Your own Redis: version 7.0 or newer, with persistence and the eviction policy `noeviction`. Absent:
    /// the operator manages one Redis for the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// When the managed Redis writes to disk (`appendfsync`). `Always`: before a lead is acknowledged.
    /// `EverySecond`: faster, but a crash of the node may lose the last second. Default: `Always`.
    #[serde(default)]
    pub durability: Durability,
    /// The memory request and limit of the managed Redis; leads may use 60 % of it. At least `64Mi`. Default:
    /// `512Mi`.
    #[serde(default = "default_memory")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).compareTo(quantity('64Mi')) >= 0")
            .message("queue.memory must be a quantity of at least 64Mi: write for example 512Mi")
    )]
    pub memory: Quantity,
    /// Additional resources of the managed Redis, for example a CPU request and limit. Its memory is
    /// `spec.queue.memory`. Default: a request of `50m` CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("!(has(self.limits) && 'memory' in self.limits) && !(has(self.requests) && 'memory' in self.requests)")
            .message("queue.resources must not set memory: set queue.memory, which is both its request and its limit")
    )]
    pub resources: Option<ResourceRequirements>,
    /// Additional settings of the pod of the managed Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// The volume of the managed Redis.
    #[serde(default)]
    pub storage: Storage,
}

/// Whose store leads are in.
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
            resources: None,
            pod_template: None,
            storage: Storage::default(),
        }
    }
}

/// Your own Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// The URL including user and password: `redis://` or `rediss://`. Running pods take a changed user or password.
    /// Another server is refused, because leads in the former one would be left behind: name another Secret
    /// instead, and the operator waits until the queue is empty.
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
#[x_kube(
    validation = Rule::new("quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) >= 0")
        .message("queue.storage.size cannot shrink: a volume can only grow")
        .field_path(".size"),
    validation = Rule::new(
        "!has(oldSelf.storageClassName) || !has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName"
    )
    .message("queue.storage.storageClassName cannot change: a volume keeps its class")
    .field_path(".storageClassName")
)]
pub struct Storage {
    /// The size of the volume. It cannot shrink. A larger size enlarges the volume, if its storage class allows that
    /// (`allowVolumeExpansion`). Default: `1Gi`.
    #[serde(default = "default_size")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
            .message("queue.storage.size must be a quantity of bytes: write for example 1Gi")
    )]
    pub size: Quantity,
    /// The storage class of the volume. It cannot change once the volume exists. Absent: the cluster's default.
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

fn default_memory() -> Quantity {
    Quantity("512Mi".to_owned())
}

fn default_size() -> Quantity {
    Quantity("1Gi".to_owned())
}
