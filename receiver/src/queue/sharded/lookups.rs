//! What a shard knows of leads that belong to others: what is asked while one question is under way goes into the next one,
//! since a question costs a server about the same for one lead as for twenty.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::queue::{Admission, NewLead, Queue};

/// How long a shard may take to tell. It does so in a millisecond; one that is away is known to be after a moment, and then
/// does not hold up what the others accept.
const LOOK_FOR: Duration = Duration::from_millis(800);

/// A question is about so many leads at most, unless one call has more.
const MOST_LEADS: usize = 256;

/// Asks one shard.
pub(super) struct Lookups {
    questions: mpsc::UnboundedSender<Question>,
    _asks: AbortOnDropHandle<()>,
}

struct Question {
    leads: Vec<NewLead>,
    answer: oneshot::Sender<Vec<Admission>>,
}

impl Lookups {
    pub(super) fn of(shard: Arc<dyn Queue>) -> Self {
        let (questions, asked) = mpsc::unbounded_channel();
        Self {
            questions,
            _asks: AbortOnDropHandle::new(tokio::spawn(ask(shard, asked))),
        }
    }

    /// What the shard would answer to an accept of each of these leads; nothing if it does not tell in time.
    pub(super) async fn known(&self, leads: Vec<NewLead>) -> Vec<Admission> {
        if leads.is_empty() {
            return Vec::new();
        }
        let (answer, answered) = oneshot::channel();
        if self.questions.send(Question { leads, answer }).is_err() {
            return Vec::new();
        }
        match timeout(LOOK_FOR, answered).await {
            Ok(Ok(known)) => known,
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}

async fn ask(shard: Arc<dyn Queue>, mut asked: mpsc::UnboundedReceiver<Question>) {
    while let Some(first) = asked.recv().await {
        let mut leads = Vec::new();
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(question) = next.take() {
            // Whoever has given up needs no answer.
            if !question.answer.is_closed() {
                answers.push((question.leads.len(), question.answer));
                leads.extend(question.leads);
            }
            if leads.len() < MOST_LEADS {
                next = asked.try_recv().ok();
            }
        }
        if leads.is_empty() {
            continue;
        }
        // Without an answer, all who asked go on without one.
        if let Ok(Ok(known)) = timeout(LOOK_FOR, shard.preview(leads)).await {
            let mut known = known.into_iter();
            for (count, answer) in answers {
                let _ = answer.send(known.by_ref().take(count).collect());
            }
        }
    }
}
