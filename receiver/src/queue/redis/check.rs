//! Whether this Redis keeps what it is given.

use std::{collections::HashMap, time::Instant};

use redis::cmd;

use super::{
    RedisQueue,
    reply::{items, text},
    script,
};
use crate::queue::{QueueError, StoreReport};

/// Scripts with flags, and `SET` with both `NX` and `GET`, came with this.
const MIN_VERSION: u32 = 7;

impl RedisQueue {
    pub(super) async fn report_setup(&self) -> Result<StoreReport, QueueError> {
        let mut info = cmd("INFO");
        info.arg("everything");
        let info = text(self.link.query(&info).await?).unwrap_or_default();
        let info: HashMap<&str, &str> = info.lines().filter_map(|line| line.split_once(':')).collect();
        let appendfsync = self.appendfsync().await;
        let mut problems = problems(&info, appendfsync.as_deref());
        let began = Instant::now();
        let mut write = script::CHECK.call(1, 64);
        write.arg(self.keys.probe());
        if let Err(error) = self.link.run_repeatable(&script::CHECK, &write).await {
            problems.push(format!("it does not accept writes: {error}"));
        }
        Ok(StoreReport {
            problems,
            durability: durability(&info, appendfsync.as_deref()),
            write_latency: began.elapsed(),
            room: room(&info),
        })
    }

    /// Managed servers may not tell.
    async fn appendfsync(&self) -> Option<String> {
        let mut get = cmd("CONFIG");
        get.arg("GET").arg("appendfsync");
        let answer = self.link.query(&get).await.ok()?;
        // RESP3 answers a map, RESP2 a list.
        match answer {
            redis::Value::Map(pairs) => pairs.into_iter().next().and_then(|(_, value)| text(value)),
            answer => items(answer, "config").ok()?.into_iter().nth(1).and_then(text),
        }
    }
}

fn problems(info: &HashMap<&str, &str>, appendfsync: Option<&str>) -> Vec<String> {
    let told = |name: &str| info.get(name).copied().unwrap_or_default();
    let mut problems = Vec::new();
    let version = told("redis_version");
    let major: u32 = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0);
    if major < MIN_VERSION {
        problems.push(format!(
            "Redis {version} is too old: use {MIN_VERSION}.0 or newer"
        ));
    }
    if told("cluster_enabled") == "1" {
        problems.push("this Redis is a cluster, which is not supported yet: use one that is not".into());
    }
    if told("role") == "slave" {
        problems.push("this Redis is a replica: use the address of the primary".into());
    }
    let policy = told("maxmemory_policy");
    if policy != "noeviction" {
        problems.push(format!(
            "maxmemory-policy is {policy}: Redis would drop queued leads when memory runs out; set it to \
             noeviction"
        ));
    }
    if told("aof_enabled") != "1" {
        problems.push(
            "appendonly is no: a restart of Redis would lose queued leads; set appendonly yes and appendfsync \
             always"
                .into(),
        );
    } else if appendfsync == Some("no") {
        problems.push(
            "appendfsync is no: a power cut would lose the leads of many seconds; set it to always".into(),
        );
    }
    if told("aof_last_write_status") == "err" {
        problems.push("Redis could not write its append-only file: see its log and its disk".into());
    }
    problems
}

/// Used memory and `maxmemory`, in bytes; 0 is no limit.
fn room(info: &HashMap<&str, &str>) -> Option<(u64, u64)> {
    let bytes = |name: &str| info.get(name)?.parse::<u64>().ok();
    Some((bytes("used_memory")?, bytes("maxmemory").filter(|max| *max > 0)?))
}

fn durability(info: &HashMap<&str, &str>, appendfsync: Option<&str>) -> String {
    if info.get("aof_enabled").copied() != Some("1") {
        return "acknowledged leads are not written to disk (appendonly no)".into();
    }
    match appendfsync {
        Some("always") => "every acknowledged lead is on Redis' disk (appendfsync always)".into(),
        Some("everysec") => {
            "a crash of Redis loses nothing; a power cut or the loss of its machine may lose \
                             about the last second (appendfsync everysec); set it to always to prevent this"
                .into()
        }
        Some(other) => {
            format!("a crash of Redis loses nothing; a power cut can lose leads (appendfsync {other})")
        }
        None => "the append-only file is enabled; this server does not report how often it is synced to disk"
            .into(),
    }
}
