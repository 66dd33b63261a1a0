//! What a CRM's answers mean: the sink's `answers` first, then what HTTP itself says. Pure.

mod named;

use std::time::Duration;

use http::HeaderMap;
use leadgate_crds::reason::FailureReason;
use serde_json::{Map, Value};

use named::{found_refused, missing, named, refused};

use super::description::{Answers, Part};
use crate::crm::Failure;
use crate::crm::answer::Answer;
use crate::expression::Scope;
use crate::outbound::{Body, Reply, refuses_credentials, retry_after, wait};

/// For 429 without Retry-After: the window of most APIs' limits is shorter.
const RETRY_AFTER_RATE_LIMITED: Duration = Duration::from_secs(10);
/// How often wrong credentials and wrong addresses are tried again, so that a correction is noticed.
const RETRY_AFTER_MISCONFIGURED: Duration = Duration::from_mins(1);
/// The longest id that is taken for one.
const MAX_ID_LENGTH: usize = 255;

/// One answer, as expressions see it.
#[derive(Debug)]
pub(super) struct Seen {
    reply: Reply,
    status_value: Value,
    headers: Value,
    /// How long the CRM asks to wait.
    wait: Option<Duration>,
    /// Which call was answered.
    call: Value,
}

impl Seen {
    pub(super) fn new(reply: Reply, call: &str) -> Self {
        let headers: Map<String, Value> = reply
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?))))
            .collect();
        Self {
            status_value: Value::from(reply.status),
            headers: Value::Object(headers),
            wait: retry_after(&reply.headers).or_else(|| limit_reset(reply.status, &reply.headers)),
            call: Value::from(call),
            reply,
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.reply.status
    }

    /// As it came.
    pub(super) fn text(&self) -> &str {
        &self.reply.text
    }

    /// Whether something between here and the CRM wrote it: a page for people, or a success without the JSON of an API.
    fn is_foreign(&self) -> bool {
        match self.reply.body {
            Body::Html => true,
            // `404 page not found` is what web servers say without any API behind them.
            Body::Other => matches!(self.status(), 200..=299 | 404 | 410),
            Body::Json(Value::Null) | Body::Empty => (200..=299).contains(&self.status()),
            Body::Json(_) => false,
        }
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::new()
            .with("status", &self.status_value)
            .with("headers", &self.headers)
            .with("body", self.reply.json())
            .with("call", &self.call)
    }

    /// A failure with the CRM's words: those that `answers.message` finds, else the whole answer.
    fn failure(&self, answers: &Answers, reason: FailureReason, message: String) -> Failure {
        let words = answers
            .message
            .as_ref()
            // An expression that fails on this answer does not hide it.
            .and_then(|part| part.value(&self.scope()).ok().flatten())
            .map(|words| match words {
                Value::String(words) => words,
                other => other.to_string(),
            })
            .filter(|words| !words.trim().is_empty());
        Failure::new(reason, message)
            .with_answer(words.as_deref().unwrap_or(self.text()))
            .with_status(self.status())
    }
}

/// When a rate limit is over, for APIs without Retry-After: `RateLimit: limit=100, remaining=0, reset=5` (drafts of the
/// IETF's RateLimit header up to 07; Close), `RateLimit-Reset: 5`, or where the limit is what failed `X-RateLimit-Reset`, which many
/// APIs send with every answer; a wait or a time.
fn limit_reset(status: u16, headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let standard = || {
        text("ratelimit")?
            .split([',', ';'])
            .find_map(|item| item.trim().strip_prefix("reset="))
    };
    let usual = || {
        let is_limit = matches!(status, 420 | 429 | 430);
        is_limit.then(|| text("x-ratelimit-reset").or_else(|| text("x-rate-limit-reset")))?
    };
    let reset = text("ratelimit-reset").or_else(standard).or_else(usual)?;
    // A clock that is behind would else make it a limit without a wait.
    wait(reset).filter(|wait| !wait.is_zero())
}

