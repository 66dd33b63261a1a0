//! Authorities and certificates that change while the receiver serves, mounted as Kubernetes mounts a Secret.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, os::unix::fs::symlink};

use axum::Router;
use axum::routing::get;
use leadgate_receiver::http::{Limits, Tls, bind, serve};
use leadgate_tests::authority::{Authority, Leaf};
use reqwest::{Certificate, Client, Identity};
use rustls::crypto::ring::default_provider;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::own_tls::dns;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A Secret's volume: the files are links into a folder that is swapped as a whole.
struct Volume(TempDir);

impl Volume {
    fn new(files: &[(&str, String)]) -> Self {
        let volume = Self(tempfile::tempdir().unwrap());
        for (name, _) in files {
            symlink(Path::new("..data").join(name), volume.0.path().join(name)).unwrap();
        }
        volume.swap(files);
        volume
    }

    fn swap(&self, files: &[(&str, String)]) {
        let folder = tempfile::tempdir_in(self.0.path()).unwrap().keep();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let next = self.0.path().join("..next");
        symlink(&folder, &next).unwrap();
        fs::rename(next, self.0.path().join("..data")).unwrap();
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }
}

/// Whether who shows this certificate gets a connection, to a server whose certificate `root` signed.
async fn connects(address: SocketAddr, leaf: &Leaf, root: &Authority) -> bool {
    let root = Certificate::from_pem(root.certificate().as_bytes()).unwrap();
    let pem = format!("{}{}", leaf.certificate, leaf.key);
    // A new one for each call: connections that stand are not asked again.
    let client = Client::builder()
        .tls_certs_only([root])
        .identity(Identity::from_pem(pem.as_bytes()).unwrap())
        .build()
        .unwrap();
    client.get(format!("https://{address}/")).send().await.is_ok()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn a_changed_authority_is_in_use_without_a_restart_and_a_broken_one_changes_nothing() {
    let _ = default_provider().install_default();
    let (old, new) = (Authority::new("old").unwrap(), Authority::new("new").unwrap());
    let of_old = old.client("x", &[dns("old.example.com")]).unwrap();
    let of_new = new.client("x", &[dns("new.example.com")]).unwrap();
    let pair = |leaf: &Leaf| {
        [
            ("tls.crt", leaf.certificate.clone()),
            ("tls.key", leaf.key.clone()),
        ]
    };
    let ca = |text: String| [("ca.crt", text)];
    let servers = Volume::new(&pair(&old.server("127.0.0.1").unwrap()));
    let authorities = Volume::new(&ca(old.certificate()));
    let listening = bind("127.0.0.1:0").unwrap();
    let address = listening.address;
    let tls = Tls {
        certificate: servers.file("tls.crt"),
        key: servers.file("tls.key"),
        client_ca: Some(authorities.file("ca.crt")),
        look_every: LOOK_EVERY,
    };
    let stop = CancellationToken::new();
    let router = Router::new().route("/", get(async || "here"));
    let server = tokio::spawn(serve(
        listening,
        Some(tls),
        router,
        Limits::senders(64),
        Arc::default(),
        stop.clone(),
    ));

    // Given the old authority, only its certificates get a connection.
    until("the server starts", async || {
        connects(address, &of_old, &old).await
    })
    .await;
    assert!(!connects(address, &of_new, &old).await);

    // When both are named, both do: a change without a gap.
    authorities.swap(&ca(old.certificate() + &new.certificate()));
    until("the new one is believed", async || {
        connects(address, &of_new, &old).await
    })
    .await;
    assert!(connects(address, &of_old, &old).await);

    // When the file is broken or gone, what was read stays.
    for broken in [ca("no certificate\n".to_owned()).as_slice(), &[]] {
        authorities.swap(broken);
        tokio::time::sleep(LOOK_EVERY * 10).await;
        assert!(connects(address, &of_old, &old).await, "{broken:?}");
        assert!(connects(address, &of_new, &old).await, "{broken:?}");
    }

    // When the old one is not named any longer, it is not believed.
    authorities.swap(&ca(new.certificate()));
    until("the old one is forgotten", async || {
        !connects(address, &of_old, &old).await
    })
    .await;
    assert!(connects(address, &of_new, &old).await);

    // The server's own certificate changes the same way.
    servers.swap(&pair(&new.server("127.0.0.1").unwrap()));
    until("the new certificate is shown", async || {
        connects(address, &of_new, &new).await
    })
    .await;
    assert!(!connects(address, &of_new, &old).await);
    stop.cancel();
    server.await.unwrap().unwrap();
}
