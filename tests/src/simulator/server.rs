//! Connections that can be cut, which ready-made servers don't offer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;

/// The connection a request came by.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Notify>);

impl Connection {
    /// Closes the connection; what awaits this is dropped with it.
    pub(crate) async fn cut<T>(&self) -> T {
        self.0.notify_one();
        std::future::pending().await
    }
}

/// Counts the cuts: a change closes every open connection.
#[derive(Clone, Default)]
pub(crate) struct Cuts(watch::Sender<u64>);

impl Cuts {
    pub(crate) fn cut_all(&self) {
        self.0.send_modify(|cuts| *cuts += 1);
    }
}

/// Serves a simulator; dropping it closes all connections.
pub(crate) struct Server {
    address: SocketAddr,
    cuts: Cuts,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cuts.cut_all();
    }
}

impl Server {
    /// `handle` answers what `control` has no route for: the control routes stay reachable while the CRM is down.
    pub(crate) async fn start<A>(
        listen: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        cuts: Cuts,
        control: Router,
        handle: impl Fn(Connection, Request<Body>) -> A + Clone + Send + Sync + 'static,
    ) -> std::io::Result<Self>
    where
        A: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let routes = move |connection: Connection| {
            let handle = handle.clone();
            control
                .clone()
                .fallback(move |request: Request<Body>| handle(connection.clone(), request))
        };
        let accepting = tokio::spawn(accept(listener, tls.map(TlsAcceptor::from), cuts.clone(), routes));
        Ok(Self {
            address,
            cuts,
            accepting,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Until the task is aborted.
    pub(crate) async fn forever(mut self) {
        let _ = (&mut self.accepting).await;
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    cuts: Cuts,
    routes: impl Fn(Connection) -> Router,
) {
    // Their end is the end of the server: a set aborts its tasks when it is dropped.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let _ = stream.set_nodelay(true);
        let end = Arc::new(Notify::new());
        let service = TowerToHyperService::new(routes(Connection(Arc::clone(&end))));
        let (tls, cuts) = (tls.clone(), cuts.clone());
        connections.spawn(async move {
            let stream = match tls {
                None => Either::Left(stream),
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => Either::Right(stream),
                    // Who does not trust the certificate is told by TLS itself.
                    Err(_) => return,
                },
            };
            let mut cuts = cuts.0.subscribe();
            let builder = Builder::new(TokioExecutor::new());
            let serving = builder.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = serving => {}
                () = end.notified() => {}
                _ = cuts.changed() => {}
            }
        });
    }
}
