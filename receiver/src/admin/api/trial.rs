//! What a webhook would make of a request.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use leadgate_crds::api::{Trial, TrialResult};

use super::named;
use crate::admin::dead_letters::{bad_request, unreadable};
use crate::admin::shared::Admin;
use crate::dry_run;
use crate::source::Whole;
use crate::source::auth::RawRequest;
use crate::time::epoch_ms;

/// `POST /api/v1/webhooks/{namespace}/{name}/try`: as `leadgate-receiver try`, with the configuration that runs.
pub(super) async fn attempt(
    State(admin): State<Arc<Admin>>,
    Path((namespace, name)): Path<(String, String)>,
    body: Result<Json<Trial>, JsonRejection>,
) -> Result<Response, Response> {
    let Json(asked) = body.map_err(|error| unreadable(&error))?;
    let webhook = named(&admin, &namespace, &name)?;
    let headers = headers(&asked).map_err(|why| bad_request(&why))?;
    let config = admin.config.borrow().clone();
    let tried = tokio::task::spawn_blocking(move || {
        let request = RawRequest {
            method: &Method::POST,
            query: (!asked.query.is_empty()).then_some(asked.query.as_str()),
            headers: &headers,
            body: asked.body.as_bytes(),
            now: epoch_ms(),
        };
        let whole = if asked.element {
            Whole::Element
        } else {
            Whole::Request
        };
        dry_run::report(&config, &webhook, &request, whole, None)
    });
    let (report, accepted) = tried
        .await
        .map_err(|_| bad_request("body: it cannot be processed"))?;
    Ok(Json(TrialResult { accepted, report }).into_response())
}

fn headers(asked: &Trial) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for header in &asked.headers {
        let refused = || "headers: write each as Name: value".to_owned();
        let (name, value) = header.split_once(':').ok_or_else(refused)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| refused())?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| refused())?;
        headers.append(name, value);
    }
    if !headers.contains_key(CONTENT_TYPE) {
        let is_json = asked.body.trim_start().starts_with(['{', '[']);
        let kind = if is_json {
            "application/json"
        } else {
            "application/x-www-form-urlencoded"
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Ok(headers)
}
