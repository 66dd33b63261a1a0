//! LeadReceiver: the pods that serve webhooks, and the queue that they share.

mod limits;
mod outbound;
mod pods;
mod queue;
mod status;

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use limits::Limits;
pub use outbound::{Outbound, Proxy};
pub use pods::{Autoscaling, CaSecretRef, NetworkPolicy, PodTemplate, Tls};
pub use queue::{Acknowledge, Durability, Encryption, OwnDurability, Queue, QueueMode, Redis, Storage};
pub use status::LeadReceiverStatus;

use crate::common::{Duration, between, is_default};

/// The LeadReceiver that serves a LeadWebhook without `receiverRef`.
pub const DEFAULT_RECEIVER: &str = "default";

/// The pods that serve LeadWebhooks, and the queue that they share.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "leadgate.dev",
    version = "v1alpha1",
    kind = "LeadReceiver",
    plural = "leadreceivers",
    singular = "leadreceiver",
    shortname = "lr",
    category = "leadgate",
    namespaced,
    status = "LeadReceiverStatus",
    derive = "PartialEq",
    doc = "The pods that serve LeadWebhooks, and the queue that they share. A LeadWebhook names its LeadReceiver in spec.receiverRef. A namespace needs none: without a LeadReceiver named default, the operator acts as if there were one with all defaults.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether leads are accepted",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        description = "Number of pods",
        json_path = ".status.replicas"
    ),
    printcolumn(
        name = "Webhooks",
        type_ = "integer",
        description = "LeadWebhooks that the pods serve",
        json_path = ".status.webhooks"
    ),
    printcolumn(
        name = "Pending",
        type_ = "integer",
        description = "Pending deliveries of these LeadWebhooks",
        json_path = ".status.pending"
    ),
    printcolumn(
        name = "Store",
        type_ = "string",
        description = "Queue of the leads: Managed, or the Secret with the URL of your own Redis",
        json_path = ".status.store"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Used",
        type_ = "string",
        description = "Used share of the queue's memory",
        json_path = ".status.queueUsed",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Reason of the condition Ready",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        description = "Message of the condition Ready",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeadReceiverSpec {
    /// The number of pods, 0 to 100; `kubectl scale`, a HorizontalPodAutoscaler and KEDA set it. With
    /// `autoscaling`, it has no effect. Default: 2.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,
    /// Scales the number of pods with the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// CPU and memory of each pod. Absent: requests of `50m` CPU and `96Mi` memory, and a limit of `512Mi` memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Additional settings of the pods. A change replaces the pods, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// TLS termination in the pods, on port 8443. Absent: an edge (Ingress, Gateway or load balancer) terminates TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How the pods reach CRMs: through a proxy, and which authorities they trust.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outbound: Outbound,
    /// Who may reach the pods.
    #[serde(default, skip_serializing_if = "is_default")]
    pub network_policy: NetworkPolicy,
    /// The queue that stores accepted leads until they are delivered. A namespace has one queue, because order
    /// and rate limits hold within one queue only: one LeadReceiver sets it, and the others use it. Another
    /// LeadReceiver may set a Redis of its own only while no CrmSink is fed from both queues. Leads are not
    /// moved: while the current queue holds leads, the pods keep it. Absent: the queue of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Limits of each LeadWebhook, so that one of them cannot use up what all of them share.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// How long the deletion of a LeadWebhook waits for pending leads to be delivered. After this time, its
    /// status reports the remaining leads, and deletion continues only when they are delivered or the annotation
    /// `leadgate.dev/allow-loss` of the LeadWebhook is `"true"`. From `0s` to `168h`. Default: `10m`.
    #[serde(default = "default_drain_timeout")]
    #[x_kube(validation = between("drainTimeout", "0s", "168h"))]
    pub drain_timeout: Duration,
}

impl Default for LeadReceiverSpec {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            autoscaling: None,
            resources: None,
            pod_template: None,
            tls: None,
            outbound: Outbound::default(),
            network_policy: NetworkPolicy::default(),
            queue: None,
            limits: Limits::default(),
            drain_timeout: default_drain_timeout(),
        }
    }
}

fn default_replicas() -> i32 {
    2
}

fn default_drain_timeout() -> Duration {
    Duration::minutes(10)
}
