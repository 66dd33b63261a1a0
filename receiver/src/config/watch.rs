//! When to load again: a file changed (Kubernetes swaps a link), or a minute passed on a file system that does not
//! tell.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::load::Folders;
use super::manifests::is_manifest;

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
    let secrets = folders
        .secrets
        .as_ref()
        .and_then(|path| std::path::absolute(path).ok());
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the files is an access of its own; only writes count. What cannot be told apart counts.
        let matters = event.map_or(true, |event| {
            let may_be_ours = |path: &PathBuf| {
                secrets.as_ref().is_some_and(|secrets| path.starts_with(secrets)) || may_matter(path)
            };
            !event.kind.is_access() && (event.paths.is_empty() || event.paths.iter().any(may_be_ours))
        });
        if matters {
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
            |error| tracing::warn!(%error, "failed to watch files for changes; checking once a minute instead"),
        )
        .ok();
    Reloads {
        changes,
        _watcher: watcher,
    }
}

/// A queue's database may lie in the folder of the manifests, and is written all the time.
fn may_matter(path: &Path) -> bool {
    let is_swapped = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(".."));
    is_swapped || path.extension().is_none() || is_manifest(path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_and_swapped_links_matter_and_a_queues_files_do_not() {
        for (path, matters) in [
            ("m/web.yaml", true),
            ("m/web.yml", true),
            ("m/web.json", true),
            ("m/below", true),
            ("m/..data", true),
            ("m/..2026_11_23.1", true),
            ("m/leadgate.db", false),
            ("m/leadgate.db-wal", false),
            ("m/leadgate.db-shm", false),
            ("m/.web.yaml.swp", false),
            ("m/web.yaml~", false),
        ] {
            assert_eq!(may_matter(Path::new(path)), matters, "{path}");
        }
    }
}
