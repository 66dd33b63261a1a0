//! The document of the API (OpenAPI 3.1), generated from its types.

use axum::Json;
use leadgate_crds::api::{
    Act, Backfill, Diff, DiffPage, Erasure, Export, Job, LeadSearch, LineResult, NewErasure, NewJob,
    Overview, Page, Pause, Person, Story, Suppressions, Trial, TrialResult,
};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// An operation: method, path, what it does, the query's parameters.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    request: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// `None`: described in words.
    answer: Option<fn(&mut SchemaGenerator) -> Schema>,
    status: &'static str,
}

/// What the queries of kept leads select by.
const KEPT: &[&str] = &["set", "sink", "webhook", "reason", "after", "limit"];

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

fn operations() -> Vec<Operation> {
    let plain = |method, path, summary, query| Operation {
        method,
        path,
        summary,
        query,
        request: None,
        answer: None,
        status: "200",
    };
    vec![
        Operation {
            request: Some(schema::<LeadSearch>),
            answer: Some(schema::<Page<leadgate_crds::api::Lead>>),
            ..plain("post", "/leads/search", "Search the ledger, newest first", &[])
        },
        plain(
            "get",
            "/leads",
            "List leads that are kept, without payloads",
            KEPT,
        ),
        Operation {
            answer: Some(schema::<Overview>),
            ..plain("get", "/overview", "Show what was done lately", &[])
        },
        Operation {
            answer: Some(schema::<Page<Act>>),
            ..plain(
                "get",
                "/audit",
                "List what was done through the API, newest first",
                &["after", "limit"],
            )
        },
        Operation {
            answer: Some(schema::<Story>),
            ..plain("get", "/leads/{id}", "Show the story of a lead", &[])
        },
        Operation {
            status: "204",
            ..plain(
                "delete",
                "/leads/{id}",
                "Discard a lead that is kept",
                &["set", "sink"],
            )
        },
        plain(
            "get",
            "/leads/{id}/payload",
            "Show what is kept of a lead",
            &["set", "sink"],
        ),
        plain(
            "post",
            "/leads/{id}/replay",
            "Put a lead back into its line, or decide which record it is",
            &["set", "sink", "record", "create", "force"],
        ),
        plain(
            "post",
            "/leads/{id}/move",
            "Move a lead to another sink",
            &["set", "sink", "to"],
        ),
        plain(
            "post",
            "/leads/{id}/expedite",
            "Make a waiting lead due now",
            &["sink"],
        ),
        Operation {
            request: Some(schema::<NewJob>),
            answer: Some(schema::<Job>),
            status: "201",
            ..plain(
                "post",
                "/jobs",
                "Begin a job; with dryRun, count what fits (200)",
                &[],
            )
        },
        Operation {
            answer: Some(schema::<Page<Job>>),
            ..plain("get", "/jobs", "List jobs, newest first", &[])
        },
        Operation {
            answer: Some(schema::<Job>),
            ..plain("get", "/jobs/{id}", "Show a job", &[])
        },
        Operation {
            answer: Some(schema::<Job>),
            ..plain("delete", "/jobs/{id}", "Cancel a job", &[])
        },
        Operation {
            request: Some(schema::<NewErasure>),
            answer: Some(schema::<Erasure>),
            status: "201",
            ..plain("post", "/privacy/erasures", "Erase a person", &[])
        },
        Operation {
            answer: Some(schema::<Page<Erasure>>),
            ..plain("get", "/privacy/erasures", "List erasures, newest first", &[])
        },
        Operation {
            answer: Some(schema::<Erasure>),
            ..plain("get", "/privacy/erasures/{id}", "Show an erasure", &[])
        },
        Operation {
            answer: Some(schema::<Suppressions>),
            ..plain(
                "get",
                "/privacy/suppressions",
                "Count the addresses and numbers whose leads are refused",
                &[],
            )
        },
        Operation {
            request: Some(schema::<Person>),
            answer: Some(schema::<Suppressions>),
            ..plain(
                "post",
                "/privacy/suppressions/lift",
                "Take leads of a person again",
                &[],
            )
        },
        Operation {
            request: Some(schema::<Person>),
            answer: Some(schema::<Export>),
            ..plain(
                "post",
                "/privacy/exports",
                "Export everything that is held about a person",
                &[],
            )
        },
        Operation {
            request: Some(schema::<Backfill>),
            answer: Some(schema::<Page<LineResult>>),
            ..plain(
                "post",
                "/webhooks/{namespace}/{name}/backfill",
                "Import leads of the past",
                &[],
            )
        },
        Operation {
            request: Some(schema::<Diff>),
            answer: Some(schema::<DiffPage>),
            ..plain(
                "post",
                "/webhooks/{namespace}/{name}/diff",
                "Show what a changed webhook would make of the leads that are kept",
                &[],
            )
        },
        Operation {
            request: Some(schema::<Trial>),
            answer: Some(schema::<TrialResult>),
            ..plain(
                "post",
                "/webhooks/{namespace}/{name}/try",
                "Show what would become of a request; nothing is stored",
                &[],
            )
        },
        Operation {
            request: Some(schema::<Pause>),
            ..plain("post", "/sinks/{namespace}/{name}/pause", "Pause a sink", &[])
        },
        plain("post", "/sinks/{namespace}/{name}/resume", "Resume a sink", &[]),
    ]
}

/// `GET /api/v1/openapi.json`.
pub(super) async fn document() -> Json<Value> {
    Json(build())
}

fn build() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in operations() {
        let told = describe(&operation, &mut generator);
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(path) = path {
            path.insert(operation.method.to_owned(), told);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Leadgate receiver",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The ledger, the leads that are kept, and jobs over many of them. Errors are application/problem+json (RFC 9457)."
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let in_path = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.extend(
        operation
            .query
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}})),
    );
    let content = |schema: Schema| json!({"application/json": {"schema": schema}});
    let answer = match operation.answer {
        Some(answer) => content(answer(generator)),
        None if operation.status == "204" => Value::Null,
        None => json!({"application/json": {"schema": {"type": "object"}}}),
    };
    let mut done = Map::from_iter([("description".to_owned(), json!("Done"))]);
    let problem = json!({
        "description": "A problem, in words",
        "content": {"application/problem+json": {"schema": {"type": "object", "properties": {"detail": {"type": "string"}}}}},
    });
    if !answer.is_null() {
        done.insert("content".to_owned(), answer);
    }
    let id: Vec<&str> = std::iter::once(operation.method)
        .chain(
            operation
                .path
                .split(['/', '{', '}'])
                .filter(|part| !part.is_empty()),
        )
        .collect();
    let request = operation
        .request
        .map(|request| json!({"required": true, "content": content(request(generator))}));
    let mut told = json!({
        "operationId": id.join("_"),
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {operation.status: done, "default": problem},
    });
    if let (Some(request), Value::Object(told)) = (request, &mut told) {
        told.insert("requestBody".to_owned(), request);
    }
    told
}
