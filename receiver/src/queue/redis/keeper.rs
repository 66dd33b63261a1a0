//! Keeps the connection up.
//!
//! The client may change at any time: another password, other authorities. Then a new connection is made beside the old
//! one, and takes its place once Redis has let it in; what is under way on the old one is finished there. A password
//! changes on both sides, in either order: until Redis takes the new one, the one that it took before is as good.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::connection::{ANSWER_TIMEOUT, State, in_words, is_refusal};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);

/// Between attempts to connect.
const FIRST_RETRY_AFTER: Duration = Duration::from_millis(50);
const MAX_RETRY_AFTER: Duration = Duration::from_millis(800);

/// How often the newest client is tried while Redis takes an older one only.
const NEWEST_RETRY_AFTER: Duration = Duration::from_secs(2);

/// How long callers wait for a look at where the password comes from, before they are told that it was refused.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// The task that keeps the connection up.
pub(super) struct Keeper {
    clients: watch::Receiver<Client>,
    proven: watch::Sender<Option<Client>>,
    refused: Arc<Notify>,
    state: watch::Sender<State>,
    broken: watch::Receiver<u64>,
    number: u64,
    pause: Duration,
}

/// Why there is no connection.
struct Failed {
    why: String,
    is_refusal: bool,
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
        clients: watch::Receiver<Client>,
        proven: watch::Sender<Option<Client>>,
        refused: Arc<Notify>,
        state: watch::Sender<State>,
        broken: watch::Receiver<u64>,
    ) -> Self {
        Self {
            clients,
            proven,
            refused,
            state,
            broken,
            number: 0,
            pause: FIRST_RETRY_AFTER,
        }
    }

    pub(super) async fn keep_up(mut self) {
        // The last refusal was told, and nothing came of it.
        let mut looked = false;
        while !self.state.is_closed() {
            let client = self.clients.borrow_and_update().clone();
            let standing = match self.connect(&client).await {
                Ok(connection) => {
                    looked = false;
                    self.take(connection);
                    self.proven.send_replace(Some(client));
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
                            if matches!(timeout(LOOK_TIME, self.clients.changed()).await, Ok(Ok(()))) {
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

    async fn connect(&self, client: &Client) -> Result<MultiplexedConnection, Failed> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            // Its default of 500 ms makes a slow disk look like a failure.
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        // The time-out of the library does not cover everything (looking up the name, greeting).
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(outcome) => outcome.map_err(|error| Failed::of(&error)),
            Err(_) => Err(Failed {
                why: "Redis cannot be reached: connecting timed out".into(),
                is_refusal: false,
            }),
        }
    }

    /// With the client that Redis took last, if the newest was refused.
    async fn reconnect(&mut self, failed: &Failed) -> bool {
        let Some(former) = self.proven.borrow().clone().filter(|_| failed.is_refusal) else {
            return false;
        };
        match self.connect(&former).await {
            Ok(connection) => {
                self.take(connection);
                true
            }
            Err(_) => false,
        }
    }

    fn take(&mut self, connection: MultiplexedConnection) {
        self.number += 1;
        self.pause = FIRST_RETRY_AFTER;
        self.state.send_replace(State::Up(self.number, connection));
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
        let again = async {
            match later {
                Some(later) => sleep(later).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            broken = self.broken.wait_for(|broken| *broken >= number), if *standing != Standing::None => {
                if broken.is_err() {
                    return false;
                }
                self.state.send_replace(State::Connecting);
            }
            changed = self.clients.changed() => return changed.is_ok(),
            () = again => {}
        }
        true
    }
}

impl Failed {
    fn of(error: &RedisError) -> Self {
        Self {
            why: in_words(error),
            is_refusal: is_refusal(error),
        }
    }
}
