//! Receivers' reports -> the figures of a receiver and of its webhooks. Pure.
//!
//! What the store counts is the same in each report and is taken from one pod; what a process counts is summed over the
//! pods and never goes backwards when one of them restarts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use leadgate_crds::common::Time;
use leadgate_crds::counts::{DeliveryCounts, ProcessCounts, StoredCounts};
use leadgate_crds::crm_sink::CrmSinkStatusAudit;
use leadgate_crds::lead_webhook::{Latency, LeadFailure, LeadWebhookStatusSink, MAX_FAILURES, SinkError};
use leadgate_crds::report::{
    LastError, PreflightReport, Problem, QueueReport, Report, RouteReport, Severity, SinkLeads, SinkReport,
    WebhookReport,
};

use crate::conditions::seconds;

/// Sums of what processes count.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// The sums.
    pub total: ProcessCounts,
    last: HashMap<String, ProcessCounts>,
    begun: bool,
}

impl Counters {
    /// Goes on from what the status says: after a restart of the operator, what the pods had counted before is in it.
    pub fn resume(total: ProcessCounts) -> Self {
        Self {
            total,
            last: HashMap::new(),
            // Nothing was written yet: all that pods have counted is news.
            begun: total == ProcessCounts::default(),
        }
    }

    /// Adds what the pods (by uid) counted since the last time.
    pub fn add(&mut self, now: &[(String, ProcessCounts)]) {
        for (pod, count) in now {
            let before = self.last.get(pod).copied();
            let baseline = match before {
                Some(before) => before,
                None if self.begun => ProcessCounts::default(),
                None => *count,
            };
            self.total = [self.total, baseline.zip(*count, grown)].into_iter().sum();
            self.last.insert(pod.clone(), *count);
        }
        self.begun |= !now.is_empty();
        // Pods that did not answer this time are kept: they may answer the next time. There are at most as many as
        // pods that ever ran; those of earlier rollouts go.
        if self.last.len() > 1000 {
            self.last
                .retain(|pod, _| now.iter().any(|(known, _)| known == pod));
        }
    }
}

/// A container that restarted counts from zero again.
fn grown(before: i64, now: i64) -> i64 {
    if now >= before { now - before } else { now }
}

/// A webhook's figures, as one receiver's pods say them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookStats {
    /// What the store counts.
    pub stored: StoredCounts,
    /// What a person should look at, in words.
    pub hints: Vec<String>,
    /// The last leads that failed, newest first.
    pub failures: Vec<LeadFailure>,
    /// When the last lead was accepted.
    pub last_accepted: Option<Time>,
    /// Each sink's share.
    pub routes: Vec<LeadWebhookStatusSink>,
    /// Deliveries that people threw away.
    pub discarded: i64,
    /// Whether every pod that answered refuses new leads.
    pub suspended: bool,
    /// What each ready pod runs of it; `None`: nothing, or it did not answer.
    pub runs: Vec<Option<Run>>,
    /// Why the pods do not run it as it is written.
    pub problems: Vec<String>,
    /// What each pod, by uid, counted.
    pub counted: Vec<(String, ProcessCounts)>,
}

/// What a pod runs of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub uid: String,
    pub generation: i64,
    /// Whether it answers at the webhook's path.
    pub served: bool,
}

impl WebhookStats {
    /// Deliveries that are still to be made.
    pub fn pending(&self) -> i64 {
        self.routes.iter().map(|route| route.deliveries.pending).sum()
    }

    /// Leads that are to be delivered, or wait for a person.
    pub fn kept(&self) -> i64 {
        let kept = |of: &DeliveryCounts| of.pending + of.held + of.dead;
        self.routes.iter().map(|route| kept(&route.deliveries)).sum()
    }
}

