//! What may happen to the pods.

use std::{thread::sleep, time::Duration};

use anyhow::Result;
use leadgate_receiver::queue::OpenOptions;
use rand::{RngExt, rngs::StdRng};

use super::{Container, ManagedRedis, Role};
use crate::{failover::Group, sentinel::wait_for};

/// How many pods there are.
const PODS: usize = 3;

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server of the primary is killed, and started again at once.
    KillServer,
    /// The pod of the primary is deleted by force: another one starts on its volume while it still runs.
    ReplacePod,
    /// The server of the primary hangs until it is replaced, and goes on.
    StopServer,
    /// A sentinel hangs for longer than a primary may; meanwhile the primary is killed.
    StopSentinel,
    /// Server and sentinel of the primary are cut off until the others have replaced it.
    Partition,
    /// Server and sentinel of a replica are cut off.
    PartitionReplica,
    /// All servers are killed at once, and started again.
    KillServers,
    /// All servers and sentinels are killed at once, and started again.
    KillAll,
    /// The volume of the primary is full.
    FillPrimary,
    /// The volume of a replica is full.
    FillReplica,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::KillServer,
        Self::ReplacePod,
        Self::StopServer,
        Self::StopSentinel,
        Self::Partition,
        Self::PartitionReplica,
        Self::KillServers,
        Self::KillAll,
        Self::FillPrimary,
        Self::FillReplica,
    ];
}

impl Group for ManagedRedis {
    type Fault = Fault;

    fn start() -> Result<Self> {
        Self::start(PODS)
    }

    fn url(&self) -> String {
        self.url()
    }

    fn options(&self) -> Result<OpenOptions> {
        Ok(OpenOptions {
            authorities: Some(self.authorities()?.into_bytes().into()),
            ..OpenOptions::default()
        })
    }

    fn cause(&mut self, fault: Fault, rng: &mut StdRng) -> Result<()> {
        let primary = self.primary()?;
        let replica = (primary + rng.random_range(1..PODS)) % PODS;
        let mut last = |millis: std::ops::Range<u64>| sleep(Duration::from_millis(rng.random_range(millis)));
        match fault {
            Fault::KillServer => self.kill(primary, Role::Server),
            Fault::ReplacePod => {
                let roles = [Role::Server, Role::Sentinel];
                let mut successors = Vec::new();
                for role in roles {
                    let successor = self.container(primary, role, &[])?;
                    wait_for("a successor that waits", || {
                        Ok(successor.log().contains("waiting for the lock"))
                    })?;
                    successors.push(successor);
                }
                last(0..2500);
                for (role, successor) in roles.into_iter().zip(successors) {
                    *self.slot(primary, role) = Some(successor);
                }
            }
            Fault::StopServer => {
                self.stop(primary, Role::Server)?;
                self.replaced(primary)?;
                last(0..2000);
            }
            Fault::StopSentinel => {
                self.stop(replica, Role::Sentinel)?;
                last(2500..5000);
                self.kill(primary, Role::Server);
                last(0..4000);
            }
            Fault::Partition => {
                self.stop(primary, Role::Server)?;
                self.stop(primary, Role::Sentinel)?;
                // Its own sentinel is among those that do not answer.
                self.replaced(primary)?;
                last(0..4000);
            }
            Fault::PartitionReplica => {
                self.stop(replica, Role::Server)?;
                self.stop(replica, Role::Sentinel)?;
                last(2500..6000);
            }
            Fault::KillServers => {
                (0..PODS).for_each(|pod| self.kill(pod, Role::Server));
                last(0..1500);
            }
            Fault::KillAll => {
                for role in [Role::Server, Role::Sentinel] {
                    (0..PODS).for_each(|pod| self.kill(pod, role));
                }
                last(0..1500);
            }
            Fault::FillPrimary => self.fill(primary, || last(500..4000))?,
            Fault::FillReplica => self.fill(replica, || last(500..4000))?,
        }
        self.restore()
    }
}

impl ManagedRedis {
    fn kill(&mut self, pod: usize, role: Role) {
        *self.slot(pod, role) = None;
    }

    fn stop(&mut self, pod: usize, role: Role) -> Result<()> {
        self.slot(pod, role).as_ref().map_or(Ok(()), Container::stop)
    }

    /// Until the server has ended for it, and for a while after it was started again.
    fn fill(&mut self, pod: usize, last: impl FnOnce()) -> Result<()> {
        if let Some(server) = self.slot(pod, Role::Server) {
            server.fill_volume()?;
            wait_for("an end for lack of room", || Ok(server.has_ended()))?;
        }
        let started = self.container(pod, Role::Server, &[])?;
        started.fill_volume()?;
        *self.slot(pod, Role::Server) = Some(started);
        last();
        self.kill(pod, Role::Server);
        Ok(())
    }
}
