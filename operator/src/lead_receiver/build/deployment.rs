//! The Deployment of the receivers.

use kube::ResourceExt as _;
use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::lead_receiver::{CaSecretRef, OwnDurability, PodTemplate};
use serde_json::{Value, json};

use super::Plan;
use super::object::object;
use super::pod::{MODE, apply_template, security_context, set, spread};
use crate::context::{Settings, Tracing};
use crate::kinds::{Desired, Kind};
use crate::lead_receiver::ledger_key;
use crate::lead_receiver::projection::SHARDS;
use crate::names;
use crate::receivers::ADMIN_PORT;
use crate::stores::StoreKey;

/// Receivers finish what was begun in at most 20 s, after the edge was given time.
const GRACE_SECONDS: i64 = 40;
/// A pod that is to stop is still sent requests until every node and edge has heard of it.
const EDGE_SECONDS: i64 = 5;

/// The argument with the number of replicas that must have a lead; the number follows.
pub(crate) const ACKNOWLEDGE: &str = "--queue-acknowledge-replicas=";

const MANIFESTS: &str = "/etc/leadgate/manifests";
const ADMIN: &str = "/etc/leadgate/admin";
/// The file with the encryption keys.
pub(crate) const ENCRYPTION_KEYS: &str = "encryption-keys";
const TLS: &str = "/etc/leadgate/tls";
const CLIENT_CA: &str = "/etc/leadgate/client-ca";
const OUTBOUND_CA: &str = "/etc/leadgate/outbound-ca";

/// The port of pods that do not terminate TLS, and its name.
pub(super) const HTTP: (u16, &str) = (8080, "http");
/// The port of pods that do.
pub(super) const HTTPS: (u16, &str) = (8443, "https");

/// The port that senders reach.
fn port(plan: &Plan) -> (u16, &'static str) {
    if plan.receiver.spec.tls.is_some() {
        HTTPS
    } else {
        HTTP
    }
}

pub(super) fn deployment(plan: &Plan, settings: &Settings) -> Desired {
    let receiver = &plan.receiver.spec;
    let name = plan.receiver.name_any();
    let given = receiver.pod_template.clone().unwrap_or_default();
    let mut labels = given.labels.clone();
    labels.extend(names::labels(&name));
    let mut annotations = given.annotations.clone();
    annotations.insert(names::RECEIVER.to_owned(), name.clone());
    annotations.insert(names::STORE.to_owned(), plan.store.to_string());
    // Variables are read when a process starts.
    annotations.extend(
        plan.server
            .iter()
            .map(|digest| (names::SERVER.to_owned(), digest.clone())),
    );
    annotations.extend(
        plan.proxy
            .iter()
            .map(|digest| (names::PROXY.to_owned(), digest.clone())),
    );
    let mut spec = json!({
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 600,
        // `kubectl rollout pause` would keep every change from the pods; the annotation of the LeadReceiver pauses.
        "paused": false,
        "selector": {"matchLabels": names::selector(&name)},
        // The new pod first: a rollout takes no capacity away.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": pod(plan, settings, &given),
        },
    });
    // The autoscaler owns the number of pods; two writers would fight over it.
    if receiver.autoscaling.is_none() {
        set(&mut spec, "replicas", json!(receiver.replicas));
    }
    object(
        plan,
        Kind::Deployment,
        names::receiver(&name),
        json!({"spec": spec}),
    )
}

fn pod(plan: &Plan, settings: &Settings, given: &PodTemplate) -> Value {
    let mut pod = json!({
        "serviceAccountName": names::receiver(&plan.receiver.name_any()),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": security_context(given, None, settings),
        "containers": [container(plan, settings)],
        "volumes": volumes(plan),
        "topologySpreadConstraints": spread(&names::selector(&plan.receiver.name_any()), given),
    });
    apply_template(&mut pod, given, settings);
    pod
}

