//! How often a CRM was called lately, and with how many leads.

use std::collections::VecDeque;

/// How far back, in seconds.
const SPAN: u64 = 60;

/// The calls of the last minute, by second.
#[derive(Debug, Default)]
pub(super) struct Calls(VecDeque<Second>);

#[derive(Debug)]
struct Second {
    at: u64,
    calls: u64,
    leads: u64,
}

impl Calls {
    /// A call about so many leads. `now` is in seconds, and never goes back.
    pub(super) fn add(&mut self, now: u64, leads: u64) {
        self.forget(now);
        match self.0.back_mut().filter(|last| last.at == now) {
            Some(last) => {
                last.calls += 1;
                last.leads += leads;
            }
            None => self.0.push_back(Second {
                at: now,
                calls: 1,
                leads,
            }),
        }
    }

    /// Calls, and leads in them; one that several calls were about counts in each.
    pub(super) fn lately(&mut self, now: u64) -> (u64, u64) {
        self.forget(now);
        self.0.iter().fold((0, 0), |(calls, leads), second| {
            (calls + second.calls, leads + second.leads)
        })
    }

    fn forget(&mut self, now: u64) {
        while self.0.front().is_some_and(|first| first.at + SPAN <= now) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_count_for_a_minute() {
        let mut calls = Calls::default();
        assert_eq!(calls.lately(5), (0, 0));
        for (at, leads) in [(10, 3), (10, 1), (11, 0), (69, 100)] {
            calls.add(at, leads);
        }
        assert_eq!(calls.lately(69), (4, 104));
        assert_eq!(calls.lately(70), (2, 100));
        assert_eq!(calls.lately(128), (1, 100));
        assert_eq!(calls.lately(129), (0, 0));
        for at in 0..1000 {
            calls.add(1000 + at, 1);
        }
        assert!(calls.0.len() <= 60);
    }
}
