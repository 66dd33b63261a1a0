//! A real Redis Cluster: three primaries, each with a replica; killed, stopped and restarted at will, gone when dropped.

mod faults;
mod nodes;

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

pub use faults::Fault;
use nodes::Nodes;

use crate::redis_server::{RedisServer, free_port};
use crate::redis_tls::RedisTls;
use crate::sentinel::{connect, wait_for};

const PRIMARIES: usize = 3;
const SLOTS: usize = 16384;

/// A cluster that replaces a primary which it has not heard of for two seconds.
pub struct RedisCluster {
    /// The first three begin as primaries, each with a third of the slots; each of the others follows one of them.
    pub servers: Vec<RedisServer>,
    /// Their certificate, if they speak TLS.
    pub tls: Option<RedisTls>,
    replicas: usize,
}

impl RedisCluster {
    /// Starts one and waits until it is whole.
    pub fn start(tls: bool) -> Result<Self> {
        Self::start_with(tls, PRIMARIES)
    }

    /// Starts one without replicas.
    pub fn of_primaries() -> Result<Self> {
        Self::start_with(false, 0)
    }

    fn start_with(tls: bool, replicas: usize) -> Result<Self> {
        let tls = tls.then(RedisTls::new).transpose()?;
        let mut servers = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..PRIMARIES + replicas {
            let bus = free_port()?;
            let configuration = format!(
                "save \"\"\nappendonly yes\nappendfsync always\nmaxmemory-policy noeviction\nrepl-diskless-sync-delay 0\n\
                 cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-port {bus}\ncluster-node-timeout 2000\n\
                 cluster-require-full-coverage no\ncluster-allow-replica-migration no\n{}",
                if tls.is_some() { "tls-cluster yes\n" } else { "" }
            );
            let folder = tls.as_ref().map(RedisTls::folder);
            servers.push(RedisServer::start_from(configuration, &[], None, folder)?);
            buses.push(bus);
        }
        let cluster = Self {
            servers,
            tls,
            replicas,
        };
        cluster.introduce(&buses)?;
        Ok(cluster)
    }

    /// Makes a cluster of servers that do not know one another.
    fn introduce(&self, buses: &[u16]) -> Result<()> {
        for (server, epoch) in self.servers.iter().zip(1..) {
            // Else the first failover waits until the nodes have settled who has which.
            command(server, &["SET-CONFIG-EPOCH", &format!("{epoch}")])?;
        }
        let first = self.servers.first().context("a cluster has servers")?;
        for (server, bus) in self.servers.iter().zip(buses).skip(1) {
            let (port, bus) = (server.port().to_string(), bus.to_string());
            command(first, &["MEET", "127.0.0.1", &port, &bus])?;
        }
        let primaries = self.servers.get(..PRIMARIES).context("primaries")?;
        for (number, server) in primaries.iter().enumerate() {
            let (from, to) = (SLOTS * number / PRIMARIES, SLOTS * (number + 1) / PRIMARIES - 1);
            command(server, &["ADDSLOTSRANGE", &from.to_string(), &to.to_string()])?;
        }
        wait_for("nodes that know each other", || {
            Ok(self
                .servers
                .iter()
                .all(|server| Nodes::ask(server).is_ok_and(|nodes| nodes.count() == self.servers.len())))
        })?;
        for (number, server) in self.servers.iter().enumerate().skip(PRIMARIES) {
            let primary = primaries.get(number - PRIMARIES).context("a primary")?;
            let id = Nodes::ask(primary)?.own_id()?;
            wait_for("a replica that knows its primary", || {
                Ok(command(server, &["REPLICATE", &id]).is_ok())
            })?;
        }
        self.settled()
    }

