//! The managed Redis without Kubernetes: the `run.sh` of its pods on addresses and folders of this machine.

mod container;
mod faults;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use redis::Connection;
use tempfile::TempDir;

pub use container::Container;
pub use faults::Fault;

use crate::{
    redis_server::free_port,
    redis_tls::{self, RedisTls},
    sentinel::{self, NAME, wait_for},
};

const SCRIPT: &str = include_str!("../../../operator/src/lead_receiver/build/redis/run.sh");
const PASSWORD: &str = "d4ta-s3cret";

/// The pods of a namespace.
pub struct ManagedRedis {
    pods: Vec<Pod>,
    /// What the pods mount: certificates, the password, the script.
    tls: RedisTls,
    /// A folder for each volume.
    volumes: TempDir,
    port: u16,
    sentinel_port: u16,
    logs: usize,
}

/// A server and a sentinel on one volume.
struct Pod {
    server: Option<Container>,
    sentinel: Option<Container>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Sentinel,
}

impl ManagedRedis {
    /// Starts as many pods at once, and waits until all have all.
    pub fn start(replicas: usize) -> Result<Self> {
        let (port, sentinel_port) = (free_port()?, free_port()?);
        let redis = Self {
            pods: Vec::new(),
            tls: RedisTls::new()?,
            volumes: tempfile::tempdir()?,
            port,
            sentinel_port,
            logs: 0,
        };
        let files = redis.tls.folder();
        fs::write(files.join("replicas"), replicas.to_string())?;
        let configuration = format!("requirepass {PASSWORD}\nmasterauth {PASSWORD}\n");
        fs::write(files.join("redis.conf"), configuration)?;
        fs::write(files.join("run.sh"), redis.script()?)?;
        redis.with_pods(replicas)
    }

    fn with_pods(mut self, replicas: usize) -> Result<Self> {
        for n in 0..replicas {
            fs::create_dir(self.volume(n))?;
            let server = Some(self.container(n, Role::Server, &[])?);
            let sentinel = Some(self.container(n, Role::Sentinel, &[])?);
            self.pods.push(Pod { server, sentinel });
        }
        self.settled()?;
        Ok(self)
    }

    /// The script of the pods with addresses, ports and folders of this machine.
    fn script(&self) -> Result<String> {
        let files = self.tls.folder().display().to_string();
        let (port, sentinel_port) = (self.port.to_string(), self.sentinel_port.to_string());
        // Where a pod's file system is read-only, sentinels cannot have a server change its configuration. A sentinel listens on
        // all addresses, and here others have some of them.
        let replaced = [
            (
                "redis-server \"$FILES/redis.conf\"",
                "redis-server - <\"$FILES/redis.conf\"",
            ),
            ("/etc/leadgate-redis", &*files),
            ("/data", "$VOLUME"),
            ("127.0.0.1", "$ME"),
            ("leadgate-redis-$1.leadgate-redis-peers", "127.0.0.$(($1 + 2))"),
            ("\nport 0\n", "\nbind $ME\nport 0\n"),
            ("26379", &sentinel_port),
            ("6379", &port),
        ];
        let mut script = SCRIPT.to_owned();
        for (here, there) in replaced {
            anyhow::ensure!(script.contains(here), "run.sh does not say {here}");
            script = script.replace(here, there);
        }
        Ok(script)
    }

    fn volume(&self, pod: usize) -> PathBuf {
        self.volumes.path().join(pod.to_string())
    }

    fn container(&mut self, pod: usize, role: Role, more: &[&str]) -> Result<Container> {
        // A file that cannot grow is an error of the server, and not its end.
        let start = "trap '' XFSZ; exec sh \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command
            .args(["-c", start])
            .arg(self.tls.folder().join("run.sh"))
            .env("POD", format!("leadgate-redis-{pod}"))
            .env("VOLUME", self.volume(pod));
        match role {
            Role::Sentinel => command.arg("sentinel"),
            Role::Server => command
                .args(["server", "--appendonly", "yes", "--appendfsync", "always"])
                .args(["--save", "", "--maxmemory-policy", "noeviction"])
                .args(["--bind", &address(pod)])
                .args(more),
        };
        self.logs += 1;
        let log = self.volumes.path().join(format!("{}.log", self.logs));
        Container::start(&mut command, &log)
    }

    /// A server of another pod on the same volume, which has another address as pods do: another port.
    pub fn successor(&mut self, pod: usize) -> Result<(Container, redis::Client)> {
        let port = free_port()?;
        let server = self.container(pod, Role::Server, &["--tls-port", &port.to_string()])?;
        Ok((server, self.client_of(pod, port)?))
    }

    /// Kills the server of a pod.
    pub fn kill_server(&mut self, pod: usize) {
        self.pods[pod].server = None;
    }