/// Judges an answer; what it cannot prove to be a delivery is none. `id` gives the record's id where the CRM took the lead; `sent` are the names of the properties.
pub(super) fn classify(answers: &Answers, seen: &Seen, id: Option<&Part>, sent: &[&str]) -> Answer {
    let judged = by_sink(answers, seen, &seen.scope(), id, sent);
    match judged {
        Ok(Some(answer)) => answer,
        // HTTP's own words come before what an expression makes of an error page.
        Err(_) if seen.status() == 429 || seen.status() >= 500 => retry(answers, seen),
        // The pages of a redirect and of a sign-in are the server's own.
        Ok(None) | Err(_)
            if seen.is_foreign()
                && !(300..=399).contains(&seen.status())
                && !refuses_credentials(seen.status()) =>
        {
            let why = seen.reply.foreign("the CRM");
            if (200..=299).contains(&seen.status()) {
                // It may have taken the lead.
                Answer::Retry {
                    after: None,
                    why,
                    in_doubt: true,
                }
            } else {
                Answer::Suspect {
                    why,
                    in_doubt: false,
                    own: false,
                }
            }
        }
        Ok(None) => by_status(answers, seen, sent),
        Err(_) if matches!(seen.status(), 300..=399 | 403) || refuses_credentials(seen.status()) => {
            by_status(answers, seen, sent)
        }
        Err(failure) => Answer::Reject(seen.failure(
            answers,
            FailureReason::AnswerNotUnderstood,
            format!(
                "the CRM answered ({}), and {}; the CRM may have taken the lead",
                seen.status(),
                failure.message
            ),
        )),
    }
}

fn by_sink(
    answers: &Answers,
    seen: &Seen,
    scope: &Scope<'_>,
    id: Option<&Part>,
    sent: &[&str],
) -> Result<Option<Answer>, Failure> {
    // Before `delivered`, which may accept 404 for lookups: an update of nothing is no delivery.
    // Something in between does not say that a record is gone: only JSON, or no body at all, is the CRM's word.
    let may_be_gone = ["update", "delete", "read"]
        .iter()
        .any(|call| seen.call == **call)
        && !matches!(seen.reply.body, Body::Html | Body::Other);
    if may_be_gone && answers.gone.test(scope)? {
        return Ok(Some(Answer::NotFound(seen.failure(
            answers,
            FailureReason::RecordNotFound,
            format!("the CRM has no record with this id ({})", seen.status()),
        ))));
    }
    if answers.delivered.test(scope)? {
        return Ok(Some(Answer::Done(match record_id(id, scope) {
            // That a new record has no id is for the caller to judge: see `nameless`.
            Err(_) if seen.call == "create" => None,
            record => record?,
        })));
    }
    if answers.conflict.test(scope)? {
        let failure = seen.failure(
            answers,
            FailureReason::RecordConflict,
            format!(
                "the CRM has another record with one of the lead's unique values ({}{})",
                seen.status(),
                named(seen.reply.json(), sent)
            ),
        );
        return Ok(Some(Answer::Conflict(
            record_id(answers.id.as_ref(), scope)?,
            failure,
        )));
    }
    Ok(answers.retry.test(scope)?.then(|| retry(answers, seen)))
}

/// The CRM says that it took the lead and names no record, though a new one has an id: `id` does not find it.
pub(super) fn nameless(answers: &Answers, seen: &Seen, id: &Part) -> Failure {
    seen.failure(
        answers,
        FailureReason::RecordIdMissing,
        format!(
            "the CRM answered ({}), but {} finds no id of a new record in its answer",
            seen.status(),
            id.field
        ),
    )
}

