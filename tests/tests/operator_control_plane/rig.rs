//! An operator in this process, in a namespace of its own, with receivers that say what a test wants.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use clap::Parser as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt as _};
use leadgate_crds::report::Report;
use leadgate_crds::{CrmSink, LeadReceiver, LeadWebhook};
use leadgate_operator::cli::Cli;
use leadgate_operator::kinds::Kind;
use leadgate_operator::receivers::{AskError, Receivers};
use leadgate_operator::run::{Parts, operate};
use leadgate_tests::cluster::{client, install_crds};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Receivers by address. They run the newest form of every webhook that they are made to report, unless a test says which.
pub(crate) struct Fake {
    client: Client,
    reports: Mutex<HashMap<String, Report>>,
}

#[async_trait]
impl Receivers for Fake {
    async fn report(&self, address: &str, token: &str) -> Result<Report, AskError> {
        assert_eq!(token.len(), 64, "the admin token");
        let found = self.reports.lock().unwrap().get(address).cloned();
        let mut report = found.ok_or_else(|| AskError::NoAnswer("nobody is there".into()))?;
        for webhook in report
            .webhooks
            .iter_mut()
            .filter(|webhook| webhook.uid.is_empty())
        {
            let (namespace, name) = webhook.name.split_once('/').unwrap();
            let api: Api<LeadWebhook> = Api::namespaced(self.client.clone(), namespace);
            if let Some(object) = api.get_opt(name).await.unwrap() {
                webhook.uid = object.uid().unwrap();
                webhook.generation = object.metadata.generation.unwrap();
                webhook.served = true;
            }
        }
        Ok(report)
    }
}

impl Fake {
    pub(crate) fn says(&self, address: &str, report: Value) {
        let report = serde_json::from_value(report).unwrap();
        self.reports.lock().unwrap().insert(address.into(), report);
    }
}

pub(crate) struct Operator {
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Operator {
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await.unwrap()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) receivers: Arc<Fake>,
}

