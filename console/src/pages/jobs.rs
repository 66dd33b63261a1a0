//! Jobs over many leads: the list, and one of them.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Job, JobState, Page};

use crate::api::{Call, Failure, ask, encode};
use crate::frame::{Frame, Section, Visit};
use crate::respond;
use crate::show::when;

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
{% if let Some(webhook) = job.work.filter.webhook %}<dt>{{ f.t.webhook }}</dt><dd>{{ webhook }}</dd>{% endif %}
{% if let Some(sink) = job.work.filter.sink %}<dt>{{ f.t.sink }}</dt><dd>{{ sink }}</dd>{% endif %}
{% if let Some(reason) = job.work.filter.reason %}<dt>{{ f.t.reason }}</dt><dd>{{ reason }}</dd>{% endif %}
</dl>
{% if is_running && f.rights.update %}<form method="post" action="/console/{{ f.place }}/jobs/{{ job.id }}"><button class="danger" data-confirm="{{ f.t.sure }}">{{ f.t.cancel_job }}</button></form>{% endif %}
{% if !job.left.is_empty() %}<h2>{{ f.t.left_as_they_were }}</h2>
<ul>{% for left in job.left %}<li><a href="/console/{{ f.place }}/leads/{{ left.id }}">{{ left.id }}</a>: {{ left.reason }}</li>{% endfor %}</ul>{% endif %}
<p><a href="/console/{{ f.place }}/jobs">{{ f.t.back }}</a></p>
{% endblock %}"#
)]
struct OneJob {
    f: Frame,
    job: Job,
    is_running: bool,
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
        is_running: job.state == JobState::Running,
        job,
    };
    Ok(respond::page(200, &page))
}
