//! Listening, with or without TLS, until told to stop; then what was begun is finished.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio_util::sync::CancellationToken;

/// A sender that needs longer than this for its headers is cut off.
const HEADERS: Duration = Duration::from_secs(10);
/// How long requests under way may take at shutdown.
const FINISH: Duration = Duration::from_secs(20);
/// How often certificate files are looked at.
const CERTIFICATE: Duration = Duration::from_secs(30);

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
        .header_read_timeout(HEADERS)
        .max_headers(128);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .keep_alive_interval(Some(HEADERS));
}

async fn certificate(tls: &Tls) -> io::Result<RustlsConfig> {
    RustlsConfig::from_pem_file(&tls.certificate, &tls.key)
        .await
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!(
                    "the certificate {} or its key {} cannot be used: {error}",
                    tls.certificate.display(),
                    tls.key.display()
                ),
            )
        })
}

/// Takes a renewed certificate into use without a restart.
async fn reload(tls: Tls, config: RustlsConfig) {
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let mut known = (modified(&tls.certificate), modified(&tls.key));
    loop {
        tokio::time::sleep(CERTIFICATE).await;
        let now = (modified(&tls.certificate), modified(&tls.key));
        if now == known {
            continue;
        }
        match config.reload_from_pem_file(&tls.certificate, &tls.key).await {
            Ok(()) => {
                known = now;
                tracing::info!("the renewed certificate is in use");
            }
            Err(error) => tracing::warn!(%error, "the changed certificate cannot be used; the old one stays"),
        }
    }
}
