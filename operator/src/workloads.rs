//! What is kept of Deployments, the managed Redis and pods: enough to say how they are, and why not better.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;

use crate::edges::{Class, Edge};
use crate::kinds::Kind;
use crate::lead_receiver::build::deployment::{ACKNOWLEDGE, ENCRYPTION_KEYS};
use crate::names;
use crate::stores::StoreKey;

/// A Deployment's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Pods that are wanted.
    pub wanted: i32,
    /// Pods that exist.
    pub replicas: i32,
    /// Pods that take requests.
    pub ready: i32,
    /// Whether all pods are of the newest configuration, and none of an older one is left.
    pub complete: bool,
    /// Why it does not get on, when its deadline has passed.
    pub failed: Option<String>,
    /// Why no pod can be made: a quota, a LimitRange, PodSecurity or a security context constraint refuses it.
    pub refused: Option<String>,
    /// The queue that its pods use.
    pub store: Option<StoreKey>,
    /// The image that its pods are to have.
    pub image: Option<String>,
    /// How many replicas must have a lead before its pods acknowledge it, as they were told.
    pub acknowledge: Option<i32>,
    /// The Secret with the keys that its pods seal leads with.
    pub encryption: Option<String>,
}

impl Rollout {
    /// From a Deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let wanted = deployment.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
        let store = deployment.spec.as_ref().and_then(|spec| {
            let annotations = spec.template.metadata.as_ref()?.annotations.as_ref()?;
            Some(StoreKey::parse(annotations.get(names::STORE)?))
        });
        let template = deployment.spec.as_ref().map(|spec| &spec.template);
        let image = image(template);
        let acknowledge = template.and_then(acknowledge);
        let encryption = template.and_then(encryption);
        let Some(status) = &deployment.status else {
            return Self {
                wanted,
                store,
                image,
                acknowledge,
                encryption,
                ..Self::default()
            };
        };
        let count = |n: Option<i32>| n.unwrap_or_default();
        let says = |type_: &str, truth: &str| {
            let mut all = status.conditions.iter().flatten();
            let found = all.find(|c| c.type_ == type_ && c.status == truth)?;
            Some(found.message.clone().unwrap_or_default())
        };
        Self {
            wanted,
            replicas: count(status.replicas),
            ready: count(status.ready_replicas),
            complete: status.observed_generation >= deployment.metadata.generation
                && count(status.updated_replicas) == wanted
                && count(status.replicas) == wanted
                && count(status.ready_replicas) == wanted,
            failed: says("Progressing", "False"),
            refused: says("ReplicaFailure", "True"),
            store,
            image,
            acknowledge,
            encryption,
        }
    }
}

/// The image of the first container.
fn image(template: Option<&PodTemplateSpec>) -> Option<String> {
    template?.spec.as_ref()?.containers.first()?.image.clone()
}

fn encryption(template: &PodTemplateSpec) -> Option<String> {
    let volumes = template.spec.as_ref()?.volumes.iter().flatten();
    let sources = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref());
    let mut secrets = sources.flatten().filter_map(|source| source.secret.as_ref());
    let holds = secrets.find(|secret| {
        secret
            .items
            .iter()
            .flatten()
            .any(|item| item.path == ENCRYPTION_KEYS)
    })?;
    Some(holds.name.clone())
}

fn acknowledge(template: &PodTemplateSpec) -> Option<i32> {
    let mut arguments = template.spec.as_ref()?.containers.first()?.args.iter().flatten();
    arguments.find_map(|argument| argument.strip_prefix(ACKNOWLEDGE)?.parse().ok())
}

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

/// Namespace and name.
pub type Name = (String, String);

#[derive(Debug, Default)]
struct State {
    rollouts: HashMap<Name, Rollout>,
    redis: HashMap<String, RedisState>,
    /// Pods by namespace and receiver (or `leadgate-redis`), then by name.
    pods: HashMap<Name, BTreeMap<String, PodState>>,
    /// What Ingresses and HTTPRoutes say.
    edges: HashMap<(Kind, Name), Edge>,
    /// The classes of Ingresses.
    classes: HashMap<Name, Class>,
    /// Why autoscalers do not scale.
    autoscalers: HashMap<Name, String>,
}

/// All Deployments, Redis and pods of the operator.
#[derive(Debug, Default)]
pub struct Workloads(Mutex<State>);

impl Workloads {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A receiver's Deployment.
    pub fn rollout(&self, namespace: &str, deployment: &str) -> Option<Rollout> {
        let key = (namespace.to_owned(), deployment.to_owned());
        self.state().rollouts.get(&key).cloned()
    }

    /// A namespace's Redis.
    pub fn redis(&self, namespace: &str) -> Option<RedisState> {
        self.state().redis.get(namespace).cloned()
    }

