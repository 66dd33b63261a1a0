//! A certificate authority for the simulated CRM: receivers call nothing without TLS.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

pub(super) struct Certificates {
    /// The authority, as a bundle for the image.
    pub(super) authority: PathBuf,
    server: Arc<rustls::ServerConfig>,
}

impl Certificates {
    pub(super) fn make(folder: &Path, address: IpAddr) -> anyhow::Result<Self> {
        let file = |name: &str| folder.join(name).display().to_string();
        let (ca, ca_key, key, request, certificate, extensions) = (
            file("ca.crt"),
            file("ca.key"),
            file("crm.key"),
            file("crm.csr"),
            file("crm.crt"),
            file("crm.ext"),
        );
        let curve = [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ];
        openssl(
            &[
                "req",
                "-x509",
                "-subj",
                "/CN=Leadgate tests",
                "-days",
                "30",
                "-keyout",
                &ca_key,
                "-out",
                &ca,
            ],
            &curve,
        )?;
        openssl(
            &[
                "req", "-new", "-subj", "/CN=crm", "-keyout", &key, "-out", &request,
            ],
            &curve,
        )?;
        std::fs::write(
            &extensions,
            format!("subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth\n"),
        )?;
        openssl(
            &[
                "x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-days", "30",
            ],
            &["-CAcreateserial", "-out", &certificate, "-extfile", &extensions],
        )?;
        let chain = CertificateDer::pem_file_iter(&certificate)?.collect::<Result<Vec<_>, _>>()?;
        let server = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&key)?)?;
        Ok(Self {
            authority: ca.into(),
            server: Arc::new(server),
        })
    }

    pub(super) fn server(&self) -> Arc<rustls::ServerConfig> {
        Arc::clone(&self.server)
    }
}

fn openssl(arguments: &[&str], more: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("openssl")
        .args(arguments)
        .args(more)
        .output()
        .context("openssl is missing")?;
    if !output.status.success() {
        bail!(
            "openssl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
