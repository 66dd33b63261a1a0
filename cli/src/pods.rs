//! The pods of receivers.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use leadgate_operator::names;

use crate::cluster::{Cluster, list};

/// What the operator writes on pods of receivers.
pub(crate) const PODS: &str =
    "app.kubernetes.io/component=receiver,app.kubernetes.io/managed-by=leadgate-operator";

/// A ready pod of a namespace, and of a LeadReceiver if one is named.
pub(crate) async fn ready_pod(
    cluster: &Cluster,
    namespace: &str,
    receiver: Option<&str>,
) -> anyhow::Result<(Api<Pod>, Pod)> {
    let api: Api<Pod> = cluster.within(namespace);
    let (found, _) = list(&api, ListParams::default().labels(PODS)).await?;
    let pod = choose(&found, receiver).map_err(|why| anyhow::anyhow!("namespace {namespace}: {why}"))?;
    Ok((api, pod.clone()))
}

fn receiver_of(pod: &Pod) -> &str {
    pod.annotations().get(names::RECEIVER).map_or("", String::as_str)
}

/// Pure: the pod to ask. All receivers of a namespace know all of its webhooks and share its queue.
fn choose<'p>(pods: &'p [Pod], receiver: Option<&str>) -> Result<&'p Pod, String> {
    let ready: Vec<&Pod> = pods.iter().filter(|pod| is_ready(pod)).collect();
    let mut names: Vec<&str> = ready.iter().map(|pod| receiver_of(pod)).collect();
    names.sort_unstable();
    names.dedup();
    let name = match (receiver, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => "default",
    };
    match ready.into_iter().find(|pod| receiver_of(pod) == name) {
        Some(pod) => Ok(pod),
        None if pods.is_empty() => {
            Err("there are no receivers: create a LeadWebhook, or name another namespace with -n".to_owned())
        }
        None if names.is_empty() => {
            Err("no pod of a receiver is ready; kubectl leadgate check tells why".to_owned())
        }
        None => Err(format!(
            "no pod of LeadReceiver {name} is ready: choose one with --receiver: {}",
            names.join(", ")
        )),
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// The Secret with the token, as the pod mounts it.
pub(crate) fn token_secret(pod: &Pod) -> Option<&str> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    let volume = volumes.iter().find(|volume| volume.name == "admin")?;
    let alone = volume
        .secret
        .as_ref()
        .and_then(|secret| secret.secret_name.as_deref());
    // The operator mounts it beside the receiver's other keys.
    let beside = || {
        let sources = volume.projected.as_ref()?.sources.as_ref()?;
        let mut secrets = sources.iter().filter_map(|source| source.secret.as_ref());
        let holds = |path: &str| path == "token";
        let found = secrets.find(|secret| secret.items.iter().flatten().any(|item| holds(&item.path)))?;
        Some(found.name.as_str())
    };
    alone.or_else(beside)
}

/// The port of a name.
pub(crate) fn port(pod: &Pod, name: &str) -> Option<u16> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    let found = ports.find(|port| port.name.as_deref() == Some(name))?;
    u16::try_from(found.container_port).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_is_found_where_the_operator_mounts_it() {
        let pod = |volume: serde_json::Value| -> Pod {
            serde_json::from_value(json!({"spec": {"containers": [], "volumes": [{"name": "x"}, volume]}}))
                .unwrap()
        };
        let source = |name: &str, path: &str| json!({"secret": {"name": name, "items": [{"key": path, "path": path}]}});
        for (volume, expected) in [
            (json!({"name": "admin", "secret": {"secretName": "a"}}), Some("a")),
            (
                json!({"name": "admin", "projected": {"sources": [source("l", "ledger-key"), source("b", "token")]}}),
                Some("b"),
            ),
            (
                json!({"name": "admin", "projected": {"sources": [source("l", "ledger-key")]}}),
                None,
            ),
            (json!({"name": "other", "secret": {"secretName": "a"}}), None),
        ] {
            assert_eq!(token_secret(&pod(volume)), expected);
        }
    }

    fn pod(name: &str, receiver: &str, ready: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {"leadgate.dev/receiver": receiver}},
            "spec": {"containers": [], "volumes": [{"name": "admin", "secret": {"secretName": format!("token-of-{receiver}")}}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_ready_pod_of_the_receiver_that_is_meant_is_asked() {
        let pods = [
            pod("a", "edge", "False"),
            pod("b", "edge", "True"),
            pod("c", "default", "True"),
        ];
        let name = |pods: &[Pod], receiver| choose(pods, receiver).map(kube::ResourceExt::name_any);
        assert_eq!(name(&pods, None).unwrap(), "c");
        assert_eq!(name(&pods, Some("edge")).unwrap(), "b");
        assert_eq!(name(&pods[..2], None).unwrap(), "b");
        assert!(name(&pods, Some("other")).unwrap_err().contains("default, edge"));
        assert!(
            name(&pods[..1], None)
                .unwrap_err()
                .contains("no pod of a receiver is ready")
        );
        assert!(name(&[], None).unwrap_err().contains("no receivers"));
        assert_eq!(token_secret(&pods[0]).unwrap(), "token-of-edge");
    }
}
