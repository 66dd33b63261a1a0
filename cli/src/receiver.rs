//! A receiver's API: through the API server to the admin port of a ready pod, without a port on this machine, or by its
//! URL.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use leadgate_operator::names;
use leadgate_operator::receivers::ADMIN_PORT;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Usage;
use crate::args::Global;
use crate::cluster::{Cluster, Place, list, told};

/// A request of 500 lines takes a while on a busy store.
const TIMEOUT: Duration = Duration::from_mins(2);
/// More than any answer has.
const MAX_ANSWER: usize = 64 << 20;
/// What the operator writes on pods of receivers.
pub(crate) const PODS: &str =
    "app.kubernetes.io/component=receiver,app.kubernetes.io/managed-by=leadgate-operator";

/// The characters that a part of a path has as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A part of a path, or a value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// What the receiver answered instead of what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Refused {
    pub(crate) status: u16,
    detail: String,
}

pub(crate) type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Calls to URLs, which trust the authorities of this machine.
pub(crate) fn https_client() -> anyhow::Result<HttpsClient> {
    let connector = HttpsConnectorBuilder::new()
        .with_native_roots()
        .context("the certificates of public authorities on this machine")?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

enum Transport {
    Pod {
        pods: Api<Pod>,
        pod: String,
        port: u16,
        connection: Option<SendRequest<Full<Bytes>>>,
    },
    Url {
        base: String,
        client: HttpsClient,
    },
}

/// A receiver.
pub(crate) struct Receiver {
    transport: Transport,
    token: Option<String>,
    user: String,
    /// Where what is named without a namespace is.
    pub(crate) namespace: String,
}

/// A request.
pub(crate) struct Call {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    headers: Vec<(&'static str, String)>,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            headers: Vec::new(),
        }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(path)
        }
    }

    /// Without a body.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(path)
        }
    }

    pub(crate) fn json<B: Serialize>(mut self, body: &B) -> anyhow::Result<Self> {
        self.body = Some(serde_json::to_vec(body)?);
        self.headers.push(("content-type", "application/json".to_owned()));
        Ok(self)
    }

    /// Adds to the query what is set.
    pub(crate) fn query(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let separator = if self.path.contains('?') { '&' } else { '?' };
            self.path
                .push_str(&format!("{separator}{name}={}", encode(value)));
        }
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Receiver {
    /// The one that the arguments mean.
    pub(crate) async fn open(global: &Global) -> anyhow::Result<Self> {
        Self::of(&Place::of(global).await?, global, None).await
    }

    /// The same, in the namespace of a name such as NAMESPACE/NAME; gives the two.
    pub(crate) async fn open_for(global: &Global, name: &str) -> anyhow::Result<(Self, String, String)> {
        let (namespace, own) = match name.split_once('/') {
            Some((namespace, own)) => (Some(namespace), own),
            None => (None, name),
        };
        let receiver = Self::of(&Place::of(global).await?, global, namespace).await?;
        let namespace = namespace.unwrap_or(&receiver.namespace).to_owned();
        Ok((receiver, namespace, own.to_owned()))
    }

    pub(crate) async fn of(place: &Place, global: &Global, namespace: Option<&str>) -> anyhow::Result<Self> {
        match place {
            Place::Server(url) => Self::at(url, global),
            Place::Cluster(_) if global.all_namespaces => Err(Usage(
                "-A cannot be used here: the receivers of one namespace are asked; use -n NAME".to_owned(),
            )
            .into()),
            Place::Cluster(cluster) => {
                let namespace = namespace.unwrap_or(&cluster.namespace);
                Self::within(cluster, namespace, global.receiver.as_deref()).await
            }
        }
    }

    fn at(url: &str, global: &Global) -> anyhow::Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Usage("--server must begin with http:// or https://".to_owned()).into());
        }
        let token = match &global.token_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("--token-file {}", path.display()))?
                    .trim()
                    .to_owned(),
            ),
            None => None,
        };
        let user = ["USER", "LOGNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok());
        Ok(Self {
            transport: Transport::Url {
                base: url.to_owned(),
                client: https_client()?,
            },
            token,
            user: user.unwrap_or_default(),
            namespace: global.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        })
    }

    /// A ready pod of a namespace.
    async fn within(cluster: &Cluster, namespace: &str, receiver: Option<&str>) -> anyhow::Result<Self> {
        let pods: Api<Pod> = cluster.within(namespace);
        let (found, _) = list(&pods, ListParams::default().labels(PODS)).await?;
        let pod = choose(&found, receiver).map_err(|why| anyhow::anyhow!("namespace {namespace}: {why}"))?;
        let secret = token_secret(pod).context("the pod mounts no admin token")?;
        let secrets: Api<Secret> = cluster.within(namespace);
        let found = secrets.get(secret).await.map_err(told)?;
        let token = found.data.as_ref().and_then(|data| data.get("token"));
        let token = token.with_context(|| format!("Secret {namespace}/{secret} has no key token"))?;
        Ok(Self {
            transport: Transport::pod(pods, pod.name_any(), ADMIN_PORT),
            token: Some(String::from_utf8_lossy(&token.0).trim().to_owned()),
            user: cluster.user().await?,
            namespace: namespace.to_owned(),
        })
    }

    /// Calls it, and reads the answer.
    pub(crate) async fn call<A: DeserializeOwned>(&mut self, call: Call) -> anyhow::Result<A> {
        let path = call.path.clone();
        let body = self.bytes(call).await?;
        // 204 has no body.
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        let path = path.split('?').next().unwrap_or_default();
        serde_json::from_slice(body)
            .with_context(|| format!("the receiver's answer to {path} is not understood"))
    }

    /// Calls it, and gives what it answers.
    pub(crate) async fn bytes(&mut self, call: Call) -> anyhow::Result<Bytes> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(&call.path)
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("kubectl-leadgate/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !self.user.is_empty() {
            request = request.header("leadgate-user", &self.user);
        }
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::from(call.body.unwrap_or_default()))?;
        let (status, body) = send(&mut self.transport, request).await?;
        if status < 400 {
            return Ok(body);
        }
        let problem: Option<Value> = serde_json::from_slice(&body).ok();
        let detail = problem.and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()));
        let detail = match (status, detail) {
            (401, detail) => format!(
                "the receiver refuses access (--token-file): {}",
                detail.unwrap_or_default()
            ),
            (_, Some(detail)) => detail,
            (404, None) => {
                "the receiver does not know this request: it is older than this program; upgrade it"
                    .to_owned()
            }
            (status, None) => format!("the receiver answers {status}"),
        };
        Err(Refused { status, detail }.into())
    }
}

