//! What became of an action, where not all of it could be done.

use askama::Template;

use crate::frame::{Frame, Section};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.result }}{% endblock %}
{% block main %}
<h1>{{ f.t.result }}</h1>
<p class="fine">{{ f.t.done }}: {{ done }}</p>
{% if !left.is_empty() %}
<h2>{{ f.t.left_as_they_were }}: {{ left.len() }}</h2>
<div class="scroll" role="region" tabindex="0" aria-label="{{ f.t.left_as_they_were }}"><table>
<thead><tr><th scope="col">{{ f.t.lead }}</th><th scope="col">{{ f.t.reason }}</th></tr></thead>
<tbody>{% for (id, why) in left %}<tr><td><a href="/console/{{ f.place }}/leads/{{ id }}">{{ id }}</a></td><td>{{ f.t.words(why) }}</td></tr>{% endfor %}</tbody>
</table></div>
{% endif %}
<p><a href="{{ back }}">{{ f.t.back }}</a></p>
{% endblock %}"#
)]
pub(crate) struct Acted {
    pub(crate) f: Frame,
    pub(crate) done: usize,
    /// The leads that were left, and why.
    pub(crate) left: Vec<(String, String)>,
    pub(crate) back: String,
}
