//! Keeps the connection up.
//!
//! The client may change at any time: another password, other authorities. Then a new connection is made beside the old
//! one, and takes its place once Redis has let it in; what is under way on the old one is finished there. A password
//! changes on both sides, in either order: until Redis takes the new one, the one that it took before is as good.
//!
//! Where sentinels, or the nodes of a cluster, name the primary, they are asked before each connection, and again when
//! something tells of another primary. A server that does not call itself the primary is not used.

use std::{pin::pin, sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    access::Target,
    connection::{ANSWER_TIMEOUT, Connected, Primary, State, in_words, is_refusal},
    sentinel::{Address, Failed},
    server_info::ServerInfo,
};
use crate::queue::ledger::{LedgerKey, is_another};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);

/// Between attempts to connect.
const FIRST_RETRY_AFTER: Duration = Duration::from_millis(50);
const MAX_RETRY_AFTER: Duration = Duration::from_millis(800);

/// How often the newest client is tried while Redis takes an older one only.
const NEWEST_RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long callers wait for a look at where the password comes from, before they are told that it was refused.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// How this version writes leads, and all that belongs to them, into Redis.
const FORMAT: &str = "2";

/// What a store says of how it is written.
pub(super) struct Marks {
    /// The names of the keys.
    pub(super) format: String,
    pub(super) ledger_key: String,
    pub(super) shards: String,
    /// How many shards the queue has.
    pub(super) count: u16,
    /// The ledger key itself.
    pub(super) key: Option<LedgerKey>,
}

/// The task that keeps the connection up.
pub(super) struct Keeper {
    targets: watch::Receiver<Target>,
    proven: watch::Sender<Option<Proven>>,
    refused: Arc<Notify>,
    look: Arc<Notify>,
    state: watch::Sender<State>,
    broken: watch::Receiver<u64>,
    acknowledge: u32,
    marks: Marks,
    number: u64,
    /// The primary that was named last, and how often it was another one than before.
    named: Option<Address>,
    changes: u64,
    pause: Duration,
}

/// What led to a connection last.
#[derive(Clone)]
pub(super) struct Proven {
    target: Target,
    /// The server that let us in.
    pub(super) server: Client,
}

/// A connection that nobody uses yet.
struct Fresh {
    proven: Proven,
    primary: Option<Primary>,
    shared: MultiplexedConnection,
    accepts: MultiplexedConnection,
    waits_for_disks: bool,
}

/// How the connection stands.
#[derive(PartialEq)]
enum Standing {
    /// By the newest client.
    Newest,
    /// By one that Redis took before.
    Former,
    /// There is none.
    None,
}

impl Keeper {
    pub(super) fn new(
        targets: watch::Receiver<Target>,
        proven: watch::Sender<Option<Proven>>,
        [refused, look]: [Arc<Notify>; 2],
        state: watch::Sender<State>,
        broken: watch::Receiver<u64>,
        acknowledge: u32,
        marks: Marks,
    ) -> Self {
        Self {
            targets,
            proven,
            refused,
            look,
            state,
            broken,
            acknowledge,
            marks,
            number: 0,
            named: None,
            changes: 0,
            pause: FIRST_RETRY_AFTER,
        }
    }

    pub(super) async fn keep_up(mut self) {
        // The last refusal was told, and nothing came of it.
        let mut looked = false;
        while !self.state.is_closed() {
            let target = self.targets.borrow_and_update().clone();
            let standing = match self.connect(&target).await {
                Ok(fresh) => {
                    looked = false;
                    self.take(fresh);
                    Standing::Newest
                }
                Err(failed) => {
                    tracing::debug!(why = %failed.why, "no connection to Redis");
                    if failed.is_refusal {
                        self.refused.notify_one();
                    }
                    if self.is_up() || self.reconnect(&failed).await {
                        Standing::Former
                    } else {
                        if failed.is_refusal && !looked {
                            looked = true;
                            if matches!(timeout(LOOK_TIME, self.targets.changed()).await, Ok(Ok(()))) {
                                continue;
                            }
                        }
                        self.state.send_replace(State::Down(failed.why.into()));
                        Standing::None
                    }
                }
            };
            if !self.wait(&standing).await {
                return;
            }
        }
    }