fn retry(answers: &Answers, seen: &Seen) -> Answer {
    if seen.status() == 429 {
        return Answer::Pause(
            seen.wait.unwrap_or(RETRY_AFTER_RATE_LIMITED),
            seen.failure(
                answers,
                FailureReason::RateLimited,
                "the CRM's request limit is used up (429); lower delivery.rateLimit if this comes often"
                    .to_owned(),
            ),
        );
    }
    let failed = seen.status() >= 500;
    let (reason, words) = if failed {
        (FailureReason::Unavailable, "the CRM failed")
    } else {
        (FailureReason::TryLater, "the CRM asked to try again later")
    };
    Answer::Retry {
        after: seen.wait,
        why: seen.failure(answers, reason, format!("{words} ({})", seen.status())),
        // 408 and 460: whoever stopped waiting did not stop the CRM.
        in_doubt: failed || matches!(seen.status(), 408 | 460),
    }
}

fn by_status(answers: &Answers, seen: &Seen, sent: &[&str]) -> Answer {
    let status = seen.status();
    let failure = |reason, message| seen.failure(answers, reason, message);
    match status {
        _ if refuses_credentials(status) => Answer::Pause(
            seen.wait.unwrap_or(RETRY_AFTER_MISCONFIGURED),
            failure(
                FailureReason::InvalidCredentials,
                format!(
                    "the CRM refused the credentials ({status}); put valid ones, with the right to write leads, into the Secret of rest.auth"
                ),
            ),
        ),
        403 => Answer::Suspect {
            why: failure(
                FailureReason::Forbidden,
                "the CRM forbids this (403): the credentials of rest.auth may lack the right to write leads, or this lead may hold what they may not write"
                    .to_owned(),
            ),
            in_doubt: false,
            own: true,
        },
        // Not in any standard: 420 and 430 are some APIs' words for too many calls, 449 is Microsoft's for another try, 460 a load
        // balancer's for a client that it lost.
        408 | 420 | 423 | 425 | 429 | 430 | 449 | 460 => retry(answers, seen),
        // nginx lost its client, and what is behind it may have gone on; or a token is lacking (Esri).
        499 => Answer::Suspect {
            why: failure(
                FailureReason::CallRefused,
                "the call was given up on its way, or its token is lacking (499); see the CRM's answer and rest.auth"
                    .to_owned(),
            ),
            in_doubt: true,
            own: !seen.is_foreign() && seen.reply.body != Body::Empty,
        },
        // 463 and 464, and 494 to 497, are load balancers' and nginx's words for a request or certificate that they do not take.
        402 | 405 | 406 | 415 | 421 | 426 | 451 | 463 | 464 | 494..=497 => Answer::Suspect {
            why: failure(
                FailureReason::CallRefused,
                format!(
                    "the CRM refuses the call or the account, not what the lead says ({status}); see its answer, the account's plan and rest.{}",
                    seen.call
                ),
            ),
            in_doubt: false,
            own: true,
        },
        300..=399 => Answer::Suspect {
            why: failure(
                FailureReason::Redirected,
                format!("rest.baseUrl answers with a redirect ({status}); write the API's own address"),
            ),
            in_doubt: false,
            own: false,
        },
        404 | 410 => Answer::NotFound(failure(
            FailureReason::UnknownPath,
            format!("the CRM has nothing at the path of this call ({status})"),
        )),
        _ => {
            let found = found_refused(answers, seen);
            let mut words = named(seen.reply.json(), sent);
            if words.is_empty() {
                words = missing(&found);
            }
            let why = failure(
                FailureReason::Refused,
                format!("the CRM refused the lead ({status}{words})"),
            );
            match refused(&found, sent) {
                properties if properties.is_empty() => Answer::Reject(why),
                properties => Answer::Refused(why, properties),
            }
        }
    }
}

/// The id that an expression finds in an answer.
fn record_id(part: Option<&Part>, scope: &Scope<'_>) -> Result<Option<String>, Failure> {
    let Some(part) = part else { return Ok(None) };
    Ok(part
        .text(scope)?
        .map(|id| id.trim().to_owned())
        .filter(|id| usable_id(id)))
}

/// Whether a text can be a record's id, in a path and in the queue's memory.
pub(super) fn usable_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_LENGTH && !id.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