    /// A receiver's pods, the newest first; or those of the Redis.
    pub fn pods(&self, namespace: &str, receiver: &str) -> Vec<PodState> {
        let key = (namespace.to_owned(), receiver.to_owned());
        let mut pods: Vec<PodState> = self
            .state()
            .pods
            .get(&key)
            .into_iter()
            .flat_map(|pods| pods.values().cloned())
            .collect();
        pods.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.uid.cmp(&b.uid)));
        pods
    }

    /// Whether edges speak TLS to a receiver's pods: as wanted, once a pod that takes requests does.
    pub fn speaks_tls(&self, namespace: &str, receiver: &str, wanted: bool) -> bool {
        let pods = self.pods(namespace, receiver);
        let ready: Vec<bool> = pods.iter().filter(|pod| pod.ready).map(|pod| pod.tls).collect();
        if ready.is_empty() || ready.contains(&wanted) {
            wanted
        } else {
            !wanted
        }
    }

    /// A watch shows a Deployment.
    pub fn deployment_seen(&self, deployment: &Deployment) {
        let key = (deployment.namespace().unwrap_or_default(), deployment.name_any());
        self.state().rollouts.insert(key, Rollout::of(deployment));
    }

    /// A Deployment is gone.
    pub fn deployment_gone(&self, deployment: &Deployment) {
        let key = (deployment.namespace().unwrap_or_default(), deployment.name_any());
        self.state().rollouts.remove(&key);
    }

    /// A watch shows a StatefulSet.
    pub fn redis_seen(&self, set: &StatefulSet) {
        if set.name_any() == names::REDIS {
            let namespace = set.namespace().unwrap_or_default();
            self.state().redis.insert(namespace, RedisState::of(set));
        }
    }

    /// A StatefulSet is gone.
    pub fn redis_gone(&self, set: &StatefulSet) {
        if set.name_any() == names::REDIS {
            self.state().redis.remove(&set.namespace().unwrap_or_default());
        }
    }

    /// A watch shows a pod, or that it is gone. Says whether that changes anything, and for which receiver.
    pub fn pod(&self, pod: &Pod, gone: bool) -> Option<Name> {
        let owner = owner(pod)?;
        let mut state = self.state();
        let pods = state.pods.entry(owner.clone()).or_default();
        let changed = if gone {
            pods.remove(&pod.name_any()).is_some()
        } else {
            let now = PodState::of(pod);
            pods.insert(pod.name_any(), now.clone()) != Some(now)
        };
        if pods.is_empty() {
            state.pods.remove(&owner);
        }
        changed.then_some(owner)
    }

    /// The watch of Deployments starts over.
    pub fn keep_deployments(&self, seen: &HashSet<Name>) {
        self.state().rollouts.retain(|key, _| seen.contains(key));
    }

    /// The watch of StatefulSets starts over.
    pub fn keep_redis(&self, seen: &HashSet<Name>) {
        self.state()
            .redis
            .retain(|key, _| seen.contains(&(key.clone(), names::REDIS.to_owned())));
    }

    /// What an Ingress or HTTPRoute says.
    pub fn edge(&self, kind: Kind, name: &Name) -> Option<Edge> {
        self.state().edges.get(&(kind, name.clone())).cloned()
    }

    /// A watch shows an Ingress or HTTPRoute. Says whether it says something new.
    pub fn edge_seen(&self, kind: Kind, name: Name, edge: Edge) -> bool {
        let mut state = self.state();
        state.edges.insert((kind, name), edge.clone()) != Some(edge)
    }

    /// The class of an Ingress.
    pub fn class(&self, name: &Name) -> Option<Class> {
        self.state().classes.get(name).cloned()
    }

    /// A watch shows the class of an Ingress.
    pub fn class_seen(&self, name: Name, class: Class) {
        self.state().classes.insert(name, class);
    }

    /// An Ingress or HTTPRoute is gone.
    pub fn edge_gone(&self, kind: Kind, name: &Name) {
        let mut state = self.state();
        if kind == Kind::Ingress {
            state.classes.remove(name);
        }
        state.edges.remove(&(kind, name.clone()));
    }

    /// The watch of Ingresses or HTTPRoutes starts over.
    pub fn keep_edges(&self, kind: Kind, seen: &HashSet<Name>) {
        let mut state = self.state();
        state
            .edges
            .retain(|(of, name), _| *of != kind || seen.contains(name));
        if kind == Kind::Ingress {
            state.classes.retain(|name, _| seen.contains(name));
        }
    }

    /// Why a receiver's autoscaler does not scale.
    pub fn autoscaler_trouble(&self, namespace: &str, name: &str) -> Option<String> {
        let key = (namespace.to_owned(), name.to_owned());
        self.state().autoscalers.get(&key).cloned()
    }

    /// A watch shows an autoscaler. Says whether it says something new.
    pub fn autoscaler_seen(&self, autoscaler: &HorizontalPodAutoscaler) -> bool {
        let key = (autoscaler.namespace().unwrap_or_default(), autoscaler.name_any());
        let mut state = self.state();
        match not_scaling(autoscaler) {
            Some(why) => state.autoscalers.insert(key, why.clone()).as_ref() != Some(&why),
            None => state.autoscalers.remove(&key).is_some(),
        }
    }

    /// An autoscaler is gone.
    pub fn autoscaler_gone(&self, name: &Name) {
        self.state().autoscalers.remove(name);
    }

    /// The watch of autoscalers starts over.
    pub fn keep_autoscalers(&self, seen: &HashSet<Name>) {
        self.state().autoscalers.retain(|name, _| seen.contains(name));
    }

    /// The watch of pods starts over.
    pub fn keep_pods(&self, seen: &HashSet<Name>) {
        self.state().pods.retain(|owner, pods| {
            pods.retain(|name, _| seen.contains(&(owner.0.clone(), name.clone())));
            !pods.is_empty()
        });
    }
}

