//! Secrets in folders as Kubernetes mounts them: new files beside the old, then one link is swapped.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use leadgate_tests::manifests::{HubSpotSink, mapped_webhook};
use leadgate_tests::receiver::{Options, Receiver};

use super::{lead, post, problem_with, problems, until};

/// A Secret's mounted folder.
struct Mount {
    folder: PathBuf,
    version: u32,
}

impl Mount {
    fn new(secrets: &Path, name: &str, keys: &[(&str, &str)]) -> Self {
        let folder = secrets.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut mount = Self { folder, version: 0 };
        mount.swap(keys);
        mount
    }

    /// What the kubelet does when a Secret changes.
    fn swap(&mut self, keys: &[(&str, &str)]) {
        let old = format!("..version_{}", self.version);
        self.version += 1;
        let new = format!("..version_{}", self.version);
        std::fs::create_dir(self.folder.join(&new)).unwrap();
        for (key, value) in keys {
            std::fs::write(self.folder.join(&new).join(key), value).unwrap();
        }
        symlink(&new, self.folder.join("..data_tmp")).unwrap();
        std::fs::rename(self.folder.join("..data_tmp"), self.folder.join("..data")).unwrap();
        for (key, _) in keys {
            let link = self.folder.join(key);
            if link.symlink_metadata().is_err() {
                symlink(Path::new("..data").join(key), link).unwrap();
            }
        }
        // The first swap finds nothing to remove.
        let _ = std::fs::remove_dir_all(self.folder.join(old));
    }
}

fn webhook(keys: &[&str]) -> String {
    let refs: Vec<String> = keys
        .iter()
        .map(|key| format!("{{name: web, key: {key}}}"))
        .collect();
    let yaml = mapped_webhook("web", "unused").replace("{name: web, key: hmac}", &refs.join(", "));
    yaml.split_once("---").unwrap().0.to_owned()
}

/// Sends leads that are signed with the first secret until told to stop; every one must be taken.
async fn load(receiver: Arc<Receiver>, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        let answer = post(&receiver, "web", "first", &lead(&format!("load-{n}"))).await;
        assert_eq!(answer.status, 200, "lead {n}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_under_load_without_a_refused_lead() {
    let secrets = tempfile::tempdir().unwrap();
    let mut mount = Mount::new(secrets.path(), "web", &[("current", "first")]);
    Mount::new(secrets.path(), "hubspot-token", &[("token", "pat")]);
    let mut sink = HubSpotSink::new("http://127.0.0.1:9", "unused");
    sink.suspend = true;
    let mut options = Options::new(sink.yaml().split_once("---").unwrap().0);
    options.manifests.push(("web.yaml".into(), webhook(&["current"])));
    options.arguments = vec!["--secrets".into(), secrets.path().display().to_string()];
    let receiver = Arc::new(Receiver::start(options).await.unwrap());
    let accepts = |secret: &'static str, yes: bool| {
        let receiver = Arc::clone(&receiver);
        async move {
            let status = if yes { 200 } else { 401 };
            until(&format!("{secret} gets {status}"), &receiver, || async {
                post(&receiver, "web", secret, &lead("probe")).await.status == status
            })
            .await;
        }
    };
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sender = tokio::spawn(load(Arc::clone(&receiver), Arc::clone(&stop), Arc::clone(&sent)));
    let more = |n: u64| {
        let (receiver, sent) = (Arc::clone(&receiver), Arc::clone(&sent));
        async move {
            let from = sent.load(Ordering::Relaxed);
            until("the load goes on", &receiver, || async {
                sent.load(Ordering::Relaxed) > from + n
            })
            .await;
        }
    };
    more(20).await;
    accepts("second", false).await;

    // A second key, then the manifest lists both.
    mount.swap(&[("current", "first"), ("next", "second")]);
    receiver
        .write_manifest("web.yaml", &webhook(&["current", "next"]))
        .unwrap();
    accepts("second", true).await;
    more(50).await;
    assert!(problems(&receiver).await.is_empty());

    // Another value under a name that is listed: the link alone tells of it.
    mount.swap(&[("current", "first"), ("next", "third")]);
    accepts("third", true).await;
    accepts("second", false).await;
    more(50).await;

    // The sender has changed over: nothing is signed with the old secret any more. It goes.
    stop.store(true, Ordering::Relaxed);
    sender.await.unwrap();
    let proofs = || async { receiver.status().await.unwrap()["webhooks"][0]["proofs"].clone() };
    let before = proofs().await;
    assert_eq!(
        post(&receiver, "web", "third", &lead("changed-over"))
            .await
            .status,
        200
    );
    let after = proofs().await;
    assert_eq!(after[0], before[0], "{before} {after}");
    assert_eq!(
        after[1].as_u64(),
        before[1].as_u64().map(|n| n + 1),
        "{before} {after}"
    );
    let counted = receiver
        .metric("leadgate_proofs_total", &["secret=\"1\""])
        .await
        .unwrap();
    assert_eq!(Some(counted), after[1].as_f64());
    receiver.write_manifest("web.yaml", &webhook(&["next"])).unwrap();
    accepts("first", false).await;
    accepts("third", true).await;
    assert_eq!(
        proofs().await,
        serde_json::json!([]),
        "one secret: there is no choice"
    );
    mount.swap(&[("next", "third")]);

    // A Secret that empties is no key to everything: the last good one stays, and it is said.
    mount.swap(&[("next", "")]);
    let problem = problem_with(&receiver, "empty").await;
    assert_eq!(problem["previousKept"], true, "{problem}");
    accepts("", false).await;
    accepts("third", true).await;
    let log = receiver.log();
    for secret in ["first", "second", "third"] {
        assert!(!log.contains(&format!("\"{secret}")), "{secret} is in the log");
    }
}
