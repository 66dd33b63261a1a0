//! `/status`: what the resources' status needs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use leadgate_crds::counts::{DeliveryCounts, ProcessCounts, StoredCounts};
use leadgate_crds::lead_webhook::Latency;
use leadgate_crds::report::{
    self, CallsReport, Check, LeadsReport, Notice, PreflightReport, QueueReport, Report, RouteReport,
    Severity, SinkLeads, SinkReport, WebhookReport,
};
use problem_details::ProblemDetails;
use serde_json::json;

use super::orphans::{orphan_problem, orphaned};
use super::shared::{Admin, timestamp};
use crate::config::{Config, Problem, Sink, Version};
use crate::crm::Failure;
use crate::delivery::LastPreflight;
use crate::metrics::{KEY_CONFLICT, RequestLabels};
use crate::outcomes::RequestOutcome;
use crate::queue::{QueueError, SinkId, SinkShare, SinkStats, WebhookId, WebhookStats};
use crate::share::Allowance;
use crate::source::Webhook;

/// `GET /status`.
pub(super) async fn status(State(admin): State<Arc<Admin>>) -> Response {
    let config = Arc::clone(&admin.config.borrow());
    let mut problems = reports(&config.problems);
    problems.extend(admin.complaints.authorities.now().map(of_flag));
    problems.extend(admin.complaints.queue_authorities.now().map(of_flag));
    problems.extend(admin.complaints.encryption.now().map(of_flag));
    problems.extend(admin.complaints.ledger.now().map(of_flag));
    let of_token = admin.token.as_ref().and_then(|token| token.complaint.now());
    problems.extend(of_token.map(of_flag));
    let (webhooks, by_sink) = match figures(&admin, &config).await {
        Ok(figures) => figures,
        Err(error) => {
            return ProblemDetails::from_status_code(StatusCode::SERVICE_UNAVAILABLE)
                .with_detail(admin.unavailable(&error))
                .with_extensions(json!({"problems": problems}))
                .into_response();
        }
    };
    let shares = shares(&by_sink);
    let orphans = by_sink.get(config.sinks().count()..).unwrap_or_default();
    let feeding = feeding(&config);
    let sinks = config
        .sinks()
        .zip(config.sink_versions())
        .zip(&by_sink)
        .map(|((s, version), (_, stats))| {
            let webhooks = feeding.get(&s.id).map_or(&[][..], Vec::as_slice);
            sink(&admin, s, version, webhooks, stats)
        });
    let reported = config
        .webhooks()
        .zip(config.webhook_versions())
        .zip(&webhooks)
        .map(|((w, version), (_, stats))| {
            let shares = shares.get(&w.id).map_or(&[][..], Vec::as_slice);
            webhook(&admin, &config, w, version, stats, shares)
        });
    Json(Report {
        loaded: admin.loaded.load(Ordering::Relaxed),
        queue: queue(&admin).await,
        problems,
        warnings: reports(&config.warnings),
        webhooks: reported.collect(),
        sinks: sinks
            .chain(orphans.iter().map(|(id, stats)| orphan(id, stats)))
            .collect(),
    })
    .into_response()
}

/// What each webhook has in each sink.
fn shares(sinks: &[(SinkId, SinkStats)]) -> HashMap<&WebhookId, Vec<(&SinkId, &SinkShare)>> {
    let mut shares: HashMap<_, Vec<_>> = HashMap::new();
    for (sink, stats) in sinks {
        for (webhook, share) in &stats.by_webhook {
            shares.entry(webhook).or_default().push((sink, share));
        }
    }
    shares
}

/// The webhooks that name each sink.
fn feeding(config: &Config) -> HashMap<&SinkId, Vec<&WebhookId>> {
    let mut feeding: HashMap<_, Vec<_>> = HashMap::new();
    for webhook in config.webhooks() {
        for route in &webhook.sinks {
            feeding.entry(&route.sink).or_default().push(&webhook.id);
        }
    }
    feeding
}

fn reports(problems: &[Problem]) -> Vec<report::Problem> {
    problems.iter().map(Problem::report).collect()
}

/// A problem that is not a manifest's. No object suffers from it: what was read before stays in use.
fn of_flag(message: String) -> report::Problem {
    report::Problem {
        severity: Severity::Warning,
        message,
        previous_kept: true,
        ..report::Problem::default()
    }
}

async fn queue(admin: &Admin) -> QueueReport {
    let complaint = admin.complaints.queue.now();
    let mut report = match admin.queue.check().await {
        Ok(found) => QueueReport {
            ready: true,
            problems: found.problems,
            durability: Some(found.durability),
            write_latency: Some(milliseconds(found.write_latency)),
            bytes: found.room.map(|(used, _)| used),
            max_bytes: found.room.map(|(_, most)| most),
        },
        Err(error) => QueueReport {
            ready: false,
            problems: vec![error.to_string()],
            durability: None,
            write_latency: None,
            bytes: None,
            max_bytes: None,
        },
    };
    report.problems.extend(complaint);
    report
}

