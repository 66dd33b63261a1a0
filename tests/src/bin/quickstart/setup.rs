//! What runs: the manifests as they are, their ports, a simulated HubSpot, and the real receiver as a process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use leadgate_tests::hubspot::{Config, HubSpot};
use serde_json::Value;

/// For a busy machine; it takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the quickstart needs to know of its manifests.
pub(crate) struct Manifests {
    pub(crate) folder: PathBuf,
    secrets: BTreeMap<(String, String), String>,
    /// Where the CrmSink says that HubSpot is.
    pub(crate) crm: SocketAddr,
}

impl Manifests {
    /// Reads `examples/quickstart`.
    pub(crate) fn read(folder: PathBuf) -> Result<Self> {
        let mut secrets = BTreeMap::new();
        let mut crm = None;
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                .with_context(|| format!("{} is not valid YAML", path.display()))?;
            for document in &documents {
                let name = document
                    .pointer("/metadata/name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                for (key, value) in document
                    .get("stringData")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    let value = value.as_str().unwrap_or_default().to_owned();
                    secrets.insert((name.to_owned(), key.clone()), value);
                }
                let url = document.pointer("/spec/hubspot/baseUrl").and_then(Value::as_str);
                crm = crm.or(url.and_then(|url| url.strip_prefix("http://")?.parse().ok()));
            }
        }
        let crm = crm.context(
            "crmsink.yaml: spec.hubspot.baseUrl must be http://127.0.0.1:<port> for the quickstart",
        )?;
        Ok(Self { folder, secrets, crm })
    }

    /// A Secret's value.
    pub(crate) fn secret(&self, name: &str, key: &str) -> Result<&str> {
        self.secrets
            .get(&(name.to_owned(), key.to_owned()))
            .map(String::as_str)
            .with_context(|| format!("secrets.yaml: Secret {name} has no key {key}"))
    }
}

/// Where the receiver listens.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Ports {
    /// The receiver's own defaults, or what its variables say.
    pub(crate) fn from_environment() -> Result<Self> {
        let address = |variable: &str, default: &str| {
            let text = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
            text.parse()
                .with_context(|| format!("{variable}={text}: write an address such as {default}"))
        };
        Ok(Self {
            listen: address("LEADGATE_LISTEN", "127.0.0.1:8080")?,
            admin: address("LEADGATE_ADMIN_LISTEN", "127.0.0.1:9090")?,
        })
    }

    /// One line about every port that cannot be had.
    pub(crate) fn check(self, crm: SocketAddr) -> Result<()> {
        let wanted = [
            (self.listen, "webhooks", "set LEADGATE_LISTEN=127.0.0.1:<port>"),
            (self.admin, "status", "set LEADGATE_ADMIN_LISTEN=127.0.0.1:<port>"),
            (
                crm,
                "the simulated HubSpot",
                "change baseUrl in examples/quickstart/crmsink.yaml",
            ),
        ];
        let taken: Vec<String> = wanted
            .iter()
            .filter_map(|(address, what, remedy)| {
                let error = TcpListener::bind(address).err()?;
                Some(match error.kind() {
                    std::io::ErrorKind::AddrInUse => {
                        format!("{address} ({what}) is taken: stop what listens there, or {remedy}")
                    }
                    _ => format!("{address} ({what}) cannot be used ({error}): {remedy}"),
                })
            })
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        bail!("{}", taken.join("; "))
    }
}

/// A HubSpot where the CrmSink looks for it.
pub(crate) async fn hubspot(manifests: &Manifests) -> Result<HubSpot> {
    let config = Config {
        listen: manifests.crm,
        token: manifests.secret("hubspot-token", "token")?.to_owned(),
        ..Config::default()
    };
    HubSpot::start(config)
        .await
        .with_context(|| format!("the simulated HubSpot cannot listen on {}", manifests.crm))
}

/// The receiver's process. Dropping it ends it.
pub(crate) struct Receiver {
    process: Child,
    log: PathBuf,
    ports: Ports,
}

impl Receiver {
    /// Starts it on the manifests, with its queue and log in `state`.
    pub(crate) fn start(binary: &Path, manifests: &Path, state: &Path, ports: Ports) -> Result<Self> {
        let log = state.join("receiver.log");
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let mut command = Command::new(binary);
        // The quickstart is the same whatever is set in this shell.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LEADGATE_") {
                command.env_remove(name);
            }
        }
        let process = command
            .arg("--manifests")
            .arg(manifests)
            .arg("--queue")
            .arg(format!("sqlite:{}", state.join("leadgate.db").display()))
            .args(["--listen", &ports.listen.to_string()])
            .args(["--admin-listen", &ports.admin.to_string()])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {}", binary.display()))?;
        Ok(Self { process, log, ports })
    }

    /// Waits until it takes leads.
    pub(crate) async fn ready(&mut self, client: &reqwest::Client) -> Result<()> {
        let url = format!("http://{}/readyz", self.ports.admin);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.alive()?;
            if let Ok(answer) = client.get(&url).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!(
            "the receiver is not ready after {PATIENCE:?}\n{}",
            self.last_words()
        )
    }

    /// An error if it has ended.
    pub(crate) fn alive(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the receiver ended ({status})\n{}", self.last_words()),
        }
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines
            .get(lines.len().saturating_sub(15)..)
            .unwrap_or_default()
            .join("\n")
    }
}

impl Drop for Receiver {
    /// Lets it finish what it has begun (SIGTERM), for some seconds.
    fn drop(&mut self) {
        // If it cannot be told, or has ended already, what follows ends it.
        let _ = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .stderr(Stdio::null())
            .status();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
