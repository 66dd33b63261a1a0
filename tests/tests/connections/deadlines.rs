//! How long a connection may take for what, with short limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use leadgate_receiver::http::{LOOK_EVERY, Limits, Tls, bind, serve};
use leadgate_receiver::metrics::{ConnectionLabels, Metrics};
use leadgate_tests::authority::Authority;
use leadgate_tests::wire::Wire;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What a browser or library sends first when it speaks HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const NO_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// SETTINGS_INITIAL_WINDOW_SIZE is 0: no answer may be sent.
const WINDOW_OF_ZERO: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// GET / on stream 1 (HPACK: static entries 2, 6, 4; `:authority: a`).
const GET: &[u8] = &[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'];

const SHORT: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_hours(1);

struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    authority: Authority,
    _stop: DropGuard,
}

impl Served {
    /// A server whose only page is at `/`, and takes so long.
    fn start(limits: Limits, takes: Duration, tls: bool) -> Self {
        let _ = default_provider().install_default();
        let authority = Authority::new("authority").unwrap();
        let listening = bind("127.0.0.1:0").unwrap();
        let address = listening.address;
        let stop = CancellationToken::new();
        let metrics = Arc::new(Metrics::new());
        let router = Router::new().route(
            "/",
            get(move || async move {
                tokio::time::sleep(takes).await;
                "here"
            }),
        );
        let folder = tempfile::tempdir().unwrap();
        let files = tls.then(|| {
            let leaf = authority.server("127.0.0.1").unwrap();
            let (certificate, key) = (folder.path().join("crt"), folder.path().join("key"));
            std::fs::write(&certificate, leaf.certificate).unwrap();
            std::fs::write(&key, leaf.key).unwrap();
            Tls {
                certificate,
                key,
                client_ca: None,
                look_every: LOOK_EVERY,
            }
        });
        let (counted, stopped) = (Arc::clone(&metrics), stop.clone());
        tokio::spawn(async move {
            serve(listening, files, router, limits, counted, stopped)
                .await
                .unwrap();
            drop(folder);
        });
        Self {
            address,
            metrics,
            authority,
            _stop: stop.drop_guard(),
        }
    }

    fn ended(&self, reason: &'static str) -> u64 {
        let labels = ConnectionLabels { reason };
        self.metrics.connections_ended.get_or_create(&labels).get()
    }

    async fn shaken_hands(&self, alpn: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.certificate().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }
}

/// Only one of the limits is short.
fn limits(short: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits {
        connections: 16,
        first: NEVER,
        request: NEVER,
        idle: NEVER,
    };
    short(&mut limits);
    limits
}

#[tokio::test]
async fn who_begins_no_request_is_let_go() {
    let served = Served::start(limits(|l| l.first = SHORT), Duration::ZERO, false);
    for (what, first) in [
        ("nothing", Vec::new()),
        ("half a request", b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec()),
        ("half a preface", PREFACE[..10].to_vec()),
        ("a preface", PREFACE.to_vec()),
        ("a preface and settings", [PREFACE, NO_SETTINGS].concat()),
    ] {
        let before = served.ended("silent");
        let mut wire = Wire::connect(served.address).await.unwrap();
        wire.send(first).await.unwrap();
        wire.closed().await.unwrap();
        assert_eq!(served.ended("silent"), before + 1, "{what}");
    }
}

#[tokio::test]
async fn the_same_over_tls() {
    let served = Served::start(limits(|l| l.first = SHORT), Duration::ZERO, true);
    // Before the handshake, and in it: a record of 512 bytes that does not come.
    for first in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let mut wire = Wire::connect(served.address).await.unwrap();
        wire.send(first).await.unwrap();
        wire.closed().await.unwrap();
    }
    // After it.
    for alpn in ["http/1.1", "h2"] {
        let mut stream = served.shaken_hands(alpn.as_bytes()).await;
        let mut rest = Vec::new();
        // The end comes without TLS's own goodbye.
        let _ = stream.read_to_end(&mut rest).await;
    }
    assert_eq!(served.ended("silent"), 4);
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends() {
    let served = Served::start(limits(|l| l.request = SHORT), NEVER, false);
    let mut wire = Wire::connect(served.address).await.unwrap();
    wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    wire.closed().await.unwrap();
    assert_eq!(served.ended("slow"), 1);
}

/// Whether or not it answers PINGs, as such peers do.
#[tokio::test]
async fn an_http2_peer_that_takes_no_answer_is_let_go() {
    let served = Served::start(limits(|l| l.request = SHORT), Duration::ZERO, false);
    let mut wire = Wire::connect(served.address).await.unwrap();
    wire.send([PREFACE, WINDOW_OF_ZERO, GET].concat()).await.unwrap();
    wire.closed().await.unwrap();
    assert_eq!(served.ended("slow"), 1);
}

#[tokio::test]
async fn who_asks_nothing_more_is_let_go_and_is_no_trouble() {
    let served = Served::start(limits(|l| l.idle = SHORT), Duration::ZERO, false);
    let mut wire = Wire::connect(served.address).await.unwrap();
    for _ in 0..2 {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(wire.answer().await.unwrap().unwrap().status, 200);
    }
    wire.closed().await.unwrap();
    let mut wire = Wire::connect(served.address).await.unwrap();
    wire.send([PREFACE, NO_SETTINGS, GET].concat()).await.unwrap();
    wire.closed().await.unwrap();
    for reason in ["silent", "slow", "crowded", "refused"] {
        assert_eq!(served.ended(reason), 0, "{reason}");
    }
}

/// It sends requests and reads none of the answers: what it may leave unread is bounded, in bytes and in time.
#[tokio::test]
async fn a_peer_that_never_reads_is_let_go() {
    let served = Served::start(limits(|l| l.idle = SHORT), Duration::ZERO, false);
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let requests = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    let mut sent = 0;
    while stream.write_all(&requests).await.is_ok() {
        sent += requests.len();
        assert!(sent < 1 << 30, "it takes requests for ever");
    }
}

/// Given all seats are taken, who was quiet longest makes room.
#[tokio::test]
async fn the_quietest_gives_up_its_seat() {
    let served = Served::start(limits(|l| l.connections = 3), Duration::ZERO, false);
    let ask = async |wire: &mut Wire| {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(wire.answer().await.unwrap().unwrap().status, 200);
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let mut first = Wire::connect(served.address).await.unwrap();
    ask(&mut first).await;
    let mut silent = Wire::connect(served.address).await.unwrap();
    let mut third = Wire::connect(served.address).await.unwrap();
    ask(&mut third).await;
    ask(&mut first).await;
    // When a fourth comes, the one that never asked goes, and the others stay.
    let mut fourth = Wire::connect(served.address).await.unwrap();
    ask(&mut fourth).await;
    silent.closed().await.unwrap();
    ask(&mut third).await;
    ask(&mut first).await;
    // When a fifth comes, it is the fourth: it asked before the others did again.
    let mut fifth = Wire::connect(served.address).await.unwrap();
    ask(&mut fifth).await;
    fourth.closed().await.unwrap();
    ask(&mut third).await;
    ask(&mut first).await;
    assert_eq!(served.ended("crowded"), 2);
}
