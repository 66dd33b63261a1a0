//! The kinds of object that the operator makes, and an object that is to be.

use kube::core::ApiResource;
use serde_json::Value;

/// A kind of object that the operator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Configuration of receivers.
    ConfigMap,
    /// Admin tokens, Redis passwords, generated keys.
    Secret,
    /// How receivers and Redis are reached.
    Service,
    /// The receivers' identity, without a token.
    ServiceAccount,
    /// The receivers.
    Deployment,
    /// The managed Redis.
    StatefulSet,
    /// Who may reach receivers and Redis.
    NetworkPolicy,
    /// How many receivers may be away at once.
    PodDisruptionBudget,
    /// The number of receivers, by load.
    HorizontalPodAutoscaler,
    /// How senders reach receivers.
    Ingress,
    /// The same by Gateway API.
    HttpRoute,
}

impl Kind {
    /// The kinds that every cluster has, in the order in which they are watched.
    pub const WATCHED: [Self; 10] = [
        Self::ConfigMap,
        Self::Secret,
        Self::Service,
        Self::ServiceAccount,
        Self::Deployment,
        Self::StatefulSet,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
        Self::Ingress,
    ];

    /// Group, version, kind, plural.
    fn identity(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Secret => ("", "v1", "Secret", "secrets"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::HorizontalPodAutoscaler => (
                "autoscaling",
                "v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
            Self::Ingress => ("networking.k8s.io", "v1", "Ingress", "ingresses"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
        }
    }

    /// The kind as it is written in manifests.
    pub fn name(self) -> &'static str {
        self.identity().2
    }

    /// The API group, empty for the core one.
    pub fn group(self) -> &'static str {
        self.identity().0
    }

    /// The resource as it is written in roles.
    pub fn plural(self) -> &'static str {
        self.identity().3
    }

    /// For calls of the API server.
    pub fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.identity();
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: self.api_version(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// `apps/v1`.
    pub fn api_version(self) -> String {
        let (group, version, ..) = self.identity();
        if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        }
    }

    /// Whether a change of `metadata.generation` is what tells a change of the object from one of its status. The
    /// autoscaler's generation is not kept by all API servers, its status changes all the time.
    pub fn has_generation(self) -> bool {
        matches!(
            self,
            Self::Deployment
                | Self::StatefulSet
                | Self::NetworkPolicy
                | Self::PodDisruptionBudget
                | Self::HorizontalPodAutoscaler
                | Self::Ingress
                | Self::HttpRoute
        )
    }
}

/// An object as it is to be: what the operator decides of it, nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    pub kind: Kind,
    pub name: String,
    /// The whole manifest.
    pub manifest: Value,
}
