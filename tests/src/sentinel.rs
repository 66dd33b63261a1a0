//! Real Redis servers that follow one another, and the sentinels that watch them: killed, stopped and restarted at
//! will, gone when dropped.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::redis_server::RedisServer;
use crate::redis_tls::RedisTls;

/// What the sentinels call the primary.
pub const NAME: &str = "leadgate";

/// How long a group may take to agree on something; generous, for busy machines.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a group is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// How many servers follow the first one.
    pub replicas: usize,
    /// `appendfsync` of the servers.
    pub appendfsync: &'static str,
    /// What the servers ask for.
    pub password: Option<&'static str>,
    /// What the sentinels ask for.
    pub sentinel_password: Option<&'static str>,
    /// Servers and sentinels speak TLS only.
    pub tls: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            replicas: 2,
            appendfsync: "always",
            password: None,
            sentinel_password: None,
            tls: false,
        }
    }
}

/// A primary, its replicas and three sentinels, which replace a primary that they have not heard of for a second.
pub struct Sentinel {
    /// The servers that hold data; the first one begins as the primary.
    pub servers: Vec<RedisServer>,
    /// Those that watch them.
    pub sentinels: Vec<RedisServer>,
    /// Their certificate, if they speak TLS.
    pub tls: Option<RedisTls>,
    setup: Setup,
}

impl Sentinel {
    /// Starts a group and waits until its replicas follow and its sentinels know each other.
    pub fn start(setup: Setup) -> Result<Self> {
        let tls = setup.tls.then(RedisTls::new).transpose()?;
        let folder = tls.as_ref().map(RedisTls::folder);
        let secret = setup.password.map_or_else(String::new, |password| {
            format!("requirepass {password}\nmasterauth {password}\n")
        });
        let data = format!(
            "save \"\"\nappendonly yes\nappendfsync {}\nmaxmemory-policy noeviction\nrepl-diskless-sync-delay 0\n{secret}",
            setup.appendfsync
        );
        let mut servers: Vec<RedisServer> = Vec::new();
        for _ in 0..=setup.replicas {
            let follows = servers.first().map_or_else(String::new, |primary| {
                format!("replicaof 127.0.0.1 {}\n", primary.port())
            });
            let server = RedisServer::start_from(format!("{data}{follows}"), &[], setup.password, folder)?;
            servers.push(server);
        }
        let first = servers.first().context("a group has servers")?.port();
        let auth = setup.password.map_or_else(String::new, |password| {
            format!("sentinel auth-pass {NAME} {password}\n")
        });
        let own = setup
            .sentinel_password
            .map_or_else(String::new, |password| format!("requirepass {password}\n"));
        let watch = format!(
            "sentinel monitor {NAME} 127.0.0.1 {first} 2\nsentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 4000\nsentinel parallel-syncs {NAME} 2\n{auth}{own}"
        );
        let sentinels = (0..3)
            .map(|_| {
                let own = setup.sentinel_password;
                RedisServer::start_from(watch.clone(), &["--sentinel"], own, folder)
            })
            .collect::<Result<_>>()?;
        let group = Self {
            servers,
            sentinels,
            tls,
            setup,
        };
        group.settled()?;
        Ok(group)
    }

