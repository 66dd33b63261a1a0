//! The real `leadgate-receiver` as a process: started on manifests in a folder of its own, killed and restarted.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tempfile::TempDir;

/// How long a receiver may take to become ready; generous, for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to run a receiver.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// File names and YAML, to be written into the manifests folder.
    pub manifests: Vec<(String, String)>,
    /// The queue's URL; `None` is SQLite in the receiver's folder. Nothing is said of it where `arguments` name a file.
    pub queue: Option<String>,
    /// Listens on all addresses, IPv4 and IPv6.
    pub everywhere: bool,
    /// More arguments.
    pub arguments: Vec<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Whether to run an optimised build, whatever this process is.
    pub release: bool,
    /// A command that the receiver's is appended to, and that becomes it (`exec`).
    pub wrapper: Vec<String>,
}

impl Options {
    /// SQLite, and these manifests in one file.
    pub fn new(manifests: impl Into<String>) -> Self {
        Self {
            manifests: vec![("leadgate.yaml".into(), manifests.into())],
            ..Self::default()
        }
    }

    /// The same with another queue.
    #[must_use]
    pub fn queue(mut self, url: impl Into<String>) -> Self {
        self.queue = Some(url.into());
        self
    }
}

/// A receiver. Its ports stay the same over restarts; it is killed when dropped.
pub struct Receiver {
    options: Options,
    binary: PathBuf,
    folder: TempDir,
    listen: SocketAddr,
    admin: SocketAddr,
    process: Option<Child>,
    client: reqwest::Client,
}

impl Receiver {
    /// Starts one and waits until it is ready.
    pub async fn start(options: Options) -> Result<Self> {
        let mut receiver = Self::prepare(options)?;
        receiver.spawn()?;
        receiver.ready(PATIENCE).await?;
        Ok(receiver)
    }

