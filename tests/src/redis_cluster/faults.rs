//! What may happen to a cluster.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use leadgate_receiver::queue::OpenOptions;
use rand::{RngExt, rngs::StdRng};

use super::RedisCluster;
use crate::failover::Group;
use crate::redis_server::RedisServer;

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A primary is killed; it returns as a replica.
    KillPrimary,
    /// A primary hangs until it is replaced, and goes on.
    StopPrimary,
    /// A primary hangs for about as long as the others need to replace it, so that it may go on meanwhile.
    PausePrimary,
    /// A replica is killed.
    KillReplica,
    /// A replica hangs: it lags.
    StopReplica,
    /// A planned failover.
    FailOver,
    /// All servers are killed at once, and return.
    KillAll,
    /// The hash slot of a shard moves to another primary, key by key.
    MoveSlot,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::KillPrimary,
        Self::StopPrimary,
        Self::PausePrimary,
        Self::KillReplica,
        Self::StopReplica,
        Self::FailOver,
        Self::KillAll,
        Self::MoveSlot,
    ];
}

impl Group for RedisCluster {
    type Fault = Fault;

    fn start() -> Result<Self> {
        Self::start(false)
    }

    fn url(&self) -> String {
        self.url()
    }

    fn options(&self) -> Result<OpenOptions> {
        Ok(OpenOptions {
            shards: 3,
            ..OpenOptions::default()
        })
    }

    fn cause(&mut self, fault: Fault, rng: &mut StdRng) -> Result<()> {
        let primaries = self.primaries()?;
        let turn = rng.random_range(0..primaries.len());
        let primary = *primaries.get(turn).context("a primary")?;
        let replica = self.replica_of(primary)?;
        let mut last = |millis: std::ops::Range<u64>| sleep(Duration::from_millis(rng.random_range(millis)));
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
            Fault::FailOver => self.fail_over(primary)?,
            Fault::KillAll => {
                self.servers.iter_mut().for_each(RedisServer::kill);
                last(0..500);
            }
            Fault::MoveSlot => {
                let places = 0..primaries.len();
                // One that moved before has left its primary without a queue.
                for place in places.map(|place| (turn + place) % primaries.len()) {
                    let target = (place + 1) % primaries.len();
                    if self.move_slot(primaries[place], primaries[target]).is_ok() {
                        break;
                    }
                }
            }
        }
        self.restore()
    }
}
