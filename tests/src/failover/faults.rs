//! What may happen to a group whose servers are started by hand.

use std::time::Duration;

use anyhow::Result;
use leadgate_receiver::queue::OpenOptions;
use rand::{RngExt, rngs::StdRng};

use super::Group;
use crate::{
    redis_server::RedisServer,
    sentinel::{Sentinel, Setup},
};

/// What may happen to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The primary is killed; it returns as a replica.
    KillPrimary,
    /// The primary hangs until it is replaced, and goes on.
    StopPrimary,
    /// The primary hangs for about as long as sentinels need to replace it, so that it may go on meanwhile.
    PausePrimary,
    /// A replica is killed.
    KillReplica,
    /// A replica hangs: it lags.
    StopReplica,
    /// One or two sentinels are killed, and then the primary if one was.
    KillSentinels,
    /// A planned failover.
    FailOver,
    /// All servers and sentinels are killed at once, and return: the servers first.
    KillAll,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::KillPrimary,
        Self::StopPrimary,
        Self::PausePrimary,
        Self::KillReplica,
        Self::StopReplica,
        Self::KillSentinels,
        Self::FailOver,
        Self::KillAll,
    ];
}

impl Group for Sentinel {
    type Fault = Fault;

    fn start() -> Result<Self> {
        Self::start(Setup::default())
    }

    fn url(&self) -> String {
        self.url()
    }

    fn options(&self) -> Result<OpenOptions> {
        Ok(OpenOptions::default())
    }

    fn cause(&mut self, fault: Fault, rng: &mut StdRng) -> Result<()> {
        let primary = self.primary()?;
        let replica = (primary + rng.random_range(1..self.servers.len())) % self.servers.len();
        let mut last = |millis: std::ops::Range<u64>| {
            std::thread::sleep(Duration::from_millis(rng.random_range(millis)));
        };
        match fault {
            Fault::KillPrimary => {
                self.servers[primary].kill();
                self.replaced(primary)?;
                last(0..500);
            }
            Fault::StopPrimary => {
                self.servers[primary].stop()?;
                self.replaced(primary)?;
                last(0..500);
            }
            Fault::PausePrimary => {
                self.servers[primary].stop()?;
                last(500..3500);
                self.servers[primary].resume()?;
                last(500..1500);
            }
            Fault::KillReplica => {
                self.servers[replica].kill();
                last(500..2500);
            }
            Fault::StopReplica => {
                self.servers[replica].stop()?;
                last(500..2500);
            }
            Fault::KillSentinels => {
                self.sentinels[0].kill();
                last(100..1000);
                self.servers[primary].kill();
                self.replaced(primary)?;
                self.sentinels[1].kill();
                last(100..1500);
            }
            Fault::FailOver => self.fail_over()?,
            Fault::KillAll => {
                let all = self.servers.iter_mut().chain(&mut self.sentinels);
                all.for_each(RedisServer::kill);
                last(0..500);
                // Sentinels that are there earlier may choose a replica that has less than another one.
                for server in &mut self.servers {
                    server.restart()?;
                }
            }
        }
        self.restore()
    }
}
