//! What a queue URL does not say, and why a queue cannot be opened.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::ledger::LedgerKey;
use super::sealed::Seals;

/// The most shards of a queue: each has connections of its own.
pub const MAX_SHARDS: u16 = 128;

/// What a queue URL does not say.
#[derive(Clone)]
pub struct OpenOptions {
    /// Redis: what all keys begin with; made one hash tag, so that a shard lives in one slot of a cluster. Receivers with
    /// different prefixes never see each other's leads.
    pub prefix: String,
    /// Redis: the user, if the URL names none.
    pub username: Option<String>,
    /// Redis: the password, if the URL holds none. It is never printed.
    pub password: Option<String>,
    /// Redis: the authorities (PEM) to trust for `rediss://`; `None`: those of the system.
    pub authorities: Option<Arc<[u8]>>,
    /// Redis: over how many shards leads are spread, from 1 to [`MAX_SHARDS`]. It stays what it is once there is a queue.
    pub shards: u16,
    /// Redis: how many replicas must have a lead on their disks before it is acknowledged; `None`: 1 with Sentinel and in a
    /// cluster, else 0.
    pub acknowledge_replicas: Option<u32>,
    /// Redis: how long an accept waits for a primary, and for its replicas, before it fails.
    pub accept_timeout: Duration,
    /// Redis: who answers for what the store keeps.
    pub durability: Durability,
    /// How many leads may wait in memory to be written before senders are told to come back.
    pub max_waiting: usize,
    /// How many bytes of them.
    pub max_waiting_bytes: usize,
    /// SQLite: how large the file may grow; `None` for as large as the disk.
    pub max_file_bytes: Option<u64>,
    /// What hides whom the entries of the ledger are about; all receivers of a store have the same. `None`: entries do
    /// not tell.
    pub ledger_key: Option<LedgerKey>,
    /// What hides contacts and dedupe keys in the store; all its receivers have the same. `None`: they are unkeyed hashes,
    /// which can be guessed.
    pub identity_key: Option<LedgerKey>,
    /// What the store's records are sealed with.
    pub seals: Seals,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            prefix: "leadgate".into(),
            username: None,
            password: None,
            authorities: None,
            shards: 1,
            acknowledge_replicas: None,
            accept_timeout: Duration::from_secs(4),
            durability: Durability::Measured,
            max_waiting: 10_000,
            max_waiting_bytes: 64 << 20,
            max_file_bytes: None,
            ledger_key: None,
            identity_key: None,
            seals: Seals::default(),
        }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("prefix", &self.prefix)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "(hidden)"))
            .field("authorities", &self.authorities.is_some())
            .field("shards", &self.shards)
            .field("acknowledge_replicas", &self.acknowledge_replicas)
            .field("accept_timeout", &self.accept_timeout)
            .field("durability", &self.durability)
            .field("max_waiting", &self.max_waiting)
            .field("max_waiting_bytes", &self.max_waiting_bytes)
            .field("max_file_bytes", &self.max_file_bytes)
            .field("ledger_key", &self.ledger_key.is_some())
            .field("identity_key", &self.identity_key.is_some())
            .field("seals", &self.seals)
            .finish()
    }
}

/// Who answers for what a store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Durability {
    /// What the servers tell of their settings.
    Measured,
    /// The provider of a service whose servers do not tell.
    Provider,
}

/// What leads to a store, and may change while it is in use.
pub struct Access {
    /// The URL, with the user name and password.
    pub url: String,
    /// As in [`OpenOptions`].
    pub authorities: Option<Arc<[u8]>>,
}

/// Why a queue could not be opened: a mistake in the configuration, or a file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL's scheme is unknown or not supported yet.
    #[error(
        "queue URL: {0} (supported: sqlite:PATH, redis://, redis+sentinel://, redis+cluster://; with TLS: rediss://, rediss+sentinel://, \
         rediss+cluster://)"
    )]
    Unsupported(String),
    /// The URL cannot be used. What it holds is not repeated: it may be a password.
    #[error("queue URL: {0}")]
    Invalid(String),
    /// A queue that is open cannot become another one.
    #[error("queue URL: it leads to another store")]
    OtherStore,
    /// Another process has the file open.
    #[error("the queue file {0} is in use by another process; a SQLite queue serves one receiver")]
    InUse(PathBuf),
    /// The file cannot be opened, read or written.
    #[error("the queue file {path} cannot be used: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}
