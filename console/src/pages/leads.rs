//! The ledger: a filter in the URL, and a search for a person, which is no part of any URL.

use askama::Template;
use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use leadgate_crds::api::{Lead, LeadFilter, LeadSearch, Outcome, Page, State};
use leadgate_crds::time::timestamp;

use crate::api::{Call, Failure, ask};
use crate::form::query;
use crate::frame::{Frame, Section, Visit};
use crate::respond;
use crate::show::when;

/// How many leads a search for a person shows: more than anybody has.
const OF_A_PERSON: u16 = 200;

pub(crate) const OUTCOMES: [Outcome; 5] = [
    Outcome::Accepted,
    Outcome::Duplicate,
    Outcome::Ignored,
    Outcome::Unrouted,
    Outcome::Rejected,
];
const STATES: [State; 7] = [
    State::Pending,
    State::Delivered,
    State::Held,
    State::Dead,
    State::Discarded,
    State::Moved,
    State::Erased,
];

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.leads }}{% endblock %}
{% block main %}
<h1>{{ f.t.leads }}</h1>
{% if is_of_person %}<p class="note">{{ f.t.of_one_person }} <a href="/console/{{ f.place }}/leads">{{ f.t.all_leads }}</a></p>{% else %}
<form method="get" action="/console/{{ f.place }}/leads" class="filter">
<label>{{ f.t.webhook }}<input name="webhook" value="{{ q.webhook }}" autocomplete="off"></label>
<label>{{ f.t.sink }}<input name="sink" value="{{ q.sink }}" autocomplete="off"></label>
<label>{{ f.t.outcome }}<select name="outcome"><option value="">{{ f.t.any }}</option>{% for outcome in OUTCOMES %}<option value="{{ self::word(outcome) }}"{% if q.outcome == self::word(outcome) %} selected{% endif %}>{{ f.t.outcome_of(outcome) }}</option>{% endfor %}</select></label>
<label>{{ f.t.state }}<select name="state"><option value="">{{ f.t.any }}</option>{% for state in STATES %}<option value="{{ self::word(state) }}"{% if q.state == self::word(state) %} selected{% endif %}>{{ f.t.state_of(state) }}</option>{% endfor %}</select></label>
<label>{{ f.t.reason }}<input name="reason" value="{{ q.reason }}" autocomplete="off"></label>
<label>{{ f.t.record }}<input name="record" value="{{ q.record }}" autocomplete="off"></label>
<label>{{ f.t.lead }}<input name="id" value="{{ q.id }}" autocomplete="off"></label>
<label>{{ f.t.since }} (UTC)<input name="since" value="{{ q.since }}" placeholder="2026-11-26T00:00:00Z" autocomplete="off"></label>
<label>{{ f.t.until }} (UTC)<input name="until" value="{{ q.until }}" placeholder="2026-11-27T00:00:00Z" autocomplete="off"></label>
<button class="main">{{ f.t.filter }}</button>
</form>
{% endif %}
<form method="post" action="/console/{{ f.place }}/leads/search" class="filter">
<label>{{ f.t.email }}<input name="email" autocomplete="off"></label>
<label>{{ f.t.phone }}<input name="phone" autocomplete="off"></label>
<label>{{ f.t.submission }}<input name="submission" autocomplete="off"></label>
<button>{{ f.t.search_person }}</button>
</form>
{% if table.leads.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}{{ table }}{% endif %}
{% if is_cut %}<p class="note">{{ f.t.only_newest }}</p>{% endif %}
{% if let Some(next) = next %}<p><a href="{{ next }}">{{ f.t.older }}</a></p>{% endif %}
{% endblock %}"#
)]
struct Leads {
    f: Frame,
    q: Asked,
    is_of_person: bool,
    /// Whether there are more: what was searched for is on no page, so that there is no way to the next.
    is_cut: bool,
    table: Table,
    next: Option<String>,
}

/// Rows of leads, without anything personal.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<div class="scroll" role="region" tabindex="0" aria-label="{{ t.leads }}"><table>
<thead><tr><th scope="col">{{ t.received }}</th><th scope="col">{{ t.lead }}</th><th scope="col">{{ t.webhook }}</th><th scope="col">{{ t.outcome }}</th><th scope="col">{{ t.sinks }}</th></tr></thead>
<tbody>{% for (place, lead) in leads %}<tr><td>{{ self::when(lead.received_at) }}</td><td><a href="/console/{{ place }}/leads/{{ lead.id }}">{{ lead.id }}</a></td><td>{{ lead.webhook }}</td>
<td>{{ t.outcome_of(lead.outcome) }}{% if let Some(reason) = lead.reason %} <span class="quiet">{{ reason }}</span>{% endif %}</td>
<td>{% for delivery in lead.sinks %}<div>{{ delivery.sink }}: <span class="{{ self::class(delivery.state) }}">{{ t.state_of(delivery.state) }}</span>{% if let Some(reason) = delivery.reason %} {{ reason }}{% endif %}{% if let Some(record) = delivery.record %} <span class="quiet">{{ t.record }} {{ record }}</span>{% endif %}</div>{% endfor %}</td></tr>{% endfor %}</tbody>
</table></div>"#
)]
pub(crate) struct Table {
    pub(crate) t: &'static crate::texts::Texts,
    pub(crate) leads: Vec<(String, Lead)>,
}

