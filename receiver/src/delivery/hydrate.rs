//! Fetches what a thin payload lacks, from the sender's own API, with limiter, pause and circuit of its own.

use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use super::context::Context;
use super::judge::RETRY_AFTER_MISCONFIGURED;
use crate::crm::{Failure, MAX_PAUSE, Outcome, Throttle, Throttled};
use crate::lead::{Lead, Problem, people};
use crate::outbound::{NoAnswer, Peer, exchange, retry_after};
use crate::outcomes::Unwanted;
use crate::queue::{Breaker, Claim, CrmHealth, Queue, RateLimit};
use crate::source::{Fetched, Hydrator, NoLead, Webhook, judge};
use crate::throttle::{PauseReason, ThrottleKey};
use crate::time::since;
use crate::trace::{Call, Processing};

/// Whose API, for messages.
const API: Peer<'static> = Peer {
    name: "the sender's API",
    address: "payload.hydrate.baseUrl",
    timeout: Duration::from_secs(10),
    timeout_is: "10 seconds",
};
/// Far below what any of these APIs allows.
const RATE_LIMIT: RateLimit = RateLimit {
    requests: 50,
    per: Duration::from_secs(10),
};
/// When the API only fails.
const BREAKER: Breaker = Breaker {
    failures: 5,
    cooldown: Duration::from_secs(30),
};
/// How long to leave an API alone that asked for fewer calls without saying for how long.
const RETRY_AFTER_RATE_LIMITED: Duration = Duration::from_mins(1);
/// How often a lead looks whether the API may be asked again: a new one, and one of a day.
const RETRY_AFTER_NEW: Duration = Duration::from_secs(1);
const RETRY_AFTER_OLD: Duration = Duration::from_mins(1);
/// How long to wait when the store cannot be asked.
const RETRY_AFTER_STORE_DOWN: Duration = Duration::from_secs(1);
/// More than any lead has.
const MAX_ANSWER: usize = 1 << 20;

/// The complete lead, and the API's answer as its payload; or what becomes of the lead instead.
pub(super) async fn fetch(
    url: &str,
    notification: &Value,
    known: &Value,
    claim: &Claim,
    context: &Context<'_>,
) -> Result<(Value, Value), Outcome> {
    let Some((webhook, hydrate)) = context
        .webhook
        .as_deref()
        .and_then(|w| Some((w, w.hydrate.as_ref()?)))
    else {
        let gone = "the webhook or its payload.hydrate was removed; put it back and replay the lead";
        return Err(Outcome::Reject(Failure::new(FailureReason::HydrateFailed, gone)));
    };
    // Shared by all replicas, and apart from the CRM's own limiter.
    let api = ThrottleKey::Hydrate(claim.webhook.clone());
    let throttle = ApiThrottle {
        api: &api,
        queue: context.queue,
        age: since(claim.queued_at),
        spans: context.spans,
        place: context.place,
    };
    let answer = get(url, hydrate, &throttle, context.client).await?;
    let (lead, notes) = complete(webhook, &answer, notification, known)?;
    if !notes.is_empty() {
        context
            .metrics
            .left_out(&claim.webhook, claim.id.as_str(), &notes);
    }
    // Before the CRM has it: an erasure finds it by this.
    let whole = Lead::from_value(lead.clone()).unwrap_or_default();
    let people = people(&whole, None, webhook.region());
    match context.queue.identify(&claim.webhook, &claim.id, &people).await {
        Ok(false) => {}
        Ok(true) => return Err(Outcome::Unwanted(Unwanted::Suppressed)),
        Err(_) => {
            return Err(Outcome::Throttled(Throttled {
                wait: RETRY_AFTER_STORE_DOWN,
                paused: None,
            }));
        }
    }
    Ok((lead, answer))
}

/// The limiter, pause and circuit of a sender's API.
struct ApiThrottle<'a> {
    api: &'a ThrottleKey,
    queue: &'a dyn Queue,
    /// Of the lead that is fetched.
    age: Duration,
    spans: &'a Processing,
    place: usize,
}

impl ApiThrottle<'_> {
    async fn pause(&self, pause: Duration, why: &Failure) {
        if let Err(error) = self.queue.pause(self.api, pause, &PauseReason::from(why)).await {
            tracing::debug!(%error, "failed to store the pause of payload.hydrate");
        }
    }
}

