//! Connections that can be cut, which ready-made servers don't offer.

use std::{convert::Infallible, sync::Arc, time::Instant};

use axum::{
    body::Body,
    http::{Request, Response},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;

use super::{Sim, control, route};

/// The connection a request came by.
#[derive(Clone)]
pub(super) struct Connection(Arc<Notify>);

impl Connection {
    /// Closes the connection; what awaits this is dropped with it.
    pub(super) async fn cut<T>(&self) -> T {
        self.0.notify_one();
        std::future::pending().await
    }
}

pub(super) async fn serve(sim: Arc<Sim>, listener: TcpListener) {
    // Their end is the end of the server: a set aborts its tasks when it is dropped.
    let mut connections = tokio::task::JoinSet::new();
    let tls = sim.config.tls.clone().map(TlsAcceptor::from);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        let (sim, tls) = (Arc::clone(&sim), tls.clone());
        connections.spawn(async move {
            let stream = match tls {
                None => Either::Left(stream),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Either::Right(stream),
                    // Who does not trust the certificate is told by TLS itself.
                    Err(_) => return,
                },
            };
            let end = Arc::new(Notify::new());
            let connection = Connection(Arc::clone(&end));
            let mut cuts = sim.cut.subscribe();
            let service = routes(Arc::clone(&sim), connection);
            let builder = Builder::new(TokioExecutor::new());
            let serving = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            tokio::select! {
                _ = serving => {}
                () = end.notified() => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// The control routes stay reachable while the CRM is down: they go by another way.
fn routes(sim: Arc<Sim>, connection: Connection) -> axum::Router {
    let crm = Arc::clone(&sim);
    control::router(sim).fallback(move |request: Request<Body>| {
        let (sim, connection) = (Arc::clone(&crm), connection.clone());
        async move { Ok::<Response<Body>, Infallible>(route::handle(sim, connection, request).await) }
    })
}

/// Whether the simulator plays dead now.
pub(super) fn is_down(sim: &Sim) -> bool {
    sim.lock().faults.is_down(Instant::now())
}
