//! Who did what.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Act, ActKind, Page};

use crate::api::{Call, Failure, ask};
use crate::frame::{Frame, Section, Visit};
use crate::respond;
use crate::show::when;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.audit }}{% endblock %}
{% block main %}
<h1>{{ f.t.audit }}</h1>
<p class="quiet">{{ f.t.audit_hint }}</p>
{% if acts.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.audit }}"><table>
<thead><tr><th scope="col">{{ f.t.when }}</th><th scope="col">{{ f.t.who }}</th><th scope="col">{{ f.t.what }}</th><th scope="col">{{ f.t.of_what }}</th></tr></thead>
<tbody>{% for act in acts %}<tr><td>{{ self::when(act.at) }}</td><td>{{ act.by }}</td><td>{{ f.t.act(act.act) }}</td>
<td>{% if act.is_lead() %}<a href="/console/{{ f.place }}/leads/{{ act.of }}">{{ act.of }}</a>{% else if act.act == ActKind::JobCreated || act.act == ActKind::JobCancelled %}<a href="/console/{{ f.place }}/jobs/{{ act.of }}">{{ act.of }}</a>{% else %}{{ act.of }}{% endif %}</td></tr>{% endfor %}</tbody>
</table></div>
{% endif %}
{% if let Some(next) = next %}<p><a href="?after={{ next }}">{{ f.t.older }}</a></p>{% endif %}
{% endblock %}"#
)]
struct Audit {
    f: Frame,
    acts: Vec<Row>,
    next: Option<String>,
}

struct Row {
    at: jiff::Timestamp,
    by: String,
    act: ActKind,
    of: String,
}

impl Row {
    fn is_lead(&self) -> bool {
        let is_of_lead = matches!(
            self.act,
            ActKind::PayloadShown
                | ActKind::Replayed
                | ActKind::Discarded
                | ActKind::Moved
                | ActKind::Expedited
        );
        is_of_lead && !self.of.is_empty()
    }
}

pub(crate) async fn page(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    let call = Call::get("/api/v1/audit?limit=100").query("after", v.query.get("after"));
    let found: Page<Act> = ask(v.api, &v.place, call).await?;
    let acts = found.items.into_iter().map(|act| Row {
        at: act.at,
        by: act.by,
        act: act.act,
        of: act.of,
    });
    let page = Audit {
        f: v.live(Section::Audit),
        acts: acts.collect(),
        next: found.next,
    };
    Ok(respond::page(200, &page))
}
