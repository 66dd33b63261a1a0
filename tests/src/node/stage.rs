//! A scenario: its namespace, its CRM, its webhooks.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::sync::MutexGuard;

use super::{Load, Node, SYSTEM, run};
use crate::{
    hubspot::{self, HubSpot},
    signing,
};

/// The key with which senders sign, unless a scenario changes it.
pub const KEY: &str = "the-first-key-of-senders";

/// A scenario's part of the node.
pub struct Stage {
    /// The node.
    pub node: &'static Node,
    /// Its namespace; the pods in it must be as the `restricted` standard asks.
    pub namespace: String,
    /// Its CRM.
    pub hubspot: HubSpot,
    client: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    pub(super) async fn new(
        node: &'static Node,
        turn: MutexGuard<'static, ()>,
        name: &str,
    ) -> anyhow::Result<Self> {
        let namespace = format!("{name}-{:05x}", rand::random::<u32>() >> 12);
        run("kubectl", &["create", "namespace", &namespace])?;
        run(
            "kubectl",
            &[
                "label",
                "namespace",
                &namespace,
                "pod-security.kubernetes.io/enforce=restricted",
            ],
        )?;
        let config = hubspot::Config {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            tls: Some(node.tls()),
            ..hubspot::Config::default()
        };
        let stage = Self {
            node,
            namespace,
            hubspot: HubSpot::start(config).await?,
            // Most senders open a connection for each webhook; that is also what a rollout is hard on.
            client: reqwest::Client::builder()
                .no_proxy()
                .pool_max_idle_per_host(0)
                .timeout(Duration::from_secs(15))
                .build()?,
            _turn: turn,
        };
        for n in 0..3 {
            stage.volume(&format!("data-leadgate-redis-{n}"))?;
        }
        Ok(stage)
    }