/// Figures of every webhook, and of every sink: the configured ones, then those that are not although leads wait for them.
pub(super) async fn figures(
    admin: &Admin,
    config: &Config,
) -> Result<(Vec<(WebhookId, WebhookStats)>, Vec<(SinkId, SinkStats)>), QueueError> {
    let webhooks: Vec<WebhookId> = config.webhooks().map(|webhook| webhook.id.clone()).collect();
    let mut sinks: Vec<SinkId> = config.sinks().map(|sink| sink.id.clone()).collect();
    sinks.extend(orphaned(admin.queue.as_ref(), config).await?);
    let of_webhooks = admin.queue.webhook_stats(&webhooks).await?;
    let of_sinks = admin.queue.sink_stats(&sinks).await?;
    Ok((
        webhooks.into_iter().zip(of_webhooks).collect(),
        sinks.into_iter().zip(of_sinks).collect(),
    ))
}

fn webhook(
    admin: &Admin,
    config: &Config,
    webhook: &Webhook,
    version: Version<'_>,
    stats: &WebhookStats,
    shares: &[(&SinkId, &SinkShare)],
) -> WebhookReport {
    let requests = |outcome| {
        let labels = RequestLabels {
            webhook: webhook.id.to_string(),
            outcome,
        };
        let counter = admin.metrics.requests.get(&labels);
        count(counter.map_or(0, |counter| counter.get()))
    };
    let share_of = |sink: &SinkId| {
        let share = shares.iter().find(|(id, _)| *id == sink);
        share.map(|(_, share)| (*share).clone()).unwrap_or_default()
    };
    let is_named = |sink: &SinkId| webhook.sinks.iter().any(|route| route.sink == *sink);
    // Then those of which leads wait although the webhook does not name them any more.
    let left = shares
        .iter()
        .filter(|(id, share)| !is_named(id) && share.pending + share.held + share.dead > 0)
        .map(|(id, _)| *id);
    let routes = webhook.sinks.iter().map(|route| &route.sink).chain(left);
    let named = shares.iter().filter(|(id, _)| is_named(id));
    let pending = named.map(|(_, share)| share.pending).sum();
    WebhookReport {
        name: webhook.id.as_str().to_owned(),
        uid: version.uid.to_owned(),
        generation: version.generation,
        path: webhook.path.clone(),
        served: config.serves(webhook),
        suspended: webhook.suspended,
        leads: LeadsReport {
            stored: StoredCounts {
                accepted: count(stats.accepted),
                duplicates: count(stats.duplicates),
                rejected: count(stats.rejected),
                unrouted: count(stats.unrouted),
                suppressed: count(stats.suppressed),
            },
            key_conflicts: count(stats.key_conflicts),
            rejected_dropped: count(stats.rejected_dropped),
            discarded: count(stats.discarded),
            process: ProcessCounts {
                unauthorized: requests(RequestOutcome::Unauthorized),
                ignored: requests(RequestOutcome::Ignored),
            },
            last_accepted_time: stats.last_accepted_at.and_then(timestamp),
        },
        proofs: match webhook.verifier.secrets() {
            secrets @ 2.. => admin.metrics.proofs(&webhook.id, secrets),
            _ => Vec::new(),
        },
        failures: admin.metrics.failures(&webhook.id),
        hints: hints(webhook, stats, pending, config.allowance(webhook)),
        sinks: routes
            .map(|sink| route(admin, &webhook.id, sink, is_named(sink), &share_of(sink)))
            .collect(),
    }
}

fn route(admin: &Admin, webhook: &WebhookId, sink: &SinkId, named: bool, share: &SinkShare) -> RouteReport {
    RouteReport {
        name: sink.name().to_owned(),
        named,
        deliveries: DeliveryCounts {
            pending: count(share.pending),
            held: count(share.held),
            dead: count(share.dead),
            delivered: count(share.delivered),
        },
        discarded: count(share.discarded),
        latency: admin.metrics.latency(webhook, sink).map(|(p50, p99)| Latency {
            p50: Some(milliseconds(p50)),
            p99: Some(milliseconds(p99)),
        }),
        last_delivered_time: share.last_delivered_at.and_then(timestamp),
        last_error: admin.metrics.last_error(webhook, sink),
    }
}

