//! A real Kubernetes node with Leadgate on it, installed by its chart from its image: `tests/cluster/cluster up`, or the
//! cluster that KUBECONFIG names.
//!
//! One node fits on a machine, and one Leadgate on a node: scenarios take turns.

mod certificates;
mod images;
mod load;
mod stage;
mod tools;

use std::{
    env,
    net::IpAddr,
    path::{Path, PathBuf},
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

pub use load::{Ledger, Load};
pub use stage::{KEY, Stage, eventually};
pub use tools::{chart, program, run};

use crate::cluster;

/// The namespace and the release of the operator.
pub const SYSTEM: &str = "leadgate-system";
/// The release.
pub const RELEASE: &str = "leadgate";
/// The operator's Deployment.
pub const OPERATOR: &str = "leadgate-operator";
/// This machine as a node of `cluster up` sees it.
const ADDRESS: &str = "10.200.0.2";

/// The node.
pub struct Node {
    kubeconfig: PathBuf,
    /// This machine as pods see it.
    address: IpAddr,
    certificates: certificates::Certificates,
    /// For volumes and charts. That of an own node goes with it.
    folder: PathBuf,
    images: images::Images,
    /// How long the installation took.
    pub installed_in: Duration,
    turn: Mutex<()>,
}

/// The node; the first call starts it and installs Leadgate.
pub async fn node() -> anyhow::Result<&'static Node> {
    static NODE: OnceCell<Result<Node, String>> = OnceCell::const_new();
    NODE.get_or_init(|| async {
        tokio::task::spawn_blocking(Node::start)
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("{error:#}"))
    })
    .await
    .as_ref()
    .map_err(|error| anyhow::anyhow!("{error}"))
}

impl Node {
    fn start() -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let given = env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
        tools::check(given.is_some())?;
        let own = given.is_none();
        let address = if own {
            ADDRESS.parse()?
        } else {
            images::given_address()?
        };
        let folder = tempfile::Builder::new()
            .prefix("leadgate-node-")
            .tempdir()?
            .keep();
        let kubeconfig = given.map_or_else(|| up(&folder), |path| Ok(path.into()))?;
        tools::use_kubeconfig(&kubeconfig);
        let certificates = certificates::Certificates::make(&folder, address)?;
        let images = images::Images::load(&folder, &certificates, own)?;
        let mut node = Self {
            kubeconfig,
            address,
            certificates,
            folder,
            images,
            installed_in: Duration::ZERO,
            turn: Mutex::default(),
        };
        let began = Instant::now();
        node.install(&chart(), &[])?;
        node.installed_in = began.elapsed();
        Ok(node)
    }

    /// `helm upgrade --install … --wait`: returns when everything is ready by kstatus.
    pub fn install(&self, chart: &Path, more: &[&str]) -> anyhow::Result<String> {
        let chart = chart.display().to_string();
        let settings = self.images.values();
        let mut arguments = vec![
            "upgrade",
            "--install",
            RELEASE,
            &chart,
            "--namespace",
            SYSTEM,
            "--create-namespace",
            "--wait",
            "--timeout",
            "120s",
        ];
        for setting in &settings {
            arguments.extend(["--set", setting]);
        }
        arguments.extend(more);
        run("helm", &arguments)
    }

    /// `helm uninstall … --wait`.
    pub fn uninstall(&self) -> anyhow::Result<String> {
        run("helm", &["uninstall", RELEASE, "--namespace", SYSTEM, "--wait"])
    }

    /// A scenario's turn: a namespace and a CRM of its own.
    pub async fn stage(&'static self, name: &str) -> anyhow::Result<Stage> {
        let turn: MutexGuard<'static, ()> = self.turn.lock().await;
        Stage::new(self, turn, name).await
    }

    /// Who can talk to the API server as an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A scratch folder that pods can be given.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate with which simulated CRMs serve; the image trusts its authority.
    pub fn tls(&self) -> Arc<rustls::ServerConfig> {
        self.certificates.server()
    }
}

/// One node fits on a machine: its addresses are the machine's. The script waits for another.
fn up(folder: &Path) -> anyhow::Result<PathBuf> {
    let script = cluster::script();
    let built = process::Command::new(&script).arg("build").output()?;
    if !built.status.success() {
        bail!(
            "the node's programs cannot be built (they need Go 1.26 or newer): {}",
            String::from_utf8_lossy(&built.stderr)
        );
    }
    let [port, etcd, peer] = cluster::free_ports()?;
    let output = process::Command::new(&script)
        .arg("up")
        .env("STATE", folder)
        .env("PORT", port.to_string())
        .env("ETCD_PORT", etcd.to_string())
        .env("ETCD_PEER_PORT", peer.to_string())
        .env("OWNER", process::id().to_string())
        .output()?;
    if !output.status.success() {
        bail!(
            "the node does not start; its logs are in {}/log: {}",
            folder.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(folder.join("admin.kubeconfig"))
}
