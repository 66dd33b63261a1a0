//! How senders reach a webhook: the Ingress or HTTPRoute that leads its path to its receiver. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use leadgate_crds::LeadWebhook;
use serde_json::{Value, json};

use crate::kinds::{Desired, Kind};
use crate::lead_receiver::build::network::public_port;
use crate::lead_receiver::build::object::owned;
use crate::names;

/// What a route leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The receiver's name.
    pub receiver: String,
    /// Whether its pods terminate TLS.
    pub tls: bool,
}

fn object(webhook: &LeadWebhook, kind: Kind, body: Value) -> Desired {
    let name = webhook.name_any();
    owned(
        webhook,
        "LeadWebhook",
        &names::route_labels(&name),
        kind,
        names::route(&name),
        body,
    )
}

/// The Ingress, if the webhook wants one.
pub fn ingress(
    webhook: &LeadWebhook,
    backend: &Backend,
    annotations: &BTreeMap<String, String>,
) -> Option<Desired> {
    let wanted = webhook.spec.ingress.as_ref()?;
    let (_, port_name) = public_port(backend.tls);
    let mut spec = json!({"rules": [{"host": wanted.host, "http": {"paths": [{
        "path": names::path(webhook),
        "pathType": "Exact",
        "backend": {"service": {"name": names::receiver(&backend.receiver), "port": {"name": port_name}}},
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
    let mut ingress = object(webhook, Kind::Ingress, json!({"spec": spec}));
    if !annotations.is_empty()
        && let Some(Value::Object(metadata)) = ingress.manifest.get_mut("metadata")
    {
        metadata.insert("annotations".to_owned(), json!(annotations));
    }
    Some(ingress)
}

/// The HTTPRoute, if the webhook wants one.
pub fn http_route(webhook: &LeadWebhook, backend: &Backend) -> Option<Desired> {
    let wanted = webhook.spec.gateway.as_ref()?;
    let (port, _) = public_port(backend.tls);
    let mut spec = json!({
        "parentRefs": wanted.parent_refs,
        "rules": [{
            "matches": [{"path": {"type": "Exact", "value": names::path(webhook)}}],
            "backendRefs": [{"name": names::receiver(&backend.receiver), "port": port}],
        }],
    });
    if let Value::Object(spec) = &mut spec
        && !wanted.hostnames.is_empty()
    {
        spec.insert("hostnames".to_owned(), json!(wanted.hostnames));
    }
    Some(object(webhook, Kind::HttpRoute, json!({"spec": spec})))
}
