//! One thread owns the file. Whatever waits is committed in one transaction, and answered after it.

use std::{thread, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::{
    database::Database,
    store::Store,
    tx::{Failure, Tx},
};
use crate::queue::{OpenError, QueueError, backpressure::Reservation};

/// How long a caller waits for its answer. What comes later counts as unknown.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(950);

/// An operation that waits. It may run twice, so it must not consume what it works on.
pub(super) trait Job: Send {
    /// How large what it writes is, about.
    fn bytes(&self) -> usize;
    fn abandoned(&self) -> bool;
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error>;
    fn committed(self: Box<Self>);
    fn failed(self: Box<Self>, error: QueueError);
}

struct Call<T, F> {
    work: F,
    outcome: Option<Result<T, QueueError>>,
    answer: oneshot::Sender<Result<T, QueueError>>,
    even_if_abandoned: bool,
    room: Reservation,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send,
{
    fn bytes(&self) -> usize {
        self.room.bytes()
    }

    fn abandoned(&self) -> bool {
        !self.even_if_abandoned && self.answer.is_closed()
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), rusqlite::Error> {
        self.outcome = Some(match (self.work)(tx) {
            Ok(value) => Ok(value),
            Err(Failure::Own(error)) => Err(error),
            Err(Failure::Sql(error)) => return Err(error),
        });
        Ok(())
    }

    fn committed(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // The caller may have given up; what was done is in the file all the same.
            let _ = self.answer.send(outcome);
        }
    }

    fn failed(self: Box<Self>, error: QueueError) {
        let _ = self.answer.send(Err(error));
    }
}

/// The way to the writer thread.
pub(super) struct Writer {
    jobs: mpsc::UnboundedSender<Box<dyn Job>>,
}

impl Writer {
    /// Opens the file and starts its thread. The receiver of the pair resolves once the file is closed.
    pub(super) fn start(file: Database) -> Result<(Self, oneshot::Receiver<()>), OpenError> {
        let opened = file.open_first()?;
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (ended, end) = oneshot::channel();
        let path = file.path.clone();
        let store = Store::new(file, opened);
        thread::Builder::new()
            .name("queue-writer".into())
            .spawn(move || {
                store.serve(waiting);
                let _ = ended.send(());
            })
            .map_err(|error| OpenError::File {
                path,
                why: error.to_string(),
            })?;
        Ok((Self { jobs }, end))
    }

    /// Runs `work` in the next transaction and answers once it is on disk. `even_if_abandoned`: also when the
    /// caller has stopped waiting, because it tells what already happened outside.
    pub(super) async fn call<T, F>(
        &self,
        room: Reservation,
        even_if_abandoned: bool,
        work: F,
    ) -> Result<T, QueueError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let call = Call {
            work,
            outcome: None,
            answer,
            even_if_abandoned,
            room,
        };
        self.jobs.send(Box::new(call)).map_err(|_| closed())?;
        match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(QueueError::Unavailable(
                "the disk did not finish a write in time".into(),
            )),
        }
    }
}

pub(super) fn closed() -> QueueError {
    QueueError::Unavailable("the queue is closed".into())
}