    /// The queue URL.
    pub fn url(&self) -> String {
        let port = self.sentinel_port;
        let addresses: Vec<_> = (0..self.pods.len())
            .map(|pod| format!("{}:{port}", address(pod)))
            .collect();
        let addresses = addresses.join(",");
        format!("rediss+sentinel://:{PASSWORD}@{addresses}/{NAME}?sentinelPassword={PASSWORD}")
    }

    /// Who vouches for the servers (PEM).
    pub fn authorities(&self) -> Result<String> {
        self.tls.authorities()
    }

    /// A plain connection to a server.
    pub fn connection(&self, pod: usize) -> Result<Connection> {
        sentinel::connect(&self.client_of(pod, self.port)?)
    }

    fn client_of(&self, pod: usize, port: u16) -> Result<redis::Client> {
        let url = format!("rediss://:{PASSWORD}@{}:{port}/", address(pod));
        redis_tls::client(&url, self.tls.folder())
    }

    /// What a sentinel answers.
    fn ask(&self, pod: usize, what: &str) -> Result<redis::Value> {
        let mut connection = sentinel::connect(&self.client_of(pod, self.sentinel_port)?)?;
        Ok(redis::cmd("SENTINEL")
            .arg(what)
            .arg(NAME)
            .query(&mut connection)?)
    }

    /// The pod that all sentinels that answer call the primary.
    pub fn primary(&self) -> Result<usize> {
        let mut named = (0..self.pods.len()).filter_map(|pod| {
            let fields: Vec<String> = redis::from_redis_value(self.ask(pod, "MASTER").ok()?).ok()?;
            sentinel::field(&fields, "ip")
        });
        let first = named.next().context("no sentinel answers")?;
        anyhow::ensure!(named.all(|other| other == first), "the sentinels disagree");
        let mut pods = 0..self.pods.len();
        pods.find(|pod| address(*pod) == first)
            .context("the primary is no pod")
    }

    /// Waits until all sentinels that answer name another primary.
    pub fn replaced(&self, before: usize) -> Result<()> {
        wait_for("another primary", || {
            Ok(self.primary().is_ok_and(|primary| primary != before))
        })
    }

    /// As a kubelet: lets stopped containers go on, and starts those that have ended; waits until all have all.
    pub fn restore(&mut self) -> Result<()> {
        for pod in 0..self.pods.len() {
            for role in [Role::Server, Role::Sentinel] {
                let container = self.slot(pod, role);
                if container.as_mut().is_none_or(Container::has_ended) {
                    *container = None;
                    *self.slot(pod, role) = Some(self.container(pod, role, &[])?);
                } else if let Some(container) = container {
                    container.resume()?;
                }
            }
        }
        self.settled()
    }

    fn slot(&mut self, pod: usize, role: Role) -> &mut Option<Container> {
        let pod = &mut self.pods[pod];
        match role {
            Role::Server => &mut pod.server,
            Role::Sentinel => &mut pod.sentinel,
        }
    }

    /// Waits until all servers have all, and all sentinels know that each replica may be chosen.
    pub fn settled(&self) -> Result<()> {
        let others = self.pods.len() - 1;
        wait_for("a group that is whole", || {
            for pod in 0..=others {
                let fields: Vec<String> = redis::from_redis_value(self.ask(pod, "MASTER")?)?;
                let knows = |name: &str| sentinel::field(&fields, name).and_then(|n| n.parse::<usize>().ok());
                let replicas: Vec<Vec<String>> = redis::from_redis_value(self.ask(pod, "REPLICAS")?)?;
                let may_be_chosen = replicas.iter().filter(|fields| {
                    sentinel::field(fields, "slave-priority").is_some_and(|priority| priority != "0")
                        && sentinel::field(fields, "flags").as_deref() == Some("slave")
                });
                if sentinel::field(&fields, "flags").as_deref() != Some("master")
                    || knows("num-other-sentinels") != Some(others)
                    || may_be_chosen.count() != others
                {
                    return Ok(false);
                }
            }
            let info: redis::InfoDict = redis::cmd("INFO").query(&mut self.connection(self.primary()?)?)?;
            let follow = (0..others)
                .filter_map(|place| info.get::<String>(&format!("slave{place}")))
                .filter(|replica| replica.contains("state=online"));
            Ok(follow.count() == others)
        })
        .with_context(|| self.logs())
    }

    /// The end of what each container printed.
    fn logs(&self) -> String {
        let containers = self.pods.iter().enumerate().flat_map(|(n, pod)| {
            [("server", &pod.server), ("sentinel", &pod.sentinel)]
                .map(|(role, container)| (n, role, container.as_ref().map(Container::log)))
        });
        containers
            .map(|(n, role, log)| {
                let log = log.unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(12)..].join("\n");
                format!("\n{role} {n}:\n{last}")
            })
            .collect()
    }
}

fn address(pod: usize) -> String {
    format!("127.0.0.{}", pod + 2)
}
