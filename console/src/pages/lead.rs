//! One lead: its story for everybody who may see leads; what is kept of it for those who may see payloads; and an edited
//! copy of it.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Backfill, Line, LineResult, Outcome, Page, Set, State, Story, Trial, TrialResult};

use super::try_it;
use crate::api::{Call, Failure, ask, encode};
use crate::frame::{Frame, Section, Visit};
use crate::model::{KeptClear, payload as read_payload, set_name};
use crate::pages::leads::class;
use crate::respond;
use crate::show::{cut, json, when};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.lead }} {{ story.lead.id }}{% endblock %}
{% block main %}
<h1>{{ f.t.lead }} {{ story.lead.id }}</h1>
<dl><dt>{{ f.t.webhook }}</dt><dd><a href="/console/{{ f.place }}/webhooks/{{ story.lead.webhook }}">{{ story.lead.webhook }}</a></dd>
<dt>{{ f.t.received }}</dt><dd>{{ self::when(story.lead.received_at) }}</dd>
<dt>{{ f.t.outcome }}</dt><dd>{{ f.t.outcome_of(story.lead.outcome) }}{% if let Some(reason) = story.lead.reason %} {% if story.lead.outcome == Outcome::Duplicate %}<a href="/console/{{ f.place }}/leads/{{ reason }}">{{ reason }}</a>{% else %}{{ reason }}{% endif %}{% endif %}</dd>
{% if let Some(trace) = story.lead.trace_id %}<dt>{{ f.t.trace }}</dt><dd>{{ trace }}</dd>
{% endif %}{% for delivery in story.lead.sinks %}<dt>{{ delivery.sink }}</dt><dd><span class="{{ self::class(delivery.state) }}">{{ f.t.state_of(delivery.state) }}</span> {{ f.t.since }} {{ self::when(delivery.since) }}, {{ f.t.attempts }}: {{ delivery.attempts }}{% if let Some(reason) = delivery.reason %}, {{ reason }}{% endif %}{% if let Some(record) = delivery.record %}, {{ f.t.record }} {{ record }}{% endif %}</dd>{% endfor %}</dl>
{% for (set, sink) in places %}
<h2>{{ f.t.set(*set) }}{% if !sink.is_empty() %}: {{ sink }}{% endif %}</h2>
<p>{{ f.t.what_to_do(*set) }}</p>
<form method="post" action="/console/{{ f.place }}/act" class="row">
<input type="hidden" name="set" value="{{ self::set_name(*set) }}"><input type="hidden" name="id" value="{{ story.lead.id }} {{ sink }}"><input type="hidden" name="from" value="lead">
{% if f.rights.update %}{% if *set == Set::Pending %}<button name="action" value="expedite">{{ f.t.expedite }}</button>{% else %}<button class="main" name="action" value="replay">{{ f.t.replay }}</button>{% endif %}{% endif %}
{% if f.rights.delete && *set != Set::Pending %}<button class="danger" name="action" value="discard" data-confirm="{{ f.t.sure_discard }} {{ f.t.cannot_be_undone }}">{{ f.t.discard }}</button>{% endif %}
</form>
{% endfor %}
{% if f.rights.payloads && !places.is_empty() %}<form method="post" action="/console/{{ f.place }}/leads/{{ story.lead.id }}/payload" class="row"><button>{{ f.t.show_payload }}</button> <span class="quiet">{{ f.t.is_recorded }}</span></form>{% endif %}
<h2>{{ f.t.story }}</h2>
<ol class="story">{% for event in story.events %}<li><b>{{ f.t.event(event.event) }}</b> {{ self::when(event.at) }}<div>{% if let Some(sink) = event.sink %}{{ sink }} {% endif %}{% if let Some(attempt) = event.attempt %}{{ f.t.attempt }} {{ attempt }} {% endif %}{% if let Some(took) = event.took_ms %}({{ took }} ms) {% endif %}{% if let Some(status) = event.status %}HTTP {{ status }} {% endif %}{% if let Some(reason) = event.reason %}{{ reason }} {% endif %}{% if let Some(record) = event.record %}{{ f.t.record }} {{ record }} {% endif %}{% if let Some(by) = event.by %}{{ f.t.by }} {{ by }}{% endif %}</div></li>{% endfor %}</ol>
{% endblock %}"#
)]
struct OneLead {
    f: Frame,
    story: Story,
    /// The sets and sinks in which it can be acted on.
    places: Vec<(Set, String)>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.lead }} {{ id }}{% endblock %}
{% block main %}
<h1>{{ f.t.lead }} <a href="/console/{{ f.place }}/leads/{{ id }}">{{ id }}</a></h1>
<p class="note">{{ f.t.personal_data }}</p>
{% for (kept, body, is_cut, copy) in leads %}
<h2>{{ f.t.set(kept.kept.set) }}{% if !kept.kept.sink().is_empty() %}: {{ kept.kept.sink() }}{% endif %}</h2>
<p>{{ kept.kept.reason }} {{ kept.message }}</p>
{% if kept.kept.overtaken %}<p class="note">{{ f.t.overtaken }}</p>{% endif %}
{% if let Some(candidates) = kept.kept.candidates %}
<h3>{{ f.t.candidates }}</h3><p>{{ f.t.decide_hint }}</p>
<div class="grid">{% for record in candidates %}<form class="card" method="post" action="/console/{{ f.place }}/act"><input type="hidden" name="set" value="held"><input type="hidden" name="id" value="{{ id }} {{ kept.kept.sink() }}"><input type="hidden" name="record" value="{{ record }}"><input type="hidden" name="from" value="lead">
<b class="big">{{ record }}</b>{% if f.rights.update %}<button name="action" value="replay">{{ f.t.this_record }}</button>{% endif %}</form>{% endfor %}
<form class="card" method="post" action="/console/{{ f.place }}/act"><input type="hidden" name="set" value="held"><input type="hidden" name="id" value="{{ id }} {{ kept.kept.sink() }}"><input type="hidden" name="create" value="true"><input type="hidden" name="from" value="lead">
<b class="big">+</b>{% if f.rights.update %}<button name="action" value="replay">{{ f.t.new_record }}</button>{% endif %}</form></div>
{% else if !kept.answer.is_empty() %}<h3>{{ f.t.answer_of_crm }}</h3><pre tabindex="0">{{ kept.answer }}</pre>{% endif %}
<h3>{{ f.t.payload }}</h3><pre tabindex="0">{{ body }}</pre>{% if *is_cut %}<p class="quiet">{{ f.t.is_cut }}</p>{% endif %}
{% if let Some(copy) = copy %}<h3>{{ f.t.edit_copy }}</h3><p class="quiet">{{ f.t.copy_hint }}</p>
<form method="post" action="/console/{{ f.place }}/leads/{{ id }}/copy"><input type="hidden" name="webhook" value="{{ kept.kept.webhook }}">
<label>{{ f.t.body }}<textarea name="body" spellcheck="false">{{ copy }}</textarea></label>
<p class="row"><button class="main" name="action" value="preview">{{ f.t.preview }}</button></p></form>{% endif %}
{% endfor %}
{% endblock %}"#
)]
struct Payload {
    f: Frame,
    id: String,
    /// What is kept, its body as text, whether that was cut, and a copy to be edited.
    leads: Vec<(KeptClear, String, bool, Option<String>)>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.edit_copy }}{% endblock %}
{% block main %}
<h1>{{ f.t.edit_copy }}</h1>
{% if let Some(sent) = sent %}
<p class="{% if sent.outcome == Outcome::Accepted %}fine{% else %}note{% endif %}" role="status">{{ f.t.outcome_of(sent.outcome) }}{% if let Some(new) = sent.id %}: <a href="/console/{{ f.place }}/leads/{{ new }}">{{ new }}</a>{% endif %} {{ sent.reason.as_deref().unwrap_or_default() }} {{ f.t.words(sent.message.as_deref().unwrap_or_default()) }}</p>
<p><a href="/console/{{ f.place }}/leads/{{ id }}">{{ f.t.back_to_original }}</a></p>
{% else %}
{% if let Some(line) = line %}<p class="{% if line.outcome == Outcome::Accepted %}fine{% else %}note{% endif %}">{% if was_sent %}{{ f.t.outcome }}{% else %}{{ f.t.would_become }}{% endif %}: {{ f.t.outcome_of(line.outcome) }} {{ line.reason.as_deref().unwrap_or_default() }} {{ f.t.words(line.message.as_deref().unwrap_or_default()) }}</p>{% endif %}
{% if !report.is_empty() %}<pre tabindex="0">{{ report }}</pre>{% endif %}
<form method="post" action="/console/{{ f.place }}/leads/{{ id }}/copy"><input type="hidden" name="webhook" value="{{ webhook }}">
<label>{{ f.t.body }}<textarea name="body" spellcheck="false">{{ body }}</textarea></label>
<p class="row"><button name="action" value="preview">{{ f.t.preview }}</button>{% if f.rights.update && is_ready %}<button class="main" name="action" value="send">{{ f.t.send_copy }}</button>{% endif %}</p></form>
{% endif %}
{% endblock %}"#
)]
struct Copy {
    f: Frame,
    id: String,
    webhook: String,
    body: String,
    line: Option<LineResult>,
    report: String,
    is_ready: bool,
    was_sent: bool,
    /// Of a copy that was taken.
    sent: Option<LineResult>,
}

