//! What servers need to speak TLS: an authority of the test's own and their certificate, replaced while they run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use redis::TlsCertificates;
use tempfile::TempDir;

use crate::authority::Authority;

/// Where such servers listen.
const ADDRESSES: [&str; 4] = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];

/// The files of servers on this machine: `ca.crt`, `tls.crt` and `tls.key`.
pub struct RedisTls {
    folder: TempDir,
    authority: Authority,
}

impl RedisTls {
    /// An authority, and a certificate that it signed.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("a directory for certificates")?;
        let authority = Authority::new("authority of redis-server")?;
        let tls = Self { folder, authority };
        tls.write("ca.crt", &tls.authority.certificate())?;
        tls.renew()?;
        Ok(tls)
    }

    /// Another certificate of the same authority; servers take it when they are told.
    pub fn renew(&self) -> Result<()> {
        let leaf = self.authority.peer(&ADDRESSES)?;
        self.write("tls.crt", &leaf.certificate)?;
        self.write("tls.key", &leaf.key)
    }

    /// Another authority beside the one that there is: it signs from the next [`Self::renew`] on.
    pub fn succeed(&mut self, name: &str) -> Result<()> {
        let former = self.authorities()?;
        self.authority = Authority::new(name)?;
        self.write("ca.crt", &format!("{}{former}", self.authority.certificate()))
    }

    /// The authorities that are trusted (PEM).
    pub fn authorities(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder().join("ca.crt"))?)
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.folder().join(name), text).with_context(|| name.to_owned())
    }
}

/// A client that trusts the authorities in a folder.
pub(crate) fn client(url: &str, folder: &Path) -> Result<redis::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(std::fs::read(folder.join("ca.crt"))?),
    };
    Ok(redis::Client::build_with_tls(url, certificates)?)
}

/// The settings of a server that name the files in a folder.
pub(crate) fn files(folder: &Path) -> [(&'static str, PathBuf); 3] {
    [
        ("tls-ca-cert-file", "ca.crt"),
        ("tls-cert-file", "tls.crt"),
        ("tls-key-file", "tls.key"),
    ]
    .map(|(setting, file)| (setting, folder.join(file)))
}
