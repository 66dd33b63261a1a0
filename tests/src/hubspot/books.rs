//! What a test wants to know afterwards.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    limiter::{TEN_SECONDS, expire},
    store::Store,
};

/// What was counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Requests, as `METHOD route status`; a connection cut instead of an answer counts as `cut`.
    pub requests: BTreeMap<String, u64>,
    /// Requests in all.
    pub total: u64,
    /// The most requests in any 10 s.
    pub max_in_ten_seconds: usize,
    /// Requests that came although a Retry-After had not passed.
    pub before_retry_after: u64,
    /// Writes that came while another write of the same contact was under way.
    pub concurrent_writes: u64,
    /// Creates that met an existing contact.
    pub conflicts: u64,
    /// Answers withheld after the request was carried out.
    pub lost_answers: u64,
    /// Contacts now.
    pub contacts: usize,
    /// Writes so far.
    pub writes: usize,
    /// E-mails with more than one record.
    pub duplicate_emails: Vec<String>,
}

#[derive(Default)]
pub(super) struct Books {
    grace: Duration,
    stats: Stats,
    window: VecDeque<Instant>,
    /// A promise to wait: from when it binds, and until when.
    wait: Option<(Instant, Instant)>,
    /// Contacts being written, and by how many requests.
    writing: HashMap<String, u32>,
}

impl Books {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            grace,
            ..Self::default()
        }
    }

    pub(super) fn arrived(&mut self, now: Instant) {
        self.stats.total += 1;
        expire(&mut self.window, now, TEN_SECONDS);
        self.window.push_back(now);
        self.stats.max_in_ten_seconds = self.stats.max_in_ten_seconds.max(self.window.len());
        if self.wait.is_some_and(|(from, until)| from <= now && now < until) {
            self.stats.before_retry_after += 1;
        }
    }

    pub(super) fn answered(&mut self, method: &str, route: &str, status: u16, retry_after: Option<u64>) {
        *self
            .stats
            .requests
            .entry(format!("{method} {route} {status}"))
            .or_default() += 1;
        if status == 409 {
            self.stats.conflicts += 1;
        }
        if let Some(seconds) = retry_after {
            let now = Instant::now();
            let until = now + Duration::from_secs(seconds);
            let later = self.wait.map_or(until, |(_, other)| other.max(until));
            self.wait = Some((now + self.grace, later));
        }
    }

    pub(super) fn cut(&mut self, method: &str, route: &str, carried_out: bool) {
        *self
            .stats
            .requests
            .entry(format!("{method} {route} cut"))
            .or_default() += 1;
        self.stats.lost_answers += u64::from(carried_out);
    }

    pub(super) fn delayed(&mut self) {
        self.stats.lost_answers += 1;
    }

    /// A write of these contacts begins; [`Books::written`] ends it.
    pub(super) fn writes(&mut self, contacts: &[String]) {
        for contact in contacts {
            let writers = self.writing.entry(contact.clone()).or_default();
            *writers += 1;
            if *writers > 1 {
                self.stats.concurrent_writes += 1;
            }
        }
    }

    pub(super) fn written(&mut self, contacts: &[String]) {
        for contact in contacts {
            if let Some(writers) = self.writing.get_mut(contact) {
                *writers -= 1;
                if *writers == 0 {
                    self.writing.remove(contact);
                }
            }
        }
    }

    pub(super) fn stats(&self, store: &Store) -> Stats {
        let duplicates = store
            .records_per_email()
            .into_iter()
            .filter(|(_, count)| *count > 1)
            .map(|(email, _)| email);
        Stats {
            contacts: store.len(),
            writes: store.log().len(),
            duplicate_emails: duplicates.collect(),
            ..self.stats.clone()
        }
    }
}
