//! What a webhook would make of a payload that somebody pastes.

use askama::Template;
use bytes::Bytes;
use http::Response;
use leadgate_crds::api::{Trial, TrialResult};
use leadgate_crds::report::Report;

use crate::api::{Call, Failure, ask, encode};
use crate::frame::{Frame, Section, Visit};
use crate::respond;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.try_it }}{% endblock %}
{% block main %}
<h1>{{ f.t.try_it }}</h1>
<p class="quiet">{{ f.t.try_hint }}</p>
{% if let Some(result) = result %}
<h2>{{ f.t.result }}</h2>
{% if result.accepted %}<p class="fine">{{ f.t.would_be_accepted }}</p>{% else %}<p class="note">{{ f.t.would_not_be_accepted }}</p>{% endif %}
<pre tabindex="0">{{ result.report }}</pre>
{% endif %}
<form method="post" action="/console/{{ f.place }}/try">
<p class="row"><label>{{ f.t.webhook }}<select name="webhook">{% for name in webhooks %}<option{% if *name == webhook %} selected{% endif %}>{{ name }}</option>{% endfor %}</select></label>
<label>{{ f.t.query_of_url }}<input name="query" value="{{ asked.query }}" autocomplete="off"></label></p>
<p><label>{{ f.t.headers }}<textarea name="headers" rows="3" spellcheck="false">{{ asked.headers.join("\n") }}</textarea></label></p>
<p><label>{{ f.t.body }}<textarea name="body" required spellcheck="false">{{ asked.body }}</textarea></label></p>
<button class="main">{{ f.t.try_it }}</button>
</form>
{% endblock %}"#
)]
struct Try {
    f: Frame,
    webhooks: Vec<String>,
    webhook: String,
    asked: Trial,
    result: Option<TrialResult>,
}

pub(crate) async fn page(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    show(v, v.query.get("webhook"), Trial::default(), None).await
}

pub(crate) async fn attempt(v: &Visit<'_>) -> Result<Response<Bytes>, Failure> {
    let webhook = v.form.get("webhook");
    let lines = v.form.get("headers").lines().map(str::trim);
    let asked = Trial {
        body: v.form.raw("body").to_owned(),
        headers: lines.filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        query: v.form.get("query").to_owned(),
        element: false,
    };
    let result = of(v, webhook, &asked).await?;
    show(v, webhook, asked, Some(result)).await
}

/// Asks the receiver. Nothing is stored.
pub(crate) async fn of(v: &Visit<'_>, webhook: &str, asked: &Trial) -> Result<TrialResult, Failure> {
    let (namespace, name) = webhook.split_once('/').unwrap_or(("", webhook));
    let path = format!("/api/v1/webhooks/{}/{}/try", encode(namespace), encode(name));
    ask(v.api, &v.place, Call::post(path).json(asked)).await
}

async fn show(
    v: &Visit<'_>,
    webhook: &str,
    asked: Trial,
    result: Option<TrialResult>,
) -> Result<Response<Bytes>, Failure> {
    let report: Report = ask(v.api, &v.place, Call::get("/status")).await?;
    let page = Try {
        f: v.frame(Section::Try),
        webhooks: report.webhooks.into_iter().map(|webhook| webhook.name).collect(),
        webhook: webhook.to_owned(),
        asked,
        result,
    };
    Ok(respond::page(200, &page))
}
