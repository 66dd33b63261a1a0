//! `send`: a test lead, signed as the webhook's sender would sign it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use http::Request;
use http_body_util::Full;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use leadgate_crds::LeadWebhook;
use leadgate_crds::lead_webhook::AuthScheme;
use leadgate_crds::lenient::Lenient;
use leadgate_operator::names;
use serde_json::{Value, json};

use super::try_::read;
use crate::args::Global;
use crate::cluster::{Cluster, Place, told};
use crate::output::{Output, note};
use crate::pods::{port, ready_pod};
use crate::sign::{Signed, sign};
use crate::text::plain;
use crate::transport::Transport;
use crate::{Usage, Verdict};

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// LeadWebhook: NAME, or NAMESPACE/NAME.
    webhook: String,
    /// File with the body as the sender posts it; - for standard input. Default for the source generic: a test lead of
    /// a new person at example.com.
    payload: Option<PathBuf>,
    /// URL to post to, for a test of the way that senders take. Default: a pod of the receiver, through the API server.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Content-Type. Default: application/json if the body is JSON, else application/x-www-form-urlencoded.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
}

pub(crate) async fn run(global: &Global, output: Output, command: &Send) -> anyhow::Result<Verdict> {
    let cluster = Place::cluster(global, "send").await?;
    let (namespace, name) = cluster.named(&command.webhook);
    let webhook = cluster
        .within::<Lenient<LeadWebhook>>(namespace)
        .get(name)
        .await
        .map_err(told)?
        .object;
    let body = match &command.payload {
        Some(path) => read(path)?,
        None if webhook.spec.source == "generic" => sample(Timestamp::now()).to_string().into_bytes(),
        None => {
            let why = format!(
                "{} has a format of its own: name a file with a body as it posts it",
                webhook.spec.source
            );
            return Err(Usage(why).into());
        }
    };
    let kind = command.content_type.as_deref().unwrap_or_else(|| kind(&body));
    let signed = prove(&cluster, namespace, &webhook, body).await?;
    let base = command.url.clone().unwrap_or_else(|| names::path(&webhook));
    let mut request = Request::post(format!("{base}{}", signed.query_text())).header("content-type", kind);
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    let (mut transport, request) = if let Some(url) = &command.url {
        // The request names the whole URL.
        let transport = Transport::url("").with_context(|| format!("cannot post to {url}"))?;
        (transport, request)
    } else {
        let receiver = webhook
            .status
            .as_ref()
            .and_then(|status| status.receiver.as_deref());
        let receiver = receiver.unwrap_or(&webhook.spec.receiver_ref.name);
        let (pods, pod) = ready_pod(&cluster, namespace, Some(receiver)).await?;
        let port = port(&pod, "http").context(
            "the pods terminate TLS themselves (spec.tls of the LeadReceiver), which is not supported through the API server: use --url",
        )?;
        // As the edge says it: the way through the API server is encrypted.
        let request = request.header("x-forwarded-proto", "https");
        (Transport::pod(pods, pod.name_any(), port), request)
    };
    let request = request.body(Full::new(Bytes::from(signed.body)))?;
    let answer = transport.send(request).await?;
    let (status, answer) = (answer.status().as_u16(), answer.into_body());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let whole = json!({"status": status, "body": serde_json::from_str(&answer).unwrap_or(Value::String(answer.clone()))});
    output.one(&whole, &status.to_string(), || {
        plain(&format!("{status}\n{}", answer.trim_end()))
    })?;
    if status >= 300 {
        note("The receiver did not accept the lead.");
    }
    Ok(if status < 300 {
        Verdict::Fine
    } else {
        Verdict::Wrong
    })
}

/// A lead of a person who does not exist, and whom nobody has sent before.
fn sample(now: Timestamp) -> Value {
    json!({
        "email": format!("leadgate-test-{}@example.com", now.as_millisecond()),
        "firstName": "Test",
        "lastName": "Lead",
        "company": "Example",
        "message": "A test lead of kubectl leadgate send",
    })
}

/// The body with its sender's proof, made with the Secrets of the cluster.
pub(crate) async fn prove(
    cluster: &Cluster,
    namespace: &str,
    webhook: &LeadWebhook,
    body: Vec<u8>,
) -> anyhow::Result<Signed> {
    let secrets = secrets(cluster, namespace, webhook).await?;
    let read_secret = |name: &str, key: &str| {
        let value = secrets
            .get(name)
            .and_then(|secret| secret.data.as_ref()?.get(key));
        let value = value.map(|value| value.0.clone());
        value.ok_or_else(|| format!("Secret {namespace}/{name} has no key {key}"))
    };
    sign(&webhook.spec, &read_secret, body, Timestamp::now()).map_err(anyhow::Error::msg)
}

/// The Content-Type of a body.
pub(crate) fn kind(body: &[u8]) -> &'static str {
    if serde_json::from_slice::<Value>(body).is_ok() {
        "application/json"
    } else {
        "application/x-www-form-urlencoded"
    }
}

/// The Secrets that the proof is made with.
async fn secrets(
    cluster: &Cluster,
    namespace: &str,
    webhook: &LeadWebhook,
) -> anyhow::Result<BTreeMap<String, Secret>> {
    let named: Vec<&str> = match webhook.spec.auth.scheme() {
        Some(AuthScheme::Hmac(hmac)) => hmac.secret_refs.iter().take(1).map(|r| r.name.as_str()).collect(),
        Some(AuthScheme::Token(token)) => token
            .secret_refs
            .iter()
            .take(1)
            .map(|r| r.name.as_str())
            .collect(),
        Some(AuthScheme::Basic(basic)) => vec![basic.secret_ref.name.as_str()],
        _ => Vec::new(),
    };
    let api = cluster.within::<Secret>(namespace);
    let mut found = BTreeMap::new();
    for name in named {
        found.insert(name.to_owned(), api.get(name).await.map_err(told)?);
    }
    Ok(found)
}