impl Rig {
    /// A namespace of its own.
    pub(crate) async fn new() -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let client = client().await.unwrap();
        INSTALLED
            .get_or_init(|| async {
                install_crds(&client).await.unwrap();
            })
            .await;
        let namespace =
            serde_json::from_value(json!({"metadata": {"generateName": "leadgate-op-"}})).unwrap();
        let namespace = Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap()
            .name_any();
        Self {
            receivers: Arc::new(Fake {
                client: client.clone(),
                reports: Mutex::default(),
            }),
            client,
            namespace,
        }
    }

    /// Starts an operator of this namespace.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Operator {
        self.operator_as(self.client.clone(), arguments)
    }

    /// The same with another identity.
    pub(crate) fn operator_as(&self, client: Client, arguments: &[&str]) -> Operator {
        let fixed = ["leadgate-operator", "--redis-image", "redis:test"];
        let image = ["--receiver-image", "leadgate:test"];
        let image = image
            .into_iter()
            .filter(|_| !arguments.contains(&"--receiver-image"));
        let watched = ["--watch-namespaces", &self.namespace];
        let watched = watched
            .into_iter()
            .filter(|_| !arguments.contains(&"--watch-namespaces"));
        let cli = Cli::parse_from(
            fixed
                .into_iter()
                .chain(image)
                .chain(watched)
                .chain(arguments.iter().copied()),
        );
        let stop = CancellationToken::new();
        let parts = Parts {
            receivers: self.receivers.clone(),
            ..Parts::new(client)
        };
        let token = stop.clone();
        let task = tokio::spawn(async move { operate(&cli, parts, token).await });
        Operator { stop, task }
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.api_resource())
    }

    pub(crate) fn webhooks(&self) -> Api<LeadWebhook> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn lead_receivers(&self) -> Api<LeadReceiver> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn sinks(&self) -> Api<CrmSink> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a manifest as a person would.
    pub(crate) async fn apply(&self, text: &str) -> DynamicObject {
        let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let (group, version) = value["apiVersion"]
            .as_str()
            .unwrap()
            .split_once('/')
            .unwrap_or(("", value["apiVersion"].as_str().unwrap()));
        let kind = value["kind"].as_str().unwrap();
        let resource = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let params = PatchParams::apply("a-person").force();
        api.patch(
            value["metadata"]["name"].as_str().unwrap(),
            &params,
            &Patch::Apply(&value),
        )
        .await
        .unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    pub(crate) async fn secret(&self, name: &str, keys: &str) {
        self.apply(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: {name}}}, stringData: {{{keys}}}}}"
        ))
        .await;
    }

    pub(crate) async fn sink(&self, name: &str) {
        self.secret(&format!("{name}-token"), "token: t").await;
        self.apply(&format!(
            "{{apiVersion: leadgate.dev/v1alpha1, kind: CrmSink, metadata: {{name: {name}}}, spec: {{hubspot: \
             {{tokenSecretRef: {{name: {name}-token, key: token}}}}}}}}"
        ))
        .await;
    }

    /// A webhook with the sink `crm`, and `more` fields of its spec.
    pub(crate) async fn webhook(&self, name: &str, more: &str) {
        self.apply(&format!(
            "{{apiVersion: leadgate.dev/v1alpha1, kind: LeadWebhook, metadata: {{name: {name}}}, spec: {{auth: \
             {{hmac: {{secretRefs: [{{name: {name}, key: hmac}}]}}}}, sinks: [{{name: crm}}]{more}}}}}"
        ))
        .await;
    }

    /// A receiver with these fields of its spec.
    pub(crate) async fn receiver(&self, name: &str, spec: &str) {
        self.apply(&format!(
            "{{apiVersion: leadgate.dev/v1alpha1, kind: LeadReceiver, metadata: {{name: {name}}}, spec: {{{spec}}}}}"
        ))
        .await;
    }

    /// A webhook with all that it needs, and its receiver's objects.
    pub(crate) async fn working(&self, name: &str) {
        self.sink("crm").await;
        self.secret(name, "hmac: 0123456789abcdef").await;
        self.webhook(name, "").await;
        self.applied(name).await;
    }

    /// Waits until the objects of a webhook's receiver were made.
    pub(crate) async fn applied(&self, name: &str) {
        self.condition(name, "ResolvedRefs", "True Resolved").await;
        let receiver = self.webhooks().get(name).await.unwrap().spec.receiver_ref.name;
        self.present(Kind::Deployment, &format!("leadgate-receiver-{receiver}"))
            .await;
    }

    /// Waits until a condition of a webhook says `truth reason`; gives its message.
    pub(crate) async fn condition(&self, webhook: &str, name: &str, expected: &str) -> String {
        let api = self.webhooks();
        eventually(&format!("{webhook}: {name} is {expected}"), || async {
            let object = api.get(webhook).await.unwrap();
            let conditions = object.status.clone().unwrap_or_default().conditions;
            let found = conditions.iter().find(|c| c.type_ == name);
            match found {
                Some(c)
                    if format!("{} {}", c.status, c.reason) == expected
                        && c.observed_generation == object.metadata.generation =>
                {
                    Ok(c.message.clone())
                }
                other => Err(format!("{other:?} of {conditions:?}")),
            }
        })
        .await
    }

    /// The same of a receiver.
    pub(crate) async fn receiver_condition(&self, receiver: &str, name: &str, expected: &str) -> String {
        let api = self.lead_receivers();
        eventually(&format!("{receiver}: {name} is {expected}"), || async {
            let object = api.get(receiver).await.unwrap();
            let conditions = object.status.clone().unwrap_or_default().conditions;
            match conditions.iter().find(|c| c.type_ == name) {
                Some(c) if format!("{} {}", c.status, c.reason) == expected => Ok(c.message.clone()),
                other => Err(format!("{other:?} of {conditions:?}")),
            }
        })
        .await
    }

    /// The same of a sink.
    pub(crate) async fn sink_condition(&self, sink: &str, name: &str, expected: &str) -> String {
        let api = self.sinks();
        eventually(&format!("{sink}: {name} is {expected}"), || async {
            let object = api.get(sink).await.unwrap();
            let conditions = object.status.clone().unwrap_or_default().conditions;
            match conditions.iter().find(|c| c.type_ == name) {
                Some(c) if format!("{} {}", c.status, c.reason) == expected => Ok(c.message.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    pub(crate) async fn present(&self, kind: Kind, name: &str) -> DynamicObject {
        let api = self.api(kind);
        eventually(&format!("{} {name} exists", kind.name()), || async {
            api.get_opt(name)
                .await
                .unwrap()
                .ok_or_else(|| "absent".to_owned())
        })
        .await
    }

    pub(crate) async fn absent(&self, kind: Kind, name: &str) {
        let api = self.api(kind);
        eventually(&format!("{} {name} is gone", kind.name()), || async {
            match api.get_opt(name).await.unwrap() {
                None => Ok(()),
                Some(_) => Err("present".to_owned()),
            }
        })
        .await;
    }

    /// Everything that the pods of a receiver read, by file.
    pub(crate) async fn files(&self, receiver: &str) -> BTreeMap<String, Value> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut files = BTreeMap::new();
        for map in maps.list(&kube::api::ListParams::default()).await.unwrap() {
            let name = map.name_any();
            if name.starts_with("leadgate-config-") && name.ends_with(&format!("-{receiver}")) {
                for (file, text) in map.data.unwrap_or_default() {
                    files.insert(file, serde_json::from_str(&text).unwrap());
                }
            }
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let secret = secrets
            .get_opt(&format!("leadgate-secrets-{receiver}"))
            .await
            .unwrap();
        for (file, text) in secret.and_then(|secret| secret.data).unwrap_or_default() {
            let text = String::from_utf8(text.0).unwrap();
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            files.insert(file, value);
        }
        files
    }

    /// Waits until the pods of the receiver `default` are given something.
    pub(crate) async fn configured(&self, what: &str, is: impl Fn(&BTreeMap<String, Value>) -> bool) {
        eventually(what, async || {
            let files = self.files("default").await;
            is(&files).then_some(()).ok_or(format!("{files:?}"))
        })
        .await;
    }

    /// A pod that is ready, as a kubelet would report it.
    pub(crate) async fn pod(&self, receiver: &str, name: &str, address: &str) {
        let status = json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}]});
        self.pod_with(receiver, name, status).await;
    }

    pub(crate) async fn pod_with(&self, receiver: &str, name: &str, status: Value) {
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "annotations": {"leadgate.dev/receiver": receiver}, "labels": {
                "app.kubernetes.io/managed-by": "leadgate-operator", "app.kubernetes.io/component": "receiver"}},
            "spec": {"serviceAccountName": format!("leadgate-receiver-{receiver}"), "automountServiceAccountToken": false,
                "containers": [{"name": "receiver", "image": "leadgate:test"}]}});
        let params = PatchParams::apply("kubelet").force();
        api.patch(name, &params, &Patch::Apply(&pod)).await.unwrap();
        let status = json!({"status": status});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    }

    /// What the Deployment's controller would report.
    pub(crate) async fn rolled_out(&self, receiver: &str, replicas: i32) {
        let api = self.api(Kind::Deployment);
        let name = format!("leadgate-receiver-{receiver}");
        let generation = api.get(&name).await.unwrap().metadata.generation;
        let status = json!({"status": {"observedGeneration": generation, "replicas": replicas,
            "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}});
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    }

    /// What an ingress controller would report.
    pub(crate) async fn ingress_has_address(&self, webhook: &str) {
        let name = format!("leadgate-webhook-{webhook}");
        self.present(Kind::Ingress, &name).await;
        let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}});
        self.api(Kind::Ingress)
            .patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    }

    /// Without a namespace controller only the namespace itself goes; names are never used again.
    pub(crate) async fn remove(self) {
        let _ = Api::<Namespace>::all(self.client.clone())
            .delete(&self.namespace, &DeleteParams::default())
            .await;
    }
}

/// A receiver's answer for the webhook `name` and its sink `crm`.
pub(crate) fn report(namespace: &str, name: &str, accepted: i64, pending: i64, suspended: bool) -> Value {
    json!({"loaded": true, "queue": {"ready": true, "problems": []}, "problems": [],
        "webhooks": [{"name": format!("{namespace}/{name}"), "suspended": suspended,
            "leads": {"accepted": accepted, "duplicates": 1, "unauthorized": 2, "ignored": 0,
                "lastAcceptedTime": "2026-11-23T09:00:00.5Z"},
            "sinks": [{"name": "crm", "pending": pending, "delivered": accepted - pending,
                "latency": {"p50": "120ms", "p99": "900ms"}}]}],
        "sinks": [{"name": format!("{namespace}/crm"), "leads": {"pending": pending, "delivered": accepted - pending}}]})
}

/// Tries until it works; the last failure is in the message.
pub(crate) async fn eventually<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(why) if Instant::now() > deadline => panic!("{what}: not after {PATIENCE:?}: {why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