pub(crate) async fn page(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    let story: Story = ask(
        v.api,
        &v.place,
        Call::get(format!("/api/v1/leads/{}", encode(id))),
    )
    .await?;
    let page = OneLead {
        f: v.live(Section::Leads),
        places: places(&story),
        story,
    };
    Ok(respond::page(200, &page))
}

/// Where a lead can be acted on, as its story tells it. Pure.
fn places(story: &Story) -> Vec<(Set, String)> {
    let in_sinks = story.lead.sinks.iter().filter_map(|delivery| {
        let set = match delivery.state {
            State::Pending => Set::Pending,
            State::Held => Set::Held,
            State::Dead => Set::Dead,
            State::Delivered | State::Discarded | State::Moved | State::Erased => return None,
        };
        Some((set, delivery.sink.clone()))
    });
    let has_gone = story.events.iter().any(|event| {
        use leadgate_crds::api::EventKind::{Discarded, Erased, Moved, Replayed};
        matches!(event.event, Discarded | Erased | Moved | Replayed)
    });
    let alone = match story.lead.outcome {
        Outcome::Rejected if !has_gone => Some(Set::Rejected),
        Outcome::Unrouted if !has_gone => Some(Set::Unrouted),
        _ => None,
    };
    in_sinks.chain(alone.map(|set| (set, String::new()))).collect()
}