impl Transport {
    fn pod(pods: Api<Pod>, pod: String, port: u16) -> Self {
        Self::Pod {
            pods,
            pod,
            port,
            connection: None,
        }
    }
}

/// Posts to the listener of senders in a ready pod, through the API server.
pub(crate) async fn post_to_pod(
    cluster: &Cluster,
    namespace: &str,
    receiver: Option<&str>,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(u16, Bytes)> {
    let pods: Api<Pod> = cluster.within(namespace);
    let (found, _) = list(&pods, ListParams::default().labels(PODS)).await?;
    let pod = choose(&found, receiver).map_err(|why| anyhow::anyhow!("namespace {namespace}: {why}"))?;
    let ports = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = ports.flat_map(|container| container.ports.iter().flatten());
    let Some(port) = ports.find(|port| port.name.as_deref() == Some("http")) else {
        bail!(
            "the pods terminate TLS themselves (spec.tls), which is not supported through the API server: use --url"
        );
    };
    let port = u16::try_from(port.container_port)?;
    send(&mut Transport::pod(pods, pod.name_any(), port), request).await
}

async fn send(transport: &mut Transport, mut request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
    let exchange = async {
        let response = match transport {
            Transport::Url { base, client } => {
                *request.uri_mut() = format!("{base}{}", request.uri()).parse()?;
                let asked = client.request(request).await;
                asked.with_context(|| format!("{base} does not answer"))?
            }
            Transport::Pod {
                pods,
                pod,
                port,
                connection,
            } => {
                request
                    .headers_mut()
                    .insert(header::HOST, header::HeaderValue::from_static("localhost"));
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

/// Posts to a URL.
pub(crate) async fn post_to_url(request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
    let client = https_client()?;
    match tokio::time::timeout(TIMEOUT, client.request(request)).await {
        Ok(response) => read(response?).await,
        Err(_) => bail!("no answer in {} s", TIMEOUT.as_secs()),
    }
}

async fn read(response: Response<Incoming>) -> anyhow::Result<(u16, Bytes)> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer is cut off: {error}"))?;
    Ok((status, body.to_bytes()))
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

fn receiver_of(pod: &Pod) -> &str {
    pod.annotations().get(names::RECEIVER).map_or("", String::as_str)
}

/// Pure: the pod to ask. All receivers of a namespace know all of its webhooks and share its queue.
fn choose<'p>(pods: &'p [Pod], receiver: Option<&str>) -> Result<&'p Pod, String> {
    let ready: Vec<&Pod> = pods.iter().filter(|pod| is_ready(pod)).collect();
    let mut names: Vec<&str> = ready.iter().map(|pod| receiver_of(pod)).collect();
    names.sort_unstable();
    names.dedup();
    let name = match (receiver, names.as_slice()) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, _) => "default",
    };
    match ready.into_iter().find(|pod| receiver_of(pod) == name) {
        Some(pod) => Ok(pod),
        None if pods.is_empty() => {
            Err("there are no receivers: create a LeadWebhook, or name another namespace with -n".to_owned())
        }
        None if names.is_empty() => {
            Err("no pod of a receiver is ready; kubectl leadgate check tells why".to_owned())
        }
        None => Err(format!(
            "no pod of LeadReceiver {name} is ready: choose one with --receiver: {}",
            names.join(", ")
        )),
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// The Secret with the token, as the pod mounts it.
fn token_secret(pod: &Pod) -> Option<&str> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    let volume = volumes.iter().find(|volume| volume.name == "admin")?;
    volume.secret.as_ref()?.secret_name.as_deref()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, receiver: &str, ready: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name, "annotations": {"leadgate.dev/receiver": receiver}},
            "spec": {"containers": [], "volumes": [{"name": "admin", "secret": {"secretName": format!("token-of-{receiver}")}}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_ready_pod_of_the_receiver_that_is_meant_is_asked() {
        let pods = [
            pod("a", "edge", "False"),
            pod("b", "edge", "True"),
            pod("c", "default", "True"),
        ];
        let name = |pods: &[Pod], receiver| choose(pods, receiver).map(kube::ResourceExt::name_any);
        assert_eq!(name(&pods, None).unwrap(), "c");
        assert_eq!(name(&pods, Some("edge")).unwrap(), "b");
        assert_eq!(name(&pods[..2], None).unwrap(), "b");
        assert!(name(&pods, Some("other")).unwrap_err().contains("default, edge"));
        assert!(
            name(&pods[..1], None)
                .unwrap_err()
                .contains("no pod of a receiver is ready")
        );
        assert!(name(&[], None).unwrap_err().contains("no receivers"));
        assert_eq!(token_secret(&pods[0]).unwrap(), "token-of-edge");
    }

    #[test]
    fn a_query_holds_any_text() {
        let call = Call::post("/x")
            .query("a", Some("b c&/é"))
            .query("n", None)
            .query("d", Some("1"));
        assert_eq!(call.path, "/x?a=b%20c%26%2F%C3%A9&d=1");
    }
}
