//! The rolling limiter of an account.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Limits;

/// The window of HubSpot's burst limit.
pub(super) const TEN_SECONDS: Duration = Duration::from_secs(10);

/// Which limit a request ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    TenSecondlyRolling,
    Daily,
    /// The search's own limit.
    Secondly,
}

impl Policy {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TenSecondlyRolling => "TEN_SECONDLY_ROLLING",
            Self::Daily => "DAILY",
            Self::Secondly => "SECONDLY",
        }
    }
}

/// Counts admitted requests; refused ones use nothing up.
pub(super) struct Limiter {
    limits: Limits,
    window: VecDeque<Instant>,
    searches: VecDeque<Instant>,
    today: u32,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            window: VecDeque::new(),
            searches: VecDeque::new(),
            today: 0,
        }
    }

    pub(super) fn admit(&mut self, search: bool, now: Instant) -> Result<(), Policy> {
        if self.today >= self.limits.daily {
            return Err(Policy::Daily);
        }
        if search {
            expire(&mut self.searches, now, Duration::from_secs(1));
            if full(&self.searches, self.limits.searches_per_second) {
                return Err(Policy::Secondly);
            }
        }
        expire(&mut self.window, now, TEN_SECONDS);
        if full(&self.window, self.limits.ten_seconds) {
            return Err(Policy::TenSecondlyRolling);
        }
        if self.limits.ten_seconds != u32::MAX {
            self.window.push_back(now);
        }
        if search && self.limits.searches_per_second != u32::MAX {
            self.searches.push_back(now);
        }
        self.today = self.today.saturating_add(1);
        Ok(())
    }

    /// The headers that tell a client how much is left. Without limits there are none to tell.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        if self.limits == Limits::NONE {
            return Vec::new();
        }
        let used = u32::try_from(self.window.len()).unwrap_or(u32::MAX);
        vec![
            ("x-hubspot-ratelimit-daily", self.limits.daily.to_string()),
            (
                "x-hubspot-ratelimit-daily-remaining",
                self.limits.daily.saturating_sub(self.today).to_string(),
            ),
            (
                "x-hubspot-ratelimit-interval-milliseconds",
                TEN_SECONDS.as_millis().to_string(),
            ),
            ("x-hubspot-ratelimit-max", self.limits.ten_seconds.to_string()),
            (
                "x-hubspot-ratelimit-remaining",
                self.limits.ten_seconds.saturating_sub(used).to_string(),
            ),
        ]
    }
}

fn full(window: &VecDeque<Instant>, limit: u32) -> bool {
    u32::try_from(window.len()).unwrap_or(u32::MAX) >= limit
}

/// Drops what left the window.
pub(super) fn expire(window: &mut VecDeque<Instant>, now: Instant, length: Duration) {
    while window
        .front()
        .is_some_and(|first| now.duration_since(*first) >= length)
    {
        window.pop_front();
    }
}