    /// The queue URL: some of the nodes.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        let some: Vec<String> = self
            .servers
            .iter()
            .step_by(2)
            .map(|server| format!("127.0.0.1:{}", server.port()))
            .collect();
        format!("{scheme}+cluster://{}", some.join(","))
    }

    /// Removes all that it holds, also from its files.
    pub fn clear(&self) -> Result<()> {
        wait_for("servers that are empty", || {
            for place in self.primaries()? {
                let server = self.servers.get(place).context("a server")?;
                redis::cmd("FLUSHALL").exec(&mut server.connection()?)?;
            }
            let keys = self
                .servers
                .iter()
                .map(|server| Ok(redis::cmd("DBSIZE").query::<u64>(&mut server.connection()?)?));
            let keys = keys.collect::<Result<Vec<_>>>()?;
            anyhow::ensure!(keys.iter().all(|keys| *keys == 0), "{keys:?} keys");
            Ok(true)
        })?;
        for server in &self.servers {
            wait_for("a file that is rewritten", || {
                redis::cmd("BGREWRITEAOF").exec(&mut server.connection()?)?;
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Which servers are primaries with slots, as most nodes that answer see it.
    pub fn primaries(&self) -> Result<Vec<usize>> {
        let ports = self.view()?.primaries();
        Ok((0..self.servers.len())
            .filter(|place| {
                self.servers
                    .get(*place)
                    .is_some_and(|server| ports.contains(&server.port()))
            })
            .collect())
    }

    /// What the node that knows of the latest change says.
    fn view(&self) -> Result<Nodes> {
        let views = self.servers.iter().filter_map(|server| Nodes::ask(server).ok());
        views.max_by_key(Nodes::epoch).context("no node answers")
    }

    /// Waits until a server is no primary any more.
    pub fn replaced(&self, server: usize) -> Result<()> {
        wait_for("another primary", || Ok(!self.primaries()?.contains(&server)))
    }

    /// The server that follows a primary.
    pub fn replica_of(&self, primary: usize) -> Result<usize> {
        let primary = self.servers.get(primary).context("a server")?.port();
        let port = self
            .view()?
            .replica_of(primary)
            .context("a primary without a replica")?;
        self.servers
            .iter()
            .position(|server| server.port() == port)
            .context("a server of the cluster")
    }

    /// Has a replica take over from its primary, which hands over all that it has.
    pub fn fail_over(&self, primary: usize) -> Result<()> {
        let replica = self.servers.get(self.replica_of(primary)?).context("a server")?;
        command(replica, &["FAILOVER"])?;
        self.replaced(primary)
    }

    /// Moves a slot of a primary that holds keys of a queue to another primary, key by key, as `redis-cli --cluster reshard`
    /// does. Tells how many keys there were.
    pub fn move_slot(&self, from: usize, to: usize) -> Result<usize> {
        let (source, target) = (
            self.servers.get(from).context("a server")?,
            self.servers.get(to).context("a server")?,
        );
        let mut keys: Vec<String> = redis::cmd("KEYS")
            .arg("{leadgate*}:counts")
            .query(&mut source.connection()?)?;
        let key = keys.pop().context("a primary without a queue")?;
        let slot: u16 = redis::cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .query(&mut source.connection()?)?;
        let slot = slot.to_string();
        let (source_id, target_id) = (Nodes::ask(source)?.own_id()?, Nodes::ask(target)?.own_id()?);
        command(target, &["SETSLOT", &slot, "IMPORTING", &source_id])?;
        command(source, &["SETSLOT", &slot, "MIGRATING", &target_id])?;
        let mut moved = 0;
        loop {
            let mut get = redis::cmd("CLUSTER");
            let keys: Vec<Vec<u8>> = get
                .arg("GETKEYSINSLOT")
                .arg(&slot)
                .arg(20)
                .query(&mut source.connection()?)?;
            if keys.is_empty() {
                break;
            }
            moved += keys.len();
            let mut migrate = redis::cmd("MIGRATE");
            migrate
                .arg("127.0.0.1")
                .arg(target.port())
                .arg("")
                .arg(0)
                .arg(5000)
                .arg("KEYS")
                .arg(&keys);
            migrate.exec(&mut source.connection()?)?;
            // So that something happens meanwhile.
            sleep(Duration::from_millis(20));
        }
        for server in [target, source].into_iter().chain(&self.servers) {
            // Replicas refuse, and hear of it.
            let _ = command(server, &["SETSLOT", &slot, "NODE", &target_id]);
        }
        Ok(moved)
    }

    /// Lets stopped servers go on, starts killed ones, and waits until the cluster is whole.
    pub fn restore(&mut self) -> Result<()> {
        for server in &mut self.servers {
            match server.pid() {
                Some(_) => server.resume()?,
                None => server.restart()?,
            }
        }
        self.settled()
    }

    /// Waits until all nodes agree, and each primary has a replica that follows.
    pub fn settled(&self) -> Result<()> {
        wait_for("a cluster that is whole", || {
            let views = self.servers.iter().map(Nodes::ask).collect::<Result<Vec<_>>>()?;
            let first = views.first().context("a node")?;
            if !self.servers.iter().all(|server| serves(server).unwrap_or(false)) {
                return Ok(false);
            }
            let agreed = views
                .iter()
                .all(|view| view.is_whole() && view.primaries() == first.primaries());
            let primaries = self.primaries()?;
            let followed = primaries
                .iter()
                .filter_map(|place| self.servers.get(*place))
                .filter(|server| is_followed(server).unwrap_or(false));
            Ok(agreed
                && followed.count() == self.replicas
                && views.iter().all(|view| view.primaries().len() == PRIMARIES))
        })
    }
}

/// A node that was started takes a while until it takes part.
fn serves(server: &RedisServer) -> Result<bool> {
    let info: String = redis::cmd("CLUSTER")
        .arg("INFO")
        .query(&mut connect(&server.client()?)?)?;
    Ok(info.contains("cluster_state:ok"))
}

fn is_followed(server: &RedisServer) -> Result<bool> {
    let info: redis::InfoDict = redis::cmd("INFO")
        .arg("replication")
        .query(&mut connect(&server.client()?)?)?;
    Ok(info
        .get::<String>("slave0")
        .is_some_and(|replica| replica.contains("state=online")))
}

fn command(server: &RedisServer, arguments: &[&str]) -> Result<()> {
    let mut command = redis::cmd("CLUSTER");
    command.arg(arguments);
    Ok(command.exec(&mut connect(&server.client()?)?)?)
}