    async fn connect(&self, target: &Target) -> Result<Fresh, Failed> {
        let primary = target.primary().await?;
        let server = match (target, &primary) {
            (Target::Direct(client), _) => Ok(Client::clone(client)),
            (_, Some((host, port))) => target.server(host, *port),
            (_, None) => return Err(plainly("the primary is not known")),
        };
        let server = server.map_err(|error| plainly(&error.to_string()))?;
        let primary = primary.map(|address| Primary {
            named_by: target.clone(),
            address,
        });
        // The time-out of the library does not cover everything (looking up the name, greeting).
        let connecting = self.connect_to(&server, primary.is_some());
        let (shared, accepts, waits_for_disks) = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| plainly("Redis cannot be reached: connecting timed out"))??;
        Ok(Fresh {
            proven: Proven {
                target: target.clone(),
                server,
            },
            primary,
            shared,
            accepts,
            waits_for_disks,
        })
    }

    /// The connection for everything, the one for accepts, and whether those can wait for disks.
    async fn connect_to(
        &self,
        server: &Client,
        must_be_primary: bool,
    ) -> Result<(MultiplexedConnection, MultiplexedConnection, bool), Failed> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT));
        // The default of 500 ms makes a slow disk look like a failure.
        let prompt = config.clone().set_response_timeout(Some(ANSWER_TIMEOUT));
        let shared = server
            .get_multiplexed_async_connection_with_config(&prompt)
            .await
            .map_err(|error| of(&error))?;
        let info = match ServerInfo::ask(&mut shared.clone()).await {
            Ok(info) => info,
            // What needs no sentinels works without this permission too.
            Err(error) if is_refusal(&error) && !must_be_primary => ServerInfo::default(),
            Err(error) => return Err(of(&error)),
        };
        if info.is_sentinel() {
            return Err(plainly(
                "this address is a sentinel's, which keeps no leads: write redis+sentinel://HOST:PORT/PRIMARY-NAME",
            ));
        }
        if must_be_primary && !info.is_primary() {
            return Err(plainly(
                "the server that is named as the primary does not call itself so: if this lasts, see the logs of the sentinels, \
                 or of the nodes of the cluster",
            ));
        }
        self.check_marks(&mut shared.clone()).await?;
        let accepts = if self.acknowledge > 0 {
            // Whoever waits for replicas holds up what is sent behind, and says how long to wait.
            server
                .get_multiplexed_async_connection_with_config(&config.set_response_timeout(None))
                .await
                .map_err(|error| of(&error))?
        } else {
            shared.clone()
        };
        Ok((shared, accepts, info.can_wait_for_disks()))
    }

    /// Another version of Leadgate may write leads in another way: neither may touch what the other one wrote. With another
    /// ledger key, people and submissions would not be recognised.
    async fn check_marks(&self, connection: &mut MultiplexedConnection) -> Result<(), Failed> {
        let Marks {
            format,
            ledger_key,
            shards,
            count,
            key,
        } = &self.marks;
        let other = |found: &str| {
            let found: String = found.chars().filter(char::is_ascii_digit).take(9).collect();
            (found != FORMAT).then(|| {
                format!(
                    "the leads in this Redis were written by another version of Leadgate (format {found}, this one knows \
                     {FORMAT}): run that version, or use another --queue-prefix"
                )
            })
        };
        is_marked(connection, format, Some(FORMAT), other).await?;
        let other = |found: &str| {
            let found: String = found.chars().filter(char::is_ascii_digit).take(5).collect();
            (found != count.to_string()).then(|| {
                format!(
                    "the queue in this Redis has {found} shards, and this receiver is set to {count}: set --queue-shards \
                     (spec.queue.redis.shards) to {found}, or use another --queue-prefix"
                )
            })
        };
        is_marked(connection, shards, Some(&count.to_string()), other).await?;
        let own = key.as_ref().map(LedgerKey::mark);
        let other = |found: &str| {
            let why = is_another(key.as_ref(), found)?;
            Some(format!(
                "this Redis cannot be used: {why}. If it is lost: DEL {ledger_key} lets receivers start without what it hid"
            ))
        };
        is_marked(connection, ledger_key, own.as_deref(), other).await
    }

    /// By what Redis took last, if the newest was refused.
    async fn reconnect(&mut self, failed: &Failed) -> bool {
        let Some(former) = self.proven.borrow().clone().filter(|_| failed.is_refusal) else {
            return false;
        };
        match self.connect(&former.target).await {
            Ok(fresh) => {
                self.take(fresh);
                true
            }
            Err(_) => false,
        }
    }

    fn take(&mut self, fresh: Fresh) {
        self.number += 1;
        self.pause = FIRST_RETRY_AFTER;
        let named = fresh.primary.as_ref().map(|primary| primary.address.clone());
        if self.named.is_some() && named != self.named {
            self.changes += 1;
        }
        self.named = named;
        self.state.send_replace(State::Up(Connected {
            number: self.number,
            changes: self.changes,
            shared: fresh.shared,
            accepts: fresh.accepts,
            waits_for_disks: fresh.waits_for_disks,
            primary: fresh.primary,
            gone: CancellationToken::new(),
        }));
        self.proven.send_replace(Some(fresh.proven));
    }

    fn is_up(&self) -> bool {
        matches!(*self.state.borrow(), State::Up(..))
    }

    /// Until it is worth connecting (again); `false`: never.
    async fn wait(&mut self, standing: &Standing) -> bool {
        let number = self.number;
        let later = match standing {
            Standing::Newest => None,
            Standing::Former => Some(NEWEST_RETRY_AFTER),
            Standing::None => {
                let pause = self.pause;
                self.pause = (pause * 2).min(MAX_RETRY_AFTER);
                Some(pause)
            }
        };
        let mut again = pin!(async {
            match later {
                Some(later) => sleep(later).await,
                None => std::future::pending().await,
            }
        });
        loop {
            tokio::select! {
                is_open = is_broken(&mut self.broken, number), if *standing != Standing::None => if !is_open {
                    return false;
                },
                changed = self.targets.changed() => return changed.is_ok(),
                () = &mut again => return true,
                () = self.look.notified() => if *standing != Standing::None && !self.has_moved().await {
                    continue;
                },
            }
            self.give_up();
            return true;
        }
    }

    /// Whether primary than the one in use is named. While none is, it stays in use.
    async fn has_moved(&self) -> bool {
        let primary = match &*self.state.borrow() {
            State::Up(connected) => connected.primary.clone(),
            _ => None,
        };
        let Some(Primary { named_by, address }) = primary else {
            return false;
        };
        named_by.primary().await.is_ok_and(|now| now != Some(address))
    }

    /// Ends the use of a connection: what is under way on it may never be answered.
    fn give_up(&self) {
        if let State::Up(connected) = self.state.send_replace(State::Connecting) {
            connected.gone.cancel();
        }
    }
}