/// Why an autoscaler does not scale. Having nothing to scale is no trouble.
fn not_scaling(autoscaler: &HorizontalPodAutoscaler) -> Option<String> {
    let conditions = autoscaler.status.as_ref()?.conditions.iter().flatten();
    let mut failing = conditions.filter(|condition| {
        ["AbleToScale", "ScalingActive"].contains(&condition.type_.as_str())
            && condition.status == "False"
            && condition.reason.as_deref() != Some("ScalingDisabled")
    });
    failing
        .next()
        .map(|condition| condition.message.clone().unwrap_or_default())
}

/// The receiver that a pod belongs to; `leadgate-redis` for Redis.
fn owner(pod: &Pod) -> Option<Name> {
    let name = match pod.labels().get(names::COMPONENT).map(String::as_str) {
        Some("redis") => names::REDIS.to_owned(),
        _ => pod.annotations().get(names::RECEIVER)?.clone(),
    };
    Some((pod.namespace().unwrap_or_default(), name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::needless_pass_by_value)]

    use super::*;
    use serde_json::json;

    fn pod(status: serde_json::Value) -> PodState {
        PodState::of(&serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap())
    }

    #[test]
    fn why_pods_do_not_start() {
        let waiting = |reason: &str| {
            pod(
                json!({"containerStatuses": [{"name": "r", "ready": false, "restartCount": 0, "image": "i", "imageID": "",
                "state": {"waiting": {"reason": reason, "message": "m"}}}]}),
            )
        };
        assert_eq!(
            waiting("ImagePullBackOff").trouble,
            Some(("ImagePullBackOff".to_owned(), "m".to_owned()))
        );
        assert_eq!(waiting("ContainerCreating").trouble, None);
        let unschedulable = pod(json!({"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]}));
        assert_eq!(
            unschedulable.trouble.unwrap(),
            ("Unschedulable".to_owned(), "0/1 nodes are available".to_owned())
        );
        assert!(pod(json!({"conditions": [{"type": "Ready", "status": "True"}]})).ready);
    }

    #[test]
    fn edges_speak_tls_as_soon_as_a_pod_that_takes_requests_does() {
        for (pods, wanted, tls) in [
            (vec![], true, true),
            (vec![("http", true), ("https", false)], true, false),
            (vec![("http", true), ("https", true)], true, true),
            (vec![("https", true), ("http", false)], false, true),
            (vec![("https", true), ("http", true)], false, false),
            (vec![("http", false)], true, true),
        ] {
            let workloads = Workloads::default();
            for (n, (port, ready)) in pods.iter().enumerate() {
                let pod = json!({
                    "metadata": {"name": format!("p{n}"), "namespace": "a", "annotations": {(names::RECEIVER): "default"}},
                    "spec": {"containers": [{"name": "r", "ports": [{"name": port, "containerPort": 1}]}]},
                    "status": {"conditions": [{"type": "Ready", "status": if *ready { "True" } else { "False" }}]},
                });
                assert!(
                    workloads
                        .pod(&serde_json::from_value(pod).unwrap(), false)
                        .is_some()
                );
            }
            assert_eq!(workloads.speaks_tls("a", "default", wanted), tls, "{pods:?}");
        }
    }

    #[test]
    fn a_rollout_is_complete_when_nothing_old_is_left() {
        let rollout = |status: serde_json::Value| {
            let deployment = json!({"metadata": {"generation": 2}, "spec": {"replicas": 2, "selector": {}, "template": {}},
                "status": status});
            Rollout::of(&serde_json::from_value(deployment).unwrap())
        };
        let done = json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2});
        assert!(rollout(done).complete);
        let old = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "readyReplicas": 3});
        assert!(!rollout(old).complete);
        let unseen =
            json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2});
        assert!(!rollout(unseen).complete);
        let failed =
            json!({"conditions": [{"type": "Progressing", "status": "False", "message": "deadline"}]});
        assert_eq!(rollout(failed).failed.as_deref(), Some("deadline"));
    }
}