    /// The node makes no volumes by itself: one for a claim of this namespace, and nothing else.
    pub fn volume(&self, claim: &str) -> anyhow::Result<()> {
        if run("kubectl", &["get", "storageclass", "-o", "name"])?.contains('/') {
            return Ok(());
        }
        let name = format!("{}-{claim}", self.namespace);
        let folder = self.node.folder().join("volumes").join(&name);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": folder},
                "claimRef": {"namespace": self.namespace, "name": claim}}});
        self.apply(&volume.to_string())?;
        Ok(())
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(
            "kubectl",
            &[&["--namespace", &self.namespace], arguments].concat(),
        )
    }

    /// An object, or a list of them, as JSON.
    pub fn get(&self, what: &str) -> anyhow::Result<Value> {
        let mut arguments = vec!["get", "-o", "json"];
        arguments.extend(what.split_whitespace());
        Ok(serde_json::from_str(&self.kubectl(&arguments)?)?)
    }

    /// `kubectl apply`.
    pub fn apply(&self, manifests: &str) -> anyhow::Result<String> {
        let file = self.node.folder().join(format!("{}.yaml", self.namespace));
        fs::write(&file, manifests)?;
        self.kubectl(&["apply", "-f", &file.display().to_string()])
    }

    /// The key of senders and the CRM's token.
    pub fn secrets(&self) -> anyhow::Result<String> {
        self.apply(&format!(
            "{}---\n{}",
            self.key_secret(KEY, KEY),
            self.token_secret()
        ))
    }

    /// The Secret of the senders' keys.
    pub fn key_secret(&self, current: &str, previous: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: website}}\nstringData: {{hmac: {current}, hmac-previous: \
             {previous}}}\n"
        )
    }

    /// The Secret of the CRM's token.
    pub fn token_secret(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: hubspot-token}}\nstringData: {{token: {}}}\n",
            self.hubspot.token()
        )
    }

    /// The CrmSink `hubspot`.
    pub fn sink(&self) -> anyhow::Result<String> {
        let base = self.hubspot.base_url();
        let port = base.rsplit(':').next().context("a port")?;
        Ok(format!(
            "apiVersion: leadgate.dev/v1alpha1\nkind: CrmSink\nmetadata: {{name: hubspot}}\nspec:\n  hubspot: \
             {{tokenSecretRef: {{name: hubspot-token, key: token}}, baseUrl: \"https://{}:{port}\"}}\n  delivery: \
             {{retry: {{maxAge: 72h, initialBackoff: 200ms, maxBackoff: 2s}}, circuitBreaker: {{failures: 5, cooldown: \
             1s}}, rateLimit: {{requests: 10000, per: 10s}}}}\n",
            self.node.address
        ))
    }

    /// The LeadWebhook `website`, with `more` fields of its spec in flow style.
    pub fn webhook(&self, more: &str) -> String {
        format!(
            "apiVersion: leadgate.dev/v1alpha1\nkind: LeadWebhook\nmetadata: {{name: website}}\nspec: {{auth: {{hmac: \
             {{secretRefs: [{{name: website, key: hmac}}, {{name: website, key: hmac-previous}}]}}}}, sinks: [{{name: \
             hubspot}}]{more}}}\n"
        )
    }

    /// The LeadReceiver `default`, with these fields of its spec in flow style.
    pub fn receiver(&self, spec: &str) -> String {
        format!(
            "apiVersion: leadgate.dev/v1alpha1\nkind: LeadReceiver\nmetadata: {{name: default}}\nspec: {{{spec}}}\n"
        )
    }

    /// A webhook with all that it needs, ready.
    pub async fn working(&self) -> anyhow::Result<()> {
        self.secrets()?;
        self.apply(&format!("{}---\n{}", self.sink()?, self.webhook("")))?;
        self.ready()?;
        self.reachable().await
    }

    /// Waits until the webhook is ready, as a person does.
    pub fn ready(&self) -> anyhow::Result<()> {
        let wait = [
            "wait",
            "--for=condition=Ready",
            "leadwebhook/website",
            "--timeout=90s",
        ];
        self.kubectl(&wait).with_context(|| self.explain()).map(|_| ())
    }

    /// Waits until this machine has heard where the Service's pods are: nodes hear of it after the API server.
    pub async fn reachable(&self) -> anyhow::Result<()> {
        eventually("the Service leads to pods", 30, || {
            self.post("no key", "nobody@example.com")
        })
        .await
        .with_context(|| self.explain())
        .map(|_| ())
    }

    /// The address of the webhook's Service.
    pub fn service(&self) -> anyhow::Result<String> {
        let address = self.kubectl(&[
            "get",
            "service",
            "leadgate-receiver-default",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ])?;
        Ok(format!("http://{address}/webhooks/{}/website", self.namespace))
    }

    /// Posts a lead to another webhook of the namespace.
    pub async fn post_to(&self, webhook: &str, key: &str, email: &str) -> anyhow::Result<(u16, String)> {
        let url = self.service()?.replace("/website", &format!("/{webhook}"));
        post(&self.client, &url, key, email).await
    }

    /// Posts a lead through the Service, signed with a key: the status and the answer.
    pub async fn post(&self, key: &str, email: &str) -> anyhow::Result<(u16, String)> {
        post(&self.client, &self.service()?, key, email).await
    }

    /// Senders that post all the time.
    pub fn load(&self) -> anyhow::Result<Load> {
        Ok(Load::start(&self.client, &self.service()?, KEY))
    }

    /// A condition of an object: `status reason`, and its message.
    pub fn condition(&self, object: &str, name: &str) -> anyhow::Result<(String, String)> {
        let object = self.get(object)?;
        let found = object["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == name);
        Ok(found.map_or_else(Default::default, |condition| {
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
            (format!("{} {}", text("status"), text("reason")), text("message"))
        }))
    }

    /// Waits until a condition says `status reason`; gives its message.
    pub async fn says(&self, object: &str, name: &str, expected: &str) -> anyhow::Result<String> {
        eventually(&format!("{object}: {name} is {expected}"), 60, || async {
            let (found, message) = self.condition(object, name)?;
            if found != expected {
                bail!("{found}: {message}");
            }
            Ok(message)
        })
        .await
        .with_context(|| self.explain())
    }

    /// The receivers' pods: name, and how often its container was started again.
    pub fn pods(&self) -> anyhow::Result<Vec<(String, i64)>> {
        let list = self.get("pods -l app.kubernetes.io/component=receiver")?;
        let mut pods: Vec<_> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pod| {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
                (name, restarts.as_i64().unwrap_or(-1))
            })
            .collect();
        pods.sort();
        Ok(pods)
    }

    /// Waits until the CRM has a record of each of these people; no one has two.
    pub async fn delivered(&self, emails: &[String], seconds: u64) -> anyhow::Result<()> {
        eventually("every acknowledged lead is in the CRM", seconds, || async {
            let records = self.hubspot.records_per_email();
            let missing: Vec<_> = emails
                .iter()
                .filter(|email| !records.contains_key(*email))
                .collect();
            if !missing.is_empty() {
                bail!(
                    "{} of {} are missing: {:?}",
                    missing.len(),
                    emails.len(),
                    missing.first()
                );
            }
            Ok(())
        })
        .await
        .with_context(|| self.explain())?;
        let records = self.hubspot.records_per_email();
        let twice: Vec<_> = records.iter().filter(|(_, count)| **count != 1).collect();
        anyhow::ensure!(twice.is_empty(), "more than one record: {twice:?}");
        Ok(())
    }

    /// Posts a lead, which is taken, and waits until it is in the CRM.
    pub async fn lead(&self, email: &str) -> anyhow::Result<()> {
        let (status, answer) = self.post(KEY, email).await?;
        anyhow::ensure!(status == 200, "{email} is answered {status}: {answer}");
        self.delivered(&[email.to_owned()], 20).await
    }

    /// What a person would look at first.
    pub fn explain(&self) -> String {
        let show = |arguments: &[&str]| {
            self.kubectl(arguments)
                .unwrap_or_else(|error| format!("{error:#}\n"))
        };
        let operator = [
            "logs",
            "deployment/leadgate-operator",
            "--tail=15",
            "--namespace",
            SYSTEM,
        ];
        [
            show(&[
                "get",
                "leadwebhooks,leadreceivers,crmsinks,pods,pvc",
                "-o",
                "wide",
            ]),
            show(&[
                "get",
                "leadwebhooks,leadreceivers,crmsinks",
                "-o",
                "jsonpath={range .items[*]}{.metadata.name}{\" \"}{.status.conditions}{\"\\n\"}{end}",
            ]),
            show(&["get", "events", "--sort-by=.lastTimestamp"]),
            show(&[
                "logs",
                "-l",
                "app.kubernetes.io/part-of=leadgate",
                "--tail=10",
                "--prefix",
            ]),
            run("kubectl", &operator).unwrap_or_else(|error| format!("{error:#}")),
        ]
        .join("\n")
    }

    /// Leaves nothing on the node. A scenario that fails leaves everything, to be looked at.
    pub fn end(self) -> anyhow::Result<()> {
        let allow = [
            "annotate",
            "leadwebhooks",
            "--all",
            "--overwrite",
            "leadgate.dev/allow-loss=true",
        ];
        self.kubectl(&allow)?;
        self.kubectl(&["delete", "leadwebhooks", "--all", "--timeout=60s"])?;
        self.kubectl(&["delete", "leadreceivers", "--all", "--timeout=60s"])?;
        run(
            "kubectl",
            &["delete", "namespace", &self.namespace, "--wait=false"],
        )?;
        Ok(())
    }
}

/// Posts a lead as a sender behind a proxy that terminates TLS.
pub(super) async fn post(
    client: &reqwest::Client,
    url: &str,
    key: &str,
    email: &str,
) -> anyhow::Result<(u16, String)> {
    let body = json!({"email": email, "firstName": "Ada", "submissionId": email}).to_string();
    let mut request = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-forwarded-proto", "https");
    for (name, value) in signing::generic(key, body.as_bytes()) {
        request = request.header(name, value);
    }
    let response = request.body(body).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// Tries until it works; the last failure is in the error.
pub async fn eventually<T, F: Future<Output = anyhow::Result<T>>>(
    what: &str,
    seconds: u64,
    mut attempt: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(why) if Instant::now() > deadline => {
                return Err(why.context(format!("{what}: not within {seconds} s")));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}
