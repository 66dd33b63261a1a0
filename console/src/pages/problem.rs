//! Why a page cannot be shown.

use askama::Template;
use bytes::Bytes;
use http::Response;

use crate::api::{Api, Failure, Rights};
use crate::frame::{Frame, Section};
use crate::respond;
use crate::texts::Texts;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.problem }}{% endblock %}
{% block main %}
<h1>{{ f.t.problem }}</h1>
<p class="note" role="alert">{{ detail }}</p>
<p><a href="/console">{{ f.t.overview }}</a></p>
{% endblock %}"#
)]
struct Problem {
    f: Frame,
    detail: String,
}

/// The page, with the status that says the same.
pub(crate) async fn page(api: &dyn Api, t: &'static Texts, failure: &Failure) -> Response<Bytes> {
    let places = api.places().await.unwrap_or_default();
    let f = Frame {
        t,
        place: places.first().cloned().unwrap_or_default(),
        places,
        section: Section::None,
        rights: Rights::default(),
        who: api.who().to_owned(),
        has_session: api.has_session(),
        is_live: false,
    };
    let detail = t.words(&failure.detail).to_owned();
    respond::page(failure.status, &Problem { f, detail })
}
