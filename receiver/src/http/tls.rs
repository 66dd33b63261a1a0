//! Certificates: read at the start, and again when their files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::metrics::{CertificateLabels, Metrics};

/// How often certificate files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Certificate and key files (PEM); read again when they change.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Who signs client certificates; `None`: none are asked for.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at.
    pub look_every: Duration,
}

/// What handshakes are made with.
pub(super) type Current = Arc<ArcSwap<ServerConfig>>;

/// Reads the files, and takes changed ones into use for new connections until `shutdown`.
pub(super) async fn follow(
    tls: Tls,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> io::Result<Current> {
    let current = Arc::new(ArcSwap::new(read(tls.clone(), &metrics).await?));
    let followed = Arc::clone(&current);
    tokio::spawn(async move {
        tokio::select! {
            () = reload(tls, &metrics, &followed) => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(current)
}

/// Reads the files off the async threads, and notes when the certificate ends.
async fn read(tls: Tls, metrics: &Metrics) -> io::Result<Arc<ServerConfig>> {
    let file = tls.certificate.display().to_string();
    let config = tokio::task::spawn_blocking(move || server_config(&tls));
    let (config, validity) = config.await.map_err(io::Error::other)??;
    if let Some((start, end)) = validity {
        let labels = CertificateLabels { file };
        let (from, until) = (&metrics.certificate_start, &metrics.certificate_end);
        from.get_or_create(&labels).set(start.as_secs_f64());
        until.get_or_create(&labels).set(end.as_secs_f64());
    }
    Ok(config)
}

/// From when and until when a certificate is valid, since 1970.
type Validity = (Duration, Duration);

fn validity_of(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let validity = certificate.tbs_certificate().validity();
    Some((
        validity.not_before.to_unix_duration(),
        validity.not_after.to_unix_duration(),
    ))
}

/// What a handshake needs. A client certificate is asked for, not demanded: which webhook needs one is known only when
/// the path is. One that is shown must be valid.
fn server_config(tls: &Tls) -> io::Result<(Arc<ServerConfig>, Option<Validity>)> {
    let unusable = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the {what} {} cannot be used: {error}", path.display()),
        )
    };
    let chain = certificates(&tls.certificate).map_err(|e| unusable("certificate", &tls.certificate, &e))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| unusable("key", &tls.key, &e))?;
    let validity = chain.first().and_then(validity_of);
    let builder = ServerConfig::builder();
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let explain = |e: &dyn std::fmt::Display| unusable("client CA (--tls-client-ca)", path, e);
            let mut roots = RootCertStore::empty();
            for authority in certificates(path).map_err(|e| explain(&e))? {
                roots.add(authority).map_err(|e| explain(&e))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
                .allow_unauthenticated()
                .build()
                .map_err(|e| explain(&e))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|e| {
        let pair = format!("certificate {} with the key", tls.certificate.display());
        unusable(&pair, &tls.key, &e)
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), validity))
}

/// The certificates of a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let all = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    if all.is_empty() {
        return Err(pem::Error::NoItemsFound);
    }
    Ok(all)
}

/// Takes changed certificates, keys and authorities into use for new connections, without a restart.
async fn reload(tls: Tls, metrics: &Metrics, current: &ArcSwap<ServerConfig>) {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let files = |tls: &Tls| {
        let ca = tls.client_ca.as_deref().map(modified);
        (modified(&tls.certificate), modified(&tls.key), ca)
    };
    let mut known = files(&tls);
    loop {
        tokio::time::sleep(tls.look_every).await;
        let now = files(&tls);
        if now == known {
            continue;
        }
        match read(tls.clone(), metrics).await {
            Ok(renewed) => {
                current.store(renewed);
                known = now;
                tracing::info!("certificate files reloaded");
            }
            Err(error) => {
                tracing::warn!(%error, "failed to reload the certificate files; keeping the previous ones");
            }
        }
    }
}