    /// The queue URL, with the passwords if there are any.
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
            .collect();
        let password = self.setup.password.map(|password| format!(":{password}@"));
        let sentinel = self
            .setup
            .sentinel_password
            .map(|password| format!("?sentinelPassword={password}"));
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!(
            "{scheme}+sentinel://{}{}/{NAME}{}",
            password.unwrap_or_default(),
            addresses.join(","),
            sentinel.unwrap_or_default()
        )
    }

    /// Has all members take the certificate and the authorities that are in the files now: servers while they run, sentinels
    /// by a restart.
    pub fn take_certificates(&mut self) -> Result<()> {
        for server in &self.servers {
            server.take_certificates()?;
        }
        for sentinel in &mut self.sentinels {
            sentinel.restart()?;
        }
        Ok(())
    }

    /// Which of the servers the sentinels that answer call the primary; an error while they disagree.
    pub fn primary(&self) -> Result<usize> {
        let mut ports = self.sentinels.iter().filter_map(|sentinel| {
            let fields = ask(sentinel).ok()?;
            field(&fields, "port")?.parse::<u16>().ok()
        });
        let port = ports.next().context("no sentinel answers")?;
        anyhow::ensure!(ports.all(|other| other == port), "the sentinels disagree");
        let mut servers = self.servers.iter();
        let place = servers.position(|server| server.port() == port);
        place.context("the sentinels name a server that is none of the group's")
    }

    /// A plain connection to the primary.
    pub fn connection(&self) -> Result<redis::Connection> {
        let primary = self.servers.get(self.primary()?).context("the primary")?;
        primary.connection()
    }

    /// Has the sentinels make another server the primary, and waits until all of them say so. The primary takes no writes
    /// meanwhile: the sentinels do not ask which replica has what another one has acknowledged.
    pub fn fail_over(&self) -> Result<()> {
        let before = self.primary()?;
        let mut primary = self.connection()?;
        let mut pause = redis::cmd("CLIENT");
        pause
            .arg("PAUSE")
            .arg(PATIENCE.as_millis().to_string())
            .arg("WRITE");
        pause.exec(&mut primary)?;
        self.in_step(&mut primary)?;
        let sentinel = self.sentinels.first().context("a sentinel")?;
        let mut order = redis::cmd("SENTINEL");
        order.arg("FAILOVER").arg(NAME);
        order.exec(&mut sentinel.connection()?)?;
        self.replaced(before)?;
        let mut go_on = redis::cmd("CLIENT");
        Ok(go_on
            .arg("UNPAUSE")
            .exec(&mut self.servers[before].connection()?)?)
    }

    /// Waits until all replicas have what the primary, to which this connection leads, has now.
    pub fn in_step(&self, primary: &mut redis::Connection) -> Result<()> {
        wait_for("replicas that have all", || {
            let info: redis::InfoDict = redis::cmd("INFO").arg("replication").query(primary)?;
            let offset: u64 = info.get("master_repl_offset").context("an offset")?;
            let in_step = (0..self.setup.replicas)
                .filter_map(|place| info.get::<String>(&format!("slave{place}")))
                .filter(|replica| replica.contains(&format!("offset={offset},")));
            Ok(in_step.count() == self.setup.replicas)
        })
    }

    /// Waits until all sentinels that answer name another primary than this one.
    pub fn replaced(&self, before: usize) -> Result<()> {
        wait_for("another primary", || {
            Ok(self.primary().is_ok_and(|primary| primary != before))
        })
    }

    /// Lets stopped members go on, starts killed ones, and waits until the group is whole: one primary that all sentinels
    /// name, and every other server follows it.
    pub fn restore(&mut self) -> Result<()> {
        for member in self.servers.iter_mut().chain(&mut self.sentinels) {
            match member.pid() {
                Some(_) => member.resume()?,
                None => member.restart()?,
            }
        }
        self.settled()
    }

    /// Waits until the group is whole.
    pub fn settled(&self) -> Result<()> {
        wait_for("a group that is whole", || {
            let knows = |sentinel: &RedisServer| {
                let fields = ask(sentinel)?;
                let number = |name: &str| field(&fields, name).and_then(|n| n.parse::<usize>().ok());
                anyhow::Ok(
                    number("num-slaves") >= Some(self.setup.replicas)
                        && number("num-other-sentinels") == Some(2)
                        && field(&fields, "flags").as_deref() == Some("master"),
                )
            };
            let all_know = self
                .sentinels
                .iter()
                .all(|sentinel| knows(sentinel).unwrap_or(false));
            if !all_know || self.primary().is_err() {
                return Ok(false);
            }
            let info: redis::InfoDict = redis::cmd("INFO").query(&mut self.connection()?)?;
            let follow = (0..self.setup.replicas)
                .filter_map(|place| info.get::<String>(&format!("slave{place}")))
                .filter(|replica| replica.contains("state=online"));
            Ok(follow.count() == self.setup.replicas)
        })
    }
}

/// What a sentinel says of the primary.
fn ask(sentinel: &RedisServer) -> Result<Vec<String>> {
    let mut connection = connect(&sentinel.client()?)?;
    let mut ask = redis::cmd("SENTINEL");
    ask.arg("MASTER").arg(NAME);
    Ok(ask.query(&mut connection)?)
}

/// A connection to a member that may be stopped: such a one takes connections and says nothing.
pub(crate) fn connect(client: &redis::Client) -> Result<redis::Connection> {
    let connection = client.get_connection_with_timeout(Duration::from_millis(500))?;
    connection.set_read_timeout(Some(Duration::from_millis(500)))?;
    Ok(connection)
}

/// The value behind a name in a list of names and values.
pub(crate) fn field(fields: &[String], name: &str) -> Option<String> {
    let mut pairs = fields.chunks_exact(2);
    pairs.find_map(|pair| match pair {
        [key, value] if key == name => Some(value.clone()),
        _ => None,
    })
}

/// Looks until `holds`; an error of a look is a no.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    let mut last = String::new();
    while began.elapsed() < PATIENCE {
        match holds() {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => last = format!("{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{what} did not come about in {PATIENCE:?}: {last}")
}
