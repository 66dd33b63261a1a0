//! When to load again: a file changed (Kubernetes swaps a link), or a minute passed on a file system that does not
//! tell.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::files::is_manifest;
use super::load::Folders;

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
                let is_secret = secrets.as_ref().is_some_and(|secrets| path.starts_with(secrets));
                !is_behind_a_link(path) && (is_secret || may_matter(path))
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

/// How Kubernetes changes a mounted folder: it fills a folder of its own, then points the link `..data` at it, and removes
/// the one before. Only the link tells of a change; the files behind it may be thousands.
const SWAPPED: &str = "..data";

fn is_behind_a_link(path: &Path) -> bool {
    let hidden = |part: &OsStr| part.as_encoded_bytes().starts_with(b"..");
    let is_swap = path.file_name().is_some_and(|name| name == SWAPPED);
    let parts = if is_swap { path.parent() } else { Some(path) };
    let mut parts = parts.into_iter().flat_map(Path::components);
    parts.any(|part| matches!(part, Component::Normal(part) if hidden(part)))
}

/// A queue's database may lie in the folder of the manifests, and is written all the time.
fn may_matter(path: &Path) -> bool {
    let is_swap = path.file_name().is_some_and(|name| name == SWAPPED);
    is_swap || path.extension().is_none() || is_manifest(path)
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
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Kubernetes' way to change a mounted folder, slowly.
    async fn swap(folder: &Path, from: &str, to: &str, files: usize) {
        fs::create_dir(folder.join(to)).unwrap();
        for file in 0..files {
            fs::write(folder.join(to).join(format!("{file}.json")), to).unwrap();
            if file % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        symlink(to, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        if folder.join(from).exists() {
            fs::remove_dir_all(folder.join(from)).unwrap();
        }
    }

    async fn soon(reloads: &mut Reloads) -> Result<(), tokio::time::error::Elapsed> {
        tokio::time::timeout(SETTLE * 5, reloads.next()).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mounted_folder_that_changes_is_read_once_and_soon() {
        let folder = tempfile::tempdir().unwrap();
        swap(folder.path(), "..none", "..first", 500).await;
        for file in 0..500 {
            let name = format!("{file}.json");
            symlink(Path::new("..data").join(&name), folder.path().join(name)).unwrap();
        }
        let mut reloads = watch(&Folders {
            manifests: folder.path().to_owned(),
            ..Folders::default()
        });
        swap(folder.path(), "..first", "..second", 500).await;
        assert!(soon(&mut reloads).await.is_ok(), "it is read again");
        assert!(soon(&mut reloads).await.is_err(), "once");
        // The folders that the link pointed at are new each time.
        swap(folder.path(), "..second", "..third", 10).await;
        assert!(soon(&mut reloads).await.is_ok());
        assert!(soon(&mut reloads).await.is_err());
    }

    #[test]
    fn manifests_and_swapped_links_matter_and_a_queues_files_do_not() {
        for (path, matters) in [
            ("m/web.yaml", true),
            ("m/web.yml", true),
            ("m/web.json", true),
            ("m/WEB.YAML", true),
            ("m/below", true),
            ("m/..data", true),
            ("m/..2026_11_23.1", false),
            ("m/..2026_11_23.1/web.yaml", false),
            ("m/..data/web.yaml", false),
            ("m/..data_tmp", false),
            ("m/secret/..data", true),
            ("m/leadgate.db", false),
            ("m/leadgate.db-wal", false),
            ("m/leadgate.db-shm", false),
            ("m/.web.yaml.swp", false),
            ("m/web.yaml~", false),
        ] {
            let path = Path::new(path);
            assert_eq!(
                may_matter(path) && !is_behind_a_link(path),
                matters,
                "{}",
                path.display()
            );
        }
    }
}
