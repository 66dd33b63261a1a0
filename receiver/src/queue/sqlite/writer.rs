//! One thread owns the file. Whatever waits is committed in one transaction, and answered after it.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    counters::Counters,
    database::{Database, Opened, is_the_stores_fault},
    tx::{Failure, Tx},
};
use crate::queue::{OpenError, QueueError, backpressure::Reservation};
use crate::time::epoch_ms;

/// At most so many operations in one transaction.
const MAX_GROUP: usize = 512;

/// How long a caller waits for its answer. What comes later counts as unknown.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(950);

/// How often a file that failed is opened anew.
const REOPEN_INTERVAL: Duration = Duration::from_millis(200);

/// An operation that waits. It may run twice, so it must not consume what it works on.
trait Job: Send {
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
    _room: Reservation,
}

impl<T, F> Job for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Tx<'_>) -> Result<T, Failure> + Send,
{
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
        let store = Store {
            file,
            opened: Some(opened),
            broken: None,
            clock: 0,
        };
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
            _room: room,
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

struct Store {
    file: Database,
    opened: Option<Opened>,
    broken: Option<(Instant, QueueError)>,
    clock: i64,
}

impl Store {
    fn serve(mut self, mut waiting: mpsc::UnboundedReceiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        while waiting.blocking_recv_many(&mut group, MAX_GROUP) > 0 {
            group.retain(|job| !job.abandoned());
            self.commit(&mut group);
        }
        if let Some(opened) = &self.opened {
            empty(&opened.connection);
        }
    }

    /// Commits a group; a bad operation takes the others with it only if the store itself is at fault.
    fn commit(&mut self, group: &mut Vec<Box<dyn Job>>) {
        match self.transact(group) {
            Ok(()) => {
                for job in group.drain(..) {
                    job.committed();
                }
            }
            Err(Fault::Operation(_)) if group.len() > 1 => {
                for job in group.drain(..) {
                    self.commit(&mut vec![job]);
                }
            }
            Err(Fault::Operation(error) | Fault::Store(error)) => {
                group.drain(..).for_each(|job| job.failed(error.clone()));
            }
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        self.ensure_open().map_err(Fault::Store)?;
        let now = self.now();
        let Some(opened) = self.opened.as_mut() else {
            return Err(Fault::Store(closed()));
        };
        opened.index.begin();
        let Err(error) = transact(opened, now, group) else {
            opened.index.committed();
            return Ok(());
        };
        opened.index.rolled_back();
        let told = self.file.queue_error(&error);
        if !is_the_stores_fault(&error) {
            return Err(Fault::Operation(told));
        }
        self.opened = None;
        self.broken = Some((Instant::now(), told.clone()));
        Err(Fault::Store(told))
    }

    fn ensure_open(&mut self) -> Result<(), QueueError> {
        if self.opened.is_some() {
            return Ok(());
        }
        if let Some((since, error)) = &self.broken
            && since.elapsed() < REOPEN_INTERVAL
        {
            return Err(error.clone());
        }
        match self.file.open() {
            Ok(opened) => {
                self.opened = Some(opened);
                self.broken = None;
                Ok(())
            }
            Err(error) => {
                let error = QueueError::Unavailable(error.to_string());
                self.broken = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Milliseconds since the epoch; never earlier than before, so that leases keep their order when the
    /// system's clock is set back.
    fn now(&mut self) -> i64 {
        self.clock = self.clock.max(i64::try_from(epoch_ms()).unwrap_or(i64::MAX));
        self.clock
    }
}

enum Fault {
    Operation(QueueError),
    Store(QueueError),
}

fn transact(opened: &mut Opened, now: i64, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    // Dropped without a commit it is rolled back.
    let transaction = opened
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut tx = Tx {
        sql: &transaction,
        now,
        counters: Counters::default(),
        index: &mut opened.index,
        empty_log: false,
        max_pages: opened.max_pages,
    };
    for job in group {
        job.run(&mut tx)?;
    }
    tx.index_some()?;
    tx.flush_counters()?;
    let empty_log = tx.empty_log;
    transaction.commit()?;
    if empty_log {
        empty(&opened.connection);
    }
    Ok(())
}

/// Copies the write-ahead log into the file and empties it, so that leads that have left do not stay in it for as long
/// as it is not full.
fn empty(connection: &Connection) {
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = emptied {
        tracing::debug!(%error, "failed to truncate the write-ahead log; will retry");
    }
}
