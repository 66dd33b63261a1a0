//! Whether this Redis keeps what it is given.

use std::time::{Duration, Instant};

use futures::future::join_all;
use redis::{AsyncConnectionConfig, RedisResult, Value, aio::ConnectionLike, cmd};
use tokio::time::timeout;

use super::{
    RedisQueue,
    access::Target,
    connection::is_refusal,
    reply::text,
    script,
    server_info::{Replica, ServerInfo},
};
use crate::queue::{Durability, QueueError, StoreReport};

/// Scripts with flags, and `SET` with both `NX` and `GET`, came with this.
const MIN_VERSION: u32 = 7;

/// How long a replica may take to tell its settings.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(500);

/// When a server writes to its disk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Disk {
    /// It has no append-only file.
    Never,
    /// `appendfsync`.
    When(String),
    /// The user may not ask.
    Forbidden,
    /// It did not tell.
    Unknown,
}

impl RedisQueue {
    pub(super) async fn report_setup(&self) -> Result<StoreReport, QueueError> {
        let mut info = cmd("INFO");
        info.arg("everything");
        let info = text(self.link.query(&info).await?).unwrap_or_default();
        let info = ServerInfo::parse(&info);
        let mut shared = self.link.shared().await?;
        let disk = disk(&info, appendfsync(&mut shared).await);
        let replicas = if self.replicas > 0 {
            self.disks_of(&info.replicas()).await
        } else {
            Vec::new()
        };
        let mut problems = problems(&info, self.options.durability, &disk);
        problems.extend(problem_of_kind(&info, &self.targets.borrow()));
        problems.extend(problems_of_replicas(self.replicas, &replicas));
        let began = Instant::now();
        let mut write = script::CHECK.call(&self.keys, 1, 64);
        write.arg(self.keys.probe());
        if let Err(error) = self.link.run_repeatable(&script::CHECK, &write).await {
            problems.push(format!("it does not accept writes: {error}"));
        }
        let durability = match self.options.durability {
            Durability::Provider => {
                "the provider of this Redis answers for what an acknowledged lead survives (--queue-durability provider)"
                    .into()
            }
            Durability::Measured => durability(&disk, self.replicas, &replicas),
        };
        Ok(StoreReport {
            problems,
            durability,
            write_latency: began.elapsed(),
            room: room(&info),
            primary_changes: self.link.primary_changes(),
        })
    }

    /// When those of the replicas that are in sync write to their disks.
    async fn disks_of(&self, replicas: &[Replica]) -> Vec<Option<Disk>> {
        let target = self.targets.borrow().clone();
        let asked = replicas.iter().map(|replica| {
            let target = &target;
            async move {
                if !replica.is_in_sync {
                    return None;
                }
                let told = timeout(REPLICA_TIMEOUT, disk_of(target, replica)).await;
                Some(told.ok().flatten().unwrap_or(Disk::Unknown))
            }
        });
        join_all(asked).await
    }
}

async fn disk_of(target: &Target, replica: &Replica) -> Option<Disk> {
    let client = target.server(&replica.host, replica.port).ok()?;
    let config = AsyncConnectionConfig::new();
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = connecting.await.ok()?;
    let info = ServerInfo::ask(&mut connection).await.ok()?;
    Some(disk(&info, appendfsync(&mut connection).await))
}

/// Managed servers may not tell.
async fn appendfsync(connection: &mut impl ConnectionLike) -> RedisResult<Option<String>> {
    let mut get = cmd("CONFIG");
    get.arg("GET").arg("appendfsync");
    // RESP3 answers a map, RESP2 a list.
    Ok(match get.query_async(connection).await? {
        Value::Map(pairs) => pairs.into_iter().next().and_then(|(_, value)| text(value)),
        Value::Array(items) => items.into_iter().nth(1).and_then(text),
        _ => None,
    })
}

fn disk(info: &ServerInfo, appendfsync: RedisResult<Option<String>>) -> Disk {
    match appendfsync {
        _ if !info.writes_a_file() => Disk::Never,
        Ok(Some(when)) => Disk::When(when),
        Err(error) if is_refusal(&error) => Disk::Forbidden,
        Ok(None) | Err(_) => Disk::Unknown,
    }
}

