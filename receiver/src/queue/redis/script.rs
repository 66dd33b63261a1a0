//! The scripts: sent by digest, loaded when the server does not know them (any more).

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Cmd, cmd};
use sha1::{Digest, Sha1};

use super::keys::Keys;

const COMMON_LUA: &str = include_str!("common.lua");

/// The first key of each call is one that does not exist. While Redis Cluster moves a slot key by key, it refuses a script
/// with a missing key (`ASK`, `TRYAGAIN`) before the script has begun; without it, one might find half of what belongs
/// together, and end in the middle.
const WITHOUT_GUARD: &str = "table.remove(KEYS, 1)\n";

/// The longest duration in milliseconds: far enough from the end of what Redis and Lua count exactly.
const MAX_MILLIS: u64 = 1 << 50;

/// A duration as the scripts take it.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(MAX_MILLIS)
        .min(MAX_MILLIS)
}

/// A script and its digest.
pub(super) struct Script {
    pub(super) code: String,
    sha: String,
}

impl Script {
    fn new(source: &str) -> Self {
        // The first line holds the flags; with it a script that may write is refused before its first write
        // when the server is out of memory or read-only.
        let (shebang, body) = source.split_once('\n').unwrap_or((source, ""));
        let code = format!("{shebang}\n{WITHOUT_GUARD}{COMMON_LUA}{body}");
        let sha = hex::encode(Sha1::digest(code.as_bytes()));
        Self { code, sha }
    }

    /// The beginning of a call: so many keys, and the arguments, come behind it.
    pub(super) fn call(&self, all: &Keys, keys: usize, bytes: usize) -> Cmd {
        let mut call = Cmd::with_capacity(keys * 3 + 16, bytes + 128);
        call.arg("EVALSHA").arg(&self.sha).arg(keys + 1).arg(all.never());
        call
    }

    /// The command that makes the server know the script.
    pub(super) fn load(&self) -> Cmd {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(&self.code);
        load
    }
}

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)+) => {
        $(
            $(#[$doc])*
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));
        )+
    };
}

scripts! {
    ACCEPT = "accept.lua";
    PEEK = "peek.lua";
    CLAIM = "claim.lua";
    RENEW = "renew.lua";
    SETTLE = "settle.lua";
    REJECT = "reject.lua";
    LIST = "list.lua";
    WAITING = "waiting.lua";
    REQUEUE = "requeue.lua";
    EXPEDITE = "expedite.lua";
    DROP = "drop.lua";
    DISCARD = "discard.lua";
    PRUNE = "prune.lua";
    PERMITS = "permits.lua";
    REPORT = "report.lua";
    PAUSE = "pause.lua";
    RESUME = "resume.lua";
    STATS = "stats.lua";
    CHECK = "check.lua";
    JOB_PUT = "job_put.lua";
    LEDGER_NOTE = "ledger_note.lua";
    LEDGER_PAGE = "ledger_page.lua";
    LEDGER_PRUNE = "ledger_prune.lua";
    LEDGER_CLEAR = "ledger_clear.lua";
    LEDGER_IDENTIFY = "ledger_identify.lua";
}
