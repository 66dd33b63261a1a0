//! How things stand: what is wrong first, then figures, webhooks, sinks and the last leads. Of one place, or of all.

use std::collections::BTreeMap;

use askama::Template;
use bytes::Bytes;
use futures::StreamExt as _;
use http::Response;
use leadgate_crds::api::{Lead, LeadSearch, Overview, Page, Point, Speed};
use leadgate_crds::counts::{DeliveryCounts, StoredCounts, share_at_most};
use leadgate_crds::crm_sink::CrmSinkStatusAudit;
use leadgate_crds::report::{Report, Severity, SinkReport, WebhookReport};

use super::sink::oldest;
use crate::api::{Call, Failure, ask};
use crate::chart::Chart;
use crate::frame::{Frame, Section, Visit};
use crate::model::Kept;
use crate::pages::leads::Table;
use crate::respond;
use crate::show::{duration, rate, when};

/// Places that are asked at once.
const AT_ONCE: usize = 8;

/// How many rejected requests are counted; of more it is only told that there are more.
const COUNTED: usize = 100;

/// How many of the last leads are shown.
const LAST: u16 = 10;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.overview }}{% endblock %}
{% block main %}
<h1>{{ f.t.overview }}</h1>
{% if alerts.is_empty() %}<p class="fine">{{ f.t.all_is_well }}</p>{% else %}
<ul class="alerts">{% for alert in alerts %}<li{% if !alert.is_bad %} class="warn"{% endif %}>{% if alert.link.is_empty() %}{{ alert.text }}{% else %}<a href="{{ alert.link }}">{{ alert.text }}</a>{% endif %}</li>{% endfor %}</ul>{% endif %}
<div class="grid">
<p class="card">{{ f.t.oldest_waits }}<b class="big">{{ oldest }}</b></p>
<p class="card">{{ f.t.success_rate }}<b class="big">{{ success_rate }}</b></p>
<p class="card">{{ f.t.rejection_rate }}<b class="big">{{ rejection_rate }}</b></p>
{% if let Some(share) = duplicate_rate %}<p class="card">{{ f.t.duplicate_records }}<b class="big">{{ share }} %</b></p>{% endif %}
<p class="card">{{ f.t.pending }}<b class="big">{{ pending }}</b></p>
<p class="card">{{ f.t.needs_you }}<b class="big">{{ needs }}{% if is_more %}+{% endif %}</b></p>
</div>
{% if !speeds.is_empty() %}<h2>{{ f.t.speed_to_lead }}</h2>
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.speed_to_lead }}"><table><thead><tr><th scope="col">{{ f.t.webhook }}</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">{{ f.t.objective }}</th><th scope="col" class="n">{{ f.t.deliveries }}</th></tr></thead>
<tbody>{% for speed in speeds %}<tr><td>{{ speed.webhook }}</td><td>{{ self::duration(*speed.p50_ms) }}</td><td class="{% if self::missed(speed) %}bad{% endif %}">{{ self::duration(*speed.p99_ms) }}</td><td>{% if let Some(objective) = speed.objective_ms %}{{ self::duration(*objective) }}{% else %}–{% endif %}</td><td class="n">{{ speed.deliveries }}</td></tr>{% endfor %}</tbody></table></div>{% endif %}
<h2>{{ f.t.accepted_and_delivered }}</h2>
<div class="grid">{{ hour }}{{ day }}{{ week }}</div>
{% if let Some(since) = since %}<p class="quiet">{{ f.t.complete_since }} {{ self::when(since) }}</p>{% endif %}
<h2>{{ f.t.last_leads }}</h2>
{% if table.leads.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}{{ table }}{% endif %}
<h2>{{ f.t.webhooks }}</h2>
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.webhooks }}"><table><thead><tr><th scope="col">{{ f.t.webhook }}</th><th scope="col" class="n">{{ f.t.accepted }}</th><th scope="col" class="n">{{ f.t.duplicates }}</th><th scope="col" class="n">{{ f.t.rejected }}</th><th scope="col" class="n">{{ f.t.unauthorized }}</th></tr></thead>
<tbody>{% for (place, w) in webhooks %}<tr><td><a href="/console/{{ place }}/webhooks/{{ w.name }}">{{ w.name }}</a></td><td class="n">{{ w.leads.stored.accepted }}</td><td class="n">{{ w.leads.stored.duplicates }}</td><td class="n">{{ w.leads.stored.rejected }}</td><td class="n">{{ w.leads.process.unauthorized }}</td></tr>{% endfor %}</tbody></table></div>
<h2>{{ f.t.sinks }}</h2>
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.sinks }}"><table><thead><tr><th scope="col">{{ f.t.sink }}</th><th scope="col">{{ f.t.state }}</th><th scope="col" class="n">{{ f.t.delivered }}</th><th scope="col" class="n">{{ f.t.pending }}</th><th scope="col" class="n">{{ f.t.held }}</th><th scope="col" class="n">{{ f.t.dead }}</th></tr></thead>
<tbody>{% for (place, s) in sinks %}<tr><td><a href="/console/{{ place }}/sinks/{{ s.name }}">{{ s.name }}</a></td><td>{% if s.suspended %}<span class="bad">{{ f.t.suspended }}</span>{% else if s.paused_until.is_some() %}<span class="bad">{{ f.t.paused }}</span>{% else %}<span class="good">{{ f.t.delivering }}</span>{% endif %}</td><td class="n">{{ s.leads.deliveries.delivered }}</td><td class="n">{{ s.leads.deliveries.pending }}</td><td class="n">{{ s.leads.deliveries.held }}</td><td class="n">{{ s.leads.deliveries.dead }}</td></tr>{% endfor %}</tbody></table></div>
{% endblock %}"#
)]
struct Shown {
    f: Frame,
    alerts: Vec<Alert>,
    oldest: String,
    success_rate: String,
    rejection_rate: String,
    /// Absent if no sink was audited.
    duplicate_rate: Option<String>,
    pending: i64,
    needs: i64,
    /// Whether there are more rejected requests than were counted.
    is_more: bool,
    speeds: Vec<Speed>,
    hour: Chart,
    day: Chart,
    week: Chart,
    since: Option<jiff::Timestamp>,
    table: Table,
    webhooks: Vec<(String, WebhookReport)>,
    sinks: Vec<(String, SinkReport)>,
}