/// Waits until the connection of this number is reported broken; `false`: nobody is left to report it.
async fn is_broken(reports: &mut watch::Receiver<u64>, number: u64) -> bool {
    reports.wait_for(|broken| *broken >= number).await.is_ok()
}

/// Whether a key says what it should, as `other` judges; one that does not exist is made.
async fn is_marked(
    connection: &mut MultiplexedConnection,
    key: &str,
    own: Option<&str>,
    other: impl Fn(&str) -> Option<String>,
) -> Result<(), Failed> {
    let get = redis::cmd("GET").arg(key).to_owned();
    // Whatever is in the way is told by what comes next.
    let Ok(found) = get.query_async::<Option<String>>(connection).await else {
        return Ok(());
    };
    match (found, own) {
        (Some(found), _) => other(&found).map_or(Ok(()), |why| Err(plainly(&why))),
        (None, None) => Ok(()),
        (None, Some(own)) => {
            let set = redis::cmd("SET").arg(key).arg(own).arg("NX").to_owned();
            // A full Redis gives out leads, too.
            let _ = set.query_async::<redis::Value>(connection).await;
            Ok(())
        }
    }
}

fn of(error: &RedisError) -> Failed {
    Failed {
        why: in_words(error),
        is_refusal: is_refusal(error),
    }
}

fn plainly(why: &str) -> Failed {
    Failed {
        why: why.to_owned(),
        is_refusal: false,
    }
}
