//! What is kept of Deployments, the managed Redis and pods: enough to say how they are, and why not better.

mod pods;
mod rollout;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use crate::edges::{Class, Edge};
use crate::kinds::Kind;
use crate::names;

pub use pods::{PodState, RedisState};
pub use rollout::Rollout;

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
