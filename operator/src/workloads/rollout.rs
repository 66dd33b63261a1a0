//! A Deployment's state.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodTemplateSpec;

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
pub(super) fn image(template: Option<&PodTemplateSpec>) -> Option<String> {
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