fn problems(info: &ServerInfo, answers: Durability, disk: &Disk) -> Vec<String> {
    let mut problems = Vec::new();
    let hides_it = info.told("redis_version").is_empty() && answers == Durability::Provider;
    if info.version().0 < MIN_VERSION && !hides_it {
        problems.push(format!(
            "Redis {} is too old: use {MIN_VERSION}.0 or newer",
            info.told("redis_version")
        ));
    }
    if info.told("role") == "slave" {
        problems.push(
            "this Redis is a replica: use the address of the primary, or redis+sentinel:// and the addresses of the \
             sentinels"
                .into(),
        );
    }
    let policy = info.told("maxmemory_policy");
    // A service may not tell.
    if policy != "noeviction" && !(policy.is_empty() && answers == Durability::Provider) {
        problems.push(format!(
            "maxmemory-policy is {policy}: Redis would drop queued leads when memory runs out; set it to \
             noeviction"
        ));
    }
    if answers == Durability::Measured {
        match disk {
            Disk::Never => problems.push(
                "appendonly is no: a restart of Redis would lose queued leads; set appendonly yes and appendfsync \
                 always, or --queue-durability provider if the provider of this Redis keeps what it is given"
                    .into(),
            ),
            Disk::When(when) if when == "no" => problems.push(
                "appendfsync is no: a power cut would lose the leads of many seconds; set it to always".into(),
            ),
            _ => {}
        }
    }
    if info.told("aof_last_write_status") == "err" {
        problems.push("Redis could not write its append-only file: see its log and its disk".into());
    }
    problems
}

/// A node of a cluster that is used as if it were alone: the primary may be another one tomorrow.
fn problem_of_kind(info: &ServerInfo, target: &Target) -> Option<String> {
    let is_alone = matches!(target, Target::Direct(_));
    (is_alone && info.told("cluster_enabled") == "1").then(|| {
        "this Redis is a node of a cluster: write redis+cluster:// and the addresses of some of its nodes, so that the queue \
         follows its primary"
            .into()
    })
}

/// `None` is a replica that is not in sync.
fn problems_of_replicas(needed: u32, replicas: &[Option<Disk>]) -> Vec<String> {
    let in_sync = replicas.iter().flatten().count();
    let mut problems = Vec::new();
    if in_sync < needed as usize {
        problems.push(format!(
            "{in_sync} of the {needed} replicas that must acknowledge a lead are in sync, so leads are refused: see \
             whether the replicas of Redis run and follow the primary"
        ));
    }
    if replicas.iter().flatten().any(|disk| *disk == Disk::Never) {
        problems.push(
            "appendonly is no on a replica: once it is the primary, a restart would lose queued leads; set appendonly \
             yes and appendfsync always on all servers"
                .into(),
        );
    }
    problems
}

/// Used memory and `maxmemory`, in bytes; 0 is no limit.
fn room(info: &ServerInfo) -> Option<(u64, u64)> {
    let most = info.number("maxmemory").filter(|most| *most > 0)?;
    Some((info.number("used_memory")?, most))
}

/// What an acknowledged lead survives. `None` is a replica that is not in sync.
fn durability(own: &Disk, needed: u32, replicas: &[Option<Disk>]) -> String {
    if needed == 0 {
        return of_one(own);
    }
    let (servers, copies) = (replicas.len() + 1, needed as usize + 1);
    if servers < copies {
        return format!("leads are refused: each must be on {copies} disks, and there are {servers} servers");
    }
    let known: Vec<&Disk> = std::iter::once(own).chain(replicas.iter().flatten()).collect();
    let always = |disk: &&&Disk| **disk == &Disk::When("always".into());
    let synced = known.iter().filter(always).count();
    let out_of_sync = servers - known.len();
    let mut told = if synced == known.len() {
        format!("every acknowledged lead is on {copies} of {servers} disks (appendfsync always)")
    } else {
        format!(
            "every acknowledged lead is on {copies} of {servers} servers, but only {synced} of them are known to write to \
             disk first (appendfsync always): {}",
            known
                .iter()
                .find(|disk| !always(disk))
                .map_or("", |disk| lack(disk))
        )
    };
    if out_of_sync > 0 {
        told.push_str(&format!("; {out_of_sync} of the replicas are not in sync"));
    }
    told
}

