//! Fetches what a thin payload lacks, from the sender's own API, with limiter, pause and circuit of its own.

use std::time::Duration;

use serde_json::Value;

use super::attempt::Tools;
use super::judge::CORRECTION;
use super::settle::since;
use crate::crm::{Failure, LONGEST_PAUSE, Outcome, Throttled, retry_after};
use crate::lead::{Lead, Problem};
use crate::outgoing;
use crate::queue::{Breaker, Claim, CrmHealth, QueueError, RateLimit, SinkId, WebhookId};
use crate::source::{Fetched, Hydrator, Webhook, judge};

/// For one call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Far below what any of these APIs allows.
const LIMIT: RateLimit = RateLimit {
    requests: 50,
    per: Duration::from_secs(10),
};
/// When the API only fails.
const BREAKER: Breaker = Breaker {
    failures: 5,
    cooldown: Duration::from_secs(30),
};
/// How long to leave an API alone that asked for fewer calls without saying for how long.
const THROTTLED: Duration = Duration::from_mins(1);
/// How often a lead looks whether the API may be asked again: a new one, and one of a day.
const YOUNG: Duration = Duration::from_secs(1);
const OLD: Duration = Duration::from_mins(1);
/// Why a lead waits when no pause is the reason.
const WAITS: &str = "HydrateWaits: calls to the sender's API are paused";
/// How long to wait when the store cannot be asked.
const STORE_DOWN: Duration = Duration::from_secs(1);
/// More than any lead has.
const LONGEST: usize = 1 << 20;

/// The complete lead, and the API's answer as its payload; or what becomes of the lead instead.
pub(super) async fn fetch(
    url: &str,
    notification: &Value,
    known: &Value,
    claim: &Claim,
    tools: &Tools<'_>,
) -> Result<(Value, Value), Outcome> {
    let Some((webhook, hydrate)) = tools
        .webhook
        .as_deref()
        .and_then(|w| Some((w, w.hydrate.as_ref()?)))
    else {
        let gone = "the webhook or its payload.hydrate was removed; put it back and replay the lead";
        return Err(Outcome::Reject(Failure::new("HydrateFailed", gone)));
    };
    // Shared by all replicas, and apart from the CRM's own limiter.
    let api = api(&claim.webhook);
    permit(&api, since(claim.queued_at), tools).await?;
    let answer = get(url, hydrate, &api, tools).await?;
    let (lead, notes) = complete(webhook, &answer, notification, known)?;
    if !notes.is_empty() {
        tools.metrics.left_out(&claim.webhook, claim.id.as_str(), &notes);
    }
    Ok((lead, answer))
}

/// Under which name the sender's API has its limiter, pause and circuit in the store.
pub(super) fn api(webhook: &WebhookId) -> SinkId {
    SinkId::new(format!("{webhook}#hydrate"))
}

async fn permit(api: &SinkId, age: Duration, tools: &Tools<'_>) -> Result<(), Outcome> {
    let down = |error: QueueError| {
        Outcome::Throttled(Throttled {
            wait: STORE_DOWN,
            reason: error.to_string(),
        })
    };
    let grant = tools
        .queue
        .permits(api, 1, Some(LIMIT), BREAKER)
        .await
        .map_err(down)?;
    if grant.granted > 0 {
        return Ok(());
    }
    // The lead waits; the sink and its other webhooks go on. A young lead looks again soon, so that a new token is
    // noticed; a backlog of old ones does not keep the store busy.
    let pace = (age / 10).clamp(YOUNG, OLD);
    let reason = grant.paused.unwrap_or_else(|| WAITS.to_owned());
    Err(Outcome::Throttled(Throttled {
        wait: grant.wait.min(pace),
        reason,
    }))
}

async fn get(url: &str, hydrate: &Hydrator, api: &SinkId, tools: &Tools<'_>) -> Result<Value, Outcome> {
    let retry = |after, why| Outcome::Retry {
        after,
        why,
        unknown: false,
    };
    let request = tools
        .client
        .get(url)
        .header(hydrate.header.clone(), hydrate.token.clone())
        .timeout(TIMEOUT);
    let response = request.send().await;
    let health = match &response {
        Ok(response) if response.status().as_u16() < 500 => CrmHealth::Up,
        _ => CrmHealth::Down,
    };
    if let Err(error) = tools.queue.report(api, health, BREAKER).await {
        tracing::debug!(%error, "failed to update the circuit breaker of payload.hydrate");
    }
    let mut response = response.map_err(|error| {
        let message = if outgoing::is_refused(&error) {
            "the sender's API is not called: the host of payload.hydrate.baseUrl resolves to this machine or a link-local \
             address; correct its DNS entry, or start the receiver with --allow-local-addresses for a simulator"
        } else {
            "the sender's API (payload.hydrate) did not answer"
        };
        retry(None, Failure::new("HydrateUnreachable", message))
    })?;
    let status = response.status().as_u16();
    let after = retry_after(response.headers());
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST {
            return Err(Outcome::Reject(Failure::new(
                "HydrateFailed",
                "the answer of the sender's API is too large",
            )));
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let failure = |reason, message: String| Failure::new(reason, message).with_answer(&text);
    match judge(status, &bytes) {
        Fetched::Lead(lead) => Ok(lead),
        Fetched::Credentials(message) => {
            let why = failure("HydrateCredentials", message);
            pause(api, CORRECTION, &why, tools).await;
            Err(retry(None, why))
        }
        Fetched::Throttled(message) => {
            let why = failure("HydrateThrottled", message);
            pause(api, after.unwrap_or(THROTTLED), &why, tools).await;
            Err(retry(None, why))
        }
        Fetched::Unavailable(message) => {
            let why = failure("HydrateUnavailable", message);
            if let Some(after) = after {
                pause(api, after, &why, tools).await;
            }
            Err(retry(after, why))
        }
        Fetched::Unclear(message) => Err(retry(None, failure("HydrateUnclear", message))),
        Fetched::Refused(message) => Err(Outcome::Reject(failure("HydrateRefused", message))),
    }
}

async fn pause(api: &SinkId, pause: Duration, why: &Failure, tools: &Tools<'_>) {
    let pause = pause.min(LONGEST_PAUSE);
    if let Err(error) = tools.queue.pause(api, pause, &why.for_pause()).await {
        tracing::debug!(%error, "failed to store the pause of payload.hydrate");
    }
}

fn complete(
    webhook: &Webhook,
    answer: &Value,
    notification: &Value,
    known: &Value,
) -> Result<(Value, Vec<Problem>), Outcome> {
    let known = Lead::from_value(known.clone()).unwrap_or_default();
    webhook
        .complete(answer, notification, known)
        .map(|(lead, notes)| (lead.into_value(), notes))
        .map_err(|problems| {
            let told: Vec<String> = problems
                .iter()
                .map(
                    |Problem {
                         field,
                         reason,
                         message,
                     }| format!("{field} ({reason}): {message}"),
                )
                .collect();
            Outcome::Reject(Failure::new(
                "InvalidLead",
                format!("the fetched lead is not valid: {}", told.join("; ")),
            ))
        })
}
