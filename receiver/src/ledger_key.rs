//! The key that hides whom the ledger's entries are about: where it comes from.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::queue::LedgerKey;
use crate::secret_value::without_line_break;

/// The key in `file`. Without a file, a queue on this disk gets one beside it, made when there is none; receivers that share
/// a store have no key then, because each would make another.
pub(crate) fn read(file: Option<&Path>, queue: &str) -> anyhow::Result<Option<LedgerKey>> {
    let Some(path) = file.map(Path::to_owned).or_else(|| beside(queue)) else {
        return Ok(None);
    };
    if file.is_none() && !path.exists() {
        make(&path).with_context(|| format!("the ledger's key {} cannot be made", path.display()))?;
    }
    let secret = std::fs::read(&path).with_context(|| format!("--ledger-key-file {}", path.display()))?;
    match LedgerKey::new(without_line_break(&secret)) {
        Some(key) => Ok(Some(key)),
        None => bail!(
            "--ledger-key-file {}: it must hold at least 16 random bytes, for example the output of: openssl rand -hex 32",
            path.display()
        ),
    }
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
    fn a_shared_store_has_the_key_that_it_is_given_or_none() {
        assert!(read(None, "redis://redis:6379").unwrap().is_none());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        for (text, works) in [("0123456789abcdef\n", true), ("too short\n", false)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read(Some(&file), "redis://redis:6379").is_ok(), works, "{text}");
        }
        assert!(read(Some(&folder.path().join("none")), "sqlite:queue.db").is_err());
    }
}
