//! Fetches what a thin payload lacks, from the sender's own API, with limiter, pause and circuit of its own.

use std::time::Duration;

use serde_json::Value;

use super::attempt::Tools;
use crate::crm::{Denied, Failure, Outcome, retry_after};
use crate::lead::{Lead, Problem};
use crate::queue::{Breaker, Claim, CrmHealth, QueueError, RateLimit, SinkId};
use crate::source::{Hydrator, Webhook};

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
/// How often a refused token is tried again, so that a corrected one is noticed.
const CREDENTIALS: Duration = Duration::from_mins(1);
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
    let api = SinkId::new(format!("{}#hydrate", claim.webhook));
    permit(&api, tools).await?;
    let answer = get(url, hydrate, &api, tools).await?;
    let lead = complete(webhook, &answer, notification, known)?;
    Ok((lead, answer))
}

async fn permit(api: &SinkId, tools: &Tools<'_>) -> Result<(), Outcome> {
    let down = |error: QueueError| {
        Outcome::Denied(Denied {
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
    // The lead waits; the sink and its other webhooks go on.
    let why = Failure::new(
        "HydrateWaits",
        grant
            .paused
            .unwrap_or_else(|| "the sender's API takes no more calls now".to_owned()),
    );
    Err(Outcome::Retry {
        after: Some(grant.wait),
        why,
        unknown: false,
    })
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
        tracing::debug!(%error, "the circuit breaker of payload.hydrate could not be told");
    }
    let Ok(mut response) = response else {
        return Err(retry(
            None,
            Failure::new(
                "HydrateUnreachable",
                "the sender's API (payload.hydrate) did not answer",
            ),
        ));
    };
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
    match status {
        200..=299 => serde_json::from_slice(&bytes).map_err(|_| {
            retry(
                None,
                failure(
                    "HydrateFailed",
                    "the answer of the sender's API is not JSON".to_owned(),
                ),
            )
        }),
        401 | 403 => Err(retry(
            Some(after.unwrap_or(CREDENTIALS)),
            failure(
                "HydrateCredentials",
                format!("the sender's API refused the token of payload.hydrate ({status})"),
            ),
        )),
        408 | 423 | 429 | 500..=599 => {
            if let Some(pause) = after
                && let Err(error) = tools
                    .queue
                    .pause(api, pause, "the sender's API asked to wait")
                    .await
            {
                tracing::debug!(%error, "the pause of payload.hydrate could not be stored");
            }
            Err(retry(
                after,
                failure(
                    "HydrateUnavailable",
                    format!("the sender's API (payload.hydrate) answered {status}"),
                ),
            ))
        }
        _ => Err(Outcome::Reject(failure(
            "HydrateRefused",
            format!("the sender's API has no such lead ({status})"),
        ))),
    }
}

fn complete(
    webhook: &Webhook,
    answer: &Value,
    notification: &Value,
    known: &Value,
) -> Result<Value, Outcome> {
    let known = Lead::from_value(known.clone()).unwrap_or_default();
    webhook
        .complete(answer, notification, known)
        .map(Lead::into_value)
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
