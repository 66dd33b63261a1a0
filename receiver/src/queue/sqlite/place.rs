//! Whether the queue's files are still where they were opened. What is written to a file that was removed, or that another one
//! has taken the place of, is gone with the process.

use std::{fs, io::ErrorKind, path::Path};

use super::database::beside;

/// The files at the queue's path and of its log, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    queue: Number,
    log: Number,
}

/// Tells one file from another that took its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Of(u64, u64),
    Missing,
    /// The disk does not tell.
    Unknown,
}

/// What became of the files since they were opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    InPlace,
    /// The queue's file is there, its log is not.
    LogMissing,
    Removed,
    Replaced,
}

impl Place {
    /// Of the files that are there now.
    pub(super) fn of(queue: &Path) -> Self {
        Self {
            queue: number(queue),
            log: number(&beside(queue, "-wal")),
        }
    }

    /// What has become of these files.
    pub(super) fn whereabouts(self, queue: &Path) -> Whereabouts {
        let now = Self::of(queue);
        match (now.queue, now.log) {
            (Number::Missing, _) => Whereabouts::Removed,
            (Number::Of(..), _) if now.queue != self.queue => Whereabouts::Replaced,
            (Number::Of(..), log) if log != Number::Unknown && log != self.log => Whereabouts::LogMissing,
            _ => Whereabouts::InPlace,
        }
    }
}

fn number(path: &Path) -> Number {
    match fs::metadata(path) {
        #[cfg(unix)]
        Ok(file) => {
            use std::os::unix::fs::MetadataExt;
            Number::Of(file.dev(), file.ino())
        }
        #[cfg(not(unix))]
        Ok(file) => Number::Of(0, u64::from(file.is_file())),
        Err(error) if error.kind() == ErrorKind::NotFound => Number::Missing,
        Err(_) => Number::Unknown,
    }
}
