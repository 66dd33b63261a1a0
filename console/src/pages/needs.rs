//! What waits for a person: a set of leads that are kept, with what to do about each.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Page, Set};

use crate::api::{Call, Failure, ask};
use crate::form::query;
use crate::frame::{Frame, Section, Visit};
use crate::model::{Kept, set_name, set_of};
use crate::respond;
use crate::show::at;

const SETS: [Set; 4] = [Set::Dead, Set::Held, Set::Rejected, Set::Unrouted];

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.needs_you }}: {{ f.t.set(*set) }}{% endblock %}
{% block main %}
<h1>{{ f.t.needs_you }}: {{ f.t.set(*set) }}</h1>
<nav aria-label="{{ f.t.needs_you }}">{% for other in SETS %}<a href="/console/{{ f.place }}/needs/{{ self::set_name(other) }}"{% if other == *set %} aria-current="page"{% endif %}>{{ f.t.set(other) }}</a>{% endfor %}</nav>
<p>{{ f.t.what_to_do(*set) }}</p>
{% if done > 0 %}<p class="fine" role="status">{{ f.t.done }}: {{ done }}</p>{% endif %}
<form method="get" class="filter">
<label>{{ f.t.webhook }}<input name="webhook" value="{{ webhook }}" autocomplete="off"></label>
<label>{{ f.t.sink }}<input name="sink" value="{{ sink }}" autocomplete="off"></label>
<label>{{ f.t.reason }}<input name="reason" value="{{ reason }}" autocomplete="off"></label>
<button>{{ f.t.filter }}</button>
</form>
{% if leads.is_empty() %}<p class="fine">{{ f.t.nothing_needs_you }}</p>{% else %}
<form method="post" action="/console/{{ f.place }}/act">
<input type="hidden" name="set" value="{{ self::set_name(*set) }}"><input type="hidden" name="webhook" value="{{ webhook }}"><input type="hidden" name="sink" value="{{ sink }}"><input type="hidden" name="reason" value="{{ reason }}">
{% if f.rights.update || f.rights.delete %}
<p class="row">
<label class="check" data-all hidden><input type="checkbox"> {{ f.t.select_page }}</label>
<label class="check"><input type="checkbox" name="scope" value="all"> {{ f.t.all_that_fit }}</label>
{% if f.rights.update %}<button class="main" name="action" value="replay">{{ f.t.replay }}</button>{% endif %}
{% if f.rights.delete %}<button class="danger" name="action" value="discard" data-confirm="{{ f.t.sure_discard }} {{ f.t.cannot_be_undone }}">{{ f.t.discard }}</button>{% endif %}
</p>{% endif %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.set(*set) }}"><table>
<thead><tr>{% if f.rights.update || f.rights.delete %}<th scope="col">{{ f.t.choose }}</th>{% endif %}<th scope="col">{{ f.t.lead }}</th><th scope="col">{{ f.t.webhook }}</th><th scope="col">{{ f.t.sink }}</th><th scope="col">{{ f.t.reason }}</th><th scope="col" class="n">{{ f.t.attempts }}</th><th scope="col">{{ f.t.since }}</th><th scope="col">{{ f.t.kept_until }}</th></tr></thead>
<tbody>{% for lead in leads %}<tr>{% if f.rights.update || f.rights.delete %}<td><input type="checkbox" name="id" value="{{ lead.id }} {{ lead.sink() }}" aria-label="{{ lead.id }}"></td>{% endif %}
<td><a href="/console/{{ f.place }}/leads/{{ lead.id }}">{{ lead.id }}</a></td><td>{{ lead.webhook }}</td><td>{{ lead.sink() }}</td>
<td>{{ lead.reason }}{% if *set == Set::Dead %}<div class="quiet">{{ f.t.remedy(lead.class()) }}</div>{% endif %}{% if lead.overtaken %}<div class="quiet">{{ f.t.overtaken }}</div>{% endif %}{% if let Some(candidates) = lead.candidates %}<div class="quiet">{{ f.t.candidates }}: {{ candidates.len() }}</div>{% if f.rights.update %}<div class="row">{% for record in candidates %}<button name="pick" value="{{ lead.id }} {{ lead.sink() }} {{ record }}">{{ record }}</button>{% endfor %}<button name="pick" value="{{ lead.id }} {{ lead.sink() }}">{{ f.t.new_record }}</button></div>{% endif %}{% endif %}</td>
<td class="n">{{ lead.attempts }}</td><td>{{ self::at(lead.dead_lettered_at.as_ref())|safe }}</td><td>{{ self::at(lead.expires_at.as_ref())|safe }}</td></tr>{% endfor %}</tbody>
</table></div>
</form>
{% endif %}
{% if let Some(next) = next %}<p><a href="{{ next }}">{{ f.t.older }}</a></p>{% endif %}
{% endblock %}"#
)]
struct Needs {
    f: Frame,
    set: &'static Set,
    webhook: String,
    sink: String,
    reason: String,
    done: usize,
    leads: Vec<Kept>,
    next: Option<String>,
}

pub(crate) async fn page(v: &Visit<'_>, set: &str) -> Result<Response<Bytes>, Failure> {
    let set = set_of(set)
        .and_then(|set| SETS.iter().find(|known| **known == set))
        .ok_or_else(|| Failure::new(404, v.t.not_found))?;
    let get = |name: &str| v.query.get(name).to_owned();
    let (webhook, sink, reason) = (get("webhook"), get("sink"), get("reason"));
    let call = Call::get("/api/v1/leads")
        .query("set", set_name(*set))
        .query("webhook", &webhook)
        .query("sink", &sink)
        .query("reason", &reason)
        .query("after", v.query.get("after"));
    let found: Page<Kept> = ask(v.api, &v.place, call).await?;
    let next = found.next.map(|after| {
        query(&[
            ("webhook", &webhook),
            ("sink", &sink),
            ("reason", &reason),
            ("after", &after),
        ])
    });
    let page = Needs {
        f: v.live(Section::Needs),
        set,
        webhook,
        sink,
        reason,
        done: v.query.get("done").parse().unwrap_or(0),
        leads: found.items,
        next,
    };
    Ok(respond::page(200, &page))
}
