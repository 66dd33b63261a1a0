//! `console`: the pages of a receiver in a browser on this machine. Nobody else on it gets in: the link that is printed
//! holds a word that opens them, and stands for the rights of whoever runs the command.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, HOST, LOCATION, SET_COOKIE, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use ulid::Ulid;

use crate::Verdict;
use crate::args::Global;
use crate::output::{Output, note};
use crate::receiver::{Call, Receiver};

/// Of a form, in bytes: the console takes 4 MiB.
const LONGEST_FORM: usize = 5 << 20;

/// What the console reads of a request.
const PASSED: &[&str] = &[
    "accept",
    "accept-language",
    "content-type",
    "origin",
    "sec-fetch-site",
];

#[derive(Debug, Args)]
pub(crate) struct Console {
    /// Port on this machine. Default: one that is free.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    port: u16,
}

pub(crate) async fn run(global: &Global, output: Output, command: &Console) -> anyhow::Result<Verdict> {
    let mut receiver = Receiver::open(global).await?;
    // What is wrong is told here, not in the browser.
    let _: serde_json::Value = receiver.call(Call::get("/api/v1/audit?limit=1")).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, command.port)).await;
    let listener = listener.with_context(|| format!("--port {}", command.port))?;
    let door = Arc::new(Door {
        address: listener.local_addr()?,
        word: format!("{:020x}", Ulid::new().random()),
    });
    output.line(&format!("http://{}/console?open={}", door.address, door.word))?;
    note("Open this link in a browser of this machine. Press Ctrl-C to stop.");
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, receiver.again(), Arc::clone(&door)));
    }
}

/// Answers the requests of a connection, one after another.
async fn serve(stream: TcpStream, receiver: Receiver, door: Arc<Door>) {
    let receiver = Arc::new(Mutex::new(receiver));
    let service = service_fn(move |request| {
        let (receiver, door) = (Arc::clone(&receiver), Arc::clone(&door));
        async move {
            let mut receiver = receiver.lock().await;
            let answered = door.answer(&mut receiver, request).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|error| {
                note(&format!("{error:#}"));
                told(StatusCode::BAD_GATEWAY, &format!("{error:#}\n"))
            }))
        }
    });
    // A browser that goes away is none of our business.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Who gets in.
struct Door {
    address: SocketAddr,
    word: String,
}

impl Door {
    async fn answer(
        &self,
        receiver: &mut Receiver,
        request: Request<Incoming>,
    ) -> anyhow::Result<Response<Full<Bytes>>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        if !self.is_meant(&parts.headers) || !(path == "/" || path.starts_with("/console")) {
            return Ok(told(StatusCode::NOT_FOUND, "there is nothing here\n"));
        }
        if parts.uri.query() == Some(&format!("open={}", self.word)) {
            let cookie = format!(
                "{}={}; Path=/; HttpOnly; SameSite=Strict",
                self.cookie(),
                self.word
            );
            let opened = Response::builder()
                .status(StatusCode::SEE_OTHER)
                .header(LOCATION, "/console")
                .header(SET_COOKIE, cookie)
                .header("referrer-policy", "no-referrer");
            return Ok(opened.body(Full::default())?);
        }
        if !self.is_open(&parts.headers) {
            let why = "open the link that kubectl leadgate console printed\n";
            return Ok(told(StatusCode::FORBIDDEN, why));
        }
        let Ok(body) = Limited::new(body, LONGEST_FORM).collect().await else {
            return Ok(told(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the form is larger than 4 MiB\n",
            ));
        };
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut passed = Request::builder()
            .method(parts.method)
            .uri(target)
            .header(HOST, self.address.to_string());
        for name in PASSED {
            if let Some(value) = parts.headers.get(*name) {
                passed = passed.header(*name, value);
            }
        }
        let passed = passed.body(Full::new(body.to_bytes()))?;
        let (mut head, body) = receiver.exchange(passed).await?.into_parts();
        for hop in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(hop);
        }
        Ok(Response::from_parts(head, Full::new(body)))
    }

    /// Whether a request is for this address, and not for a name that somebody made point here.
    fn is_meant(&self, headers: &HeaderMap) -> bool {
        headers
            .get(HOST)
            .is_some_and(|host| host.as_bytes() == self.address.to_string().as_bytes())
    }

    fn is_open(&self, headers: &HeaderMap) -> bool {
        let cookies = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let expected = format!("{}={}", self.cookie(), self.word);
        cookies
            .flat_map(|value| value.split(';'))
            .any(|cookie| cookie.trim() == expected)
    }

    /// Browsers do not tell ports apart.
    fn cookie(&self) -> String {
        format!("leadgate-console-{}", self.address.port())
    }
}

fn told(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(why.to_owned())));
    *response.status_mut() = status;
    response
}