/// Something that a person should look at.
struct Alert {
    is_bad: bool,
    text: String,
    link: String,
}

/// Whether leads were slower than the webhook promises.
fn missed(speed: &Speed) -> bool {
    speed
        .objective_ms
        .is_some_and(|objective| speed.p99_ms > objective)
}

/// What a receiver tells of a place.
struct Told {
    report: Report,
    overview: Overview,
    leads: Vec<Lead>,
    /// Rejected requests that are kept, up to [`COUNTED`]: figures of the receiver count those of all times.
    rejected: Page<Kept>,
}

pub(crate) async fn page(v: &Visit<'_>, is_of_all: bool) -> Result<Response<Bytes>, Failure> {
    let places = if is_of_all {
        v.places.clone()
    } else {
        vec![v.place.clone()]
    };
    let asked = futures::stream::iter(places).map(|place| async move {
        let told = told(v, &place).await;
        (place, told)
    });
    let answers: Vec<_> = asked.buffered(AT_ONCE).collect().await;
    if let [(_, Err(failure))] = answers.as_slice() {
        return Err(failure.clone());
    }
    let (mut alerts, mut leads, mut webhooks, mut sinks, mut speeds) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut rejected, mut is_more) = (0, false);
    let [mut hour, mut day, mut week] = [(); 3].map(|()| Vec::<Point>::new());
    let mut since = None;
    for (place, told) in answers {
        match told {
            Err(failure) => alerts.push(Alert {
                is_bad: true,
                text: format!("{place}: {}", failure.detail),
                link: String::new(),
            }),
            Ok(told) => {
                alerts.extend(alerts_of(v, &place, &told.report, &told.overview));
                alerts.extend(rejected_of(v, &place, &told.rejected));
                rejected += told.rejected.items.len();
                is_more |= told.rejected.next.is_some();
                let span = told.overview.week.first().map(|point| point.at);
                since = since.max(Some(told.overview.since).filter(|since| span < Some(*since)));
                Chart::add(&mut hour, told.overview.hour);
                Chart::add(&mut day, told.overview.day);
                Chart::add(&mut week, told.overview.week);
                speeds.extend(told.overview.speeds);
                leads.extend(told.leads.into_iter().map(|lead| (place.clone(), lead)));
                webhooks.extend(
                    told.report
                        .webhooks
                        .into_iter()
                        .map(|webhook| (place.clone(), webhook)),
                );
                sinks.extend(told.report.sinks.into_iter().map(|sink| (place.clone(), sink)));
            }
        }
    }
    alerts.sort_by_key(|alert| !alert.is_bad);
    leads.sort_by_key(|(_, lead): &(String, Lead)| std::cmp::Reverse(lead.received_at));
    leads.truncate(usize::from(LAST));
    let sum = |of: fn(&SinkReport) -> i64| sinks.iter().map(|(_, sink)| of(sink)).sum::<i64>();
    let deliveries: DeliveryCounts = sinks.iter().map(|(_, sink)| sink.leads.deliveries).sum();
    let stored: StoredCounts = webhooks.iter().map(|(_, webhook)| webhook.leads.stored).sum();
    let audited = |of: fn(&CrmSinkStatusAudit) -> i64| {
        let audits = sinks.iter().filter_map(|(_, sink)| sink.audit.as_ref());
        audits.map(of).sum::<i64>()
    };
    let failed = sum(|sink| sink.leads.deliveries.held + sink.leads.deliveries.dead);
    let unrouted: i64 = webhooks
        .iter()
        .map(|(_, webhook)| webhook.leads.stored.unrouted)
        .sum();
    let oldest_pending = sinks
        .iter()
        .map(|(_, sink)| sink.leads.oldest_pending_seconds)
        .max();
    let page = Shown {
        f: v.live(Section::Overview),
        alerts,
        oldest: oldest(oldest_pending.unwrap_or(0)),
        success_rate: rate(
            deliveries
                .success_rate(sum(|sink| sink.leads.discarded))
                .as_deref(),
        ),
        rejection_rate: rate(stored.rejection_rate().as_deref()),
        duplicate_rate: share_at_most(audited(|audit| audit.duplicates), audited(|audit| audit.audited)),
        pending: sum(|sink| sink.leads.deliveries.pending),
        needs: failed + unrouted + i64::try_from(rejected).unwrap_or(i64::MAX),
        is_more,
        speeds,
        hour: Chart::new(v.t, v.t.last_hour, hour),
        day: Chart::new(v.t, v.t.last_day, day),
        week: Chart::new(v.t, v.t.last_week, week),
        since,
        table: Table { t: v.t, leads },
        webhooks,
        sinks,
    };
    Ok(respond::page(200, &page))
}

