//! The queue: where accepted leads are until they are delivered.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
            storage: Storage::default(),
        }
    }
}

/// Your own Redis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redis {
    /// The URL including user and password: `redis://` or `rediss://`. A changed value applies to pods that start
    /// afterwards.
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
    /// The size of a new volume. It cannot shrink, and an existing volume is enlarged by hand. Default: `1Gi`.
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

fn default_memory() -> Quantity {
    Quantity("512Mi".to_owned())
}

fn default_size() -> Quantity {
    Quantity("1Gi".to_owned())
}
