//! How a reconciliation ended, and what was observed of the webhook: what its status is made of.

use leadgate_crds::common::Condition;
use leadgate_crds::counts::ProcessCounts;

use crate::edges::Edge;
use crate::reasons::Reason;
use crate::stats::{SinkFigures, WebhookStats};
use crate::validation::ValidationError;

/// How a reconciliation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything is as it is to be; what a person should know nevertheless.
    Applied(Vec<ValidationError>),
    /// A person has to change something.
    Mistakes(Vec<ValidationError>),
    /// It goes on by itself: reason and message.
    Failed(Reason, String),
    /// It is being deleted.
    Draining {
        /// Whether it waits for a person.
        late: bool,
        /// Why it is still there.
        why: String,
        /// What is wrong with it, which may be why.
        mistakes: Vec<ValidationError>,
    },
    /// A person has paused its reconciliation with an annotation: nothing was looked at or changed.
    Paused,
}

/// What is seen of the webhook.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The receiver that senders reach.
    pub receiver: Option<Serving>,
    /// What its receiver says, now or the last time: with leads that are still in another queue.
    pub figures: Option<WebhookStats>,
    /// What processes count, summed up.
    pub process: Option<ProcessCounts>,
    /// The sinks that it delivers to, over all webhooks that share its queue, by name.
    pub sinks: std::collections::BTreeMap<String, SinkFigures>,
    /// How many of its leads are still in another queue, and the receiver that delivers them.
    pub elsewhere: Option<(i64, String)>,
    /// Why its receiver cannot be asked.
    pub unreachable: Option<String>,
    /// What became of the Ingress and the HTTPRoute that it asks for; `None`: not there yet.
    pub edges: Vec<Option<Edge>>,
    /// Who changes its Ingress or HTTPRoute again and again.
    pub contested: Option<String>,
    /// What no pod could read at all.
    pub unreadable: Vec<String>,
}

/// The receiver that senders reach.
#[derive(Clone, Debug, Default)]
pub struct Serving {
    pub name: String,
    /// What its status says; empty: nothing yet.
    pub conditions: Vec<Condition>,
}
