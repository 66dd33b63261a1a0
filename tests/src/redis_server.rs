//! A real redis-server of one's own: started on a free port, killed and restarted at will, gone when dropped.

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// How long a server may take to answer; generous, for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server, with its own directory.
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    password: Option<String>,
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
        let directory = tempfile::tempdir().context("a directory for redis-server")?;
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self {
            directory,
            port: 0,
            arguments,
            password: None,
            process: None,
        };
        // Another process may take the port between our look and the server's bind: then try the next.
        for _ in 0..10 {
            server.port = free_port()?;
            if server.spawn().is_ok() {
                return Ok(server);
            }
        }
        bail!("redis-server did not start on any of ten ports: {}", server.log())
    }

    /// Where it listens, with its password if it has one.
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}@"));
        format!("redis://{}127.0.0.1:{}/", password.unwrap_or_default(), self.port)
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
        let client = redis::Client::open(self.url())?;
        client.get_connection().context("a connection to redis-server")
    }

    /// What it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn spawn(&mut self) -> Result<()> {
        let directory = self.directory.path();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""])
            .args(["--daemonize", "no", "--logfile", "log", "--dir"])
            .arg(directory)
            .args(&self.arguments)
            .args(self.password.iter().flat_map(|password| ["--requirepass", password]))
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

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a free port")?;
    Ok(listener.local_addr()?.port())
}
