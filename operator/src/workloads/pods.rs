//! The state of pods, and of the managed Redis.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;

use super::rollout::image;
use crate::names;
use crate::stores::StoreKey;

/// The managed Redis of a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RedisState {
    /// How many servers there are to be.
    pub replicas: i32,
    /// How many have all that the primary has.
    pub ready: i32,
    /// Whether all pods are of the newest configuration.
    pub complete: bool,
    /// The image that its pods are to have.
    pub image: Option<String>,
    /// Its memory.
    pub memory: Option<Quantity>,
    /// The volume's size as it was made.
    pub size: Option<Quantity>,
    /// The volume's storage class as it was made.
    pub storage_class: Option<String>,
}

impl RedisState {
    /// Whether every server has all that the primary has.
    pub fn is_in_step(&self) -> bool {
        self.ready >= self.replicas
    }

    /// From the StatefulSet.
    pub fn of(set: &StatefulSet) -> Self {
        let claim = set
            .spec
            .as_ref()
            .and_then(|spec| spec.volume_claim_templates.as_ref()?.first()?.spec.as_ref());
        Self {
            replicas: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            ready: set
                .status
                .as_ref()
                .and_then(|s| s.ready_replicas)
                .unwrap_or_default(),
            complete: set.status.as_ref().is_some_and(|status| {
                status.observed_generation >= set.metadata.generation
                    && status.current_revision == status.update_revision
            }),
            image: image(set.spec.as_ref().map(|spec| &spec.template)),
            memory: set.spec.as_ref().and_then(|spec| {
                let pod = spec.template.spec.as_ref()?;
                let limits = pod.containers.first()?.resources.as_ref()?.limits.as_ref()?;
                limits.get("memory").cloned()
            }),
            size: claim.and_then(|claim| {
                let requests = claim.resources.as_ref()?.requests.as_ref()?;
                requests.get("storage").cloned()
            }),
            storage_class: claim.and_then(|claim| claim.storage_class_name.clone()),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    pub name: String,
    pub uid: String,
    /// Its address, when it has one.
    pub address: Option<String>,
    /// Whether it is ready and not being deleted.
    pub ready: bool,
    /// Whether it terminates TLS.
    pub tls: bool,
    /// When it was made, in seconds.
    pub created: i64,
    /// The queue that it uses.
    pub store: Option<StoreKey>,
    /// Why it does not start: reason and message.
    pub trouble: Option<(String, String)>,
}

impl PodState {
    /// From a pod.
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let condition = |name: &str| status.conditions.iter().flatten().find(|c| c.type_ == name);
        let ready = pod.metadata.deletion_timestamp.is_none()
            && condition("Ready").is_some_and(|c| c.status == "True");
        let unscheduled = condition("PodScheduled")
            .filter(|c| c.status == "False")
            .map(|c| {
                (
                    c.reason.clone().unwrap_or_else(|| "Unschedulable".to_owned()),
                    c.message.clone().unwrap_or_default(),
                )
            });
        let mut containers = status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .flatten();
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            address: status.pod_ip.clone(),
            store: pod
                .annotations()
                .get(names::STORE)
                .map(|text| StoreKey::parse(text)),
            ready,
            tls: pod.spec.as_ref().is_some_and(|spec| {
                let ports = spec
                    .containers
                    .iter()
                    .filter_map(|container| container.ports.as_ref());
                ports.flatten().any(|port| port.name.as_deref() == Some("https"))
            }),
            created: pod
                .metadata
                .creation_timestamp
                .as_ref()
                .map(|t| t.0.as_second())
                .unwrap_or_default(),
            trouble: if ready {
                None
            } else {
                unscheduled.or_else(|| containers.find_map(waiting))
            },
        }
    }
}

/// Why a container waits, unless it is only being made.
fn waiting(container: &ContainerStatus) -> Option<(String, String)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.clone()?;
    if matches!(reason.as_str(), "ContainerCreating" | "PodInitializing") {
        return None;
    }
    let mut message = waiting.message.clone().unwrap_or_default();
    if let Some(last) = container.last_state.as_ref().and_then(|s| s.terminated.as_ref()) {
        message = format!("{message} (it ended with exit code {})", last.exit_code);
    }
    Some((reason, message))
}
