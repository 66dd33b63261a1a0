//! Limits, pauses and circuits of the model.

use leadgate_receiver::queue::*;

use super::Model;

#[derive(Default)]
pub struct Throttle {
    paused: bool,
    failures: u32,
    open: bool,
    granted: u32,
}

impl Model {
    pub fn report(&mut self, sink: &SinkId, health: CrmHealth, breaker: Breaker) {
        let throttle = self.throttles.entry(sink.clone()).or_default();
        match health {
            CrmHealth::Up => (throttle.failures, throttle.open) = (0, false),
            CrmHealth::Down => {
                throttle.failures += 1;
                throttle.open |= throttle.failures >= breaker.failures;
            }
        }
    }

    pub fn pause(&mut self, sink: &SinkId) {
        self.throttles.entry(sink.clone()).or_default().paused = true;
    }

    pub fn resume(&mut self, sink: &SinkId) {
        let throttle = self.throttles.entry(sink.clone()).or_default();
        *throttle = Throttle {
            granted: throttle.granted,
            ..Throttle::default()
        };
    }

    /// How many are granted; how many failures are told; whether a pause or open circuit is the reason.
    pub fn permits(&mut self, sink: &SinkId, want: u32, limit: RateLimit) -> (u32, u32, bool) {
        let throttle = self.throttles.entry(sink.clone()).or_default();
        if throttle.paused || throttle.open {
            return (0, throttle.failures, true);
        }
        let granted = want.min(limit.requests - throttle.granted);
        throttle.granted += granted;
        (granted, throttle.failures, false)
    }
}
