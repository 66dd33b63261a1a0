//! Jobs over many leads: the list, and one of them.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Job, JobState, Page};

use crate::api::{Call, Failure, ask, encode};
use crate::frame::{Frame, Section, Visit};
use crate::respond;
use crate::show::when;
use crate::texts::Texts;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.jobs }}{% endblock %}
{% block main %}
<h1>{{ f.t.jobs }}</h1>
<p class="quiet">{{ f.t.jobs_hint }}</p>
{% if jobs.is_empty() %}<p>{{ f.t.nothing_here }}</p>{% else %}
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.jobs }}"><table>
<thead><tr><th scope="col">{{ f.t.job }}</th><th scope="col">{{ f.t.what }}</th><th scope="col">{{ f.t.state }}</th><th scope="col" class="n">{{ f.t.done }}</th><th scope="col" class="n">{{ f.t.left_as_they_were }}</th><th scope="col">{{ f.t.who }}</th><th scope="col">{{ f.t.when }}</th></tr></thead>
<tbody>{% for job in jobs %}<tr><td><a href="/console/{{ f.place }}/jobs/{{ job.id }}">{{ job.id }}</a></td><td>{{ f.t.action(job.work.action) }}: {{ f.t.set(job.work.set) }}</td><td>{{ f.t.job_state(job.state) }}</td><td class="n">{{ job.done }}</td><td class="n">{{ job.kept }}</td><td>{{ job.by }}</td><td>{{ self::when(job.created_at) }}</td></tr>{% endfor %}</tbody>
</table></div>
{% endif %}
{% endblock %}"#
)]
struct Jobs {
    f: Frame,
    jobs: Vec<Job>,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.job }}{% endblock %}
{% block main %}
<h1>{{ f.t.job }} {{ job.id }}</h1>
<dl>
<dt>{{ f.t.what }}</dt><dd>{{ f.t.action(job.work.action) }}: {{ f.t.set(job.work.set) }}</dd>
<dt>{{ f.t.state }}</dt><dd>{{ f.t.job_state(job.state) }}{% if let Some(message) = job.message %} – {{ message }}{% endif %}</dd>
<dt>{{ f.t.done }}</dt><dd>{{ job.done }}</dd>
<dt>{{ f.t.left_as_they_were }}</dt><dd>{{ job.kept }}</dd>
<dt>{{ f.t.who }}</dt><dd>{{ job.by }}</dd>
<dt>{{ f.t.began }}</dt><dd>{{ self::when(job.created_at) }}</dd>
<dt>{{ f.t.last_step }}</dt><dd>{{ self::when(job.updated_at) }}</dd>
{% if let Some(to) = job.work.to %}<dt>{{ f.t.to_sink }}</dt><dd>{{ to }}</dd>{% endif %}
{% for (name, value) in selection %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}
</dl>
{% if is_running && f.rights.update %}<form method="post" action="/console/{{ f.place }}/jobs/{{ job.id }}"><button class="danger" data-confirm="{{ f.t.sure }}">{{ f.t.cancel_job }}</button></form>{% endif %}
{% if !job.left.is_empty() %}<h2>{{ f.t.left_as_they_were }}</h2>
<ul>{% for left in job.left %}<li><a href="/console/{{ f.place }}/leads/{{ left.id }}">{{ left.id }}</a>: {{ f.t.words(left.reason) }}</li>{% endfor %}</ul>{% endif %}
<p><a href="/console/{{ f.place }}/jobs">{{ f.t.back }}</a></p>
{% endblock %}"#
)]
struct OneJob {
    f: Frame,
    job: Job,
    is_running: bool,
    /// Which leads of the set it is about.
    selection: Vec<(&'static str, String)>,
}

/// The filter of a job in words. Pure.
fn selection(t: &'static Texts, job: &Job) -> Vec<(&'static str, String)> {
    let label = |name: &str| match name {
        "id" => t.lead,
        "record" => t.record,
        "webhook" => t.webhook,
        "sink" => t.sink,
        "reason" => t.reason,
        "since" => t.since,
        "until" => t.until,
        "email" => t.email,
        "phone" => t.phone,
        "submission" => t.submission,
        _ => t.filter,
    };
    let criteria = job.work.filter.criteria().into_iter();
    let hidden = job.hidden_filter.iter();
    let hidden = hidden.map(|name| (label(name), t.hidden_filter.to_owned()));
    let mut found: Vec<_> = criteria
        .map(|(name, value)| (label(name), value))
        .chain(hidden)
        .collect();
    if found.is_empty() {
        found.push((t.filter, t.no_filter.to_owned()));
    }
    found
}

pub(crate) async fn list(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    let found: Page<Job> = ask(v.api, &v.place, Call::get("/api/v1/jobs")).await?;
    let page = Jobs {
        f: v.live(Section::Jobs),
        jobs: found.items,
    };
    Ok(respond::page(200, &page))
}

pub(crate) async fn show(v: &Visit<'_>, id: &str) -> Result<Response<Bytes>, Failure> {
    let job: Job = ask(v.api, &v.place, Call::get(format!("/api/v1/jobs/{}", encode(id)))).await?;
    let page = OneJob {
        f: v.live(Section::Jobs),
        selection: selection(v.t, &job),
        is_running: job.state == JobState::Running,
        job,
    };
    Ok(respond::page(200, &page))
}
