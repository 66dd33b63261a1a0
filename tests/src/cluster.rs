//! A Kubernetes API server for tests: the one that KUBECONFIG names, else a real etcd and
//! kube-apiserver of our own, made by `tests/cluster/cluster`.

use std::{
    env,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use axum::http::{Method, Request, Response, header};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Config, ResourceExt,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

/// How long the API server may take to serve a new resource.
const ESTABLISH: Duration = Duration::from_secs(30);

/// A client of the cluster. Each test needs its own: a client lives in the runtime that made it.
pub async fn client() -> anyhow::Result<Client> {
    // Another test may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let path = tokio::task::spawn_blocking(kubeconfig).await??;
    let config = Config::from_custom_kubeconfig(Kubeconfig::read_from(&path)?, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("reading {}", path.display()))?;
    Ok(Client::try_from(config)?)
}

/// The cluster's kubeconfig. The first call starts a control plane if KUBECONFIG is not set; it goes
/// away with this process, however that ends.
pub fn kubeconfig() -> anyhow::Result<PathBuf> {
    static STARTED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(path) = env::var_os("KUBECONFIG").filter(|p| !p.is_empty()) {
        return Ok(path.into());
    }
    STARTED
        .get_or_init(|| start().map_err(|e| format!("{e:#}")))
        .clone()
        .map_err(|e| anyhow!(e))
}

pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/cluster")
}

fn start() -> anyhow::Result<PathBuf> {
    let built = Command::new(script())
        .args(["build", "control-plane"])
        .stdout(Stdio::null())
        .status()?;
    if !built.success() {
        bail!(
            "cannot build a control plane (it needs Go 1.26 or newer): set KUBECONFIG to use another cluster"
        );
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        match start_once() {
            // A port may have been taken between our look and the server's.
            Err(_) if attempts < 3 => {}
            outcome => return outcome,
        }
    }
}

fn start_once() -> anyhow::Result<PathBuf> {
    let state = tempfile::Builder::new()
        .prefix("leadgate-cluster-")
        .tempdir()?
        .keep();
    let [port, etcd, peer] = free_ports()?;
    let output = Command::new(script())
        .arg("control-plane")
        .env("STATE", &state)
        .env("PORT", port.to_string())
        .env("ETCD_PORT", etcd.to_string())
        .env("ETCD_PEER_PORT", peer.to_string())
        .env("OWNER", process::id().to_string())
        .output()?;
    if output.status.success() {
        return Ok(state.join("admin.kubeconfig"));
    }
    Command::new(script()).arg("down").env("STATE", &state).status()?;
    bail!(
        "the control plane did not start: {}",
        String::from_utf8_lossy(&output.stderr)
    )
}

pub(crate) fn free_ports() -> anyhow::Result<[u16; 3]> {
    let open = || TcpListener::bind("127.0.0.1:0");
    let listeners = [open()?, open()?, open()?];
    let [a, b, c] = &listeners;
    Ok([
        a.local_addr()?.port(),
        b.local_addr()?.port(),
        c.local_addr()?.port(),
    ])
}

/// An answer of the API server with what kube's own calls hide.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Warning` headers.
    pub warnings: Vec<String>,
    /// The body.
    pub body: Value,
}

/// Calls the API server; `content` is the body with its type.
pub async fn call(
    client: &Client,
    method: Method,
    path: &str,
    accept: &str,
    content: Option<(&str, &Value)>,
) -> anyhow::Result<Answer> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT, accept);
    let body = match content {
        Some((kind, value)) => {
            request = request.header(header::CONTENT_TYPE, kind);
            Body::from(serde_json::to_vec(value)?)
        }
        None => Body::empty(),
    };
    let (parts, body) = Response::into_parts(client.send(request.body(body)?).await?);
    Ok(Answer {
        status: parts.status.as_u16(),
        warnings: parts
            .headers
            .get_all(header::WARNING)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
            .collect(),
        body: serde_json::from_slice(&body.collect_bytes().await?)?,
    })
}

/// Applies both definitions, waits until they are served and gives the API server's warnings.
pub async fn install_crds(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut warnings = Vec::new();
    for crd in [
        leadgate_crds::lead_webhook_crd(),
        leadgate_crds::lead_receiver_crd(),
        leadgate_crds::crm_sink_crd(),
    ] {
        let name = crd.name_any();
        let path = format!(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=leadgate-tests&force=true"
        );
        let value = serde_json::to_value(&crd)?;
        let answer = call(
            client,
            Method::PATCH,
            &path,
            "application/json",
            Some(("application/apply-patch+yaml", &value)),
        )
        .await?;
        if answer.status >= 300 {
            bail!("{name} is refused: {}", answer.body);
        }
        warnings.extend(answer.warnings);
        wait_until_served(client, &name).await?;
    }
    Ok(warnings)
}

async fn wait_until_served(client: &Client, name: &str) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let plural = name.split('.').next().unwrap_or_default();
    let list = format!(
        "/apis/{}/{}/{plural}?limit=1",
        leadgate_crds::GROUP,
        leadgate_crds::VERSION
    );
    let deadline = Instant::now() + ESTABLISH;
    loop {
        let conditions = api
            .get(name)
            .await?
            .status
            .and_then(|s| s.conditions)
            .unwrap_or_default();
        let established = conditions
            .iter()
            .any(|c| c.type_ == "Established" && c.status == "True");
        if established
            && call(client, Method::GET, &list, "application/json", None)
                .await
                .is_ok_and(|a| a.status == 200)
        {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{name} is not served: {conditions:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
