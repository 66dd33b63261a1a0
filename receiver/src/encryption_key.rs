//! The keys that seal what the store holds: where they come from, and how they change while the receiver runs.
//!
//! `--encryption-key-file` names a file with a key on each line, or a directory with a key in each file, such as a mounted
//! Secret. The newest is the last line, or the last file by name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::queue::{KeyId, KeyRing, SealKey, Seals};
use crate::renewal::Complaints;
use crate::secret_value::without_line_break;

pub(crate) const FLAG: &str = "--encryption-key-file";

/// How often the keys are looked at. Mounted Secrets take up to a minute to change anyway.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a key that comes while the receiver runs only opens: the other receivers of the queue get it about now, and what
/// they cannot open would wait.
pub(crate) const SEALS_AFTER: Duration = Duration::from_secs(150);

/// Where the keys are, and which of them are new.
pub(crate) struct EncryptionKeys {
    path: Option<PathBuf>,
    seals: Seals,
    coming: Coming<KeyId>,
}

/// The newest key, which is not yet used for what is new, and when it will be.
pub(crate) struct Coming<Id>(Option<(Id, Instant)>);

impl<Id: PartialEq> Coming<Id> {
    pub(crate) const NONE: Self = Self(None);

    /// Whether the newest key is to wait, which is another one than `former`, the one in use, or the same.
    pub(crate) fn waits(&mut self, newest: Id, former: Option<&Id>, now: Instant) -> bool {
        let is_new = former != Some(&newest);
        if is_new && self.0.as_ref().is_none_or(|(id, _)| *id != newest) {
            self.0 = Some((newest, now + SEALS_AFTER));
        }
        let waits = is_new && self.0.as_ref().is_some_and(|(_, at)| now < *at);
        if !waits {
            self.0 = None;
        }
        waits
    }
}

impl EncryptionKeys {
    /// Reads the keys at the start; without a path, nothing is sealed.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let ring = match path {
            Some(path) => {
                KeyRing::new(keys(path).map_err(|why| anyhow!("{FLAG} {}: {why}", path.display()))?)
            }
            None => KeyRing::default(),
        };
        Ok(Self {
            path: path.map(Path::to_owned),
            seals: Seals::new(ring),
            coming: Coming::NONE,
        })
    }

    /// What the queue seals with.
    pub(crate) fn seals(&self) -> Seals {
        self.seals.clone()
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
            let read = tokio::task::spawn_blocking(move || keys(&file)).await;
            let Ok(read) = read else { continue };
            let told = read
                .map(|keys| self.take(keys, Instant::now()))
                .map_err(|why| format!("{why}; the former keys stay in use"));
            complaints.encryption.set(FLAG, Some(&path), told);
        }
    }

    /// A new key opens at once, and seals a while later. One that is gone opens nothing any more.
    fn take(&mut self, keys: Vec<SealKey>, now: Instant) {
        let before = self.seals.now();
        let after = KeyRing::new(keys);
        let Some(newest) = after.sealing() else { return };
        let former = before.sealing();
        let waits = self.coming.waits(newest, former.as_ref(), now);
        let kept = former
            .filter(|_| waits)
            .and_then(|id| after.clone().sealing_with(id));
        let after = kept.unwrap_or(after);
        if before.ids() != after.ids() || before.sealing() != after.sealing() {
            let (keys, seals) = (after.ids().len(), after.sealing().map(|id| id.to_string()));
            tracing::info!(keys, seals, "the encryption keys changed");
            self.seals.renew(after);
        }
    }
}

/// The keys, the newest last. The error never repeats what a file holds.
fn keys(path: &Path) -> Result<Vec<SealKey>, String> {
    let secrets = if path.is_dir() {
        in_directory(path)?
    } else {
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("the file cannot be read: {error}"))?;
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| line.as_bytes().to_vec())
            .collect()
    };
    if secrets.is_empty() {
        return Err(
            "it holds no key; write one into it, for example the output of: openssl rand -hex 32".to_owned(),
        );
    }
    let mut keys: Vec<SealKey> = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        let key = SealKey::new(secret).ok_or_else(|| {
            format!(
                "key {} is too short; each must have at least 32 random characters, for example the output of: openssl \
                 rand -hex 32",
                number + 1
            )
        })?;
        if keys.iter().all(|known| known.id() != key.id()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// The contents of the files, by name. Mounted Secrets have hidden entries besides.
fn in_directory(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let unreadable = |error: std::io::Error| format!("the keys cannot be read: {error}");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            files.push(entry.path());
        }
    }
    files.sort();
    files
        .iter()
        .map(|file| Ok(without_line_break(&std::fs::read(file).map_err(unreadable)?).to_vec()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> String {
        char::from(byte).to_string().repeat(32)
    }

    fn id(byte: u8) -> KeyId {
        SealKey::new(secret(byte).as_bytes()).unwrap().id()
    }

    #[test]
    fn the_last_line_and_the_last_file_seal() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, format!("{}\n\n{}\n", secret(b'a'), secret(b'b'))).unwrap();
        let lines = EncryptionKeys::read(Some(&file)).unwrap().seals().now();
        assert_eq!(
            (lines.ids(), lines.sealing()),
            (vec![id(b'a'), id(b'b')], Some(id(b'b')))
        );

        let mounted = folder.path().join("mounted");
        std::fs::create_dir_all(mounted.join("..data")).unwrap();
        std::fs::write(mounted.join("2026-02"), secret(b'd')).unwrap();
        std::fs::write(mounted.join("2026-01"), format!("{}\n", secret(b'c'))).unwrap();
        let files = EncryptionKeys::read(Some(&mounted)).unwrap().seals().now();
        assert_eq!(
            (files.ids(), files.sealing()),
            (vec![id(b'c'), id(b'd')], Some(id(b'd')))
        );
    }

    #[test]
    fn what_is_no_key_is_told_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        for (text, told) in [("", "no key"), ("short\n", "at least 32")] {
            std::fs::write(&file, text).unwrap();
            let error = EncryptionKeys::read(Some(&file)).err().unwrap().to_string();
            assert!(error.contains(told) && error.contains(FLAG), "{error}");
            assert!(!error.contains("short\n"), "{error}");
        }
        assert!(EncryptionKeys::read(Some(&folder.path().join("none"))).is_err());
        assert_eq!(EncryptionKeys::read(None).unwrap().seals().now().sealing(), None);
    }

    #[test]
    fn a_new_key_opens_at_once_and_seals_later() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, secret(b'a')).unwrap();
        let mut held = EncryptionKeys::read(Some(&file)).unwrap();
        let seals = held.seals();
        let start = Instant::now();
        let both = || {
            [b'a', b'b']
                .map(|byte| SealKey::new(secret(byte).as_bytes()).unwrap())
                .to_vec()
        };

        held.take(both(), start);
        assert_eq!(seals.now().ids(), [id(b'a'), id(b'b')]);
        assert_eq!(seals.now().sealing(), Some(id(b'a')));

        held.take(both(), start + SEALS_AFTER);
        assert_eq!(seals.now().sealing(), Some(id(b'b')));

        // A key in whose place another one stands cannot seal on.
        held.take(
            vec![SealKey::new(secret(b'c').as_bytes()).unwrap()],
            start + SEALS_AFTER,
        );
        assert_eq!(seals.now().sealing(), Some(id(b'c')));
    }
}
