//! What limits requests to a CRM: pause, circuit breaker, rolling limit.

use std::time::Duration;

use super::{
    RedisQueue,
    reply::Items,
    reply::strange,
    script::{self, millis},
};
use crate::queue::{Breaker, CrmHealth, Grant, PauseReason, QueueError, RateLimit, ThrottleKey};

impl RedisQueue {
    pub(super) async fn grant(
        &self,
        key: &ThrottleKey,
        wanted: u32,
        limit: Option<RateLimit>,
        breaker: Breaker,
    ) -> Result<Grant, QueueError> {
        let (requests, per) = limit.map_or((-1, 1), |limit| {
            (i64::from(limit.requests), millis(limit.per).max(1))
        });
        let mut call = script::PERMITS.call(&self.keys, 1, 128);
        call.arg(self.keys.throttle(&key.stored()))
            .arg(wanted)
            .arg(requests)
            .arg(per)
            .arg(millis(breaker.cooldown));
        let mut answer = Items::of(self.link.run(&script::PERMITS, &call).await?, "permits")?;
        let mut read = || {
            let granted = u32::try_from(answer.unsigned()?).ok()?;
            let wait = Duration::from_millis(answer.unsigned()?);
            let reason = answer.text()?;
            let paused = match reason.strip_prefix("paused:") {
                Some(why) => Some(PauseReason::decode(why)),
                None => (reason == "open").then(PauseReason::circuit_open),
            };
            let failures = u32::try_from(answer.unsigned()?).unwrap_or(u32::MAX);
            Some(Grant {
                granted,
                wait,
                paused,
                failures,
            })
        };
        read().ok_or_else(|| strange("permits"))
    }

    pub(super) async fn record_health(
        &self,
        key: &ThrottleKey,
        health: CrmHealth,
        breaker: Breaker,
    ) -> Result<(), QueueError> {
        let mut call = script::REPORT.call(&self.keys, 1, 128);
        call.arg(self.keys.throttle(&key.stored()))
            .arg(u8::from(health == CrmHealth::Up));
        call.arg(breaker.failures).arg(millis(breaker.cooldown));
        self.link.run(&script::REPORT, &call).await.map(drop)
    }

    pub(super) async fn pause_calls(
        &self,
        key: &ThrottleKey,
        pause: Duration,
        why: &PauseReason,
    ) -> Result<(), QueueError> {
        let reason = why.encode();
        let mut call = script::PAUSE.call(&self.keys, 1, 128 + reason.len());
        call.arg(self.keys.throttle(&key.stored()))
            .arg(millis(pause))
            .arg(reason)
            .arg(u8::from(why.is_a_persons()));
        self.link.run_repeatable(&script::PAUSE, &call).await.map(drop)
    }

    pub(super) async fn resume_calls(&self, key: &ThrottleKey) -> Result<(), QueueError> {
        let mut call = script::RESUME.call(&self.keys, 1, 128);
        call.arg(self.keys.throttle(&key.stored()))
            .arg(self.keys.channel())
            .arg(key.stored().as_ref());
        self.link.run_repeatable(&script::RESUME, &call).await.map(drop)
    }
}
