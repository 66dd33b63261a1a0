//! The connection: one, shared, replaced by itself when it breaks, when it is to be made otherwise, and when sentinels
//! name another primary.

use std::{future::Future, sync::Arc, time::Duration};

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::access::Target;
use super::keeper::{Keeper, Marks, Proven};
use super::script::Script;
use super::sentinel::Address;
use crate::causes::is_untrusted;
use crate::queue::QueueError;

/// A caller has its answer, or an error, within this.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(900);

/// What there is of a connection.
#[derive(Clone)]
pub(super) enum State {
    /// Being made: worth waiting for.
    Connecting,
    /// There is one.
    Up(Connected),
    /// The last attempt failed: why, in words.
    Down(Arc<str>),
}

/// A connection to the primary.
#[derive(Clone)]
pub(super) struct Connected {
    /// Tells it from its predecessors.
    pub(super) number: u64,
    /// How often the primary before it was another one.
    pub(super) changes: u64,
    pub(super) shared: MultiplexedConnection,
    /// The same, unless accepts wait for replicas.
    pub(super) accepts: MultiplexedConnection,
    /// The server has `WAITAOF` and a file.
    pub(super) waits_for_disks: bool,
    /// Where the sentinels, or the nodes of the cluster, said that it is.
    pub(super) primary: Option<Primary>,
    /// Cancelled when it is given up.
    pub(super) gone: CancellationToken,
}

/// The primary that sentinels, or the nodes of a cluster, named.
#[derive(Clone)]
pub(super) struct Primary {
    pub(super) named_by: Target,
    pub(super) address: Address,
}

/// The shared connection.
#[derive(Clone)]
pub(super) struct Link {
    state: watch::Receiver<State>,
    broken: Arc<watch::Sender<u64>>,
    refused: Arc<Notify>,
    look: Arc<Notify>,
}

impl Link {
    /// The link, and the task that keeps it up: to the newest of `targets`. `proven` tells the last that let us in, and
    /// `refused` that it did not take the user name or password, or that the user lacks a permission. With `acknowledge`,
    /// accepts have a connection of their own. `format_key` says how leads are written.
    pub(super) fn new(
        targets: watch::Receiver<Target>,
        proven: watch::Sender<Option<Proven>>,
        refused: Arc<Notify>,
        acknowledge: u32,
        marks: Marks,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (publish, state) = watch::channel(State::Connecting);
        let (broken, reports) = watch::channel(0);
        let look = Arc::new(Notify::new());
        let signals = [Arc::clone(&refused), Arc::clone(&look)];
        let keeper = Keeper::new(targets, proven, signals, publish, reports, acknowledge, marks);
        let link = Self {
            state,
            broken: Arc::new(broken),
            refused,
            look,
        };
        (link, keeper.keep_up())
    }

    /// How often sentinels, or the nodes of a cluster, have led to another primary.
    pub(super) fn primary_changes(&self) -> u64 {
        match &*self.state.borrow() {
            State::Up(connected) => connected.changes,
            State::Connecting | State::Down(_) => 0,
        }
    }

    /// Has the sentinels, or the nodes of the cluster, asked whether the primary is still the one in use.
    pub(super) fn look(&self) {
        self.look.notify_one();
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
        let mut connected = self.connected(deadline).await?;
        match timeout_at(deadline, command.query_async::<Value>(&mut connected.shared)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.judge(connected.number, &error)),
            Err(_) => Err(self.late(connected.number)),
        }
    }

    /// The connection itself, for commands that are asked for in vain sometimes.
    pub(super) async fn shared(&self) -> Result<MultiplexedConnection, QueueError> {
        let connected = self.connected(Instant::now() + ANSWER_TIMEOUT).await;
        connected.map(|connected| connected.shared).map_err(Trouble::told)
    }

    /// Slow, or gone without a word: a new connection tells.
    pub(super) fn late(&self, number: u64) -> Trouble {
        self.suspect(number);
        Trouble::Later("Redis did not answer in time".into())
    }

    /// The connection, as soon as it is known whether there is one.
    async fn connected(&self, deadline: Instant) -> Result<Connected, Trouble> {
        let mut state = self.state.clone();
        // One that is known to be broken is being replaced: whoever repeats a call must not be given it again.
        let is_worth_waiting = |state: &State| match state {
            State::Connecting => true,
            State::Up(connected) => connected.number <= *self.broken.borrow(),
            State::Down(_) => false,
        };
        let known = timeout_at(deadline, state.wait_for(|state| !is_worth_waiting(state))).await;
        match known {
            Ok(Ok(state)) => match &*state {
                State::Up(connected) => Ok(connected.clone()),
                State::Down(why) => Err(Trouble::Later(why.to_string())),
                State::Connecting => Err(Trouble::Later("connecting to Redis".into())),
            },
            Ok(Err(_)) => Err(Trouble::Failed("the queue is closed".into())),
            Err(_) => Err(Trouble::Later(
                "Redis cannot be reached: connecting timed out".into(),
            )),
        }
    }

    /// The connection, for whoever can wait until there is one.
    pub(super) async fn connected_at_last(&self, deadline: Instant) -> Result<Connected, Trouble> {
        let mut state = self.state.clone();
        loop {
            state.mark_unchanged();
            let trouble = match self.connected(deadline).await {
                Err(Trouble::Later(why)) => Trouble::Later(why),
                outcome => return outcome,
            };
            if !matches!(timeout_at(deadline, state.changed()).await, Ok(Ok(()))) {
                return Err(trouble);
            }
        }
    }

    /// Why there is no connection, if there is none.
    pub(super) fn is_down(&self) -> Option<Arc<str>> {
        match &*self.state.borrow() {
            State::Down(why) => Some(Arc::clone(why)),
            State::Connecting | State::Up(_) => None,
        }
    }

    /// Has the sentinels, or the nodes of the cluster, confirm that this is a connection to the primary.
    pub(super) async fn confirm(&self, connected: &Connected) -> Result<(), Trouble> {
        let Some(Primary { named_by, address }) = &connected.primary else {
            return Ok(());
        };
        match named_by.primary().await {
            Ok(now) if now.as_ref() == Some(address) => Ok(()),
            Ok(_) => {
                self.suspect(connected.number);
                Err(Trouble::Broke("another server has become the primary".into()))
            }
            Err(failed) => Err(Trouble::Later(failed.why)),
        }
    }

    pub(super) fn judge(&self, number: u64, error: &RedisError) -> Trouble {
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
            return Trouble::NoScript;
        }
        let broke = error.is_unrecoverable_error() || error.is_timeout();
        let meaning = Meaning::of(error);
        if broke || meaning == Meaning::OtherServer {
            self.suspect(number);
        }
        if is_refusal(error) {
            self.refused.notify_one();
        }
        if error.code() == Some("CLUSTERDOWN") {
            // The others may have gone on without this one.
            self.look();
        }
        match meaning {
            _ if broke => Trouble::Broke(in_words(error)),
            Meaning::OtherServer | Meaning::Passing => Trouble::Later(in_words(error)),
            Meaning::Refused => Trouble::Failed(in_words(error)),
        }
    }

    /// Has the connection of this number replaced, unless that has happened.
    pub(super) fn suspect(&self, number: u64) {
        self.broken.send_if_modified(|broken| {
            let news = number > *broken;
            *broken = number.max(*broken);
            news
        });
    }

    /// Has whatever connection there is replaced.
    pub(super) fn suspect_current(&self) {
        let number = match &*self.state.borrow() {
            State::Up(connected) => connected.number,
            State::Connecting | State::Down(_) => return,
        };
        self.suspect(number);
    }
}

