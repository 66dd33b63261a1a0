//! The organisation's daily limit, seen coming: other programs need what is left of it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use http::HeaderMap;
use leadgate_crds::reason::FailureReason;

use super::answer::RETRY_AFTER_DAILY_LIMIT;
use crate::crm::{Failure, Outcome};

/// From this share of the limit on (percent) nothing is sent for a while.
const PAUSE_FROM_PERCENT: u64 = 95;

/// What the last answers told about the limit.
#[derive(Default)]
pub(super) struct Limits(Mutex<Option<(Instant, Failure)>>);

impl Limits {
    /// Reads `Sforce-Limit-Info` of an answer.
    pub(super) fn observe(&self, headers: &HeaderMap) {
        let Some(info) = headers
            .get("sforce-limit-info")
            .and_then(|value| value.to_str().ok())
        else {
            return;
        };
        let told = nearly_used_up(info).map(|message| {
            (
                Instant::now() + RETRY_AFTER_DAILY_LIMIT,
                Failure::new(FailureReason::DailyLimit, message),
            )
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }

    /// Whether to leave Salesforce alone, and for how long.
    pub(super) fn pause(&self) -> Option<Outcome> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, why) = told.as_ref()?;
        let pause = until.checked_duration_since(Instant::now())?;
        Some(Outcome::Pause {
            pause,
            why: why.clone(),
        })
    }
}

/// `api-usage=18/5000`, also with `; per-app-api-usage=17/250(appName=sample)`.
fn nearly_used_up(info: &str) -> Option<String> {
    info.split([';', ',']).find_map(|part| {
        let (name, usage) = part.trim().split_once('=')?;
        let (used, limit) = usage.split('(').next()?.split_once('/')?;
        let (used, limit): (u64, u64) = (used.trim().parse().ok()?, limit.trim().parse().ok()?);
        let whose = match name.trim() {
            "api-usage" => "the organisation's",
            "per-app-api-usage" => "the connected app's",
            _ => return None,
        };
        (limit > 0 && used.saturating_mul(100) >= limit.saturating_mul(PAUSE_FROM_PERCENT)).then(|| {
            format!(
                "{used} of {whose} {limit} Salesforce API requests in 24 hours are used; deliveries wait so that the rest is left for others"
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_limit_is_seen_coming() {
        let table = [
            ("api-usage=18/5000", false),
            ("api-usage=4749/5000", false),
            ("api-usage=4750/5000", true),
            ("api-usage=6000/5000", true),
            (
                "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)",
                false,
            ),
            (
                "api-usage=25/5000; per-app-api-usage=249/250(appName=sample-connected-app)",
                true,
            ),
            ("api-usage=0/0", false),
            ("nonsense", false),
        ];
        for (info, expected) in table {
            assert_eq!(nearly_used_up(info).is_some(), expected, "{info}");
        }
    }

    #[test]
    fn the_pause_ends_when_an_answer_shows_room_again() {
        let limits = Limits::default();
        let told = |info: &'static str| {
            limits.observe(&HeaderMap::from_iter([(
                http::HeaderName::from_static("sforce-limit-info"),
                HeaderValue::from_static(info),
            )]));
            limits.pause().is_some()
        };
        assert!(limits.pause().is_none());
        assert!(told("api-usage=99/100"));
        assert!(!told("api-usage=9/100"));
    }
}