    /// Everything but the start.
    pub fn prepare(options: Options) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().context("a folder for the receiver")?;
        std::fs::create_dir(folder.path().join("manifests"))?;
        let ports = free_ports()?;
        let receiver = Self {
            binary: binary(options.release)?,
            folder,
            listen: ports[0],
            admin: ports[1],
            process: None,
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(10))
                .build()?,
            options,
        };
        for (name, yaml) in &receiver.options.manifests {
            receiver.write_manifest(name, yaml)?;
        }
        Ok(receiver)
    }

    /// Starts the process, without waiting for it.
    pub fn spawn(&mut self) -> Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))?;
        let database = format!("sqlite:{}", self.folder.path().join("leadgate.db").display());
        let mut words: Vec<_> = self.options.wrapper.iter().map(OsString::from).collect();
        words.push(self.binary.clone().into());
        if !self.options.arguments.iter().any(|word| word == "--queue-file") {
            let queue = self.options.queue.as_ref().unwrap_or(&database);
            words.extend(["--queue".into(), queue.into()]);
        }
        let process = Command::new(&words[0])
            .args(&words[1..])
            .arg("--manifests")
            .arg(self.manifests())
            .args(["--listen", &self.listens_on(self.listen)])
            .args(["--admin-listen", &self.listens_on(self.admin)])
            .args(["--log-format", "json"])
            .args(&self.options.arguments)
            .envs(self.options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", self.binary.display()))?;
        self.process = Some(process);
        Ok(())
    }

    fn listens_on(&self, address: SocketAddr) -> String {
        if self.options.everywhere {
            format!("[::]:{}", address.port())
        } else {
            address.to_string()
        }
    }

    /// Waits until `/readyz` says 200; a process that ended instead is an error with its last words.
    pub async fn ready(&mut self, within: Duration) -> Result<()> {
        let began = Instant::now();
        let mut last = String::from("no answer");
        while began.elapsed() < within {
            match self.admin("/readyz").await {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => last = format!("{status} {body}"),
                Err(error) => last = format!("{error:#}"),
            }
            if let Some(process) = &mut self.process
                && let Some(status) = process.try_wait()?
            {
                self.process = None;
                bail!("the receiver ended with {status}:\n{}", self.log_tail(30));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!(
            "the receiver is not ready after {within:?}: {last}\n{}",
            self.log_tail(30)
        )
    }

    /// The program that the next start runs.
    pub fn becomes(&mut self, binary: PathBuf) {
        self.binary = binary;
    }

    /// Kills it without a chance to finish anything (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may be gone already, which is what is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        let process = self.process.as_mut().context("the receiver is not running")?;
        let told = Command::new("kill")
            .args(["-TERM", &process.id().to_string()])
            .status()?;
        anyhow::ensure!(told.success(), "kill -TERM ended with {told}");
        let began = Instant::now();
        while began.elapsed() < within {
            if let Some(status) = process.try_wait()? {
                self.process = None;
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!(
            "the receiver did not end within {within:?} of SIGTERM:\n{}",
            self.log_tail(30)
        )
    }

    /// Starts it again on the same ports and files (killing it if it runs), and waits until it is ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill();
        self.spawn()?;
        self.ready(PATIENCE).await
    }

    /// The id of its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Where leads go.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Where health, metrics and status are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The URL of the webhook `default/<name>`.
    pub fn webhook(&self, name: &str) -> String {
        format!("http://{}/webhooks/default/{name}", self.listen)
    }

    /// The manifests folder.
    pub fn manifests(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    /// Its own folder, with the log and the database.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a manifest as careful tools do: beside the old one, then in its place.
    pub fn write_manifest(&self, name: &str, yaml: &str) -> Result<()> {
        let new = self.folder.path().join(format!(".{name}.new"));
        std::fs::write(&new, yaml)?;
        std::fs::rename(new, self.manifests().join(name))?;
        Ok(())
    }

    /// GET on the admin port: status and text.
    pub async fn admin(&self, path: &str) -> Result<(u16, String)> {
        let response = self
            .client
            .get(format!("http://{}{path}", self.admin))
            .send()
            .await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// `/status`.
    pub async fn status(&self) -> Result<Value> {
        let (status, text) = self.admin("/status").await?;
        anyhow::ensure!(status == 200, "/status answers {status}: {text}");
        serde_json::from_str(&text).with_context(|| format!("/status is not JSON: {text}"))
    }

    /// The sum of the samples of a metric whose labels contain all of `labels` (as `name="value"`).
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let (_, text) = self.admin("/metrics").await?;
        Ok(text
            .lines()
            .filter(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
                    && labels.iter().all(|label| line.contains(label))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// Waits until something holds, `patience` at most; says what, if it never does.
    pub async fn until<F>(&self, what: &str, patience: Duration, mut holds: impl FnMut() -> F)
    where
        F: Future<Output = bool>,
    {
        let began = Instant::now();
        while !holds().await {
            assert!(began.elapsed() < patience, "never: {what}\n{}", self.log_tail(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it logged, over all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The last lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Keeps the folder for a look after a failure, and says where it is.
    pub fn keep(mut self) -> PathBuf {
        self.kill();
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two different free ports. Another process may take them before the receiver does; that is rare, and told.
fn free_ports() -> Result<Vec<SocketAddr>> {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    listeners
        .into_iter()
        .map(|listener| Ok(listener?.local_addr()?))
        .collect()
}

/// The receiver's binary: `LEADGATE_TEST_RECEIVER` if set, else built.
pub fn binary(release: bool) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("LEADGATE_TEST_RECEIVER") {
        return Ok(path.into());
    }
    program("leadgate-receiver", release)
}

/// A binary of the workspace, built once a process, which costs little when nothing changed: cargo tells only a package's own
/// tests where its binary is.
pub fn program(name: &'static str, release: bool) -> Result<PathBuf> {
    type Built = BTreeMap<(&'static str, bool), Result<PathBuf, String>>;
    static BUILT: Mutex<Built> = Mutex::new(BTreeMap::new());
    let release = release || !cfg!(debug_assertions);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built
        .entry((name, release))
        .or_insert_with(|| build(name, release).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))
}

fn build(name: &str, release: bool) -> Result<PathBuf> {
    // .../target/debug/deps/<test> or .../target/debug/<binary>
    let own = std::env::current_exe()?;
    let mut profile = own.parent().context("this process has no folder")?;
    if profile.ends_with("deps") {
        profile = profile.parent().context("deps has no parent")?;
    }
    let target = profile.parent().context("the profile's folder has no parent")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Of the workspace, not of the package: else dependencies are built again with fewer features.
    cargo
        .args(["build", "--quiet", "--workspace", "--bin", name, "--target-dir"])
        .arg(target);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells about this package is no business of the other: build scripts (ring's) would run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let told = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
            "CARGO_TARGET_TMPDIR",
        ];
        if told.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    if release {
        cargo.arg("--release");
    }
    let output = cargo
        .output()
        .with_context(|| format!("cargo is needed to build {name}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "cannot build {name}:\n{text}");
    Ok(target.join(if release { "release" } else { "debug" }).join(name))
}
