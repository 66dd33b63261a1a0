//! How receivers are reached: Services, NetworkPolicy, Ingress, HTTPRoute.

use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::deployment::port;
use super::object::{base, object};
use crate::kinds::{Desired, Kind};
use crate::lead_webhook::validate::Plan;
use crate::names;
use crate::receivers::ADMIN_PORT;

/// The public port: what an edge or a caller in the cluster uses.
fn public_port(plan: &Plan) -> u16 {
    if plan.webhook.spec.receiver.tls.is_some() {
        443
    } else {
        80
    }
}

/// One for senders, and a headless one that names each pod for monitoring and for `kubectl leadgate`.
pub(super) fn services(plan: &Plan) -> [Desired; 2] {
    let name = plan.webhook.name_any();
    let selector = names::selector(&name);
    let (_, port_name) = port(plan);
    let public = json!({"spec": {
        "type": "ClusterIP",
        "selector": selector,
        "ports": [{"name": port_name, "port": public_port(plan), "targetPort": port_name, "protocol": "TCP"}],
    }});
    // Pods that are not ready are listed too: that is when people want to ask them.
    let admin = json!({"spec": {
        "type": "ClusterIP",
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": selector,
        "ports": [{"name": "admin", "port": ADMIN_PORT, "targetPort": "admin", "protocol": "TCP"}],
    }});
    [
        object(plan, Kind::Service, base(plan), public),
        object(plan, Kind::Service, names::admin(&name), admin),
    ]
}

/// Senders from anywhere, the admin port from pods of the cluster (operator, monitoring; what holds leads needs the
/// token besides). What receivers call is not restricted: CRMs are anywhere.
pub(super) fn policy(plan: &Plan) -> Desired {
    let (public, _) = port(plan);
    let body = json!({"spec": {
        "podSelector": {"matchLabels": names::selector(&plan.webhook.name_any())},
        "policyTypes": ["Ingress"],
        "ingress": [
            {"ports": [{"port": public, "protocol": "TCP"}]},
            {"from": [{"namespaceSelector": {}}], "ports": [{"port": ADMIN_PORT, "protocol": "TCP"}]},
        ],
    }});
    object(plan, Kind::NetworkPolicy, base(plan), body)
}

pub(super) fn ingress(plan: &Plan) -> Option<Desired> {
    let wanted = plan.webhook.spec.receiver.ingress.as_ref()?;
    let (_, port_name) = port(plan);
    let mut spec = json!({"rules": [{"host": wanted.host, "http": {"paths": [{
        "path": names::path(&plan.webhook),
        "pathType": "Exact",
        "backend": {"service": {"name": base(plan), "port": {"name": port_name}}},
    }]}}]});
    let mut tls = json!({"hosts": [wanted.host]});
    if let Value::Object(tls) = &mut tls {
        tls.extend(
            wanted
                .tls_secret_name
                .iter()
                .map(|name| ("secretName".to_owned(), json!(name))),
        );
    }
    if let Value::Object(spec) = &mut spec {
        // Also without a certificate of its own: leads never travel in clear.
        spec.insert("tls".to_owned(), json!([tls]));
        spec.extend(
            wanted
                .class_name
                .iter()
                .map(|name| ("ingressClassName".to_owned(), json!(name))),
        );
    }
    let mut ingress = object(plan, Kind::Ingress, base(plan), json!({"spec": spec}));
    if !plan.annotations.is_empty()
        && let Some(Value::Object(metadata)) = ingress.manifest.get_mut("metadata")
    {
        metadata.insert("annotations".to_owned(), json!(plan.annotations));
    }
    Some(ingress)
}

pub(super) fn http_route(plan: &Plan) -> Option<Desired> {
    let wanted = plan.webhook.spec.receiver.gateway.as_ref()?;
    let mut spec = json!({
        "parentRefs": wanted.parent_refs,
        "rules": [{
            "matches": [{"path": {"type": "Exact", "value": names::path(&plan.webhook)}}],
            "backendRefs": [{"name": base(plan), "port": public_port(plan)}],
        }],
    });
    if let Value::Object(spec) = &mut spec
        && !wanted.hostnames.is_empty()
    {
        spec.insert("hostnames".to_owned(), json!(wanted.hostnames));
    }
    Some(object(plan, Kind::HttpRoute, base(plan), json!({"spec": spec})))
}
