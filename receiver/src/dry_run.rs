//! `leadgate-receiver try`: what a webhook would make of a request, without sending or storing anything.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::common::Duration;
use serde_json::Value;

use crate::config::{self, Config, Folders};
use crate::lead::{Lead, Problem};
use crate::nearest::did_you_mean;
use crate::shown;
use crate::source::auth::RawRequest;
use crate::source::{ChallengeAnswer, Element, NoLead, Other, Parsed, Refusal, Submission, Webhook, Whole};
use crate::time::epoch_ms;

/// The flags of `try`.
#[derive(Debug, Clone, Args)]
pub struct Try {
    /// Directory of manifests.
    #[arg(long, env = "LEADGATE_MANIFESTS", value_name = "DIR")]
    pub manifests: PathBuf,
    /// Directory of Secrets as mounted by Kubernetes.
    #[arg(long, env = "LEADGATE_SECRETS", value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// The webhook: NAME, or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    pub webhook: String,
    /// File with the body of the request, exactly as sent.
    #[arg(long, value_name = "FILE")]
    pub payload: PathBuf,
    /// File with the response of the sender's API, for webhooks with payload.hydrate.
    #[arg(long, value_name = "FILE")]
    pub fetched: Option<PathBuf>,
    /// A header of the request, as Name:Value; may be repeated.
    #[arg(long = "header", value_name = "NAME:VALUE")]
    pub headers: Vec<String>,
    /// The query string of the URL.
    #[arg(long)]
    pub query: Option<String>,
}

/// Runs it. `true`: the request would have been accepted.
pub fn run(cli: &Try) -> anyhow::Result<bool> {
    let config = config::load(
        &Folders {
            manifests: cli.manifests.clone(),
            secrets: cli.secrets.clone(),
            // Nothing is called.
            local_addresses: true,
            receiver: None,
        },
        None,
    );
    let webhook = find(&config, &cli.webhook)?;
    let body = std::fs::read(&cli.payload).with_context(|| format!("--payload {}", cli.payload.display()))?;
    let headers = headers(&cli.headers, &cli.payload, &body)?;
    let request = RawRequest {
        method: &Method::POST,
        query: cli
            .query
            .as_deref()
            .map(|query| query.strip_prefix('?').unwrap_or(query)),
        headers: &headers,
        body: &body,
        now: epoch_ms(),
    };
    let fetched = cli.fetched.as_deref().map(fetched).transpose()?;
    let (report, accepted) = report(&config, webhook, &request, Whole::Request, fetched.as_ref());
    shown::print(&report)?;
    Ok(accepted)
}

fn find<'c>(config: &'c Config, name: &str) -> anyhow::Result<&'c Webhook> {
    let matches = |id: &str| id == name || id.split_once('/').is_some_and(|(_, own)| own == name);
    let found: Vec<&Webhook> = config
        .webhooks()
        .map(AsRef::as_ref)
        .filter(|webhook: &&Webhook| matches(webhook.id.as_str()))
        .collect();
    match found.as_slice() {
        [webhook] => Ok(webhook),
        [] => {
            let problems: Vec<String> = config
                .problems
                .iter()
                .map(|problem| format!("\n  {problem}"))
                .collect();
            let problems = problems.concat();
            bail!(
                "no LeadWebhook named {name} can run{}{problems}",
                others(config, name)
            )
        }
        _ => bail!("several LeadWebhooks are named {name}; write NAMESPACE/NAME"),
    }
}

/// Which LeadWebhooks there are instead.
fn others(config: &Config, name: &str) -> String {
    let known: Vec<&str> = config.webhooks().map(|webhook| webhook.id.as_str()).collect();
    let own = known
        .iter()
        .filter_map(|id| id.split_once('/'))
        .map(|(_, own)| own);
    did_you_mean(name, own.chain(known.iter().copied())).unwrap_or_else(|| {
        if known.is_empty() {
            String::new()
        } else {
            format!("; there are {}", known.join(", "))
        }
    })
}

/// An answer of a sender's API.
fn fetched(path: &Path) -> anyhow::Result<Value> {
    let at = || format!("--fetched {}", path.display());
    let answer: Value = serde_json::from_slice(&std::fs::read(path).with_context(at)?).with_context(at)?;
    if !answer.is_object() {
        bail!("{}: the response of a sender's API must be a JSON object", at());
    }
    Ok(answer)
}