#[async_trait]
impl Throttle for ApiThrottle<'_> {
    async fn acquire(&self) -> Result<(), Throttled> {
        let grant = self
            .queue
            .permits(self.api, 1, Some(RATE_LIMIT), BREAKER)
            .await
            .map_err(|_| Throttled {
                wait: RETRY_AFTER_STORE_DOWN,
                paused: None,
            })?;
        if grant.granted > 0 {
            return Ok(());
        }
        // The lead waits; the sink and its other webhooks go on. A young lead looks again soon, so that a new token is
        // noticed; a backlog of old ones does not keep the store busy.
        let pace = (self.age / 10).clamp(RETRY_AFTER_NEW, RETRY_AFTER_OLD);
        Err(Throttled {
            wait: grant.wait.min(pace),
            paused: Some(grant.paused.unwrap_or_else(|| PauseReason {
                reason: FailureReason::HydrateWaits,
                message: "the sender's API takes no more calls now".to_owned(),
            })),
        })
    }

    fn trace(&self, request: &reqwest::Request, peer: &str) -> Call {
        self.spans.call(Some(self.place), request, peer)
    }

    async fn report(&self, health: CrmHealth, _elapsed: Duration) {
        if let Err(error) = self.queue.report(self.api, health, BREAKER).await {
            tracing::debug!(%error, "failed to update the circuit breaker of payload.hydrate");
        }
    }
}

async fn get(
    url: &str,
    hydrate: &Hydrator,
    throttle: &ApiThrottle<'_>,
    client: &crate::outbound::Client,
) -> Result<Value, Outcome> {
    let retry = |after, why| Outcome::Retry {
        after,
        why,
        in_doubt: false,
    };
    let request = client
        .get(url)
        .headers(hydrate.headers.clone())
        .header(hydrate.header.clone(), hydrate.token.clone());
    let reply = match exchange(request, API, throttle).await {
        Ok(reply) => reply,
        Err(NoAnswer::Throttled(denied)) => return Err(Outcome::Throttled(denied)),
        // Nothing was written by it, whatever became of it.
        Err(NoAnswer::Failed(why, _)) => {
            return Err(retry(
                None,
                Failure {
                    reason: FailureReason::HydrateUnreachable,
                    ..why
                },
            ));
        }
    };
    if reply.text.len() > MAX_ANSWER {
        return Err(Outcome::Reject(Failure::new(
            FailureReason::HydrateFailed,
            "the answer of the sender's API is too large",
        )));
    }
    let after = asked(&reply.headers);
    let failure = |reason, message: String| Failure::new(reason, message).with_answer(&reply.text);
    match judge(reply.status, reply.text.as_bytes()) {
        Fetched::Lead(lead) => Ok(lead),
        Fetched::Credentials(message) => {
            let why = failure(FailureReason::HydrateCredentials, message);
            throttle.pause(RETRY_AFTER_MISCONFIGURED, &why).await;
            Err(retry(None, why))
        }
        Fetched::Throttled(message) => {
            let why = failure(FailureReason::HydrateThrottled, message);
            throttle
                .pause(after.unwrap_or(RETRY_AFTER_RATE_LIMITED), &why)
                .await;
            Err(retry(None, why))
        }
        Fetched::Unavailable(message) => {
            let why = failure(FailureReason::HydrateUnavailable, message);
            if let Some(after) = after {
                throttle.pause(after, &why).await;
            }
            Err(retry(after, why))
        }
        Fetched::Unclear(message) => Err(retry(None, failure(FailureReason::HydrateUnclear, message))),
        Fetched::Refused(message) => Err(Outcome::Reject(failure(FailureReason::HydrateRefused, message))),
    }
}

/// How long the API asks to be left alone, and at most [`MAX_PAUSE`]: its pauses end, and its leads look again.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers).map(|after| after.min(MAX_PAUSE))
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
        .map_err(|no_lead| {
            let problems = match no_lead {
                NoLead::Ignored(_) => return Outcome::Unwanted(Unwanted::NotALead),
                NoLead::Refused(problems) => problems,
            };
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
                FailureReason::InvalidLead,
                format!("the fetched lead is not valid: {}", told.join("; ")),
            ))
        })
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::RETRY_AFTER};

    use super::*;

    #[test]
    fn an_api_that_asks_for_a_year_is_asked_again_within_an_hour() {
        let after = |seconds| {
            asked(&HeaderMap::from_iter([(
                RETRY_AFTER,
                HeaderValue::from_static(seconds),
            )]))
        };
        assert_eq!(after("31536000"), Some(MAX_PAUSE));
        assert_eq!(after("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