/// A receiver's figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverStats {
    /// Each sink over all webhooks that share the store, by name.
    pub sinks: BTreeMap<String, SinkFigures>,
    /// Whether the store answers.
    pub queue_ready: bool,
    /// Why leads in the store are not safe.
    pub queue_problems: Vec<String>,
    /// What an acknowledged lead survives, as receivers measure it.
    pub queue_durability: Option<String>,
    /// How many percent of the store are used; `None`: it has no limit that is known.
    pub queue_used: Option<u64>,
    /// How many bytes of it are used.
    pub queue_bytes: Option<u64>,
    /// What the pods could not make sense of, by the object at fault; empty when a file cannot be read at all.
    pub problems: Vec<(String, String)>,
    /// What is wrong with the receivers' own files, which no webhook suffers from.
    pub complaints: Vec<String>,
}

impl ReceiverStats {
    /// Leads that are to be delivered or wait for a person, of all webhooks.
    pub fn kept(&self) -> i64 {
        let kept = |of: &DeliveryCounts| of.pending + of.held + of.dead;
        self.sinks.values().map(|sink| kept(&sink.leads.deliveries)).sum()
    }
}

/// A sink over all webhooks that share a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkFigures {
    /// Counts.
    pub leads: SinkLeads,
    /// Until when the CRM asked to wait.
    pub paused_until: Option<Time>,
    /// Why, as a CamelCase word.
    pub paused_reason: Option<String>,
    /// Why, in words.
    pub paused_message: Option<String>,
    /// What a receiver found when it asked the CRM itself, the newest.
    pub preflight: Option<PreflightReport>,
    /// What the last audit found, the newest.
    pub audit: Option<CrmSinkStatusAudit>,
    /// The last failure.
    pub last_error: Option<SinkError>,
}

/// The figures of a receiver. `reports` has the newest pod first: it knows the newest configuration.
pub(crate) fn of_receiver(reports: &[(String, Report)]) -> Option<ReceiverStats> {
    let (_, first) = reports.first()?;
    let sinks = first
        .sinks
        .iter()
        .map(|sink| {
            let same: Vec<&SinkReport> = reports
                .iter()
                .flat_map(|(_, report)| report.sinks.iter().filter(|s| s.name == sink.name))
                .collect();
            (short(&sink.name).to_owned(), merge_sink(sink, &same))
        })
        .collect();
    let (complaints, problems): (Vec<&Problem>, _) = first
        .problems
        .iter()
        .partition(|problem| problem.object.is_empty() && problem.severity == Severity::Warning);
    Some(ReceiverStats {
        sinks,
        queue_ready: first.queue.ready,
        queue_problems: first.queue.problems.clone(),
        queue_durability: first.queue.durability.clone(),
        queue_used: percent(&first.queue),
        queue_bytes: first.queue.bytes,
        problems: problems
            .iter()
            .map(|problem| (problem.object.clone(), problem.message.clone()))
            .collect(),
        complaints: complaints.iter().map(|problem| problem.message.clone()).collect(),
    })
}

fn short(id: &str) -> &str {
    id.split_once('/').map_or(id, |(_, name)| name)
}

/// The figures of every webhook that the pods know, by `namespace/name`. `ready` pods were asked.
pub(crate) fn of_webhooks(reports: &[(String, Report)], ready: usize) -> BTreeMap<String, WebhookStats> {
    let mut by_webhook: BTreeMap<&str, Vec<(usize, &WebhookReport)>> = BTreeMap::new();
    for (n, (_, report)) in reports.iter().enumerate() {
        for webhook in &report.webhooks {
            by_webhook.entry(&webhook.name).or_default().push((n, webhook));
        }
    }
    let problems_of = |id: &str| -> Vec<String> {
        let object = format!("LeadWebhook {id}");
        let first = reports.iter().flat_map(|(_, report)| &report.problems);
        let mut found: Vec<String> = first
            .filter(|problem| problem.object == object)
            .map(|problem| problem.message.clone())
            .collect();
        found.dedup();
        found
    };
    let mut all: BTreeMap<String, WebhookStats> = by_webhook
        .iter()
        .map(|(id, ours)| {
            (
                (*id).to_owned(),
                merge_webhook(ours, reports, ready, problems_of(id)),
            )
        })
        .collect();
    // A new webhook that no pod can run is in the problems only.
    for (_, report) in reports {
        for problem in &report.problems {
            if let Some(id) = problem.object.strip_prefix("LeadWebhook ")
                && !all.contains_key(id)
            {
                let stats = WebhookStats {
                    runs: vec![None; ready],
                    problems: problems_of(id),
                    ..WebhookStats::default()
                };
                all.insert(id.to_owned(), stats);
            }
        }
    }
    all
}

