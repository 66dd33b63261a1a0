//! Listening, with or without TLS, until told to stop; then what was begun is finished.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

/// A sender that needs longer than this for its headers is cut off.
const HEADERS: Duration = Duration::from_secs(10);
/// How long requests under way may take at shutdown.
const FINISH: Duration = Duration::from_secs(20);
/// How often certificate files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);

/// A bound socket.
pub struct Listening {
    listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Certificate and key files (PEM); read again when they change.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who signs client certificates; `None`: none are asked for.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at.
    pub look_every: Duration,
}

/// Binds a socket; the error says which address, and why not.
pub fn bind(address: &str) -> io::Result<Listening> {
    let explain = |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}"));
    let listener = TcpListener::bind(address).map_err(explain)?;
    listener.set_nonblocking(true).map_err(explain)?;
    let address = listener.local_addr().map_err(explain)?;
    Ok(Listening { listener, address })
}

/// Serves until `shutdown`, then finishes what is under way.
pub async fn serve(
    listening: Listening,
    tls: Option<Tls>,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let handle = Handle::new();
    let stop = handle.clone();
    tokio::spawn(async move {
        shutdown.cancelled().await;
        stop.graceful_shutdown(Some(FINISH));
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum_server::from_tcp(listening.listener)?.handle(handle);
    match tls {
        None => {
            let mut server = server.acceptor(NoDelayAcceptor::new());
            limits(server.http_builder());
            server.serve(service).await
        }
        Some(tls) => {
            let config = certificate(&tls).await?;
            tokio::spawn(reload(tls, config.clone()));
            let mut server: Server<_, _> =
                server.acceptor(RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new()));
            limits(server.http_builder());
            server.serve(service).await
        }
    }
}

fn limits(builder: &mut Builder<TokioExecutor>) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .keep_alive_interval(Some(HEADERS));
}

async fn certificate(tls: &Tls) -> io::Result<RustlsConfig> {
    Ok(RustlsConfig::from_config(read(tls.clone()).await?))
}

/// Reads the files off the async threads.
async fn read(tls: Tls) -> io::Result<Arc<ServerConfig>> {
    tokio::task::spawn_blocking(move || server_config(&tls))
        .await
        .map_err(io::Error::other)?
}

/// What a handshake needs. A client certificate is asked for, not demanded: which webhook needs one is known only when
/// the path is. One that is shown must be valid.
fn server_config(tls: &Tls) -> io::Result<Arc<ServerConfig>> {
    let unusable = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the {what} {} cannot be used: {error}", path.display()),
        )
    };
    let chain = certificates(&tls.certificate).map_err(|e| unusable("certificate", &tls.certificate, &e))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| unusable("key", &tls.key, &e))?;
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
    Ok(Arc::new(config))
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
async fn reload(tls: Tls, config: RustlsConfig) {
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
        match read(tls.clone()).await {
            Ok(renewed) => {
                config.reload_from_config(renewed);
                known = now;
                tracing::info!("the changed certificate files are in use");
            }
            Err(error) => {
                tracing::warn!(%error, "the changed certificate files cannot be used; the old ones stay");
            }
        }
    }
}
