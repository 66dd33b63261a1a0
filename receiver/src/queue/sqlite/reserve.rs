//! Room on the disk that leads may not take: a file beside the queue's, which goes when the disk is full, so that what was
//! accepted can still be claimed, settled and removed.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FallocateFlags, fallocate};

/// How large it is: twice the log as it grows between two checkpoints. A log of 32 MB is large enough for checkpoints to be
/// rare, and small enough (some 40 ms) for them not to be felt.
const MAX_BYTES: u64 = 64 << 20;

/// It takes no more than this part of a small volume.
const PART_OF_VOLUME: u64 = 8;

/// What is written at once where blocks cannot be reserved.
const CHUNK: usize = 1 << 20;

/// The file, whether it is there or not.
#[derive(Debug, Clone)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// That of a queue's file.
    pub(super) fn beside(queue: &Path) -> Self {
        let mut path = queue.as_os_str().to_owned();
        path.push("-reserve");
        let volume = volume(queue).map_or(u64::MAX, |(size, _)| size);
        Self {
            path: path.into(),
            bytes: MAX_BYTES.min(volume / PART_OF_VOLUME),
        }
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it is there; makes it if the disk has room for it and for some leads.
    pub(super) fn keep(&self) -> bool {
        if fs::metadata(&self.path).is_ok_and(|file| file.len() == self.bytes) {
            return true;
        }
        // Of another size, or half made: it takes the room that is looked for.
        self.remove();
        if volume(&self.path).is_some_and(|(_, free)| free < self.bytes + self.bytes / 2) {
            return false;
        }
        match self.make() {
            Ok(()) => true,
            Err(error) => {
                self.remove();
                let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
                if !full {
                    tracing::warn!(%error, "failed to reserve room on the queue's disk; a full disk will stop deliveries");
                }
                !full
            }
        }
    }

    fn make(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        if fallocate(&file, FallocateFlags::empty(), 0, self.bytes).is_ok() {
            return Ok(());
        }
        // A file system that compresses finds nothing in this.
        let chunk: Vec<u8> = std::iter::repeat_with(rand::random).take(CHUNK).collect();
        let mut left = self.bytes;
        while left > 0 {
            let part = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all(chunk.get(..part).unwrap_or_default())?;
            left -= part as u64;
        }
        Ok(())
    }

    /// Gives its room to whoever writes next.
    pub(super) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "failed to remove the queue's reserve file");
        }
    }
}

/// The size of a file's volume, and what is free of it, in bytes; `None` if it does not tell.
fn volume(file: &Path) -> Option<(u64, u64)> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let told = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))).ok()?;
    let size = told.f_blocks.saturating_mul(told.f_frsize);
    (size > 0).then(|| (size, told.f_bavail.saturating_mul(told.f_frsize)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_kept_and_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::beside(&folder.path().join("queue.db"));
        let size = || {
            fs::metadata(folder.path().join("queue.db-reserve"))
                .map(|file| file.len())
                .ok()
        };
        assert_eq!(size(), None);
        assert!(reserve.keep());
        assert_eq!(size(), Some(reserve.bytes()));
        assert!(reserve.keep());
        reserve.remove();
        assert_eq!(size(), None);
        assert!(reserve.keep());
        assert_eq!(size(), Some(reserve.bytes()));
    }
}