pub(crate) async fn payload(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    let right = v.rights.clear().ok_or_else(|| Failure::new(403, v.t.no_right))?;
    let found = read_payload(v.api, &v.place, id, right).await?;
    let leads = found.into_iter().map(|kept| {
        let shown = match kept.body.get("body").and_then(|body| body.as_str()) {
            Some(text) if kept.kept.set == Set::Rejected => text.to_owned(),
            _ => json(&kept.body),
        };
        let (body, is_cut) = cut(shown);
        let may_edit = v.rights.update && matches!(kept.kept.set, Set::Rejected | Set::Unrouted | Set::Dead);
        let copy = kept.copy().filter(|_| may_edit).map(|copy| json(&copy));
        (kept, body, is_cut, copy)
    });
    let page = Payload {
        f: v.frame(Section::Leads),
        id: id.to_owned(),
        leads: leads.collect(),
    };
    Ok(respond::page(200, &page))
}

/// Whether the receiver has it. Of others the form is shown again, to be corrected.
fn is_taken(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Accepted | Outcome::Duplicate | Outcome::Unrouted
    )
}

/// Shows what an edited copy would become, or sends it.
pub(crate) async fn copy(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    v.may(v.rights.payloads && v.rights.update)?;
    let (webhook, body) = (v.form.get("webhook").to_owned(), v.form.raw("body").to_owned());
    let is_sent = v.form.get("action") == "send";
    let payload = serde_json::from_str(&body)
        .map_err(|error| Failure::new(400, format!("{}: {error}", v.t.not_json)))?;
    // With the original's time: what came after it stays.
    let original: Story = ask(
        v.api,
        &v.place,
        Call::get(format!("/api/v1/leads/{}", encode(id))),
    )
    .await?;
    let asked = Backfill {
        lines: vec![Line {
            line: 1,
            payload,
            at: Some(original.lead.received_at),
        }],
        dry_run: !is_sent,
    };
    let (namespace, name) = webhook.split_once('/').unwrap_or(("", &webhook));
    let path = format!("/api/v1/webhooks/{}/{}/backfill", encode(namespace), encode(name));
    let answer: Page<LineResult> = ask(v.api, &v.place, Call::post(path).json(&asked)).await?;
    let line = answer.items.into_iter().next();
    let trial = Trial {
        body: body.clone(),
        // As the line of an import, which it is.
        element: true,
        ..Trial::default()
    };
    let TrialResult { report, .. } = if is_sent {
        TrialResult::default()
    } else {
        try_it::of(v, &webhook, &trial).await?
    };
    // A copy carries no proof, and needs none: the visitor's right stands in its place.
    let lines = report.lines().filter(|line| !line.starts_with("authentication"));
    let page = Copy {
        f: v.frame(Section::Leads),
        id: id.to_owned(),
        webhook,
        body,
        report: lines.collect::<Vec<_>>().join("\n"),
        is_ready: line
            .as_ref()
            .is_some_and(|line| line.outcome == Outcome::Accepted),
        was_sent: is_sent,
        sent: line.clone().filter(|line| is_sent && is_taken(line.outcome)),
        line,
    };
    Ok(respond::page(200, &page))
}