fn container(plan: &Plan, settings: &Settings) -> Value {
    let (port, port_name) = port(plan);
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": {"path": path, "port": "admin"},
            "periodSeconds": period,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        })
    };
    let default = json!({
        "requests": {"cpu": "50m", "memory": "96Mi"},
        "limits": {"memory": "512Mi"},
    });
    let resources = plan
        .receiver
        .spec
        .resources
        .as_ref()
        .map_or(default, |resources| json!(resources));
    json!({
        "name": "receiver",
        "image": settings.receiver_image,
        "command": ["/leadgate-receiver"],
        "args": arguments(plan),
        "env": environment(plan, settings),
        "ports": [
            {"name": port_name, "containerPort": port, "protocol": "TCP"},
            {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
        ],
        "livenessProbe": probe("/livez", 10, 6),
        "readinessProbe": probe("/readyz", 3, 3),
        "lifecycle": {"preStop": {"sleep": {"seconds": EDGE_SECONDS}}},
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts(plan),
    })
}

fn arguments(plan: &Plan) -> Vec<String> {
    let (port, _) = port(plan);
    let mut arguments = vec![
        format!("--manifests={MANIFESTS}"),
        format!("--receiver={}", plan.receiver.name_any()),
        format!("--listen=[::]:{port}"),
        format!("--admin-listen=[::]:{ADMIN_PORT}"),
        format!("--admin-token-file={ADMIN}/token"),
        format!("--ledger-key-file={ADMIN}/ledger-key"),
        format!("--queue-file={MANIFESTS}/{}", plan.store.file()),
        "--log-format=json".to_owned(),
        // A Redis may serve several namespaces: none sees another's leads.
        format!(
            "--queue-prefix=leadgate-{}",
            plan.receiver.namespace().unwrap_or_default()
        ),
    ];
    if plan.store == StoreKey::Managed {
        arguments.push(format!(
            "--queue-ca={MANIFESTS}/{}",
            plan.store.authorities_file()
        ));
    }
    if plan.encryption.is_some() {
        arguments.push(format!("--encryption-key-file={ADMIN}/{ENCRYPTION_KEYS}"));
    }
    if let Some(shards) = plan.shards {
        arguments.push(format!("--queue-shards={shards}"));
    }
    if let Some(replicas) = plan.acknowledge {
        arguments.push(format!("{ACKNOWLEDGE}{replicas}"));
    }
    if let Some(timeout) = &plan.accept_timeout {
        arguments.push(format!("--accept-timeout={timeout}"));
    }
    if plan.own_durability == OwnDurability::Provider {
        arguments.push("--queue-durability=provider".to_owned());
    }
    if plan.receiver.spec.outbound.ca_secret_ref.is_some() {
        arguments.push(format!("--outbound-ca={OUTBOUND_CA}/ca.crt"));
    }
    if let Some(tls) = &plan.receiver.spec.tls {
        arguments.push(format!("--tls-cert={TLS}/tls.crt"));
        arguments.push(format!("--tls-key={TLS}/tls.key"));
        if tls.client_ca_secret_ref.is_some() {
            arguments.push(format!("--tls-client-ca={CLIENT_CA}/ca.crt"));
        }
    } else {
        arguments.push("--behind-tls-proxy".to_owned());
    }
    arguments
}

fn environment(plan: &Plan, settings: &Settings) -> Vec<Value> {
    let mut environment = proxies(plan);
    if let Some(tracing) = &settings.tracing {
        environment.extend(traces(plan, tracing));
    }
    environment
}

/// How CRMs are reached. A URL with a password comes from a Secret.
fn proxies(plan: &Plan) -> Vec<Value> {
    let Some(proxy) = &plan.receiver.spec.outbound.proxy else {
        return Vec::new();
    };
    let url = |name: &str| match &proxy.url_secret_ref {
        Some(SecretKeyRef { name: secret, key }) => {
            json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        }
        None => json!({"name": name, "value": proxy.url}),
    };
    let inside = [".svc", ".cluster.local"].map(str::to_owned);
    let direct: Vec<String> = inside.into_iter().chain(proxy.no_proxy.clone()).collect();
    vec![
        url("HTTPS_PROXY"),
        url("HTTP_PROXY"),
        json!({"name": "NO_PROXY", "value": direct.join(",")}),
    ]
}

