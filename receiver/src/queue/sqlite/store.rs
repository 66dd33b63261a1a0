//! The open file: transactions, and what is done when the disk is full or the file is taken away.

use std::time::{Duration, Instant};

use rusqlite::TransactionBehavior;
use tokio::sync::mpsc;

use super::{
    counters::Counters,
    database::{Database, Opened, beside, empty, is_full, is_the_stores_fault},
    place::Whereabouts,
    prune,
    tx::Tx,
    writer::{Job, closed},
};
use crate::queue::QueueError;
use crate::time::epoch_ms;

/// At most so many operations in one transaction.
const MAX_GROUP: usize = 512;

/// How often a file that failed is opened anew.
const REOPEN_INTERVAL: Duration = Duration::from_millis(200);

/// How often a full disk is looked at, and a file that was taken away is written again.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

/// Steps towards more room in one look; each is a short transaction.
const MAX_STEPS: usize = 16;

pub(super) struct Store {
    file: Database,
    opened: Option<Opened>,
    broken: Option<(Instant, QueueError)>,
    clock: i64,
    /// Whether there is a reserve, or the disk is full.
    reserved: bool,
    /// When room was last looked for.
    looked: Option<Instant>,
    /// Why the file is not where a restart would find it.
    astray: Option<QueueError>,
    /// It lives beside the one that took its place.
    replaced: bool,
    /// When it was last tried to write the file again.
    rewritten: Option<Instant>,
}

enum Fault {
    Operation(QueueError),
    /// The disk is full.
    Full(QueueError),
    Store(QueueError),
}

impl Store {
    pub(super) fn new(file: Database, opened: Opened) -> Self {
        Self {
            reserved: file.reserve.keep(),
            file,
            opened: Some(opened),
            broken: None,
            clock: 0,
            looked: None,
            astray: None,
            replaced: false,
            rewritten: None,
        }
    }

    /// Commits what comes until nobody is left to send.
    pub(super) fn serve(mut self, mut waiting: mpsc::UnboundedReceiver<Box<dyn Job>>) {
        let mut waits = Vec::with_capacity(MAX_GROUP);
        while waiting.blocking_recv_many(&mut waits, MAX_GROUP) > 0 {
            waits.retain(|job| !job.abandoned());
            while !waits.is_empty() {
                let together = self.together(&waits);
                self.commit(&mut waits.drain(..together).collect());
            }
        }
        self.rewritten = None;
        self.keep_place();
        self.empty_log();
    }

    /// How many of these go in one transaction: what it writes must fit the reserve.
    fn together(&self, jobs: &[Box<dyn Job>]) -> usize {
        let most = usize::try_from(self.step()).unwrap_or(usize::MAX);
        let (mut count, mut bytes) = (0, 0);
        for job in jobs {
            count += 1;
            bytes += job.bytes();
            if bytes >= most {
                break;
            }
        }
        count
    }

    /// Bytes that one transaction may add, about.
    fn step(&self) -> u64 {
        (self.file.reserve.bytes() / 16).max(1)
    }

    /// Commits a group; a bad operation takes the others with it only if the store itself is at fault.
    fn commit(&mut self, group: &mut Vec<Box<dyn Job>>) {
        match self.transact(group) {
            Ok(()) => {
                for job in group.drain(..) {
                    job.committed();
                }
            }
            Err(Fault::Operation(_) | Fault::Full(_)) if group.len() > 1 => {
                for job in group.drain(..) {
                    self.commit(&mut vec![job]);
                }
            }
            Err(Fault::Operation(error) | Fault::Full(error) | Fault::Store(error)) => {
                group.drain(..).for_each(|job| job.failed(error.clone()));
            }
        }
    }

    fn transact(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        self.ensure_open().map_err(Fault::Store)?;
        self.keep_place();
        self.keep_room();
        let mut work = |tx: &mut Tx<'_>| group.iter_mut().try_for_each(|job| job.run(tx));
        let mut done = self.run(&mut work);
        if matches!(done, Err(Fault::Full(_))) && self.make_room() {
            done = self.run(&mut work);
        }
        // Before anybody is told: the file may have gone meanwhile.
        self.keep_place();
        done
    }

