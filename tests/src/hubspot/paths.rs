//! Which call a request makes, by its method, path and query.

use axum::http::Method;

use super::{answers::Answer, batch::Batch};

/// A call, taken from method and path. Of a contact: the id or key in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Read(String),
    Update(String),
    Archive(String),
    Search,
    Batch(Batch),
    Erase,
    Properties,
    Property(String),
    CreateProperty,
}

/// Where a request goes.
pub(super) struct Route {
    pub(super) call: Result<Call, Answer>,
    /// For the books: without ids.
    pub(super) name: &'static str,
    /// A dated API version, whose bodies are newer.
    pub(super) newer: bool,
}

pub(super) fn route(method: &Method, path: &str) -> Route {
    let parts: Vec<String> = path.trim_matches('/').split('/').map(percent_decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (newer, kind, rest) = match parts.as_slice() {
        [
            "crm",
            "v3",
            kind @ ("objects" | "properties"),
            "contacts" | "contact" | "0-1",
            rest @ ..,
        ] => (false, *kind, rest),
        [
            "crm",
            kind @ ("objects" | "properties"),
            version,
            "contacts" | "contact" | "0-1",
            rest @ ..,
        ] if is_dated(version) => (true, *kind, rest),
        _ => {
            return Route {
                call: Err(Answer::not_found()),
                name: "unknown",
                newer: false,
            };
        }
    };
    // Each path with the calls that its methods make.
    let (name, calls): (&'static str, Vec<(Method, Call)>) = match (kind, rest) {
        ("objects", []) => ("contacts", vec![(Method::POST, Call::Create)]),
        ("objects", ["search"]) => ("contacts/search", vec![(Method::POST, Call::Search)]),
        ("objects", ["gdpr-delete"]) => ("contacts/gdpr-delete", vec![(Method::POST, Call::Erase)]),
        ("objects", ["batch", "create"]) => (
            "contacts/batch/create",
            vec![(Method::POST, Call::Batch(Batch::Create))],
        ),
        ("objects", ["batch", "read"]) => (
            "contacts/batch/read",
            vec![(Method::POST, Call::Batch(Batch::Read))],
        ),
        ("objects", ["batch", "update"]) => (
            "contacts/batch/update",
            vec![(Method::POST, Call::Batch(Batch::Update))],
        ),
        ("objects", ["batch", "upsert"]) => (
            "contacts/batch/upsert",
            vec![(Method::POST, Call::Batch(Batch::Upsert))],
        ),
        ("objects", [id]) => (
            "contacts/{id}",
            vec![
                (Method::GET, Call::Read((*id).to_owned())),
                (Method::PATCH, Call::Update((*id).to_owned())),
                (Method::DELETE, Call::Archive((*id).to_owned())),
            ],
        ),
        ("properties", []) => (
            "properties",
            vec![
                (Method::GET, Call::Properties),
                (Method::POST, Call::CreateProperty),
            ],
        ),
        ("properties", [name]) => (
            "properties/{name}",
            vec![(Method::GET, Call::Property((*name).to_owned()))],
        ),
        _ => {
            return Route {
                call: Err(Answer::not_found()),
                name: "unknown",
                newer,
            };
        }
    };
    let call = calls
        .into_iter()
        .find_map(|(of, call)| (of == *method).then_some(call))
        .ok_or_else(|| Answer::error(405, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed"));
    Route { call, name, newer }
}

/// `2026-03` and its like.
fn is_dated(version: &str) -> bool {
    version.split_once('-').is_some_and(|(year, month)| {
        year.len() == 4 && month.len() == 2 && (year.bytes().chain(month.bytes())).all(|b| b.is_ascii_digit())
    })
}

/// Of a path segment: a `+` is a plus.
fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// What stands behind the `?`.
pub(super) struct Query {
    pub(super) id_property: Option<String>,
    pub(super) properties: Vec<String>,
}

/// Lists come either way: joined by commas, or as the parameter repeated.
pub(super) fn query(text: &str) -> Query {
    let mut query = Query {
        id_property: None,
        properties: Vec::new(),
    };
    for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        // Here, unlike in a path, a `+` is a space.
        let value = percent_decode(&value.replace('+', " "));
        match name {
            "idProperty" => query.id_property = Some(value),
            "properties" => query
                .properties
                .extend(value.split(',').map(|name| name.trim().to_owned())),
            _ => {}
        }
    }
    query
}