fn headers(given: &[String], path: &Path, body: &[u8]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for header in given {
        let (name, value) = header
            .split_once(':')
            .with_context(|| format!("--header `{header}`: write Name:Value"))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).context("--header: not a header's name")?;
        headers.append(
            name,
            HeaderValue::from_str(value.trim()).context("--header: not a header's value")?,
        );
    }
    if !headers.contains_key(CONTENT_TYPE) {
        let is_json = path.extension().is_some_and(|e| e == "json")
            || matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        let kind = if is_json {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Ok(headers)
}

/// What would become of a request, in words, and whether it would be accepted. `fetched` is what the sender's API would
/// answer, if that is known.
pub fn report(
    config: &Config,
    webhook: &Webhook,
    request: &RawRequest<'_>,
    whole: Whole,
    fetched: Option<&Value>,
) -> (String, bool) {
    let mut out = String::new();
    let mut line = |label: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{label:<16}{}", shown::line(text));
    };
    line("webhook", &format!("{} at {}", webhook.id, webhook.path));
    if webhook.certificate.is_some() {
        line(
            "certificate",
            "client certificate required (auth.clientCertificate); not checked here",
        );
    }
    let verified = webhook.verifier.verify(request);
    match &verified {
        Ok(number) if webhook.verifier.secrets() > 1 => {
            line("authentication", &format!("accepted with secretRefs[{number}]"));
        }
        Ok(_) => line("authentication", "accepted"),
        Err(error) => line("authentication", &format!("refused (401): {error}")),
    }
    let mut elements = Vec::new();
    let parsed = webhook.parse_whole(request, whole);
    let status = match &parsed {
        Err(refusal) if refusal.is_ours() => 503,
        Err(refusal) if refusal.is_overlooked() => 200,
        _ => 400,
    };
    let accepted = match parsed {
        Ok(Parsed::Leads(found)) => {
            elements = found;
            true
        }
        Ok(Parsed::Ignored(reason)) => {
            line("result", &format!("ignored (200): {reason}"));
            false
        }
        Ok(Parsed::Challenge(ChallengeAnswer::Refuse(status, reason))) => {
            line("result", &format!("challenge, refused with {status}: {reason}"));
            false
        }
        Ok(Parsed::Challenge(_)) => {
            line("result", "challenge, answered with 200");
            true
        }
        Err(Refusal::Body(error)) => {
            line("body", &format!("refused: {error}"));
            false
        }
        Err(Refusal::Invalid(problems)) => {
            line(
                "validation",
                &format!("refused ({status}): {}", counted(problems.len())),
            );
            for problem in &problems {
                line("", &in_words(problem));
            }
            false
        }
    };
    let mut others = String::new();
    let mut number = 0;
    for element in elements {
        match element {
            Element::Lead(submission) => {
                number += 1;
                out.push_str(&describe(config, webhook, number, submission, fetched));
            }
            Element::Other(Other::Ignored(reason)) => {
                let _ = writeln!(others, "{:<16}ignored: {reason}", "element");
            }
            Element::Other(Other::Refused { problems, .. }) => {
                let _ = writeln!(others, "{:<16}rejected: {}", "element", counted(problems.len()));
                for problem in &problems {
                    let _ = writeln!(others, "{:<16}{}", "", in_words(problem));
                }
            }
        }
    }
    out.push_str(&others);
    (out, accepted && verified.is_ok())
}

fn counted(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        n => format!("{n} problems"),
    }
}

fn in_words(problem: &Problem) -> String {
    format!("{} ({}): {}", problem.field, problem.reason, problem.message)
}

fn describe(
    config: &Config,
    webhook: &Webhook,
    number: usize,
    submission: Submission<'_>,
    fetched: Option<&Value>,
) -> String {
    let mut out = String::new();
    let mut line = |label: &str, text: &str| {
        let _ = writeln!(out, "{label:<16}{}", shown::line(text));
    };
    line(&format!("lead {number}"), "valid");
    let parts = submission
        .key
        .submission
        .as_deref()
        .unwrap_or("digest of the body (no submission id found)");
    line(
        "idempotency",
        &format!(
            "from {}: {parts}; remembered for {}",
            submission.key.from,
            Duration::from(submission.key.window)
        ),
    );
    let mut payload: Value = serde_json::from_slice(&submission.payload).unwrap_or(Value::Null);
    let (mut lead, mut notes) = (submission.lead, submission.notes);
    let is_whole = submission.hydrate.is_none() || fetched.is_some();
    match (&submission.hydrate, fetched) {
        (None, None) => {}
        (None, Some(_)) => line("fetched", "not used: the payload is a complete lead"),
        (Some(url), None) => line(
            "hydrate",
            &format!("the other fields would be fetched from {url}; pass its response with --fetched FILE"),
        ),
        (Some(url), Some(answer)) => {
            line("hydrate", &format!("using --fetched as the response of {url}"));
            match webhook.complete(answer, &payload, lead) {
                Ok(complete) => (lead, notes) = complete,
                Err(NoLead::Ignored(why)) => {
                    line("fetched", &format!("{why}: it would be removed"));
                    return out;
                }
                Err(NoLead::Refused(problems)) => {
                    line("fetched", "not a valid lead: it would become dead (InvalidLead)");
                    for problem in &problems {
                        line("", &in_words(problem));
                    }
                    return out;
                }
            }
            payload = answer.clone();
        }
    }
    for note in &notes {
        line("left out", &in_words(note));
    }
    let lead = lead.into_value();
    for (name, value) in lead.as_object().into_iter().flatten() {
        line("", &format!("{name} = {}", text(value)));
    }
    // A thin lead's fields are not there yet.
    if is_whole {
        let filled = Lead::from_value(lead.clone()).unwrap_or_default();
        let empty = webhook.own_fields().into_iter().filter(|name| !filled.has(name));
        found_nothing(&mut line, &empty.collect::<Vec<_>>());
    }
    if submission.sinks.is_empty() {
        line(
            "sink",
            "no sink receives it (sinks[].when): it would be kept as unrouted",
        );
    }
    for id in submission.sinks.iter() {
        line("sink", id.as_str());
        let Some(sink) = config.sinks().find(|sink| sink.id == *id) else {
            continue;
        };
        for (field, mapping, when) in [
            ("properties", &sink.mapping, ""),
            ("createOnly", &sink.create_only, " (new record only)"),
        ] {
            match mapping.apply(&lead, &payload, webhook.value()) {
                Ok(properties) => {
                    for (name, value) in &properties {
                        line("", &format!("{name} = {}{when}", text(value)));
                    }
                    let given = |name: &&str| !properties.iter().any(|(property, _)| property == name);
                    let empty = mapping.looking_at_free_names().filter(given);
                    if is_whole {
                        found_nothing(&mut line, &empty.collect::<Vec<_>>());
                    }
                }
                Err(error) => line("", &format!("{field}.{error}")),
            }
        }
    }
    out
}

/// Which expressions gave nothing: as a typing error in a path does.
fn found_nothing(line: &mut impl FnMut(&str, &str), empty: &[&str]) {
    if !empty.is_empty() {
        line("found nothing", &empty.join(", "));
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
