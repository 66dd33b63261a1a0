//! The keys that hide whom the ledger's entries are about: where they come from, and how they change while the receiver runs.
//!
//! `--ledger-key-file` names a file with a key on each line, the newest last.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::encryption_key::{Coming, LOOK_EVERY};
use crate::queue::LedgerKey;
use crate::renewal::Complaints;

const FLAG: &str = "--ledger-key-file";

/// Where the keys are, and which of them is new.
pub(crate) struct LedgerKeys {
    path: Option<PathBuf>,
    key: Option<LedgerKey>,
    /// What tells the newest key.
    coming: Coming<String>,
}

impl LedgerKeys {
    /// Reads the keys in `file`. Without a file, a queue on this disk gets one beside it, made when there is none; receivers that
    /// share a store have no key then, because each would make another.
    pub(crate) fn read(file: Option<&Path>, queue: &str) -> anyhow::Result<Self> {
        let Some(path) = file.map(Path::to_owned).or_else(|| beside(queue)) else {
            return Ok(Self {
                path: None,
                key: None,
                coming: Coming::NONE,
            });
        };
        if file.is_none() && !path.exists() {
            make(&path).with_context(|| format!("the ledger's key {} cannot be made", path.display()))?;
        }
        let read = secrets(&path).and_then(|secrets| LedgerKey::of(&secrets).ok_or_else(too_short));
        Ok(Self {
            key: Some(read.map_err(|why| anyhow!("{FLAG} {}: {why}", path.display()))?),
            path: Some(path),
            coming: Coming::NONE,
        })
    }

    /// What the queue hides people with.
    pub(crate) fn key(&self) -> Option<LedgerKey> {
        self.key.clone()
    }

    /// Takes changes into use, until `stop`.
    pub(crate) async fn follow(mut self, complaints: Arc<Complaints>, stop: CancellationToken) {
        let Some(path) = self.path.clone() else { return };
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return,
            }
            // Reading may wait for a disk.
            let file = path.clone();
            let read = tokio::task::spawn_blocking(move || secrets(&file)).await;
            let Ok(read) = read else { continue };
            let told = read
                .and_then(|secrets| self.take(&secrets, Instant::now()))
                .map_err(|why| format!("{why}; the former keys stay in use"));
            complaints.ledger.set(FLAG, Some(&path), told);
        }
    }

    /// People are looked for with a new key at once. New entries are hashed with it a while later, when all receivers have it.
    fn take(&mut self, secrets: &[Vec<u8>], now: Instant) -> Result<(), String> {
        let Some(key) = &self.key else { return Ok(()) };
        let wanted = LedgerKey::of(secrets).ok_or_else(too_short)?.ids();
        let before = key.ids();
        let newest = wanted.1.unwrap_or_default();
        let waits = self.coming.waits(newest, before.1.as_ref(), now);
        key.renew(secrets, waits).ok_or_else(too_short)?;
        if key.ids() != before {
            tracing::info!(keys = wanted.0.len(), "the ledger keys changed");
        }
        Ok(())
    }
}

/// What the file holds, by line. The error never repeats it.
fn secrets(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let text = std::fs::read(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    // Keys of former times may be any bytes.
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<Vec<u8>> = lines
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    if lines.is_empty() {
        Err(too_short())
    } else {
        Ok(lines)
    }
}

fn too_short() -> String {
    "it must hold a key on each line, each at least 16 random characters, for example the output of: openssl rand -hex 32".to_owned()
}

/// `leadgate.db.ledger-key`, for `sqlite:leadgate.db`.
fn beside(queue: &str) -> Option<PathBuf> {
    let file = queue.strip_prefix("sqlite:")?;
    let file = file.strip_prefix("//").unwrap_or(file);
    Some(PathBuf::from(format!("{file}.ledger-key")))
}

/// Whoever has the file and knows an address can find the person's leads: only its owner may read it.
fn make(path: &Path) -> std::io::Result<()> {
    // Under another name until it is whole: half a key would be taken for one.
    let new = path.with_extension("ledger-key.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(hex::encode(rand::random::<[u8; 32]>()).as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encryption_key::SEALS_AFTER;

    fn read(file: Option<&Path>, queue: &str) -> anyhow::Result<Option<LedgerKey>> {
        LedgerKeys::read(file, queue).map(|keys| keys.key())
    }

    #[test]
    fn a_queue_on_this_disk_gets_a_key_of_its_own_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let queue = format!("sqlite:{}", folder.path().join("queue.db").display());
        assert!(read(None, &queue).unwrap().is_some());
        let key = std::fs::read(folder.path().join("queue.db.ledger-key")).unwrap();
        assert_eq!(key.len(), 64);
        assert!(read(None, &queue).unwrap().is_some());
        assert_eq!(
            std::fs::read(folder.path().join("queue.db.ledger-key")).unwrap(),
            key
        );
    }

    #[test]
    fn a_shared_store_has_the_keys_that_it_is_given_or_none() {
        assert!(read(None, "redis://redis:6379").unwrap().is_none());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for (text, keys) in [
            ("0123456789abcdef\n", 1),
            ("0123456789abcdef\n\n123456789abcdef0\n", 2),
            ("too short\n", 0),
            ("", 0),
        ] {
            std::fs::write(&file, text).unwrap();
            let read = read(Some(&file), "redis://redis:6379");
            assert_eq!(read.map_or(0, |key| key.unwrap().ids().0.len()), keys, "{text}");
        }
        assert!(read(Some(&folder.path().join("none")), "sqlite:queue.db").is_err());
    }

    #[test]
    fn people_are_looked_for_with_a_new_key_at_once_and_entries_have_it_later() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "0123456789abcdef").unwrap();
        let mut keys = LedgerKeys::read(Some(&file), "redis://redis").unwrap();
        let key = keys.key().unwrap();
        let both = [b"0123456789abcdef".to_vec(), b"123456789abcdef0".to_vec()];
        let (start, old) = (Instant::now(), key.ids().1);
        keys.take(&both, start).unwrap();
        assert_eq!((key.ids().0.len(), key.ids().1), (2, old.clone()));
        keys.take(&both, start + SEALS_AFTER).unwrap();
        assert_ne!(key.ids().1, old);
        assert!(keys.take(&[b"short".to_vec()], start).is_err());
        assert_eq!(key.ids().0.len(), 2);
    }
}
