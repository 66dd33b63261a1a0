//! Where calls run: on a thread of their own, so that nobody who answers can keep the others waiting.
//!
//! The HTTP client reads an answer's head without a pause for as long as more of it comes: whoever sends interim responses
//! (1xx) for ever would stop all that shares a thread with it, senders' requests and the console among them.

use std::future::Future;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio_util::task::AbortOnDropHandle;

/// The thread's runtime; `None`: there is none, and calls run where they are made.
static RUNTIME: OnceLock<Option<Handle>> = OnceLock::new();

/// Runs a call for at most so long; `None`: the time is over.
pub(super) async fn apart<T: Send + 'static>(
    most: Duration,
    call: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    match RUNTIME.get_or_init(start) {
        Some(runtime) => {
            let running = AbortOnDropHandle::new(runtime.spawn(call));
            tokio::time::timeout(most, running).await.ok()?.ok()
        }
        None => tokio::time::timeout(most, call).await.ok(),
    }
}

fn start() -> Option<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("outbound".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .ok()?;
    Some(handle)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use leadgate_crds::reason::FailureReason;

    use super::*;
    use crate::outbound::{Client, NoAnswer, Peer, send};

    /// A server that writes `begin`, then `more` for as long as somebody listens.
    fn endless(begin: &'static str, more: &'static str, pause: Duration) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let _ = stream.read(&mut [0; 1024]);
                    let mut sent = stream.write_all(begin.as_bytes());
                    while sent.is_ok() {
                        thread::sleep(pause);
                        sent = stream.write_all(more.as_bytes());
                    }
                });
            }
        });
        url
    }

    #[tokio::test]
    async fn an_answer_without_an_end_ends_at_the_deadline_and_keeps_nobody_else_waiting() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new(true, None).unwrap();
        let peer = Peer::of_delivery("the CRM", "rest.baseUrl", Duration::from_millis(300));
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n";
        for (what, begin, more, pause) in [
            ("interim responses", "", early, Duration::ZERO),
            ("interim responses, slowly", "", early, Duration::from_millis(20)),
            (
                "a header, by bytes",
                "HTTP/1.1 200 OK\r\nX: ",
                "a",
                Duration::from_millis(20),
            ),
            (
                "a body, by bytes",
                "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
                " ",
                Duration::from_millis(20),
            ),
        ] {
            let answer = send(client.get(endless(begin, more, pause)), peer).await;
            match answer {
                Err(NoAnswer::Failed(why, in_doubt)) => {
                    assert_eq!((why.reason, in_doubt), (FailureReason::Timeout, true), "{what}");
                }
                other => panic!("{what}: {other:?}"),
            }
        }
        // Headers without an end are not kept.
        let headers = endless(
            "HTTP/1.1 200 OK\r\n",
            "X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n",
            Duration::ZERO,
        );
        let answer = send(
            client.get(headers),
            Peer {
                timeout: Duration::from_mins(1),
                ..peer
            },
        )
        .await;
        assert!(
            matches!(&answer, Err(NoAnswer::Failed(why, true)) if why.reason == FailureReason::ConnectionLost),
            "{answer:?}"
        );
    }
}
