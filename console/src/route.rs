//! From a request to its page.

use bytes::Bytes;
use http::{Method, Request, Response};
use percent_encoding::percent_decode_str;

use crate::api::{Api, Failure};
use crate::form::Fields;
use crate::frame::Visit;
use crate::pages::{audit, jobs, lead, leads, needs, overview, privacy, problem, sink, try_it, webhook};
use crate::respond::{file, redirect};
use crate::texts::{self, Texts};
use crate::{BASE, act, origin};

/// The longest body of a form, in bytes: an edited copy of a large request, with its escapes.
pub const LONGEST_BODY: usize = 4 << 20;

/// A file of the console's own, which everybody may have.
pub fn asset(path: &str) -> Option<Response<Bytes>> {
    Some(match path.strip_prefix(BASE)? {
        "/style.css" => file("text/css; charset=utf-8", include_bytes!("../assets/style.css")),
        "/script.js" => file(
            "text/javascript; charset=utf-8",
            include_bytes!("../assets/script.js"),
        ),
        "/icon.svg" => file("image/svg+xml", include_bytes!("../assets/icon.svg")),
        _ => return None,
    })
}

/// Answers a request of a visitor who was let in. `/console/PLACE/…` is a page of a place, `/console` one of all.
pub async fn serve(api: &dyn Api, request: &Request<Bytes>) -> Response<Bytes> {
    let t = texts::of(request.headers());
    let is_safe = request.method().is_safe();
    let answered = if !is_safe && !origin::is_own(request.headers()) {
        Err(Failure::new(403, t.foreign))
    } else {
        answer(api, t, request).await
    };
    match answered {
        Ok(response) => response,
        Err(failure) => problem::page(api, t, &failure).await,
    }
}

async fn answer(
    api: &dyn Api,
    t: &'static Texts,
    request: &Request<Bytes>,
) -> Result<Response<Bytes>, Failure> {
    let path = request.uri().path().strip_prefix(BASE).unwrap_or_default();
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let places = api.places().await?;
    let Some(first) = places.first().cloned() else {
        return Err(Failure::new(403, t.no_place));
    };
    let place = if parts.is_empty() {
        first
    } else {
        parts.remove(0).to_owned()
    };
    if !places.contains(&place) {
        return Err(Failure::new(404, t.not_found));
    }
    let is_of_all = parts.is_empty() && path.trim_matches('/').is_empty();
    let visit = Visit {
        rights: api.rights(&place).await?,
        api,
        t,
        places,
        place,
        query: Fields::read(request.uri().query().unwrap_or_default().as_bytes()),
        form: Fields::read(if request.method() == Method::POST {
            request.body()
        } else {
            b""
        }),
    };
    visit.may(visit.rights.see)?;
    let v = &visit;
    match (request.method().as_str(), parts.as_slice()) {
        ("GET" | "HEAD", parts) => match parts {
            [] => overview::page(v, is_of_all).await,
            ["webhooks", namespace, name] => webhook::page(v, &format!("{namespace}/{name}")).await,
            ["sinks", namespace, name] => sink::page(v, &format!("{namespace}/{name}")).await,
            ["leads"] => leads::page(v).await,
            ["leads", id] => lead::page(v, id).await,
            ["needs"] => Ok(redirect(&format!("{BASE}/{}/needs/dead", v.place))),
            ["needs", set] => needs::page(v, set).await,
            ["try"] => try_it::page(v).await,
            ["jobs"] => jobs::list(v).await,
            ["jobs", id] => jobs::show(v, id).await,
            ["audit"] => audit::page(v).await,
            ["privacy"] => privacy::page(v).await,
            ["privacy", id] => privacy::erasure(v, id).await,
            _ => Err(Failure::new(404, t.not_found)),
        },
        ("POST", ["leads", "search"]) => leads::search(v).await,
        ("POST", ["leads", id, "payload"]) => lead::payload(v, id).await,
        ("POST", ["leads", id, "copy"]) => lead::copy(v, id).await,
        ("POST", ["act"]) => act::on_leads(v).await,
        ("POST", ["sinks", namespace, name]) => act::on_sink(v, namespace, name).await,
        ("POST", ["jobs", id]) => act::on_job(v, id).await,
        ("POST", ["privacy"]) => privacy::act(v).await,
        ("POST", ["try"]) => try_it::attempt(v).await,
        _ => Err(Failure::new(404, t.not_found)),
    }
}
