//! What a server tells of itself.

use std::collections::HashMap;

use redis::{RedisResult, aio::ConnectionLike, cmd};

/// The first version with `WAITAOF`.
const WAITS_FOR_DISKS: (u32, u32) = (7, 2);

/// A replica that has not been heard of for longer is not in sync, in seconds.
const IN_SYNC: u64 = 2;

/// A replica as its primary sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) host: String,
    pub(super) port: u16,
    /// It follows, and was heard of within [`IN_SYNC`].
    pub(super) is_in_sync: bool,
}

/// An answer to `INFO`.
#[derive(Default)]
pub(super) struct ServerInfo(HashMap<String, String>);

impl ServerInfo {
    pub(super) async fn ask(connection: &mut impl ConnectionLike) -> RedisResult<Self> {
        let mut info = cmd("INFO");
        info.arg("everything");
        let text: String = info.query_async(connection).await?;
        Ok(Self::parse(&text))
    }

    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        Self(
            lines
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// A figure as it is written; nothing if the server does not tell it.
    pub(super) fn told(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A figure that is a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.told(name).parse().ok()
    }

    /// Major and minor number of the version, as far as they can be read.
    pub(super) fn version(&self) -> (u32, u32) {
        let mut numbers = self
            .told("redis_version")
            .split('.')
            .map(|number| number.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }

    pub(super) fn is_sentinel(&self) -> bool {
        // Valkey calls it by the second name.
        ["redis_mode", "server_mode"]
            .iter()
            .any(|name| self.told(name) == "sentinel")
    }

    pub(super) fn is_primary(&self) -> bool {
        self.told("role") == "master"
    }

    pub(super) fn writes_a_file(&self) -> bool {
        self.told("aof_enabled") == "1"
    }

    /// Whether it has `WAITAOF`, and a file to wait for.
    pub(super) fn can_wait_for_disks(&self) -> bool {
        self.version() >= WAITS_FOR_DISKS && self.writes_a_file()
    }

    /// Those that follow, or did until lately.
    pub(super) fn replicas(&self) -> Vec<Replica> {
        let lines = (0..).map_while(|place| self.0.get(&format!("slave{place}")));
        lines.filter_map(|line| Replica::read(line)).collect()
    }
}

impl Replica {
    /// `ip=10.0.0.2,port=6379,state=online,offset=123,lag=0`.
    fn read(line: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut pairs = line.split(',').filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(key, value)| (key == name).then_some(value))
        };
        let lag = field("lag").and_then(|lag| lag.parse::<u64>().ok());
        Some(Self {
            host: field("ip")?.to_owned(),
            port: field("port")?.parse().ok()?,
            is_in_sync: field("state") == Some("online") && lag.is_some_and(|lag| lag <= IN_SYNC),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_read_as_their_primary_tells_them() {
        let info = ServerInfo::parse(
            "# Replication\r\nrole:master\r\nconnected_slaves:4\r\n\
             slave0:ip=10.0.0.2,port=6379,state=online,offset=5,lag=0\r\n\
             slave1:ip=10.0.0.3,port=6380,state=wait_bgsave,offset=0,lag=0\r\n\
             slave2:ip=fd00::4,port=6379,state=online,offset=5,lag=9,type=replica\r\n",
        );
        let replica = |host: &str, port, is_in_sync| Replica {
            host: host.into(),
            port,
            is_in_sync,
        };
        let expected = [
            replica("10.0.0.2", 6379, true),
            replica("10.0.0.3", 6380, false),
            replica("fd00::4", 6379, false),
        ];
        assert_eq!(info.replicas(), expected);
        assert!(info.is_primary() && !info.is_sentinel());
    }

    #[test]
    fn only_a_new_server_with_a_file_can_wait_for_disks() {
        for (version, file, can) in [
            ("7.0.15", "1", false),
            ("7.2.0", "1", true),
            ("7.2.0", "0", false),
            ("8.1", "1", true),
            ("", "1", false),
        ] {
            let info = ServerInfo::parse(&format!("redis_version:{version}\r\naof_enabled:{file}\r\n"));
            assert_eq!(info.can_wait_for_disks(), can, "{version} {file}");
        }
    }
}