    /// One transaction. Dropped without a commit it is rolled back.
    fn run(&mut self, work: &mut dyn FnMut(&mut Tx<'_>) -> rusqlite::Result<()>) -> Result<(), Fault> {
        let (now, refuses) = (self.now(), self.refuses());
        let Some(opened) = self.opened.as_mut() else {
            return Err(Fault::Store(closed()));
        };
        opened.index.begin();
        let Err(error) = transact(opened, now, refuses, work) else {
            opened.index.committed();
            return Ok(());
        };
        opened.index.rolled_back();
        let told = self.file.queue_error(&error);
        // A file that has a limit of its own is full before the disk is.
        if is_full(&error) && opened.max_pages.is_none() {
            return Err(Fault::Full(told));
        }
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

    /// Why nothing may come in.
    fn refuses(&self) -> Option<QueueError> {
        let full = || {
            let path = self.file.path.display();
            QueueError::Unavailable(format!(
                "{path}: the disk is full: new leads are refused until there is room; deliveries continue"
            ))
        };
        self.astray.clone().or_else(|| (!self.reserved).then(full))
    }

    /// The disk is full: gives the reserve away, so that leads can leave. `false`: there was none.
    fn make_room(&mut self) -> bool {
        if !self.reserved {
            return false;
        }
        self.file.reserve.remove();
        self.reserved = false;
        self.look_for_room();
        if !self.reserved {
            tracing::warn!(
                "the queue's disk is full, new leads are refused until there is room; deliveries continue"
            );
        }
        true
    }

    /// Lets leads in again once the disk has room for them and the reserve.
    fn keep_room(&mut self) {
        if self.reserved || !due(self.looked) {
            return;
        }
        self.look_for_room();
        if self.reserved {
            tracing::info!("the queue's disk has room again, new leads are accepted");
        }
    }

    /// Gives what can be spared back to the disk, a little at a time, and makes the reserve again.
    fn look_for_room(&mut self) {
        self.looked = Some(Instant::now());
        self.empty_log();
        let step = self.step();
        for _ in 0..MAX_STEPS {
            self.reserved = self.file.reserve.keep();
            let mut more = false;
            if self.reserved
                || self
                    .run(&mut |tx| prune::make_room(tx, step).map(|found| more = found))
                    .is_err()
            {
                return;
            }
            self.empty_log();
            if !more {
                break;
            }
        }
        self.reserved = self.file.reserve.keep();
    }

    fn empty_log(&self) {
        if let Some(opened) = &self.opened
            && let Err(error) = empty(&opened.connection)
        {
            tracing::debug!(%error, "failed to truncate the write-ahead log; will retry");
        }
    }

    /// Nothing is acknowledged that a restart would not find: a file that was taken away is written again.
    fn keep_place(&mut self) {
        let Some(opened) = &self.opened else { return };
        let at = opened.place.whereabouts(&self.file.path);
        if at == Whereabouts::InPlace && !self.replaced && self.astray.take().is_some() {
            tracing::info!("the queue file is in its place again; leads are accepted");
        }
        if at == Whereabouts::InPlace || !due(self.rewritten) {
            return;
        }
        let began = Instant::now();
        let path = self.file.path.display().to_string();
        let news = self.astray.is_none();
        let written = self.write_again(at);
        // A copy that takes long is not made without pause.
        self.rewritten = Some(Instant::now() + began.elapsed() * 9);
        match written {
            Ok(()) if self.replaced => {
                let why = format!(
                    "the queue file {path} was replaced while in use: its leads are delivered from {}, and new ones are \
                     refused; stop the receiver, put the right file at {path}, and start it",
                    self.file.path.display()
                );
                tracing::error!("{why}");
                self.astray = Some(QueueError::Unavailable(why));
            }
            Ok(()) => {
                tracing::error!(
                    "the queue file {path} was removed while in use; it was written again with all that it held"
                );
                self.astray = None;
            }
            Err(error) => {
                let why = format!(
                    "the queue file {path} was removed or replaced while in use, and cannot be written again: {error}; \
                     new leads are refused, and those that wait are lost if the receiver stops before they are delivered"
                );
                if news {
                    tracing::error!("{why}");
                }
                self.astray = Some(QueueError::Unavailable(why));
            }
        }
    }

    fn write_again(&mut self, at: Whereabouts) -> Result<(), String> {
        let Some(opened) = &self.opened else { return Ok(()) };
        if at == Whereabouts::LogMissing {
            empty(&opened.connection).map_err(|error| error.to_string())?;
        } else {
            let to = match at {
                Whereabouts::Replaced => beside(&self.file.path, &format!("-rescued-{}", epoch_ms())),
                _ => self.file.path.clone(),
            };
            Database::write_again(&opened.connection, &to)?;
            self.file.path = to;
            self.replaced |= at == Whereabouts::Replaced;
        }
        // SQLite leaves files alone that are not its own.
        self.opened = None;
        self.reserved = self.file.reserve.keep();
        self.opened = Some(self.file.open().map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Milliseconds since the epoch; never earlier than before, so that leases keep their order when the
    /// system's clock is set back.
    fn now(&mut self) -> i64 {
        self.clock = self.clock.max(i64::try_from(epoch_ms()).unwrap_or(i64::MAX));
        self.clock
    }
}

fn due(last: Option<Instant>) -> bool {
    last.is_none_or(|at| at.elapsed() >= REPAIR_INTERVAL)
}

fn transact(
    opened: &mut Opened,
    now: i64,
    refuses: Option<QueueError>,
    work: &mut dyn FnMut(&mut Tx<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
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
        refuses,
    };
    work(&mut tx)?;
    tx.index_some()?;
    tx.flush_counters()?;
    let empty_log = tx.empty_log;
    transaction.commit()?;
    if empty_log && let Err(error) = empty(&opened.connection) {
        tracing::debug!(%error, "failed to truncate the write-ahead log; will retry");
    }
    Ok(())
}
