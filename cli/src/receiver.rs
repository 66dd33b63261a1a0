//! A receiver's API: through the API server to the admin port of a ready pod, without a port on this machine, or by its
//! URL.

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use leadgate_operator::receivers::ADMIN_PORT;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Usage;
use crate::args::Global;
use crate::cluster::{Cluster, Place, told};
use crate::pods::{ready_pod, token_secret};
use crate::transport::Transport;

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
    detail: String,
    /// It would do it later, and says so: 503 with `Retry-After`.
    pub(crate) is_busy: bool,
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
        if own.is_empty() || namespace.is_some_and(str::is_empty) {
            return Err(Usage("a name must be NAME, or NAMESPACE/NAME".to_owned()).into());
        }
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
            transport: Transport::url(url)?,
            token,
            user: user.unwrap_or_default(),
            namespace: global.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        })
    }

    /// A ready pod of a namespace.
    async fn within(cluster: &Cluster, namespace: &str, receiver: Option<&str>) -> anyhow::Result<Self> {
        let (pods, pod) = ready_pod(cluster, namespace, receiver).await?;
        let secret = token_secret(&pod).context("the pod mounts no admin token")?;
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
        let (status, body) = self.answer(call).await?;
        let body: &[u8] = if status == StatusCode::NO_CONTENT {
            b"null"
        } else {
            &body
        };
        let path = path.split('?').next().unwrap_or_default();
        serde_json::from_slice(body)
            .with_context(|| format!("the receiver's answer to {path} is not understood"))
    }

    /// The same one, with a connection of its own.
    pub(crate) fn again(&self) -> Self {
        Self {
            transport: self.transport.again(),
            token: self.token.clone(),
            user: self.user.clone(),
            namespace: self.namespace.clone(),
        }
    }

    /// Sends it a request in the name of whoever runs this program; gives what it answers, whatever that is.
    pub(crate) async fn exchange(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Response<Bytes>> {
        let headers = request.headers_mut();
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            headers.insert(header::AUTHORIZATION, value.context("the admin token")?);
        }
        if !self.user.is_empty() {
            // A name may hold what a header cannot.
            let name: String = self
                .user
                .chars()
                .map(|c| if c.is_ascii_graphic() { c } else { '_' })
                .collect();
            headers.insert("leadgate-user", HeaderValue::try_from(name)?);
        }
        self.transport.send(request).await
    }

    /// Calls it, and gives what it answers.
    pub(crate) async fn bytes(&mut self, call: Call) -> anyhow::Result<Bytes> {
        Ok(self.answer(call).await?.1)
    }

    /// The same with its status, which is one of success.
    async fn answer(&mut self, call: Call) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(&call.path)
            .header(header::ACCEPT, "application/json")
            .header(
                header::USER_AGENT,
                concat!("kubectl-leadgate/", env!("CARGO_PKG_VERSION")),
            );
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::from(call.body.unwrap_or_default()))?;
        let (head, body) = self.exchange(request).await?.into_parts();
        if head.status.is_success() {
            return Ok((head.status, body));
        }
        let problem: Option<Value> = serde_json::from_slice(&body).ok();
        let detail = problem.and_then(|problem| Some(problem.get("detail")?.as_str()?.to_owned()));
        let detail = match (head.status.as_u16(), detail) {
            (401, detail) => format!(
                "the receiver refuses access (--token-file): {}",
                detail.unwrap_or_default()
            ),
            (_, Some(detail)) => detail,
            (404, None) => {
                "the receiver does not know this request: it is older than this program; upgrade it"
                    .to_owned()
            }
            (status @ 300..=399, None) => {
                format!(
                    "a redirect ({status}) answers instead of the receiver: --server must be its admin port"
                )
            }
            (status, None) => format!("the receiver answers {status}"),
        };
        let is_busy =
            head.status == StatusCode::SERVICE_UNAVAILABLE && head.headers.contains_key(header::RETRY_AFTER);
        Err(Refused { detail, is_busy }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_any_text() {
        let call = Call::post("/x")
            .query("a", Some("b c&/é"))
            .query("n", None)
            .query("d", Some("1"));
        assert_eq!(call.path, "/x?a=b%20c%26%2F%C3%A9&d=1");
    }
}
