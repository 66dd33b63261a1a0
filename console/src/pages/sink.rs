//! A sink: whether its CRM can be reached, what it refuses, and whether it is paused.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::report::{Check, Report, SinkReport};

use crate::api::{Call, Failure, ask};
use crate::frame::{Frame, Section, Visit};
use crate::respond;
use crate::show::{at, duration, percent, rate};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ s.name }}{% endblock %}
{% block main %}
<h1>{{ f.t.sink }} {{ s.name }}</h1>
<ul class="alerts">
{% if let Some(problem) = s.problem %}<li>{{ problem }}</li>{% endif %}
{% if s.suspended %}<li class="warn">{{ f.t.suspended_sink }}</li>{% endif %}
{% if s.paused_until.is_some() %}<li>{{ f.t.paused_until }} {{ self::at(s.paused_until.as_ref())|safe }}: {{ s.paused_reason.as_deref().unwrap_or_default() }} – {{ f.t.words(s.paused_message.as_deref().unwrap_or_default()) }}</li>{% endif %}
{% if let Some(notice) = s.notice %}<li class="warn">{{ notice.reason }}: {{ notice.message }}</li>{% endif %}
</ul>
{% if f.rights.pause %}
<form method="post" action="/console/{{ f.place }}/sinks/{{ s.name }}" class="row">
{% if s.paused_until.is_some() %}<button class="main" name="action" value="resume">{{ f.t.resume }}</button>{% else %}
<label>{{ f.t.pause_for }}<select name="seconds"><option value="900">15 min</option><option value="3600" selected>1 h</option><option value="14400">4 h</option><option value="86400">24 h</option></select></label>
<button name="action" value="pause" data-confirm="{{ f.t.sure_pause }}">{{ f.t.pause }}</button>{% endif %}
</form>{% endif %}
<div class="grid">
<p class="card">{{ f.t.delivered }}<b class="big">{{ s.leads.deliveries.delivered }}</b></p>
<p class="card">{{ f.t.pending }}<b class="big">{{ s.leads.deliveries.pending }}</b></p>
<p class="card">{{ f.t.oldest_waits }}<b class="big">{{ oldest }}</b></p>
<p class="card">{{ f.t.held }}<b class="big"><a href="/console/{{ f.place }}/needs/held?sink={{ s.name }}">{{ s.leads.deliveries.held }}</a></b></p>
<p class="card">{{ f.t.dead }}<b class="big"><a href="/console/{{ f.place }}/needs/dead?sink={{ s.name }}">{{ s.leads.deliveries.dead }}</a></b></p>
<p class="card">{{ f.t.success_rate }}<b class="big">{{ success_rate }}</b></p>
{% if let Some(audit) = s.audit %}<p class="card">{{ f.t.duplicate_records }}<b class="big">{{ self::rate(audit.duplicate_rate.as_deref()) }}</b><span class="quiet">{{ audit.duplicates }} / {{ audit.audited }}</span></p>{% endif %}
<p class="card">{{ f.t.rate_used }}<b class="big">{{ used }}</b><span class="quiet">{{ s.calls.last_minute }} / {{ s.calls.allowed }} {{ f.t.calls_a_minute }}</span></p>
<p class="card">{{ f.t.leads_a_call }}<b class="big">{{ batch }}</b></p>
</div>
<h2>{{ f.t.preflight }}</h2>
{% if let Some(p) = s.preflight %}
<dl><dt>{{ f.t.asked_last }}</dt><dd>{{ self::at(p.time.as_ref())|safe }}</dd>
<dt>{{ f.t.reachable }}</dt><dd>{{ self::answer(f.t, p.reachable.as_ref()) }}</dd>
<dt>{{ f.t.credentials }}</dt><dd>{{ self::answer(f.t, p.credentials.as_ref()) }}</dd></dl>
{% if !p.problems.is_empty() %}<ul class="alerts">{% for problem in p.problems %}<li class="warn">{{ problem }}</li>{% endfor %}</ul>{% endif %}
{% else %}<p>{{ f.t.not_asked_yet }}</p>{% endif %}
<h2>{{ f.t.properties_refused }}</h2>
{% if s.delivered_without_properties.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.properties_refused }}"><table><thead><tr><th scope="col">{{ f.t.property }}</th><th scope="col">{{ f.t.reason }}</th><th scope="col" class="n">{{ f.t.how_often }}</th><th scope="col">{{ f.t.when }}</th></tr></thead>
<tbody>{% for refused in s.delivered_without_properties %}<tr><td>{{ refused.property }}</td><td>{{ refused.reason }}</td><td class="n">{{ refused.count }}</td><td>{{ self::at(refused.last_time.as_ref())|safe }}</td></tr>{% endfor %}</tbody></table></div>{% endif %}
{% if let Some(audit) = s.audit %}<h2>{{ f.t.duplicate_records }}</h2>
<p>{{ f.t.audited_last }} {{ self::at(audited_last.as_ref())|safe }}{% if let Some(reason) = audit.reason %} <span class="bad">{{ reason }}</span>{% endif %}</p>
{% if audit.records.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.duplicate_records }}"><table><thead><tr><th scope="col">{{ f.t.record }}</th><th scope="col">{{ f.t.other_records }}</th></tr></thead>
<tbody>{% for double in audit.records %}<tr><td>{{ double.record }}</td><td>{{ double.others.join(", ") }}</td></tr>{% endfor %}</tbody></table></div>{% endif %}{% endif %}
{% if let Some(error) = s.last_error %}<h2>{{ f.t.last_error }}</h2><p>{{ error.reason }}: {{ error.message }} ({{ self::at(error.time.as_ref())|safe }})</p>{% endif %}
{% endblock %}"#
)]
struct Sink {
    f: Frame,
    s: SinkReport,
    oldest: String,
    success_rate: String,
    audited_last: Option<jiff::Timestamp>,
    /// Of what the rate limit allows, in the last minute.
    used: String,
    /// Leads in a call, on average of the last minute.
    batch: String,
}

