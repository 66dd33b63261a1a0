//! When to load again: a file changed (Kubernetes swaps a link), or a minute passed on a file system that does not
//! tell.

use std::path::Path;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::Folders;

/// Editors and Kubernetes write in several steps; they are one change.
const SETTLE: Duration = Duration::from_millis(150);
/// For file systems without notifications.
const ANYHOW: Duration = Duration::from_mins(1);

/// Tells when something may have changed.
pub struct Reloads {
    changes: mpsc::Receiver<()>,
    // Held: dropping it ends the watch.
    _watcher: Option<notify::RecommendedWatcher>,
}

/// Watches both folders.
pub fn watch(folders: &Folders) -> Reloads {
    let (sender, changes) = mpsc::channel(1);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the files is an access of its own; only writes count.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            // A full channel already says "changed".
            let _ = sender.try_send(());
        }
    });
    let watcher = watcher.and_then(|mut watcher| {
        let mut add = |folder: &Path| watcher.watch(folder, RecursiveMode::Recursive);
        add(&folders.manifests)?;
        if let Some(secrets) = &folders.secrets {
            add(secrets)?;
        }
        Ok(watcher)
    });
    let watcher = watcher
        .inspect_err(
            |error| tracing::warn!(%error, "changes are looked for once a minute: files cannot be watched"),
        )
        .ok();
    Reloads {
        changes,
        _watcher: watcher,
    }
}

impl Reloads {
    /// Returns when it is worth loading again.
    pub async fn next(&mut self) {
        tokio::select! {
            change = self.changes.recv() => match change {
                Some(()) => {
                    tokio::time::sleep(SETTLE).await;
                    while self.changes.try_recv().is_ok() {}
                }
                None => tokio::time::sleep(ANYHOW).await,
            },
            () = tokio::time::sleep(ANYHOW) => {}
        }
    }
}
