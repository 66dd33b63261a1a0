//! An operator in this process, in a namespace of its own, with receivers that say what a test wants.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use clap::Parser as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt as _};
use leadgate_crds::report::Report;
use leadgate_crds::{CrmSink, LeadWebhook};
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

/// Receivers by address.
#[derive(Default)]
pub(crate) struct Fake(Mutex<HashMap<String, Report>>);

#[async_trait]
impl Receivers for Fake {
    async fn report(&self, address: &str, token: &str) -> Result<Report, AskError> {
        assert_eq!(token.len(), 64, "the admin token");
        self.0
            .lock()
            .unwrap()
            .get(address)
            .cloned()
            .ok_or_else(|| AskError::NoAnswer("nobody is there".into()))
    }
}

impl Fake {
    pub(crate) fn says(&self, address: &str, report: Value) {
        let report = serde_json::from_value(report).unwrap();
        self.0.lock().unwrap().insert(address.into(), report);
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
            client,
            namespace,
            receivers: Arc::default(),
        }
    }

    /// Starts an operator of this namespace.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Operator {
        self.operator_as(self.client.clone(), arguments)
    }

    /// The same with another identity.
    pub(crate) fn operator_as(&self, client: Client, arguments: &[&str]) -> Operator {
        let fixed = [
            "leadgate-operator",
            "--receiver-image",
            "leadgate:test",
            "--redis-image",
            "redis:test",
        ];
        let cli = Cli::parse_from(
            fixed
                .into_iter()
                .chain(["--watch-namespaces", &self.namespace])
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

    /// A webhook with all that it needs, and its objects.
    pub(crate) async fn working(&self, name: &str) {
        self.sink("crm").await;
        self.secret(name, "hmac: 0123456789abcdef").await;
        self.webhook(name, "").await;
        self.applied(name).await;
    }

    /// Waits until a webhook's objects were made.
    pub(crate) async fn applied(&self, name: &str) {
        self.condition(name, "ResolvedRefs", "True Resolved").await;
        self.present(Kind::Deployment, &format!("leadgate-{name}")).await;
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

    pub(crate) async fn checksum(&self, webhook: &str) -> String {
        let object = self
            .api(Kind::Deployment)
            .get(&format!("leadgate-{webhook}"))
            .await
            .unwrap();
        object.data["spec"]["template"]["metadata"]["annotations"]["leadgate.dev/config-checksum"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A pod that is ready, as a kubelet would report it.
    pub(crate) async fn pod(&self, webhook: &str, name: &str, address: &str) {
        let status = json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": "True"}]});
        self.pod_with(webhook, name, status).await;
    }

    pub(crate) async fn pod_with(&self, webhook: &str, name: &str, status: Value) {
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "annotations": {"leadgate.dev/webhook": webhook}, "labels": {
                "app.kubernetes.io/managed-by": "leadgate-operator", "app.kubernetes.io/component": "receiver"}},
            "spec": {"serviceAccountName": format!("leadgate-{webhook}"), "automountServiceAccountToken": false,
                "containers": [{"name": "receiver", "image": "leadgate:test"}]}});
        let params = PatchParams::apply("kubelet").force();
        api.patch(name, &params, &Patch::Apply(&pod)).await.unwrap();
        let status = json!({"status": status});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await
            .unwrap();
    }

    /// What the Deployment's controller would report.
    pub(crate) async fn rolled_out(&self, webhook: &str, replicas: i32) {
        let api = self.api(Kind::Deployment);
        let name = format!("leadgate-{webhook}");
        let generation = api.get(&name).await.unwrap().metadata.generation;
        let status = json!({"status": {"observedGeneration": generation, "replicas": replicas,
            "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas}});
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
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
