//! A real redis-server of one's own: started on a free port, killed and restarted at will, gone when dropped.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::redis_tls::{self, files};

/// How long a server may take to answer; generous, for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names another server program to test with, such as valkey-server.
const BINARY: &str = "LEADGATE_TEST_REDIS";

/// The server, with its own directory.
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    /// What its configuration file says, which it may change itself; its port goes before it. Without, there is no file.
    configuration: Option<String>,
    password: Option<String>,
    /// Where the certificate and its authority are, of a server that speaks TLS only.
    tls: Option<PathBuf>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts one that loses nothing: append-only file, synced at each write, nothing evicted.
    pub fn start() -> Result<Self> {
        Self::start_with(&[
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--maxmemory-policy",
            "noeviction",
        ])
    }

    /// Starts one with these arguments.
    pub fn start_with(arguments: &[&str]) -> Result<Self> {
        Self::start_on_a_free_port(arguments, None, None, None)
    }

    /// Starts one with these arguments that speaks TLS only, with the files in a folder.
    pub fn start_with_tls(arguments: &[&str], folder: &Path) -> Result<Self> {
        Self::start_on_a_free_port(arguments, None, None, Some(folder))
    }

    /// Starts one that keeps its configuration in a file, as a member of a group that Sentinel watches must: Sentinel
    /// notes there who follows whom.
    pub(crate) fn start_from(
        configuration: String,
        arguments: &[&str],
        password: Option<&str>,
        tls: Option<&Path>,
    ) -> Result<Self> {
        Self::start_on_a_free_port(arguments, Some(configuration), password, tls)
    }

    fn start_on_a_free_port(
        arguments: &[&str],
        configuration: Option<String>,
        password: Option<&str>,
        tls: Option<&Path>,
    ) -> Result<Self> {
        let directory = tempfile::tempdir().context("a directory for redis-server")?;
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self {
            directory,
            port: 0,
            arguments,
            configuration,
            password: password.map(str::to_owned),
            tls: tls.map(Path::to_owned),
            process: None,
        };
        // Another process may take the port between our look and the server's bind: then try the next.
        for _ in 0..10 {
            server.port = free_port()?;
            server.write_configuration()?;
            if server.spawn().is_ok() {
                return Ok(server);
            }
        }
        bail!("redis-server did not start on any of ten ports: {}", server.log())
    }

    /// Where it listens, with its password if it has one.
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}@"));
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!(
            "{scheme}://{}127.0.0.1:{}/",
            password.unwrap_or_default(),
            self.port
        )
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks for another password from now on, and ends the connections of those that gave the one before.
    pub fn change_password(&mut self, password: &str) -> Result<()> {
        let mut connection = self.connection()?;
        let mut change = redis::cmd("CONFIG");
        change.arg("SET").arg("requirepass").arg(password);
        change.exec(&mut connection)?;
        for kind in ["normal", "pubsub"] {
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("TYPE").arg(kind);
            kill.exec(&mut connection)?;
        }
        self.password = Some(password.to_owned());
        Ok(())
    }

    /// Has it read its certificate and the authorities again.
    pub fn take_certificates(&self) -> Result<()> {
        let mut change = redis::cmd("CONFIG");
        change.arg("SET");
        for (setting, file) in self.tls.iter().flat_map(|folder| files(folder)) {
            change.arg(setting).arg(file.display().to_string());
        }
        Ok(change.exec(&mut self.connection()?)?)
    }

    /// Starts it again with another password.
    pub fn restart_with_password(&mut self, password: &str) -> Result<()> {
        self.password = Some(password.to_owned());
        self.restart()
    }

    /// Its directory, where its files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The id of its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Kills it without a chance to finish anything (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may be gone already, which is what is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Stops it where it is (SIGSTOP): it keeps its connections and says nothing.
    pub fn stop(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on after [`Self::stop`].
    pub fn resume(&self) -> Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid().context("redis-server is not running")?;
        let sent = Command::new("kill").args([name, &pid.to_string()]).status()?;
        anyhow::ensure!(sent.success(), "kill {name} ended with {sent}");
        Ok(())
    }

    /// Starts it again, on the same port and files, and waits until it answers.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let began = Instant::now();
        loop {
            match self.spawn() {
                Ok(()) => return Ok(()),
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// A plain connection, to look inside.
    pub fn connection(&self) -> Result<redis::Connection> {
        let client = self.client()?;
        client.get_connection().context("a connection to redis-server")
    }

    pub(crate) fn client(&self) -> Result<redis::Client> {
        match &self.tls {
            None => Ok(redis::Client::open(self.url())?),
            Some(folder) => redis_tls::client(&self.url(), folder),
        }
    }

    /// What it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn write_configuration(&self) -> Result<()> {
        let Some(configuration) = &self.configuration else {
            return Ok(());
        };
        let directory = self.directory.path().display();
        let listens: String = self
            .listens()
            .iter()
            .map(|(setting, value)| format!("{setting} {value}\n"))
            .collect();
        let text =
            format!("{listens}bind 127.0.0.1\ndaemonize no\nlogfile log\ndir {directory}\n{configuration}");
        std::fs::write(self.configuration_file(), text).context("the configuration of redis-server")
    }

    /// The settings that say where it listens, and how.
    fn listens(&self) -> Vec<(&'static str, String)> {
        let port = self.port.to_string();
        let Some(folder) = &self.tls else {
            return vec![("port", port)];
        };
        let own = [
            ("port", "0".to_owned()),
            ("tls-port", port),
            ("tls-replication", "yes".to_owned()),
            ("tls-auth-clients", "no".to_owned()),
        ];
        let files = files(folder).map(|(setting, file)| (setting, file.display().to_string()));
        own.into_iter().chain(files).collect()
    }

    fn configuration_file(&self) -> PathBuf {
        self.directory.path().join("redis.conf")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::var_os(BINARY).unwrap_or_else(|| "redis-server".into()));
        if self.configuration.is_some() {
            command.arg(self.configuration_file());
        } else {
            for (setting, value) in self.listens() {
                command.args([format!("--{setting}"), value]);
            }
            command
                .args(["--bind", "127.0.0.1", "--save", ""])
                .args(["--daemonize", "no", "--logfile", "log", "--dir"])
                .arg(self.directory.path())
                .args(
                    self.password
                        .iter()
                        .flat_map(|password| ["--requirepass", password]),
                );
        }
        command.args(&self.arguments);
        command
    }

    fn spawn(&mut self) -> Result<()> {
        let process = self
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("redis-server is needed by these tests (7.0 or newer): install it, e.g. apt install redis-server")?;
        self.process = Some(process);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.answers() {
                return Ok(());
            }
            if let Some(process) = &mut self.process
                && let Some(status) = process.try_wait()?
            {
                self.process = None;
                bail!("redis-server ended with {status}: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        bail!("redis-server does not answer: {}", self.log())
    }

    /// Whether it answers, and not that it is still loading.
    fn answers(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.port).into();
        if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
            return false;
        }
        let Ok(mut connection) = self.connection() else {
            return false;
        };
        redis::cmd("PING").query::<String>(&mut connection).is_ok()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
    Ok(listener.local_addr()?.port())
}
