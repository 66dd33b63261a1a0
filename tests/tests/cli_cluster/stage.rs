//! Namespaces with Leadgate's objects, and the command as a user of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, Method, Request, Response, StatusCode};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use leadgate_tests::cluster::{client, install_crds, kubeconfig};
use leadgate_tests::receiver::program;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// Verb, group, resource, namespace.
pub(crate) type Used = (String, String, String, String);

/// Two namespaces: one with webhooks, one with the operator.
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) system: String,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let client = client().await.unwrap();
        INSTALLED
            .get_or_init(|| async { drop(install_crds(&client).await.unwrap()) })
            .await;
        let mut names = Vec::new();
        for start in ["leadgate-cli-", "leadgate-cli-system-"] {
            let namespace = serde_json::from_value(json!({"metadata": {"generateName": start}})).unwrap();
            let api = Api::<Namespace>::all(client.clone());
            names.push(
                api.create(&PostParams::default(), &namespace)
                    .await
                    .unwrap()
                    .name_any(),
            );
        }
        let system = names.pop().unwrap();
        Self {
            client,
            namespace: names.pop().unwrap(),
            system,
        }
    }

    pub(crate) async fn remove(&self) {
        for name in [&self.namespace, &self.system] {
            let api = Api::<Namespace>::all(self.client.clone());
            api.delete(name, &DeleteParams::default()).await.unwrap();
        }
    }

    /// Applies an object, and its status if it has one.
    pub(crate) async fn apply(&self, namespace: &str, object: Value) {
        let (group, version) = object["apiVersion"]
            .as_str()
            .unwrap()
            .split_once('/')
            .unwrap_or(("", "v1"));
        let kind = GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace, &ApiResource::from_gvk(&kind));
        let name = object["metadata"]["name"].as_str().unwrap();
        let mut spec = object.clone();
        let status = spec.as_object_mut().unwrap().remove("status");
        api.patch(
            name,
            &PatchParams::apply("a-person").force(),
            &Patch::Apply(&spec),
        )
        .await
        .unwrap();
        if let Some(status) = status {
            let status = json!({"status": status});
            api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
                .await
                .unwrap();
        }
    }

    /// A webhook whose condition Ready says this.
    pub(crate) async fn webhook(&self, name: &str, ready: &str, reason: &str, message: &str) {
        self.apply(&self.namespace, json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": name},
            "spec": {"auth": {"hmac": {"secretRefs": [{"name": "proof", "key": "hmac"}]}}, "sinks": [{"name": "crm"}]},
            "status": {"observedGeneration": 1, "receiver": "default", "conditions": [{"type": "Ready", "status": ready,
                "reason": reason, "message": message, "observedGeneration": 1, "lastTransitionTime": "2026-11-01T00:00:00Z"}]}})).await;
    }

    /// A pod that is ready, as far as the API server knows.
    pub(crate) async fn pod(&self, namespace: &str, name: &str, metadata: Value, volumes: Value) {
        let mut metadata = metadata;
        metadata["name"] = json!(name);
        let container = json!({"name": "main", "image": "leadgate:test", "ports": [{"name": "http", "containerPort": 8080}],
            "env": [{"name": "PROXY", "value": "http://ada:hunter22@proxy"}]});
        self.apply(namespace, json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"serviceAccountName": "none", "automountServiceAccountToken": false, "containers": [container], "volumes": volumes},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})).await;
    }

    /// All that commands look for: a webhook, a sink, the operator, and pods that nobody runs.
    pub(crate) async fn populated() -> Self {
        let stage = Self::new().await;
        for (namespace, name) in [(&stage.namespace, "none"), (&stage.system, "none")] {
            stage
                .apply(
                    namespace,
                    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
                )
                .await;
        }
        for (name, key) in [("proof", "hmac"), ("leadgate-admin-default", "token")] {
            stage.apply(&stage.namespace, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: "0123456789abcdef"}})).await;
        }
        stage
            .apply(
                &stage.namespace,
                json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "CrmSink", "metadata": {"name": "crm"},
            "spec": {"hubspot": {"tokenSecretRef": {"name": "crm", "key": "token"}}}}),
            )
            .await;
        stage.webhook("web", "True", "Ready", "").await;
        let labels = json!({"app.kubernetes.io/managed-by": "leadgate-operator", "app.kubernetes.io/component": "receiver"});
        let metadata = json!({"labels": labels, "annotations": {"leadgate.dev/receiver": "default"}});
        let volumes = json!([{"name": "admin", "secret": {"secretName": "leadgate-admin-default"}}]);
        stage.pod(&stage.namespace, "receiver", metadata, volumes).await;
        let labels = json!({"app.kubernetes.io/part-of": "leadgate", "app.kubernetes.io/component": "operator",
            "app.kubernetes.io/version": env!("CARGO_PKG_VERSION")});
        stage
            .pod(&stage.system, "operator", json!({"labels": labels}), json!([]))
            .await;
        let lease = format!("--leader-election-namespace={}", stage.system);
        stage.apply(&stage.system, json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "leadgate-operator", "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"serviceAccountName": "none",
                "containers": [{"name": "operator", "image": "leadgate:test", "args": [lease]}]}}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}})).await;
        stage
    }

    /// Runs a command as the administrator.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        let path = tokio::task::spawn_blocking(kubeconfig).await.unwrap().unwrap();
        let output = self.command(&path, arguments).await.output().await.unwrap();
        ran(output)
    }

    /// A command in the two namespaces.
    pub(crate) async fn command(&self, kubeconfig: &PathBuf, arguments: &[&str]) -> Command {
        let program = tokio::task::spawn_blocking(|| program("kubectl-leadgate", false))
            .await
            .unwrap()
            .unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(["-n", &self.namespace, "--operator-namespace", &self.system])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

pub(crate) fn ran(output: std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Stands between the command and the API server, as a user, and notes the right that each request needs.
pub(crate) struct Watched {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) used: Arc<Mutex<BTreeSet<Used>>>,
    _folder: TempDir,
}

impl Watched {
    pub(crate) async fn start(person: &str) -> Self {
        let path = tokio::task::spawn_blocking(kubeconfig).await.unwrap().unwrap();
        let config = Kubeconfig::read_from(&path).unwrap();
        let mut config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
            .await
            .unwrap();
        config.auth_info.impersonate = Some(person.to_owned());
        let client = Client::try_from(config).unwrap();
        let used: Arc<Mutex<BTreeSet<Used>>> = Arc::default();
        let noted = Arc::clone(&used);
        let router = Router::new().fallback(move |request: Request<Body>| {
            noted.lock().unwrap().extend(right(&request));
            pass_on(client.clone(), request)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}]});
        std::fs::write(&kubeconfig, text.to_string()).unwrap();
        Self {
            kubeconfig,
            used,
            _folder: folder,
        }
    }
}

