//! A question before something is done to many leads, or cannot be undone.

use askama::Template;

use crate::frame::{Frame, Section};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.sure }}{% endblock %}
{% block main %}
<h1>{{ question }}</h1>
{% for line in whom %}<p><b>{{ line }}</b></p>{% endfor %}
{% if let Some(count) = count %}<p>{{ f.t.leads_that_fit }}: <b>{{ count }}</b></p>{% endif %}
{% if !sample.is_empty() %}<p>{{ f.t.among_them }}:
{% for id in sample %}<a href="/console/{{ f.place }}/leads/{{ id }}">{{ id }}</a> {% endfor %}</p>{% endif %}
{% if is_final %}<p class="note">{{ f.t.cannot_be_undone }}</p>{% endif %}
<form method="post" action="{{ action }}" class="row">
{% for (name, value) in fields %}<input type="hidden" name="{{ name }}" value="{{ value }}">{% endfor %}
<button class="{% if is_final %}danger{% else %}main{% endif %}">{{ button }}</button>
<a href="{{ back }}">{{ f.t.cancel }}</a>
</form>
{% endblock %}"#
)]
pub(crate) struct Sure {
    pub(crate) f: Frame,
    pub(crate) question: &'static str,
    /// Whom it is about, and what else is asked for.
    pub(crate) whom: Vec<String>,
    /// How many leads, if that is known.
    pub(crate) count: Option<u64>,
    pub(crate) sample: Vec<String>,
    pub(crate) is_final: bool,
    pub(crate) action: String,
    /// The form again, with the answer.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) button: &'static str,
    pub(crate) back: String,
}
