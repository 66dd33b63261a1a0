//! The connection: one, shared, replaced by itself when it breaks, and when it is to be made otherwise.

use std::{future::Future, sync::Arc, time::Duration};

use redis::{Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

use super::keeper::Keeper;
use super::script::Script;
use crate::causes::is_untrusted;
use crate::queue::QueueError;

/// A caller has its answer, or an error, within this.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(900);

/// What there is of a connection.
#[derive(Clone)]
pub(super) enum State {
    /// Being made: worth waiting for.
    Connecting,
    /// There is one; the number tells it from its predecessors.
    Up(u64, MultiplexedConnection),
    /// The last attempt failed: why, in words.
    Down(Arc<str>),
}

/// The shared connection.
#[derive(Clone)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    broken: Arc<watch::Sender<u64>>,
    refused: Arc<Notify>,
}

impl Link {
    /// The link, and the task that keeps it up: with the newest of `clients`. `proven` tells the last that Redis took,
    /// and `refused` that it did not take the user name or password, or that the user lacks a permission.
    pub(super) fn new(
        clients: watch::Receiver<Client>,
        proven: watch::Sender<Option<Client>>,
        refused: Arc<Notify>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (publish, state) = watch::channel(State::Connecting);
        let (broken, reports) = watch::channel(0);
        let keeper = Keeper::new(clients, proven, Arc::clone(&refused), publish, reports);
        let link = Self {
            state,
            broken: Arc::new(broken),
            refused,
        };
        (link, keeper.keep_up())
    }

    /// Runs a script; loads it first if the server does not know it.
    pub(super) async fn run(&self, script: &Script, call: &Cmd) -> Result<Value, QueueError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        self.run_until(script, call, deadline)
            .await
            .map_err(Trouble::told)
    }

    /// Runs a script that may be repeated: once more, if the connection broke and there is time.
    pub(super) async fn run_repeatable(&self, script: &Script, call: &Cmd) -> Result<Value, QueueError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        match self.run_until(script, call, deadline).await {
            Err(Trouble::Broke(_)) => self.run_until(script, call, deadline).await,
            outcome => outcome,
        }
        .map_err(Trouble::told)
    }

    async fn run_until(&self, script: &Script, call: &Cmd, deadline: Instant) -> Result<Value, Trouble> {
        match self.send(call, deadline).await {
            Err(Trouble::NoScript) => {
                self.send(&script.load(), deadline).await?;
                self.send(call, deadline).await
            }
            outcome => outcome,
        }
    }

    /// Runs a plain command.
    pub(super) async fn query(&self, command: &Cmd) -> Result<Value, QueueError> {
        self.send(command, Instant::now() + ANSWER_TIMEOUT)
            .await
            .map_err(Trouble::told)
    }

    async fn send(&self, command: &Cmd, deadline: Instant) -> Result<Value, Trouble> {
        let (number, mut connection) = self.connection(deadline).await?;
        match timeout_at(deadline, command.query_async::<Value>(&mut connection)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.judge(number, &error)),
            Err(_) => {
                // Slow, or gone without a word: a new connection tells.
                self.suspect(number);
                Err(Trouble::Failed("Redis did not answer in time".into()))
            }
        }
    }

    async fn connection(&self, deadline: Instant) -> Result<(u64, MultiplexedConnection), Trouble> {
        let mut state = self.state.clone();
        // One that is known to be broken is being replaced: whoever repeats a call must not be given it again.
        let is_worth_waiting = |state: &State| match state {
            State::Connecting => true,
            State::Up(number, _) => *number <= *self.broken.borrow(),
            State::Down(_) => false,
        };
        let known = timeout_at(deadline, state.wait_for(|state| !is_worth_waiting(state))).await;
        match known {
            Ok(Ok(state)) => match &*state {
                State::Up(number, connection) => Ok((*number, connection.clone())),
                State::Down(why) => Err(Trouble::Failed(why.to_string())),
                State::Connecting => Err(Trouble::Failed("connecting to Redis".into())),
            },
            Ok(Err(_)) => Err(Trouble::Failed("the queue is closed".into())),
            Err(_) => Err(Trouble::Failed(
                "Redis cannot be reached: connecting timed out".into(),
            )),
        }
    }

    fn judge(&self, number: u64, error: &RedisError) -> Trouble {
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
            return Trouble::NoScript;
        }
        let broke = error.is_unrecoverable_error() || error.is_timeout();
        // A demoted primary: its name may lead to the new one by now. A connection that was signed out: a new one signs in.
        if broke
            || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
            || error.code() == Some("NOAUTH")
        {
            self.suspect(number);
        }
        if is_refusal(error) {
            self.refused.notify_one();
        }
        if broke {
            Trouble::Broke(in_words(error))
        } else {
            Trouble::Failed(in_words(error))
        }
    }

    /// Has the connection of this number replaced, unless that has happened.
    fn suspect(&self, number: u64) {
        self.broken.send_if_modified(|broken| {
            let news = number > *broken;
            *broken = number.max(*broken);
            news
        });
    }

    /// Has whatever connection there is replaced.
    pub(super) fn suspect_current(&self) {
        let number = match &*self.state.borrow() {
            State::Up(number, _) => *number,
            State::Connecting | State::Down(_) => return,
        };
        self.suspect(number);
    }
}

/// Why a command failed.
enum Trouble {
    /// The server has forgotten the script.
    NoScript,
    /// The connection broke: whether the command was carried out is unknown.
    Broke(String),
    /// Refused, or given up.
    Failed(String),
}

impl Trouble {
    fn told(self) -> QueueError {
        QueueError::Unavailable(match self {
            Self::NoScript => "Redis does not keep scripts".into(),
            Self::Broke(why) | Self::Failed(why) => why,
        })
    }
}

/// Whether Redis did not take the user name or password, or the user lacks a permission.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        || error.kind() == ErrorKind::AuthenticationFailed
}

/// What an error of Redis means, and what to do about it.
pub(super) fn in_words(error: &RedisError) -> String {
    let meaning = match error.code() {
        Some("LOADING") => "Redis is still loading its data",
        Some("READONLY") => "this Redis is a replica and takes no writes: use the address of the primary",
        Some("MISCONF") => "Redis cannot write to its disk: see its log, free or repair the volume",
        Some("OOM") => "Redis is out of memory: raise maxmemory, or let deliveries catch up",
        Some("NOREPLICAS") => "Redis has too few reachable replicas (min-replicas-to-write)",
        Some("NOAUTH" | "WRONGPASS") => "Redis refused the user name or password",
        Some("NOPERM") => "the Redis user lacks a permission: see the required permissions",
        Some("MASTERDOWN") => "this Redis is a replica that has lost its primary",
        Some("BUSY") => "Redis is busy with a long script",
        Some("MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT") => {
            "this Redis is a cluster, which is not supported yet: use one that is not"
        }
        _ if error.kind() == ErrorKind::AuthenticationFailed => "Redis refused the user name or password",
        _ if is_untrusted(error) => {
            "the certificate of Redis is not trusted: correct it or the address, or start the receiver with --outbound-ca \
             and the authority that signed it"
        }
        _ if error.is_connection_refusal() => "Redis cannot be reached: it refuses connections",
        _ if error.is_timeout() => "Redis did not answer in time",
        _ if error.is_connection_dropped() => "the connection to Redis broke",
        _ => return format!("Redis: {error}"),
    };
    meaning.to_owned()
}