async fn told(v: &Visit<'_>, place: &str) -> Result<Told, Failure> {
    let search = LeadSearch {
        limit: Some(LAST),
        ..LeadSearch::default()
    };
    let last = Call::post("/api/v1/leads/search").json(&search);
    let rejected = Call::get(format!("/api/v1/leads?set=rejected&limit={COUNTED}"));
    let (report, overview, leads, rejected) = futures::try_join!(
        ask::<Report>(v.api, place, Call::get("/status")),
        ask::<Overview>(v.api, place, Call::get("/api/v1/overview")),
        ask::<Page<Lead>>(v.api, place, last),
        ask::<Page<Kept>>(v.api, place, rejected),
    )?;
    Ok(Told {
        report,
        overview,
        leads: leads.items,
        rejected,
    })
}

/// Of each webhook that has rejected requests.
fn rejected_of(v: &Visit<'_>, place: &str, rejected: &Page<Kept>) -> Vec<Alert> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for kept in &rejected.items {
        *counts.entry(&kept.webhook).or_default() += 1;
    }
    let more = if rejected.next.is_some() { "+" } else { "" };
    let alert = |(webhook, count): (&str, usize)| Alert {
        is_bad: false,
        text: format!("{webhook}: {} {count}{more}", v.t.rejected),
        link: format!("/console/{place}/needs/rejected?webhook={webhook}"),
    };
    counts.into_iter().map(alert).collect()
}

fn alerts_of(v: &Visit<'_>, place: &str, report: &Report, overview: &Overview) -> Vec<Alert> {
    let t = v.t;
    let bad = |text: String, link: String| Alert {
        is_bad: true,
        text,
        link,
    };
    let mut alerts = Vec::new();
    alerts.extend(report.queue.problems.iter().map(|problem| Alert {
        is_bad: !report.queue.ready,
        text: format!("{}: {problem}", t.queue),
        link: String::new(),
    }));
    alerts.extend(report.problems.iter().chain(&report.warnings).map(|problem| {
        Alert {
            is_bad: problem.severity == Severity::Error,
            text: format!("{} {}", problem.object, problem.message)
                .trim()
                .to_owned(),
            link: String::new(),
        }
    }));
    for sink in &report.sinks {
        let page = format!("/console/{place}/sinks/{}", sink.name);
        if let Some(problem) = &sink.problem {
            alerts.push(bad(problem.clone(), page.clone()));
        }
        if sink.suspended {
            alerts.push(Alert {
                is_bad: false,
                text: format!("{}: {}", sink.name, t.suspended_sink),
                link: page.clone(),
            });
        }
        if sink.paused_until.is_some() {
            let why = [&sink.paused_reason, &sink.paused_message]
                .map(|why| t.words(why.as_deref().unwrap_or_default()));
            alerts.push(bad(
                format!("{} {}: {}", sink.name, t.is_paused, why.join(" – ")),
                page,
            ));
        }
        for (set, count, what) in [
            ("dead", sink.leads.deliveries.dead, t.dead),
            ("held", sink.leads.deliveries.held, t.held),
        ] {
            if count > 0 {
                let link = format!("/console/{place}/needs/{set}?sink={}", sink.name);
                alerts.push(bad(format!("{}: {what} {count}", sink.name), link));
            }
        }
    }
    for webhook in &report.webhooks {
        if webhook.suspended {
            alerts.push(Alert {
                is_bad: false,
                text: format!("{}: {}", webhook.name, t.suspended_webhook),
                link: format!("/console/{place}/webhooks/{}", webhook.name),
            });
        }
        let unrouted = webhook.leads.stored.unrouted;
        if unrouted > 0 {
            let link = format!("/console/{place}/needs/unrouted?webhook={}", webhook.name);
            alerts.push(bad(format!("{}: {} {unrouted}", webhook.name, t.unrouted), link));
        }
    }
    alerts.extend(
        overview
            .speeds
            .iter()
            .filter(|speed| missed(speed))
            .map(|speed| Alert {
                is_bad: true,
                text: format!("{}: {} {}", speed.webhook, t.too_slow, duration(speed.p99_ms)),
                link: format!("/console/{place}/webhooks/{}", speed.webhook),
            }),
    );
    alerts
}
