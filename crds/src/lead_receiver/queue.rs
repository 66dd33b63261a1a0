//! The queue: where accepted leads are until they are delivered.

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PodTemplate;
use crate::common::{Duration, NAME_PATTERN, SecretKeyRef, between};

/// The queue that stores accepted leads until they are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Queue {
    /// How many servers hold a lead, and whose servers they are. Absent: the operator manages one Redis for the
    /// namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
    /// When the managed Redis writes to disk (`appendfsync`). `Always`: before a lead is acknowledged.
    /// `EverySecond`: faster, but a crash of the node may lose the last second. Default: `Always`.
    #[serde(default)]
    pub durability: Durability,
    /// The memory request and limit of each server of the managed Redis; leads may use 60 % of it. At least `64Mi`. Default:
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
    /// Additional settings of the pods of the managed Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// The volume of each server of the managed Redis.
    #[serde(default)]
    pub storage: Storage,
    /// What leads are sealed with in the queue. Absent: in the managed Redis, with a key that the operator makes; in your own
    /// Redis, they are not sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// What leads are sealed with in the queue (AES-256-GCM): payloads, rejected requests, messages and answers of CRMs. Ids,
/// times, reason words and keyed hashes stay readable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Encryption {
    /// The key of a Secret whose value has an encryption key on each line: at least 32 random characters. The last line seals,
    /// all of them open, and changes apply without a restart. A lead whose key is missing waits (`KeyMissing`) until the key
    /// is back: keep a copy.
    pub secret_ref: SecretKeyRef,
}

/// Whose store leads are in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QueueMode<'q> {
    /// The Redis that the operator manages for the namespace.
    Managed,
    /// A Redis of the user's own: the Secret with its URL.
    Own(&'q SecretKeyRef),
}

impl Queue {
    /// Whose store it is.
    pub fn mode(&self) -> QueueMode<'_> {
        let url = self
            .redis
            .as_ref()
            .and_then(|redis| redis.url_secret_ref.as_ref());
        url.map_or(QueueMode::Managed, QueueMode::Own)
    }

    /// Whether the operator manages it.
    pub fn is_managed(&self) -> bool {
        self.mode() == QueueMode::Managed
    }

    /// How many servers the managed Redis has.
    pub fn replicas(&self) -> i32 {
        self.redis.as_ref().and_then(|redis| redis.replicas).unwrap_or(1)
    }

    /// How many servers besides the primary have a lead when it is acknowledged. `None`: it is the user's own Redis,
    /// and its URL decides.
    pub fn acknowledge(&self) -> Option<i32> {
        let given = self.redis.as_ref().and_then(|redis| redis.acknowledge.as_ref());
        match given {
            Some(acknowledge) => Some(acknowledge.replicas),
            None => self.is_managed().then(|| i32::from(self.replicas() > 1)),
        }
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
            encryption: None,
        }
    }
}

/// How many servers hold a lead, and whose servers they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("!has(self.urlSecretRef) || !has(self.replicas)")
        .message("queue.redis.replicas is the number of servers that the operator manages: remove it, or remove queue.redis.urlSecretRef")
        .field_path(".replicas"),
    validation = Rule::new("has(self.urlSecretRef) || !has(self.durability)")
        .message("queue.redis.durability is for your own Redis: remove it, or name the URL in queue.redis.urlSecretRef; queue.durability sets that of the managed Redis")
        .field_path(".durability"),
    validation = Rule::new("has(self.urlSecretRef) || !has(self.shards)")
        .message("queue.redis.shards is for your own Redis Cluster: remove it, or name the URL in queue.redis.urlSecretRef; the managed Redis has one primary")
        .field_path(".shards"),
    validation = Rule::new(
        "!has(self.urlSecretRef) || !has(oldSelf.urlSecretRef) || self.urlSecretRef != oldSelf.urlSecretRef || (has(self.shards) ? self.shards : 1) == (has(oldSelf.shards) ? oldSelf.shards : 1)"
    )
    .message("queue.redis.shards cannot change: leads stay in their shards; name a Secret with another URL in queue.redis.urlSecretRef, and the operator waits until the queue is empty")
    .field_path(".shards"),
    validation = Rule::new(
        "has(self.urlSecretRef) || !has(self.acknowledge) || self.acknowledge.replicas < (has(self.replicas) ? self.replicas : 1)"
    )
    .message("queue.redis.acknowledge.replicas must be less than queue.redis.replicas, which includes the primary: write at most 2 with replicas: 3, and 0 with replicas: 1")
    .field_path(".acknowledge")
)]
pub struct Redis {
    /// The URL of your own Redis including user and password: `redis://`, `redis+sentinel://` or `redis+cluster://`; with
    /// TLS, `rediss://`, `rediss+sentinel://` or `rediss+cluster://`. It must have version 7.0 or newer, persistence and the eviction policy `noeviction`.
    /// Running pods take a changed user or password. Another server is refused, because leads in the former one
    /// would be left behind: name another Secret instead, and the operator waits until the queue is empty. Absent:
    /// the operator manages Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_secret_ref: Option<SecretKeyRef>,
    /// The number of servers of the managed Redis, 1 or 3. With 3, the queue survives the loss of a node: another
    /// server takes over within seconds. It can change at any time; no lead is lost. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("self == 1 || self == 3")
            .message("queue.redis.replicas must be 1 or 3: two servers cannot agree on which of them is lost")
    )]
    pub replicas: Option<i32>,
    /// The number of shards over which leads are spread by their contact, so that several primaries of a Redis Cluster share
    /// the work, 1 to 128. A multiple of the number of primaries gives each the same share. It cannot change as long as
    /// `urlSecretRef` stays. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 128))]
    pub shards: Option<i32>,
    /// What a lead waits for before it is acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Acknowledge>,
    /// How long a lead waits to be stored and acknowledged by replicas. After this time, the sender gets 503 and
    /// sends the lead again. From `1s` to `15s`. Default: `4s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("queue.redis.acceptTimeout", "1s", "15s"))]
    pub accept_timeout: Option<Duration>,
    /// How it is known that your own Redis keeps leads. `Measured`: receivers read its settings, and report those
    /// that may lose leads. `Provider`: the provider of a managed service vouches for it, and its settings are not
    /// read. Default: `Measured`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<OwnDurability>,
}

/// What a lead waits for before it is acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledge {
    /// How many servers besides the primary must have stored a lead, 0 to 5; at most 2 with three managed servers.
    /// Default: 1 with Sentinel, Redis Cluster or several managed servers, else 0.
    #[schemars(range(min = 0, max = 5))]
    pub replicas: i32,
}

/// How it is known that a Redis of the user's own keeps leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OwnDurability {
    /// Receivers read its settings.
    #[default]
    Measured,
    /// The provider vouches for it.
    Provider,
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