/// It is HTML already.
impl askama::filters::HtmlSafe for Table {}

/// How a state looks.
pub(crate) fn class(state: impl std::borrow::Borrow<State>) -> &'static str {
    match state.borrow() {
        State::Dead | State::Held => "bad",
        State::Delivered => "good",
        State::Pending | State::Discarded | State::Moved | State::Erased => "quiet",
    }
}

/// The filter as it stands in the URL.
#[derive(Default)]
struct Asked {
    webhook: String,
    sink: String,
    outcome: String,
    state: String,
    reason: String,
    record: String,
    id: String,
    since: String,
    until: String,
}

fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

pub(crate) async fn page(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    let get = |name: &str| v.query.get(name).to_owned();
    let q = Asked {
        webhook: get("webhook"),
        sink: get("sink"),
        outcome: get("outcome"),
        state: get("state"),
        reason: get("reason"),
        record: get("record"),
        id: get("id"),
        since: get("since"),
        until: get("until"),
    };
    let filter = LeadFilter {
        webhook: v.query.some("webhook"),
        sink: v.query.some("sink"),
        outcome: one_of(&OUTCOMES, &q.outcome, v)?,
        state: one_of(&STATES, &q.state, v)?,
        reason: v.query.some("reason"),
        record: v.query.some("record"),
        id: v.query.some("id"),
        since: time(&q.since, v)?,
        until: time(&q.until, v)?,
        ..LeadFilter::default()
    };
    let search = LeadSearch {
        filter,
        after: v.query.some("after"),
        ..LeadSearch::default()
    };
    let found: Page<Lead> = ask(v.api, &v.place, Call::post("/api/v1/leads/search").json(&search)).await?;
    let next = found.next.map(|after| {
        query(&[
            ("webhook", &q.webhook),
            ("sink", &q.sink),
            ("outcome", &q.outcome),
            ("state", &q.state),
            ("reason", &q.reason),
            ("record", &q.record),
            ("id", &q.id),
            ("since", &q.since),
            ("until", &q.until),
            ("after", &after),
        ])
    });
    Ok(respond::page(200, &shown(v, found.items, q, next)))
}

/// A search for a person: by POST, so that nothing personal is in a URL; nor is it on the page.
pub(crate) async fn search(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    let filter = LeadFilter {
        email: v.form.some("email"),
        phone: v.form.some("phone"),
        submission: v.form.some("submission"),
        ..LeadFilter::default()
    };
    if filter == LeadFilter::default() {
        return Err(Failure::new(400, v.t.nothing_to_search));
    }
    let search = LeadSearch {
        filter,
        limit: Some(OF_A_PERSON),
        ..LeadSearch::default()
    };
    let found: Page<Lead> = ask(v.api, &v.place, Call::post("/api/v1/leads/search").json(&search)).await?;
    let page = Leads {
        is_of_person: true,
        is_cut: found.next.is_some(),
        ..shown(v, found.items, Asked::default(), None)
    };
    Ok(respond::page(200, &page))
}

fn shown(v: &Visit<'_>, leads: Vec<Lead>, q: Asked, next: Option<String>) -> Leads {
    let rows = leads.into_iter().map(|lead| (v.place.clone(), lead));
    Leads {
        table: Table {
            t: v.t,
            leads: rows.collect(),
        },
        f: v.frame(Section::Leads),
        q,
        is_of_person: false,
        is_cut: false,
        next,
    }
}

/// What a select names. A filter that is not understood must not show all leads.
fn one_of<T: Copy + std::fmt::Debug>(known: &[T], text: &str, v: &Visit<'_>) -> Result<Option<T>, Failure> {
    let found = known.iter().copied().find(|value| word(value) == text);
    if found.is_none() && !text.is_empty() {
        return Err(Failure::new(400, v.t.bad_filter));
    }
    Ok(found)
}

fn time(text: &str, v: &Visit<'_>) -> Result<Option<Timestamp>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    match timestamp(text) {
        Some(time) => Ok(Some(time)),
        None => Err(Failure::new(400, v.t.bad_time)),
    }
}