fn answer(t: &'static crate::texts::Texts, check: Option<&Check>) -> String {
    match check {
        None => "–".to_owned(),
        Some(check) if check.ok => t.yes.to_owned(),
        Some(check) => format!("{}: {} {}", t.no, check.reason, check.message),
    }
}

pub(crate) async fn page(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    let report: Report = ask(v.api, &v.place, Call::get("/status")).await?;
    let found = report.sinks.into_iter().find(|sink| sink.name == id);
    let s = found.ok_or_else(|| Failure::new(404, v.t.not_found))?;
    let counts = s.leads.deliveries;
    let page = Sink {
        f: v.live(Section::None),
        oldest: oldest(s.leads.oldest_pending_seconds),
        used: percent(count(s.calls.last_minute), count(s.calls.allowed)),
        batch: average(s.calls.leads, s.calls.last_minute),
        audited_last: s
            .audit
            .as_ref()
            .and_then(|audit| audit.last_time.as_ref())
            .map(|time| time.0),
        success_rate: rate(counts.success_rate(s.leads.discarded).as_deref()),
        s,
    };
    Ok(respond::page(200, &page))
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// With one digit after the point, or a dash where there is nothing.
fn average(sum: u64, count: u64) -> String {
    match (u128::from(sum) * 10).checked_div(u128::from(count)) {
        Some(tenths) => format!("{}.{}", tenths / 10, tenths % 10),
        None => "–".to_owned(),
    }
}

/// Seconds of waiting, or a dash for none.
pub(crate) fn oldest(seconds: i64) -> String {
    match u64::try_from(seconds) {
        Ok(seconds @ 1..) => duration(seconds.saturating_mul(1000)),
        _ => "–".to_owned(),
    }
}
