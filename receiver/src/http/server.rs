//! Listening, with or without TLS, until told to stop; then what was begun is finished.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use super::bind::Listening;
use super::seats::{End, Limits, Seat, Seats, UnderWay};
use super::tls::{self, Tls};
use crate::metrics::Metrics;

/// How long requests under way may take at shutdown.
const FINISH: Duration = Duration::from_secs(20);
/// How long a peer may take to notice that its connection is to end.
const FAREWELL: Duration = Duration::from_secs(5);
/// A peer that takes none of what was sent for so long has gone, or does not read.
const UNTAKEN: Duration = Duration::from_secs(20);
/// Before the next attempt when the operating system accepts no connection.
const RETRY: Duration = Duration::from_millis(50);

/// Who is at the other end of a request's connection; an extension of each request.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The connection's own address: an IPv4 one as such, even where one socket listens for both kinds.
    pub address: IpAddr,
    /// The verified client certificate (DER), if one was shown.
    pub certificate: Option<Arc<[u8]>>,
}

/// Serves until `shutdown`, then finishes what is under way.
pub async fn serve(
    listening: Listening,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let tls = match tls {
        Some(tls) => Some(tls::follow(tls, Arc::clone(&metrics), shutdown.clone()).await?),
        None => None,
    };
    let listener = TcpListener::from_std(listening.listener)?;
    let seats = Seats::new(limits, metrics);
    let connections = TaskTracker::new();
    while let Some((stream, address, seat)) = next(&listener, &seats, &shutdown).await {
        let handshake = tls.as_ref().map(|tls| TlsAcceptor::from(tls.load_full()));
        let connection = Connection {
            router: router.clone(),
            seat,
            shutdown: shutdown.clone(),
        };
        connections.spawn(connection.run(stream, address.ip().to_canonical(), handshake));
    }
    // What waits to be accepted is refused at once instead of left hanging.
    drop(listener);
    connections.close();
    if tokio::time::timeout(FINISH, connections.wait()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "shutdown grace period expired; closing unfinished requests"
        );
    }
    Ok(())
}

/// The next connection, with a seat for it; `None` at shutdown.
async fn next(
    listener: &TcpListener,
    seats: &Arc<Seats>,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, Seat)> {
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => break Some((stream, address, seats.take().await?)),
                // The peer has gone again already.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    seats.refused(&error);
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = shutdown.cancelled() => None,
        accepted = accept => accepted,
    }
}

/// One connection, from the handshake to its end.
struct Connection {
    router: Router,
    seat: Seat,
    shutdown: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, address: IpAddr, handshake: Option<TlsAcceptor>) {
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, "connection closed before it was established");
            return;
        }
        let Some(acceptor) = handshake else {
            let peer = Peer {
                address,
                certificate: None,
            };
            return self.answer(stream, peer).await;
        };
        let stream = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return,
            end = self.seat.must_end() => return self.seat.ended(end),
            shaken = acceptor.accept(stream) => match shaken {
                Ok(stream) => stream,
                // Anybody can cause these: no trouble of ours.
                Err(error) => return tracing::debug!(%error, "TLS handshake failed"),
            },
        };
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates
            .and_then(<[_]>::first)
            .map(|der| Arc::from(der.as_ref()));
        self.answer(stream, Peer { address, certificate }).await;
    }

    /// Answers requests, until either side has enough.
    async fn answer<I>(self, io: I, peer: Peer)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let requests = self.seat.requests();
        let router = self.router;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let under_way = requests.begin();
            request.extensions_mut().insert(peer.clone());
            let answer = router.clone().call(request);
            async move {
                let answer = answer.await?;
                Ok::<_, Infallible>(answer.map(|body| Answer {
                    body,
                    _under_way: under_way,
                }))
            }
        });
        let http = protocols();
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), service));
        let end = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            end = self.seat.must_end() => Some(end),
            // What goes wrong here is the peer's doing; a request's own trouble is told where it is handled.
            _ = connection.as_mut() => return,
        };
        let patience = match end {
            None => FINISH,
            Some(end) => {
                self.seat.ended(end);
                if end != End::Idle {
                    return;
                }
                FAREWELL
            }
        };
        connection.as_mut().graceful_shutdown();
        // A peer that does not go by itself is cut off.
        let _ = tokio::time::timeout(patience, connection).await;
    }
}

/// The time limits are those of the seat: hyper's own begin only once it knows which protocol is spoken.
fn protocols() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http2().timer(TokioTimer::new()).max_concurrent_streams(128);
    http
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNTAKEN))?;
    Ok(())
}

/// An answer's body; until it is finished, its request is under way.
struct Answer {
    body: Body,
    _under_way: UnderWay,
}

impl hyper::body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
