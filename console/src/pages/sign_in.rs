//! Signing in with a token.

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::api::Rights;
use crate::form::Fields;
use crate::frame::{Frame, Section};
use crate::{respond, texts};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}
{% block title %}{{ f.t.sign_in }}{% endblock %}
{% block main %}
<h1>{{ f.t.sign_in }}</h1>
{% if failed %}<p class="note" role="alert">{{ f.t.token_refused }}</p>{% endif %}
<p>{{ hint }}</p>
<form method="post" action="/console/sign-in" class="row">
<label>{{ f.t.token }}<input type="password" name="token" autocomplete="off" required></label>
<button class="main">{{ f.t.sign_in }}</button>
</form>
{% endblock %}"#
)]
struct SignIn {
    f: Frame,
    failed: bool,
    hint: &'static str,
}

/// Which token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The receiver's.
    Admin,
    /// One of the cluster.
    Cluster,
}

/// The page: 401, so that nothing takes it for what was asked for.
pub fn page(headers: &HeaderMap, token: Token, failed: bool) -> Response<Bytes> {
    let t = texts::of(headers);
    let f = Frame {
        t,
        places: Vec::new(),
        place: String::new(),
        section: Section::None,
        rights: Rights::default(),
        who: String::new(),
        has_session: false,
        is_live: false,
    };
    let hint = match token {
        Token::Admin => t.admin_token_hint,
        Token::Cluster => t.cluster_token_hint,
    };
    respond::page(401, &SignIn { f, failed, hint })
}

/// The token of the form.
pub fn token(form: &[u8]) -> String {
    Fields::read(form).get("token").to_owned()
}
