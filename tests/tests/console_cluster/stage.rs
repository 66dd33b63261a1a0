//! A receiver with its admin token, a console with the rights that the chart gives it, and people with those of the
//! chart's ClusterRoles.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser as _;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, ResourceExt as _};
use leadgate_operator::console::{Cli, serve_on};
use leadgate_tests::cluster::{client, install_crds, kubeconfig};
use leadgate_tests::hubspot::{self, HubSpot};
use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::node::{chart, program};
use leadgate_tests::receiver::{Options, Receiver};
use leadgate_tests::signing;
use leadgate_tests::wire::{exchange, request};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "console-s3cret";
const TOKEN: &str = "the-admin-token-of-the-receiver";
const PATIENCE: Duration = Duration::from_secs(100);

/// What a page was answered with.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: String,
    pub(crate) cookie: String,
    pub(crate) text: String,
}

pub(crate) struct Stage {
    pub(crate) client: Client,
    /// With a receiver.
    pub(crate) namespace: String,
    /// Where nobody has rights.
    pub(crate) other: String,
    pub(crate) system: String,
    pub(crate) console: String,
    release: String,
    receiver: Receiver,
    _crm: HubSpot,
    _folder: TempDir,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stage {
    /// A console with more arguments.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let client = client().await.unwrap();
        install_crds(&client).await.unwrap();
        let mut names = Vec::new();
        for start in ["sales-", "other-", "system-"] {
            let made = serde_json::from_value(json!({"metadata": {"generateName": start}})).unwrap();
            let api = Api::<Namespace>::all(client.clone());
            names.push(
                api.create(&PostParams::default(), &made)
                    .await
                    .unwrap()
                    .name_any(),
            );
        }
        let [namespace, other, system] = names.try_into().unwrap();
        let release = format!("r{}", system.rsplit('-').next().unwrap());
        // A receiver whose leads all fail
        let crm = HubSpot::start(hubspot::Config::default()).await.unwrap();
        let mut sink = HubSpotSink::new(crm.base_url(), crm.token());
        sink.properties = "    email: lead.email\n    no_such_property: lead.firstName".into();
        sink.delivery = sink.delivery.replacen('{', "{onRefusedProperty: Dead, ", 1);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, TOKEN).unwrap();
        let mut options = Options::new(sink.yaml());
        options
            .manifests
            .push(("web.yaml".into(), mapped_webhook("web", SECRET)));
        options.arguments = vec!["--admin-token-file".into(), file.display().to_string()];
        let receiver = Receiver::start(options).await.unwrap();
        let admin = receiver.admin_address();
        let stop = CancellationToken::new();
        let mut stage = Self {
            client,
            namespace,
            other,
            system,
            console: String::new(),
            release,
            receiver,
            _crm: crm,
            _folder: folder,
            http: reqwest::Client::builder()
                .redirect(Policy::none())
                .timeout(Duration::from_mins(1))
                .build()
                .unwrap(),
            stop,
        };
        stage.objects().await;
        // The console, as its ServiceAccount
        let path = tokio::task::spawn_blocking(kubeconfig).await.unwrap().unwrap();
        let config = Kubeconfig::read_from(&path).unwrap();
        let mut config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
            .await
            .unwrap();
        config.auth_info.impersonate = Some(stage.account());
        let own = Client::try_from(config).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        stage.console = format!("http://{}", listener.local_addr().unwrap());
        let cli = Cli::parse_from(["console"].iter().chain(arguments));
        let stop = stage.stop.clone();
        tokio::spawn(async move {
            let whereabouts = Arc::new(move |_: &str, _: &str| admin.to_string());
            serve_on(listener, &cli, own, whereabouts, stop).await.unwrap();
        });
        stage
    }

    /// The console's own user.
    pub(crate) fn account(&self) -> String {
        format!(
            "system:serviceaccount:{}:{}-leadgate-console",
            self.system, self.release
        )
    }

    /// What the operator would have made, and the chart's roles.
    async fn objects(&self) {
        for namespace in [&self.namespace, &self.other] {
            self.apply(namespace, json!({"apiVersion": "leadgate.dev/v1alpha1", "kind": "LeadWebhook", "metadata": {"name": "web"},
                "spec": {"auth": {"hmac": {"secretRefs": [{"name": "proof", "key": "hmac"}]}}, "sinks": [{"name": "crm"}]},
                "status": {"observedGeneration": 1, "url": "https://leads.example.com/web"}})).await;
            for (name, key) in [("leadgate-admin-default", TOKEN), ("another-secret", "x")] {
                self.apply(namespace, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"token": key}})).await;
            }
        }
        let rendered = Command::new(program("helm"))
            .args(["template", &self.release])
            .arg(chart())
            .args(["--namespace", &self.system, "--set", "console.enabled=true"])
            .args([
                "--show-only",
                "templates/rbac.yaml",
                "--show-only",
                "templates/console.yaml",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(rendered.stdout).unwrap();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let is_wanted = |object: &Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let kind = object["kind"].as_str().unwrap_or_default();
            kind == "ClusterRole" || (kind == "ClusterRoleBinding" && name.ends_with("-console"))
        };
        let mut applied = 0;
        for object in objects.into_iter().filter(is_wanted) {
            self.apply("", object).await;
            applied += 1;
        }
        assert_eq!(applied, 7, "{text}");
    }

    /// Applies an object, and its status if it has one.
    pub(crate) async fn apply(&self, namespace: &str, mut object: Value) {
        let whole = object["apiVersion"].as_str().unwrap().to_owned();
        let (group, version) = whole.split_once('/').unwrap_or(("", "v1"));
        let kind = GroupVersionKind::gvk(group, version, object["kind"].as_str().unwrap());
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        };
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let status = object.as_object_mut().unwrap().remove("status");
        let params = PatchParams::apply("a-person").force();
        api.patch(&name, &params, &Patch::Apply(&object))
            .await
            .unwrap_or_else(|error| panic!("{error}\n{object}"));
        if let Some(status) = status {
            let status = json!({"status": status});
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
                .await
                .unwrap();
        }
    }

    /// Gives a persona's rights in the receiver's namespace.
    pub(crate) async fn bind(&self, name: &str, persona: &str, subject: Value) {
        let role = format!("{}-leadgate-operator-{persona}", self.release);
        self.apply(&self.namespace, json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}, "subjects": [subject]})).await;
    }

    /// The token of somebody with these rights; without a persona, of somebody without any.
    pub(crate) async fn person(&self, name: &str, persona: &str) -> String {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        self.apply(&self.namespace, account).await;
        if !persona.is_empty() {
            let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": self.namespace});
            self.bind(name, persona, subject).await;
        }
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let asked = TokenRequest {
            spec: TokenRequestSpec::default(),
            ..TokenRequest::default()
        };
        let made = api
            .create_token_request(name, &PostParams::default(), &asked)
            .await
            .unwrap();
        made.status.unwrap().token
    }

    /// A page, with these headers.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Page {
        let request = self.http.get(format!("{}{path}", self.console));
        page(request, headers).await
    }

    /// A form, sent from a page of the console.
    pub(crate) async fn post(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Page {
        let request = self.http.post(format!("{}{path}", self.console));
        let is_foreign = headers.iter().any(|(name, _)| *name == "origin");
        let origin = Some(&self.console).filter(|_| !is_foreign);
        let request = origin
            .into_iter()
            .fold(request, |request, origin| request.header("origin", origin))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        page(request, headers).await
    }

    /// Sends a lead; gives its id.
    pub(crate) async fn lead(&self, body: &Value, status: u16) -> String {
        let body = body.to_string();
        let signature = signing::generic(SECRET, body.as_bytes())[0].1.clone();
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Webhook-Signature", signature.as_str()),
        ];
        let bytes = request("POST", "/webhooks/default/web", &headers, body.as_bytes());
        let answer = exchange(self.receiver.address(), bytes).await.unwrap();
        assert_eq!(answer.status, status, "{}", answer.text());
        answer.json()["id"].as_str().unwrap_or_default().to_owned()
    }

    /// The receiver's own answer.
    pub(crate) async fn admin(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.receiver.admin_address());
        let answer = self.http.get(url).bearer_auth(TOKEN).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Waits until so many leads are in a set; gives their ids.
    pub(crate) async fn kept(&self, set: &str, count: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let found = self.admin(&format!("/deadletters?set={set}&limit=1000")).await;
            let items = found["items"].as_array().unwrap();
            if items.len() == count {
                return items
                    .iter()
                    .map(|item| item["id"].as_str().unwrap().to_owned())
                    .collect();
            }
            assert!(began.elapsed() < PATIENCE, "{set}: {}", items.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn page(mut request: reqwest::RequestBuilder, headers: &[(&str, &str)]) -> Page {
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let header = |name: &str| {
        let value = answer.headers().get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    Page {
        status: answer.status().as_u16(),
        location: header("location"),
        cookie: header("set-cookie"),
        text: answer.text().await.unwrap(),
    }
}