async fn pass_on(client: Client, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(HeaderName::from_static("host"));
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let mut passed = Request::builder()
        .method(parts.method)
        .uri(parts.uri.path_and_query().unwrap().as_str());
    *passed.headers_mut().unwrap() = parts.headers;
    match client.send(passed.body(body.to_vec().into()).unwrap()).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => Response::builder()
            .status(StatusCode::BAD_GATEWAY)
            .body(Body::from(error.to_string()))
            .unwrap(),
    }
}

/// What RBAC makes of a request; nothing of what every user may ask.
fn right(request: &Request<Body>) -> Option<Used> {
    let path = request.uri().path().trim_matches('/');
    let query = request.uri().query().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", name, rest @ ..] => (*name, rest),
        rest => ("", rest),
    };
    let (resource, named) = match rest {
        [resource] => ((*resource).to_owned(), false),
        [resource, _] => ((*resource).to_owned(), true),
        [resource, _, sub] => (format!("{resource}/{sub}"), true),
        _ => return None,
    };
    let verb = match *request.method() {
        Method::GET if query.contains("watch=true") => "watch",
        Method::GET if named => "get",
        Method::GET => "list",
        Method::POST => "create",
        _ => panic!("the command changes objects: {request:?}"),
    };
    Some((verb.into(), group.into(), resource, namespace.into()))
}