/// What a person should look at, in words.
fn hints(webhook: &Webhook, stats: &WebhookStats, pending: u64, allowance: Allowance) -> Vec<String> {
    let mut hints = Vec::new();
    if allowance.pending_deliveries.is_some_and(|most| pending >= most) {
        hints.push(format!(
            "requests are answered with 503, because {pending} deliveries are pending, as many as the LeadReceiver {} allows \
             (spec.limits.pendingDeliveries): correct what delays them, or increase the limit",
            webhook.receiver
        ));
    }
    if stats.key_conflicts > 0 {
        hints.push(format!("{} {}", stats.key_conflicts, KEY_CONFLICT));
    }
    if stats.unrouted > 0 {
        hints.push(format!(
            "{} leads are kept because no sink receives them (sinks[].when): see /api/v1/leads?set=unrouted; correct the \
             conditions or set otherwise: true on one sink, then replay them",
            stats.unrouted
        ));
    }
    hints
}

fn sink(
    admin: &Admin,
    sink: &Sink,
    version: Version<'_>,
    webhooks: &[&WebhookId],
    stats: &SinkStats,
) -> SinkReport {
    let last_error = webhooks
        .iter()
        .filter_map(|webhook| admin.metrics.last_error(webhook, &sink.id))
        .max_by_key(|error| error.time);
    let paused = stats.paused.as_ref().map(|(_, why)| why);
    let last = admin.preflights.of(&sink.id);
    SinkReport {
        name: sink.id.as_str().to_owned(),
        uid: version.uid.to_owned(),
        generation: version.generation,
        orphaned: false,
        problem: None,
        suspended: sink.suspended,
        webhooks: webhooks.len(),
        leads: leads(stats),
        paused_until: stats.paused.as_ref().and_then(|(until, _)| timestamp(*until)),
        paused_reason: paused.map(|why| why.reason.to_string()),
        paused_message: paused.map(|why| why.message.clone()),
        preflight: last.as_ref().map(preflight),
        notice: last.and_then(|last| last.notice).map(|notice| Notice {
            reason: notice.reason.to_string(),
            message: notice.message,
        }),
        audit: sink.audit.and_then(|_| admin.audits.of(&sink.id)),
        calls: calls(admin, sink),
        delivered_without_properties: admin.metrics.refusals(&sink.id),
        last_error,
    }
}

fn calls(admin: &Admin, sink: &Sink) -> CallsReport {
    let (last_minute, leads) = admin.metrics.calls(&sink.id);
    let limit = sink.delivery.limit;
    let allowed = u128::from(limit.requests) * 60_000 / limit.per.as_millis().max(1);
    CallsReport {
        last_minute,
        leads,
        allowed: u64::try_from(allowed).unwrap_or(u64::MAX),
    }
}

/// A sink that is not configured although leads wait for it: the same members, and a problem.
fn orphan(id: &SinkId, stats: &SinkStats) -> SinkReport {
    SinkReport {
        name: id.as_str().to_owned(),
        uid: String::new(),
        generation: 0,
        orphaned: true,
        problem: Some(orphan_problem(id, stats)),
        suspended: false,
        webhooks: 0,
        leads: leads(stats),
        paused_until: None,
        paused_reason: None,
        paused_message: None,
        preflight: None,
        notice: None,
        audit: None,
        calls: CallsReport::default(),
        delivered_without_properties: Vec::new(),
        last_error: None,
    }
}

fn leads(stats: &SinkStats) -> SinkLeads {
    SinkLeads {
        deliveries: DeliveryCounts {
            pending: count(stats.pending),
            held: count(stats.held),
            dead: count(stats.dead),
            delivered: count(stats.delivered),
        },
        discarded: count(stats.discarded),
        oldest_pending_seconds: count(oldest(stats).as_secs()),
    }
}

/// What the last check of a CRM found.
fn preflight(last: &LastPreflight) -> PreflightReport {
    let told = |check: &Option<Result<(), Failure>>| {
        check.as_ref().map(|answer| match answer {
            Ok(()) => Check {
                ok: true,
                reason: String::new(),
                message: String::new(),
            },
            Err(why) => Check {
                ok: false,
                reason: why.reason.to_string(),
                message: why.message.clone(),
            },
        })
    };
    let at = last.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    PreflightReport {
        time: timestamp(u64::try_from(at.as_millis()).unwrap_or_default()),
        reachable: told(&last.found.reachable),
        credentials: told(&last.found.credentials),
        problems: last.found.problems.clone(),
    }
}

pub(super) fn oldest(stats: &SinkStats) -> Duration {
    Duration::from_millis(
        stats
            .oldest_accepted_at
            .map_or(0, |at| stats.now.saturating_sub(at)),
    )
}

/// Gauges, the resources' status and with it `/status` have signed counts.
pub(super) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1}ms")
    } else {
        format!("{ms:.0}ms")
    }
}
