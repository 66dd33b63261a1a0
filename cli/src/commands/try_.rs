//! `try`: what a webhook would make of a payload.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use leadgate_crds::LeadWebhook;
use leadgate_crds::api::{Trial, TrialResult};
use leadgate_crds::lenient::Lenient;

use super::send::{kind, prove};
use crate::args::Global;
use crate::cluster::{Place, told};
use crate::output::Output;
use crate::receiver::{Call, Receiver, encode};
use crate::text::plain;
use crate::{Usage, Verdict};

#[derive(Debug, Args)]
pub(crate) struct Try {
    /// LeadWebhook: NAME, or NAMESPACE/NAME.
    webhook: String,
    /// File with the body as the sender posts it; - for standard input.
    payload: PathBuf,
    /// Header of the request, for example "Content-Type: application/x-www-form-urlencoded". Can be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Query of the URL.
    #[arg(long, default_value = "", value_name = "QUERY")]
    query: String,
    /// Sign the request with the webhook's Secret, as its sender would.
    #[arg(long, conflicts_with = "query")]
    sign: bool,
}

/// Reads a file, or standard input.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(crate) async fn run(global: &Global, output: Output, command: &Try) -> anyhow::Result<Verdict> {
    let mut body = read(&command.payload)?;
    let (mut headers, mut query) = (command.headers.clone(), command.query.clone());
    if command.sign {
        let cluster = Place::cluster(global, "try --sign").await?;
        let (namespace, name) = cluster.named(&command.webhook);
        let webhook = cluster
            .within::<Lenient<LeadWebhook>>(namespace)
            .get(name)
            .await
            .map_err(told)?
            .object;
        let is_kind = |header: &String| header.to_ascii_lowercase().starts_with("content-type:");
        if !headers.iter().any(is_kind) {
            headers.push(format!("Content-Type: {}", kind(&body)));
        }
        let signed = prove(&cluster, namespace, &webhook, body).await?;
        headers.extend(
            signed
                .headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        signed.query_text().trim_start_matches('?').clone_into(&mut query);
        body = signed.body;
    }
    let body = String::from_utf8(body)
        .map_err(|_| Usage(format!("{}: only text can be tried", command.payload.display())))?;
    let trial = Trial {
        body,
        headers,
        query,
        ..Trial::default()
    };
    let (mut receiver, namespace, name) = Receiver::open_for(global, &command.webhook).await?;
    let path = format!("/api/v1/webhooks/{}/{}/try", encode(&namespace), encode(&name));
    let result: TrialResult = receiver.call(Call::post(path).json(&trial)?).await?;
    output.one(&result, &format!("{namespace}/{name}"), || plain(&result.report))?;
    Ok(if result.accepted {
        Verdict::Fine
    } else {
        Verdict::Wrong
    })
}
