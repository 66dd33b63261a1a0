//! File descriptors: how many there are, and how many of them senders' connections may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::ADMIN_CONNECTIONS;

/// More connections than any edge opens; each costs some ten kilobytes.
const MAX_CONNECTIONS: u64 = 4096;
/// For the store, CRMs, manifests and the log.
const RESERVED: u64 = 192;
/// For the admin server, so that probes are answered whatever senders do.
const ADMIN_RESERVED: u64 = ADMIN_CONNECTIONS as u64;

/// Raises the soft limit of open files towards the hard one, as far as it is of use. What holds then; `None`: no limit.
///
/// systemd and containerd start programs with a soft limit of 1,024, for the sake of those that use `select(2)`.
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current?;
    let wanted = (MAX_CONNECTIONS + RESERVED + ADMIN_RESERVED).min(limit.maximum.unwrap_or(u64::MAX));
    if wanted <= current {
        return Some(current);
    }
    let raised = Rlimit {
        current: Some(wanted),
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => Some(wanted),
        Err(error) => {
            tracing::warn!(%error, current, "failed to raise the limit of open files");
            Some(current)
        }
    }
}

/// How many connections senders may have, of so many descriptors.
pub fn connections(limit: Option<u64>) -> usize {
    let left = limit.map_or(MAX_CONNECTIONS, |limit| {
        limit.saturating_sub(RESERVED + ADMIN_RESERVED).max(limit / 2)
    });
    usize::try_from(left.clamp(1, MAX_CONNECTIONS)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_for_probes_store_and_crms() {
        for (limit, expected) in [
            (None, 4096),
            (Some(u64::MAX), 4096),
            (Some(65_536), 4096),
            (Some(4096), 3840),
            (Some(1024), 768),
            (Some(256), 128),
            (Some(1), 1),
        ] {
            assert_eq!(connections(limit), expected, "{limit:?}");
        }
    }
}