fn merge_webhook(
    ours: &[(usize, &WebhookReport)],
    reports: &[(String, Report)],
    ready: usize,
    problems: Vec<String>,
) -> WebhookStats {
    let newest = ours
        .first()
        .map(|(_, webhook)| (*webhook).clone())
        .unwrap_or_default();
    let routes = newest
        .sinks
        .iter()
        .map(|route| {
            let same: Vec<&RouteReport> = ours
                .iter()
                .flat_map(|(_, webhook)| webhook.sinks.iter().filter(|r| r.name == route.name))
                .collect();
            merge_route(route, &same)
        })
        .collect();
    let mut runs = vec![None; ready];
    for (n, webhook) in ours {
        if let Some(run) = runs.get_mut(*n) {
            *run = Some(Run {
                uid: webhook.uid.clone(),
                generation: webhook.generation,
                served: webhook.served,
            });
        }
    }
    WebhookStats {
        stored: newest.leads.stored,
        hints: newest.hints,
        failures: failures(ours.iter().flat_map(|(_, webhook)| &webhook.failures)),
        last_accepted: newest.leads.last_accepted_time.map(|t| Time(seconds(t))),
        routes,
        discarded: newest.sinks.iter().map(|route| route.discarded).sum(),
        suspended: !ours.is_empty() && ours.iter().all(|(_, webhook)| webhook.suspended),
        runs,
        problems,
        counted: ours
            .iter()
            .filter_map(|(n, webhook)| Some((reports.get(*n)?.0.clone(), webhook.leads.process)))
            .collect(),
    }
}

/// A webhook's figures over the queues in which its leads are: the first is the one that it fills now.
pub(crate) fn over_stores<'a>(mut all: impl Iterator<Item = &'a WebhookStats>) -> Option<WebhookStats> {
    let mut sum = all.next()?.clone();
    for other in all {
        sum.stored = [sum.stored, other.stored].into_iter().sum();
        sum.discarded += other.discarded;
        for route in &other.routes {
            match sum.routes.iter_mut().find(|known| known.name == route.name) {
                Some(known) => {
                    known.deliveries = [known.deliveries, route.deliveries].into_iter().sum();
                }
                None => sum.routes.push(route.clone()),
            }
        }
    }
    Some(sum)
}

/// Of what the store may hold, rounded down.
fn percent(queue: &QueueReport) -> Option<u64> {
    let most = queue.max_bytes.filter(|most| *most > 0)?;
    u64::try_from(u128::from(queue.bytes?) * 100 / u128::from(most)).ok()
}

/// Counts are the store's; latencies are the slowest pod's; the last error is the newest one.
fn merge_route(route: &RouteReport, same: &[&RouteReport]) -> LeadWebhookStatusSink {
    let latency = Latency::slowest(same.iter().filter_map(|route| route.latency.as_ref()));
    LeadWebhookStatusSink {
        name: route.name.clone(),
        deliveries: route.deliveries,
        latency: (latency != Latency::default()).then_some(latency),
        last_delivered_time: route.last_delivered_time.map(|t| Time(seconds(t))),
        last_error: last_error(same.iter().filter_map(|r| r.last_error.as_ref())),
    }
}

fn merge_sink(sink: &SinkReport, same: &[&SinkReport]) -> SinkFigures {
    SinkFigures {
        leads: sink.leads.clone(),
        paused_until: sink.paused_until.map(|t| Time(seconds(t))),
        paused_reason: sink.paused_reason.clone(),
        paused_message: sink.paused_message.clone(),
        preflight: same
            .iter()
            .filter_map(|s| s.preflight.clone())
            .max_by_key(|preflight| preflight.time),
        audit: last_audit(same.iter().filter_map(|s| s.audit.as_ref())),
        last_error: last_error(same.iter().filter_map(|s| s.last_error.as_ref())),
    }
}

