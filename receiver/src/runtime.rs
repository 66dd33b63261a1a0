//! The async runtime: how many threads serve.

use std::{env, io, num::NonZero, thread};

use tokio::runtime::{Builder, Runtime};

/// More threads do not help: what stores the leads, Redis or the one writer of an SQLite file, is busy long before.
const MAX_THREADS: usize = 4;

/// What a user sets to have it otherwise; tokio's own variable.
const THREADS: &str = "TOKIO_WORKER_THREADS";

/// The runtime that the receiver serves on: as many threads as `TOKIO_WORKER_THREADS` says, else one for each two
/// processors it may use (a container's limit counts), at most four.
///
/// Threads that share a processor with what stores the leads wake each other and wait: fewer take as many leads for
/// less processor time (docs/operations.md), and need less memory.
pub fn build() -> io::Result<Runtime> {
    let set = env::var(THREADS).ok();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = match threads(set.as_deref(), processors)? {
        1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.enable_all().build()
}

fn threads(set: Option<&str>, processors: usize) -> io::Result<usize> {
    match set {
        None => Ok(processors.div_ceil(2).clamp(1, MAX_THREADS)),
        Some(text) => match text.parse() {
            Ok(threads @ 1..) => Ok(threads),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{THREADS} must be an integer of at least 1, but is {text:?}"),
            )),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_for_two_processors_unless_told_otherwise() {
        for (set, processors, expected) in [
            (None, 1, 1),
            (None, 2, 1),
            (None, 3, 2),
            (None, 8, 4),
            (None, 64, 4),
            (Some("1"), 64, 1),
            (Some("16"), 2, 16),
        ] {
            assert_eq!(
                threads(set, processors).unwrap(),
                expected,
                "{set:?} {processors}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        for set in ["", "0", "-1", "two", "1.5"] {
            let error = threads(Some(set), 2).unwrap_err().to_string();
            assert!(error.contains(THREADS), "{error}");
        }
    }
}