/// What is missing where `appendfsync` is not `always`.
fn lack(disk: &Disk) -> &'static str {
    match disk {
        Disk::Never => "one has no append-only file; set appendonly yes and appendfsync always",
        Disk::When(when) if when == "everysec" => {
            "a power cut that takes all of them may lose about the last second (appendfsync everysec); set it to always"
        }
        Disk::When(_) => "a power cut that takes all of them can lose leads; set appendfsync always",
        Disk::Forbidden => "the Redis user may not ask for the setting; give it the permission +config|get",
        Disk::Unknown => {
            "one does not report the setting; see whether the receiver can connect to the replicas"
        }
    }
}

fn of_one(disk: &Disk) -> String {
    match disk {
        Disk::Never => "acknowledged leads are not written to disk (appendonly no)".into(),
        Disk::When(when) => match when.as_str() {
            "always" => "every acknowledged lead is on Redis' disk (appendfsync always)".into(),
            "everysec" => "a crash of Redis loses nothing; a power cut or the loss of its machine may lose \
                           about the last second (appendfsync everysec); set it to always to prevent this"
                .into(),
            other => {
                format!("a crash of Redis loses nothing; a power cut can lose leads (appendfsync {other})")
            }
        },
        Disk::Forbidden => {
            "the append-only file is enabled; the Redis user may not ask how often it is synced to disk: \
                            give it the permission +config|get, or set --queue-durability provider"
                .into()
        }
        Disk::Unknown => {
            "the append-only file is enabled; this server does not report how often it is synced to disk"
                .into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lead_survives_is_said_in_words() {
        let always = || Disk::When("always".into());
        let everysec = || Disk::When("everysec".into());
        for (own, needed, replicas, words) in [
            (always(), 0, vec![], "on Redis' disk (appendfsync always)"),
            (everysec(), 0, vec![], "about the last second"),
            (Disk::Forbidden, 0, vec![], "+config|get"),
            (
                always(),
                1,
                vec![Some(always()), Some(always())],
                "on 2 of 3 disks",
            ),
            (
                always(),
                2,
                vec![Some(always()), Some(always())],
                "on 3 of 3 disks",
            ),
            (
                always(),
                1,
                vec![Some(always()), None],
                "on 2 of 3 disks (appendfsync always); 1 of the replicas",
            ),
            (
                always(),
                1,
                vec![Some(always()), Some(everysec())],
                "only 2 of them are known",
            ),
            (everysec(), 1, vec![Some(everysec())], "only 0 of them are known"),
            (everysec(), 1, vec![Some(everysec())], "about the last second"),
            (always(), 1, vec![], "on 2 disks, and there are 1 servers"),
            (always(), 1, vec![Some(Disk::Never)], "no append-only file"),
            (
                always(),
                1,
                vec![Some(Disk::Unknown)],
                "can connect to the replicas",
            ),
        ] {
            let told = durability(&own, needed, &replicas);
            assert!(told.contains(words), "{told}, not {words}");
        }
    }

    #[test]
    fn replicas_that_are_missing_are_a_problem() {
        let always = || Some(Disk::When("always".into()));
        for (needed, replicas, words) in [
            (1, vec![always(), None], None),
            (2, vec![always(), None], Some("1 of the 2 replicas")),
            (1, vec![], Some("0 of the 1 replicas")),
            (0, vec![], None),
            (1, vec![Some(Disk::Never)], Some("appendonly is no on a replica")),
        ] {
            let problems = problems_of_replicas(needed, &replicas);
            match words {
                None => assert_eq!(problems, Vec::<String>::new()),
                Some(words) => assert!(
                    problems.iter().any(|problem| problem.contains(words)),
                    "{problems:?}"
                ),
            }
        }
    }
}
