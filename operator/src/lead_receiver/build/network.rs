//! How receivers are reached: Services and NetworkPolicy.

use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::Plan;
use super::deployment::{HTTP, HTTPS};
use super::object::object;
use crate::kinds::{Desired, Kind};
use crate::names;
use crate::receivers::ADMIN_PORT;

/// The Service's port and its name: what an edge or a caller in the cluster uses.
pub fn public_port(tls: bool) -> (u16, &'static str) {
    if tls { (443, "https") } else { (80, "http") }
}

/// One for senders, and a headless one that names each pod for monitoring and for `kubectl leadgate`.
pub(super) fn services(plan: &Plan) -> [Desired; 2] {
    let name = plan.receiver.name_any();
    let selector = names::selector(&name);
    // Both, always: while `spec.tls` is set or removed, some pods have the one and some the other, and a port leads to those that
    // have it.
    let ports = [false, true].map(|tls| {
        let (port, name) = public_port(tls);
        json!({"name": name, "appProtocol": name, "port": port, "targetPort": name, "protocol": "TCP"})
    });
    let service = json!({"spec": {"type": "ClusterIP", "selector": selector, "ports": ports}});
    // Pods that are not ready are listed too: that is when people want to ask them.
    let admin = json!({"spec": {
        "type": "ClusterIP",
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "selector": selector,
        "ports": [{"name": "admin", "port": ADMIN_PORT, "targetPort": "admin", "protocol": "TCP"}],
    }});
    [
        object(plan, Kind::Service, names::receiver(&name), service),
        object(plan, Kind::Service, names::admin(&name), admin),
    ]
}

/// Unless the receiver says otherwise: senders from anywhere, the admin port from pods of the cluster (operator, monitoring;
/// what holds leads needs the token besides). What receivers call is not restricted: CRMs are anywhere.
pub(super) fn policy(plan: &Plan) -> Option<Desired> {
    let wanted = &plan.receiver.spec.network_policy;
    let name = plan.receiver.name_any();
    let mut senders = json!({"ports": [
        {"port": HTTP.0, "protocol": "TCP"},
        {"port": HTTPS.0, "protocol": "TCP"},
    ]});
    if let Value::Object(rule) = &mut senders
        && !wanted.senders.is_empty()
    {
        rule.insert("from".to_owned(), json!(wanted.senders));
    }
    let admins = if wanted.admins.is_empty() {
        json!([{"namespaceSelector": {}}])
    } else {
        json!(wanted.admins)
    };
    wanted.enabled.then(|| {
        let body = json!({"spec": {
            "podSelector": {"matchLabels": names::selector(&name)},
            "policyTypes": ["Ingress"],
            "ingress": [
                senders,
                {"from": admins, "ports": [{"port": ADMIN_PORT, "protocol": "TCP"}]},
            ],
        }});
        object(plan, Kind::NetworkPolicy, names::receiver(&name), body)
    })
}