/// The newest of several failures; of a lead and sink, the last.
pub(crate) fn failures<'a>(all: impl Iterator<Item = &'a LeadFailure>) -> Vec<LeadFailure> {
    let mut all: Vec<LeadFailure> = all
        .map(|failure| LeadFailure {
            time: failure.time.as_ref().map(|time| Time(seconds(time.0))),
            ..failure.clone()
        })
        .collect();
    all.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)));
    let mut seen = BTreeSet::new();
    all.retain(|failure| seen.insert((failure.id.clone(), failure.sink.clone())));
    all.truncate(MAX_FAILURES);
    all
}

/// The newest of several audits.
pub(crate) fn last_audit<'a>(
    audits: impl Iterator<Item = &'a CrmSinkStatusAudit>,
) -> Option<CrmSinkStatusAudit> {
    audits.max_by(|a, b| a.last_time.cmp(&b.last_time)).cloned()
}

/// The newest of several pods' errors.
fn last_error<'a>(errors: impl Iterator<Item = &'a LastError>) -> Option<SinkError> {
    let error = errors.max_by_key(|error| error.time)?;
    Some(SinkError {
        reason: error.reason.clone(),
        message: error.message.clone(),
        time: error.time.map(|time| Time(seconds(time))),
    })
}

/// The newest of several errors.
pub(crate) fn newest<'a>(errors: impl Iterator<Item = &'a SinkError>) -> Option<SinkError> {
    let error = errors.max_by(|a, b| a.time.cmp(&b.time))?;
    Some(SinkError {
        time: error.time.as_ref().map(|t| Time(seconds(t.0))),
        ..error.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(unauthorized: i64) -> ProcessCounts {
        ProcessCounts {
            unauthorized,
            ..ProcessCounts::default()
        }
    }

    fn pods(list: &[(&str, i64)]) -> Vec<(String, ProcessCounts)> {
        list.iter()
            .map(|(pod, n)| ((*pod).to_owned(), counts(*n)))
            .collect()
    }

    #[test]
    fn counts_of_processes_never_go_backwards() {
        let mut counters = Counters::resume(ProcessCounts::default());
        for (seen, total) in [
            (pods(&[("a", 5), ("b", 2)]), 7),
            (pods(&[("a", 6), ("b", 2)]), 8),
            (pods(&[("b", 3)]), 9),            // a does not answer
            (pods(&[("a", 1), ("b", 3)]), 10), // a's container restarted
            (pods(&[("c", 4)]), 14),           // a new pod
        ] {
            counters.add(&seen);
            assert_eq!(counters.total.unauthorized, total);
        }
    }

    #[test]
    fn only_what_stops_objects_is_a_problem_of_objects() {
        let of = |severity, object: &str| Problem {
            severity,
            object: object.to_owned(),
            message: "no".to_owned(),
            ..Problem::default()
        };
        let report = Report {
            problems: vec![
                of(Severity::Warning, ""),
                of(Severity::Error, ""),
                of(Severity::Warning, "LeadWebhook shop/form"),
            ],
            ..Report::default()
        };
        let stats = of_receiver(&[("pod".to_owned(), report)]).unwrap();
        let objects: Vec<&str> = stats.problems.iter().map(|(object, _)| object.as_str()).collect();
        assert_eq!(objects, ["", "LeadWebhook shop/form"]);
        assert_eq!(stats.complaints, ["no"]);
    }

    #[test]
    fn after_a_restart_of_the_operator_it_goes_on_from_the_status() {
        let mut counters = Counters::resume(counts(40));
        counters.add(&pods(&[("a", 25), ("b", 15)]));
        assert_eq!(counters.total.unauthorized, 40);
        counters.add(&pods(&[("a", 26), ("b", 15), ("c", 3)]));
        assert_eq!(counters.total.unauthorized, 44);
    }
}
