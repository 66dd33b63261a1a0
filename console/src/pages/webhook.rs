//! A webhook: what its senders were answered, and how to send to it.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Lead, LeadFilter, LeadSearch, Outcome, Page};
use leadgate_crds::report::{Report, WebhookReport};

use crate::api::{Call, Failure, ask};
use crate::frame::{Frame, Section, Visit};
use crate::pages::leads::Table;
use crate::respond;
use crate::show::at;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ w.name }}{% endblock %}
{% block main %}
<h1>{{ f.t.webhook }} {{ w.name }}</h1>
<ul class="alerts">
{% if w.suspended %}<li>{{ f.t.suspended_webhook }}</li>{% endif %}
{% for hint in w.hints %}<li class="warn">{{ hint }}</li>{% endfor %}
</ul>
<div class="grid">
<p class="card">{{ f.t.outcome_of(Outcome::Accepted) }}<b class="big">{{ w.leads.stored.accepted }}</b></p>
<p class="card">{{ f.t.outcome_of(Outcome::Duplicate) }}<b class="big">{{ w.leads.stored.duplicates }}</b></p>
<p class="card">{{ f.t.outcome_of(Outcome::Rejected) }}<b class="big">{{ w.leads.stored.rejected }}</b></p>
<p class="card">{{ f.t.outcome_of(Outcome::Unrouted) }}<b class="big">{{ w.leads.stored.unrouted }}</b></p>
<p class="card">{{ f.t.unauthorized }}<b class="big">{{ w.leads.process.unauthorized }}</b><span class="quiet">{{ f.t.since_start }}</span></p>
<p class="card">{{ f.t.outcome_of(Outcome::Ignored) }}<b class="big">{{ w.leads.process.ignored }}</b><span class="quiet">{{ f.t.since_start }}</span></p>
</div>
<p>{{ f.t.last_lead }}: {{ self::at(w.leads.last_accepted_time.as_ref())|safe }}</p>
<h2>{{ f.t.send_to }}</h2>
<pre tabindex="0">{{ url }}</pre>
<p class="quiet">{{ f.t.url_hint }}</p>
<pre tabindex="0">{{ curl }}</pre>
<p class="quiet">{{ f.t.curl_hint }} <a href="/console/{{ f.place }}/try?webhook={{ w.name }}">{{ f.t.try_it }}</a></p>
<h2>{{ f.t.secrets }}</h2>
{% if w.proofs.is_empty() %}<p>{{ f.t.one_secret }}</p>{% else %}
<ul>{% for count in w.proofs %}<li>secretRefs[{{ loop.index0 }}]: {{ count }} {{ f.t.proofs }}</li>{% endfor %}</ul><p class="quiet">{{ f.t.rotation_hint }}</p>{% endif %}
<h2>{{ f.t.sinks }}</h2>
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.sinks }}"><table>
<thead><tr><th scope="col">{{ f.t.sink }}</th><th scope="col" class="n">{{ f.t.delivered }}</th><th scope="col" class="n">{{ f.t.pending }}</th><th scope="col" class="n">{{ f.t.held }}</th><th scope="col" class="n">{{ f.t.dead }}</th><th scope="col">p50</th><th scope="col">p99</th><th scope="col">{{ f.t.last_error }}</th></tr></thead>
<tbody>{% for route in w.sinks %}<tr><td><a href="/console/{{ f.place }}/sinks/{{ namespace }}/{{ route.name }}">{{ route.name }}</a></td><td class="n">{{ route.deliveries.delivered }}</td><td class="n">{{ route.deliveries.pending }}</td><td class="n">{{ route.deliveries.held }}</td><td class="n">{{ route.deliveries.dead }}</td>
<td>{% if let Some(latency) = route.latency %}{{ latency.p50.as_deref().unwrap_or("–") }}{% else %}–{% endif %}</td><td>{% if let Some(latency) = route.latency %}{{ latency.p99.as_deref().unwrap_or("–") }}{% else %}–{% endif %}</td>
<td>{% if let Some(error) = route.last_error %}{{ error.reason }}, {{ self::at(error.time.as_ref())|safe }}{% else %}–{% endif %}</td></tr>{% endfor %}</tbody>
</table></div>
<h2>{{ f.t.refused_lately }}</h2>
{% if refused.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}{{ table }}{% endif %}
{% endblock %}"#
)]
struct Webhook {
    f: Frame,
    w: WebhookReport,
    namespace: String,
    url: String,
    curl: String,
    refused: Vec<Lead>,
    table: Table,
}

pub(crate) async fn page(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    let report: Report = ask(v.api, &v.place, Call::get("/status")).await?;
    let found = report.webhooks.into_iter().find(|webhook| webhook.name == id);
    let w = found.ok_or_else(|| Failure::new(404, v.t.not_found))?;
    let search = LeadSearch {
        filter: LeadFilter {
            webhook: Some(id.to_owned()),
            outcome: Some(Outcome::Rejected),
            ..LeadFilter::default()
        },
        limit: Some(20),
        ..LeadSearch::default()
    };
    let refused: Page<Lead> = ask(v.api, &v.place, Call::post("/api/v1/leads/search").json(&search)).await?;
    let address = v.api.address(&v.place, id, &w.path).await;
    let url = address.unwrap_or_else(|| format!("https://…{}", w.path));
    let rows = refused.items.iter().cloned().map(|lead| (v.place.clone(), lead));
    let page = Webhook {
        f: v.live(Section::None),
        namespace: id
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
            .to_owned(),
        curl: format!(
            "curl -i '{url}' -H 'content-type: application/json' -d '{{\"email\":\"jane@example.org\"}}'"
        ),
        url,
        table: Table {
            t: v.t,
            leads: rows.collect(),
        },
        refused: refused.items,
        w,
    };
    Ok(respond::page(200, &page))
}
