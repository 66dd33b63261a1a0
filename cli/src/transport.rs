//! HTTP to a pod, over a stream that the API server forwards, or to a URL.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::cluster::told;

/// A request of 500 lines takes a while on a busy store.
const TIMEOUT: Duration = Duration::from_mins(2);
/// More than any answer has.
const MAX_ANSWER: usize = 64 << 20;

/// How requests get there.
pub(crate) enum Transport {
    /// To a port of a pod. The connection is kept from request to request.
    Pod {
        pods: Api<Pod>,
        pod: String,
        port: u16,
        connection: Option<SendRequest<Full<Bytes>>>,
    },
    /// To what is below a URL.
    Url {
        base: String,
        client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    },
}

impl Transport {
    pub(crate) fn pod(pods: Api<Pod>, pod: String, port: u16) -> Self {
        Self::Pod {
            pods,
            pod,
            port,
            connection: None,
        }
    }

    /// Trusts the authorities that this machine trusts.
    pub(crate) fn url(base: &str) -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .context("the certificates of public authorities on this machine")?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self::Url {
            base: base.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The same way, with a connection of its own.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Pod { pods, pod, port, .. } => Self::pod(pods.clone(), pod.clone(), *port),
            Self::Url { base, client } => Self::Url {
                base: base.clone(),
                client: client.clone(),
            },
        }
    }

    /// Sends a request; gives the answer.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Response<Bytes>> {
        let exchange = async {
            let response = match self {
                Self::Url { base, client } => {
                    *request.uri_mut() = format!("{base}{}", request.uri()).parse()?;
                    let asked = client.request(request).await;
                    asked.with_context(|| format!("{base} does not answer"))?
                }
                Self::Pod {
                    pods,
                    pod,
                    port,
                    connection,
                } => {
                    request
                        .headers_mut()
                        .entry(header::HOST)
                        .or_insert(header::HeaderValue::from_static("localhost"));
                    if connection.as_ref().is_none_or(SendRequest::is_closed) {
                        *connection = Some(forward(pods, pod, *port).await?);
                    }
                    let connection = connection.as_mut().context("no connection")?;
                    connection.ready().await?;
                    let asked = connection.send_request(request).await;
                    asked.with_context(|| format!("pod {pod} does not answer"))?
                }
            };
            read(response).await
        };
        match tokio::time::timeout(TIMEOUT, exchange).await {
            Ok(done) => done,
            Err(_) => bail!("no answer in {} s", TIMEOUT.as_secs()),
        }
    }
}

async fn read(response: Response<Incoming>) -> anyhow::Result<Response<Bytes>> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer is cut off: {error}"))?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// HTTP/1 over a stream that the API server forwards.
async fn forward(pods: &Api<Pod>, pod: &str, port: u16) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let forwarded = pods.portforward(pod, &[port]).await.map_err(told);
    let mut forwarded = forwarded.with_context(|| format!("cannot forward to pod {pod}"))?;
    let stream = forwarded
        .take_stream(port)
        .context("the API server forwards no stream")?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with the sender; what goes wrong is told to the request that waits.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
