//! Signing in with a token.

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, Response};

use crate::api::Rights;
use crate::form::Fields;
use crate::frame::{Frame, Section};
use crate::{BASE, respond, texts};

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
<input type="hidden" name="next" value="{{ next }}">
<label>{{ f.t.token }}<input type="password" name="token" autocomplete="off" required></label>
<button class="main">{{ f.t.sign_in }}</button>
</form>
{% endblock %}"#
)]
struct SignIn {
    f: Frame,
    failed: bool,
    hint: &'static str,
    /// The page that was asked for.
    next: String,
}

/// Which token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The receiver's.
    Admin,
    /// One of the cluster.
    Cluster,
}

/// The page: 401, so that nothing takes it for what was asked for. `next` is where to go on once somebody has signed in.
pub fn page(headers: &HeaderMap, token: Token, next: &str, failed: bool) -> Response<Bytes> {
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
    let page = SignIn {
        f,
        failed,
        hint,
        next: own_page(next).to_owned(),
    };
    respond::page(401, &page)
}

/// Where the form goes on: to the page that was asked for.
pub fn next(form: &[u8]) -> String {
    own_page(Fields::read(form).get("next")).to_owned()
}

/// A page of the console; of everything else its first one, so that no link to the console leads to another site.
fn own_page(path: &str) -> &str {
    let is_page = path
        .strip_prefix(BASE)
        .is_some_and(|page| page.starts_with('/') && !page.starts_with("/sign-"));
    let is_plain = path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') && !path.contains("//");
    if is_page && is_plain && !path.contains("/..") {
        path
    } else {
        BASE
    }
}

/// The token of the form.
pub fn token(form: &[u8]) -> String {
    Fields::read(form).get("token").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away_by_a_link_to_the_console() {
        for own in [
            "/console/-/leads?state=Dead&since=2026-11-26",
            "/console/shop/jobs/7",
        ] {
            assert_eq!(own_page(own), own);
        }
        for other in [
            "",
            "https://evil.example",
            "//evil.example/console/",
            "/console//evil.example",
            "/console/../../evil",
            "/console/\\evil.example",
            "/console.evil.example",
            "/console/a\r\nSet-Cookie: a=b",
            "/console/sign-out",
            "javascript:alert(1)",
        ] {
            assert_eq!(own_page(other), BASE, "{other}");
        }
    }
}