/// Where traces go, in OpenTelemetry's own variables. The share is of requests: an attempt is traced if its request was.
fn traces(plan: &Plan, tracing: &Tracing) -> Vec<Value> {
    let namespace = plan.receiver.namespace().unwrap_or_default();
    let of = format!("k8s.namespace.name={namespace},k8s.pod.name=$(POD_NAME)");
    let ratio = tracing.sampling_ratio.to_string();
    let mut variables = vec![
        json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}),
        json!({"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": tracing.endpoint}),
        json!({"name": "OTEL_TRACES_SAMPLER", "value": "parentbased_traceidratio"}),
        json!({"name": "OTEL_TRACES_SAMPLER_ARG", "value": ratio}),
        json!({"name": "OTEL_RESOURCE_ATTRIBUTES", "value": of}),
    ];
    if !tracing.headers_secret.is_empty() {
        // Traces must keep no pod from starting.
        let key = json!({"name": tracing.headers_secret, "key": "headers", "optional": true});
        variables.push(json!({"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": {"secretKeyRef": key}}));
    }
    variables
}

fn mounts(plan: &Plan) -> Value {
    let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path, "readOnly": true});
    let mut mounts = vec![mount("manifests", MANIFESTS), mount("admin", ADMIN)];
    if plan.receiver.spec.outbound.ca_secret_ref.is_some() {
        mounts.push(mount("outbound-ca", OUTBOUND_CA));
    }
    if let Some(tls) = &plan.receiver.spec.tls {
        mounts.push(mount("tls", TLS));
        if tls.client_ca_secret_ref.is_some() {
            mounts.push(mount("client-ca", CLIENT_CA));
        }
    }
    json!(mounts)
}

fn volumes(plan: &Plan) -> Value {
    let name = plan.receiver.name_any();
    // One volume: what changes together is swapped together. Of the ConfigMaps only those exist that hold something.
    let configs =
        (0..SHARDS).map(|n| json!({"configMap": {"name": names::config(&name, n), "optional": true}}));
    let secrets = json!({"secret": {"name": names::secrets(&name)}});
    let sources: Vec<Value> = configs.chain([secrets]).collect();
    let mut own = vec![
        json!({"secret": {"name": names::admin(&name), "items": [{"key": "token", "path": "token"}]}}),
        json!({"secret": {"name": names::LEDGER, "items": [{"key": ledger_key::KEY, "path": "ledger-key"}]}}),
    ];
    if let Some(SecretKeyRef { name, key }) = &plan.encryption {
        own.push(json!({"secret": {"name": name, "items": [{"key": key, "path": ENCRYPTION_KEYS}]}}));
    }
    let mut volumes = vec![
        json!({"name": "manifests", "projected": {"defaultMode": MODE, "sources": sources}}),
        json!({"name": "admin", "projected": {"defaultMode": MODE, "sources": own}}),
    ];
    if let Some(ca) = &plan.receiver.spec.outbound.ca_secret_ref {
        volumes.push(authority("outbound-ca", ca));
    }
    if let Some(tls) = &plan.receiver.spec.tls {
        volumes.push(json!({"name": "tls", "secret": {
            "secretName": tls.secret_ref.name,
            "defaultMode": MODE,
            "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}],
        }}));
        if let Some(ca) = &tls.client_ca_secret_ref {
            volumes.push(authority("client-ca", ca));
        }
    }
    json!(volumes)
}

/// The one key: beside it cert-manager keeps the authority's private one.
fn authority(volume: &str, ca: &CaSecretRef) -> Value {
    json!({"name": volume, "secret": {
        "secretName": ca.name,
        "defaultMode": MODE,
        "items": [{"key": ca.key, "path": "ca.crt"}],
    }})
}
