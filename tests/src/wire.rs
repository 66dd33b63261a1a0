//! HTTP by hand: what no well-behaved client would send, over a socket of one's own.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long an answer may take before a test calls it a hang; generous, for busy machines.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers with lower-case names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Whether this is `application/problem+json` of its own status, with a reason in words.
    pub fn is_problem(&self) -> bool {
        let body = self.json();
        self.header("content-type") == Some("application/problem+json")
            && body["status"] == self.status
            && body["detail"].as_str().is_some_and(|detail| !detail.is_empty())
    }
}

/// One connection.
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    /// Opens one.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address))
            .await
            .context("no connection")??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::new(),
        })
    }

    /// Sends bytes. The other side may have hung up, which [`Wire::answer`] will show.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref()))
            .await
            .context("nothing takes the bytes")??;
        Ok(())
    }

    /// The next answer; `None`: the connection was closed without one.
    pub async fn answer(&mut self) -> Result<Option<Answer>> {
        timeout(PATIENCE, self.next_answer())
            .await
            .context("no answer: the receiver hangs")?
    }

    /// Waits until the other side closes, reading whatever still comes.
    pub async fn closed(&mut self) -> Result<()> {
        timeout(PATIENCE, async {
            while self.more().await? {}
            Ok(())
        })
        .await
        .context("the connection stays open")?
    }

    async fn more(&mut self) -> Result<bool> {
        let mut chunk = vec![0; 16_384];
        match self.stream.read(&mut chunk).await {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.read.extend_from_slice(&chunk[..n]);
                Ok(true)
            }
            // A reset is how a close with unread bytes looks.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn next_answer(&mut self) -> Result<Option<Answer>> {
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end;
            }
            if !self.more().await? {
                if self.read.is_empty() {
                    return Ok(None);
                }
                bail!(
                    "the answer ends too early: {:?}",
                    String::from_utf8_lossy(&self.read)
                );
            }
        };
        let text = String::from_utf8_lossy(&self.read[..head]).into_owned();
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .with_context(|| format!("no status line: {text}"))?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map(|(_, value)| value.parse::<usize>())
            .transpose()?;
        let begin = head + 4;
        while length.is_none_or(|length| self.read.len() < begin + length) && self.more().await? {}
        let end = length
            .map_or(self.read.len(), |length| begin + length)
            .min(self.read.len());
        let body = self.read[begin..end].to_vec();
        self.read.drain(..end);
        Ok(Some(Answer {
            status,
            headers,
            body,
        }))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A request as bytes; `Content-Length` is added unless a header frames the body already.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: leads.example.com\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: ").as_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let framed = |(name, _): &(&str, &str)| {
        name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
    };
    if !headers.iter().any(framed) {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Sends one request on a connection of its own and returns the answer.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Result<Answer> {
    let mut wire = Wire::connect(address).await?;
    // An early answer may come with a reset while the rest is sent.
    let sent = wire.send(bytes).await;
    match wire.answer().await? {
        Some(answer) => Ok(answer),
        None => bail!("closed without an answer (sent: {sent:?})"),
    }
}