/// Why a command failed.
pub(super) enum Trouble {
    /// The server has forgotten the script.
    NoScript,
    /// The connection broke: whether the command was carried out is unknown.
    Broke(String),
    /// It may pass within seconds: a server that starts, a primary that is being replaced.
    Later(String),
    /// Refused, or given up.
    Failed(String),
}

impl Trouble {
    pub(super) fn told(self) -> QueueError {
        QueueError::Unavailable(match self {
            Self::NoScript => "Redis does not keep scripts".into(),
            Self::Broke(why) | Self::Later(why) | Self::Failed(why) => why,
        })
    }
}

/// What an error says about trying again.
#[derive(PartialEq)]
enum Meaning {
    /// On a new connection: another server may be the primary by now, or the connection was signed out.
    OtherServer,
    /// After a while.
    Passing,
    /// Not before somebody has done something.
    Refused,
}

impl Meaning {
    fn of(error: &RedisError) -> Self {
        match error.code() {
            Some("READONLY" | "MASTERDOWN" | "UNBLOCKED" | "NOAUTH" | "MOVED") => Self::OtherServer,
            Some("LOADING" | "NOREPLICAS" | "BUSY" | "TRYAGAIN" | "ASK" | "CLUSTERDOWN") => Self::Passing,
            _ => Self::Refused,
        }
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
        Some("READONLY") => {
            "this Redis is a replica and takes no writes: use the address of the primary, or redis+sentinel:// and the \
             addresses of the sentinels"
        }
        Some("UNBLOCKED") => "this Redis has become a replica",
        Some("MISCONF") => "Redis cannot write to its disk: see its log, free or repair the volume",
        Some("OOM") => "Redis is out of memory: raise maxmemory, or let deliveries catch up",
        Some("NOREPLICAS") => "Redis has too few reachable replicas (min-replicas-to-write)",
        Some("NOAUTH" | "WRONGPASS") => "Redis refused the user name or password",
        Some("NOPERM") => "the Redis user lacks a permission: see the required permissions",
        Some("MASTERDOWN") => "this Redis is a replica that has lost its primary",
        Some("BUSY") => "Redis is busy with a long script",
        Some("MOVED") => {
            "another node of the Redis Cluster has this queue: write redis+cluster:// in the queue URL, unless it stands there"
        }
        Some("ASK" | "TRYAGAIN") => {
            "the hash slot of this queue is being moved to another node of the Redis Cluster: the queue waits until it is there"
        }
        Some("CLUSTERDOWN") => {
            "the Redis Cluster is down, or this node is cut off from the others: see CLUSTER INFO, and the logs of its nodes"
        }
        _ if error.kind() == ErrorKind::AuthenticationFailed => "Redis refused the user name or password",
        _ if is_untrusted(error) => {
            "the certificate of Redis is not trusted: correct it or the address, or start the receiver with --queue-ca \
             (or --outbound-ca) and the authority that signed it"
        }
        _ if error.is_connection_refusal() => "Redis cannot be reached: it refuses connections",
        _ if error.is_timeout() => "Redis did not answer in time",
        _ if error.is_connection_dropped() => "the connection to Redis broke",
        _ => return format!("Redis: {error}"),
    };
    meaning.to_owned()
}
