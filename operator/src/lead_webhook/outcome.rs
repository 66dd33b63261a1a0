//! How a reconciliation ended, and what was observed of the webhook's parts: what its status is made of.

use crate::reasons::Reason;
use crate::stats::ReceiverStats;
use crate::validation::ValidationError;
use crate::workloads::{PodState, RedisState, Rollout};

/// How a reconciliation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything is as it is to be; what a person should know nevertheless.
    Applied(Vec<ValidationError>),
    /// A person has to change something.
    Mistakes(Vec<ValidationError>),
    /// It goes on by itself: reason and message.
    Failed(Reason, String),
    /// It is being deleted: whether it waits for a person, and why it is still there.
    Draining(bool, String),
}

/// What is seen of the webhook's parts.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Its Deployment.
    pub rollout: Option<Rollout>,
    pub pods: Vec<PodState>,
    /// The managed Redis; `None` when it uses its own, or there is none yet.
    pub redis: Option<RedisState>,
    /// The pods of the managed Redis.
    pub redis_pods: Vec<PodState>,
    /// What its receivers say, now or the last time.
    pub figures: Option<ReceiverStats>,
    /// Why they could not be asked this time.
    pub unreachable: Option<String>,
}
