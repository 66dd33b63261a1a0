//! A lead -> one request. Pure. Whatever a sender posted, the request goes to `baseUrl` and below.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::description::{Body, Call, Part};
use crate::crm::{Failure, Upsert};
use crate::expression::Scope;
use crate::outbound;

/// What the expressions of a call see.
#[derive(Debug)]
pub(super) struct Variables<'l> {
    pub(super) lead: &'l Upsert,
    /// `properties`, without those that are left alone.
    pub(super) properties: Value,
    /// The record to be updated.
    pub(super) id: Value,
}

impl<'l> Variables<'l> {
    /// A lead with its properties, for calls that know of no record.
    pub(super) fn of(lead: &'l Upsert) -> Self {
        Self {
            lead,
            properties: object(&lead.properties),
            id: Value::Null,
        }
    }

    /// For a new record.
    pub(super) fn for_create(lead: &'l Upsert) -> Self {
        Self {
            properties: object(lead.for_create()),
            ..Self::of(lead)
        }
    }

    /// For an update of `id` with these properties.
    pub(super) fn for_update(lead: &'l Upsert, id: &str, properties: &[(String, Value)]) -> Self {
        Self {
            lead,
            properties: object(properties),
            id: Value::String(id.to_owned()),
        }
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::new()
            .with("lead", &self.lead.lead)
            .with("payload", &self.lead.payload)
            .with("webhook", &self.lead.webhook)
            .with("properties", &self.properties)
            .with("id", &self.id)
    }
}

fn object<'p>(properties: impl IntoIterator<Item = &'p (String, Value)>) -> Value {
    Value::Object(properties.into_iter().cloned().collect::<Map<_, _>>())
}

/// A request's changing parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    /// The whole address.
    pub(super) url: String,
    /// JSON.
    pub(super) body: Option<Value>,
    /// Beside those of every call.
    pub(super) headers: HeaderMap,
}

/// Makes the request of a call.
pub(super) fn request(base_url: &str, call: &Call, variables: &Variables<'_>) -> Result<Request, Failure> {
    let scope = variables.scope();
    let path = match call.path.value(&scope)? {
        Some(Value::String(path)) => path,
        Some(_) => return Err(call.path.failure("it must give a text")),
        None => {
            return Err(match absent(&call.path, &variables.lead.lead) {
                Some(field) => call.path.failure(&format!("{field} is absent")),
                None => call
                    .path
                    .failure("it gives nothing for this lead, which lacks a field that the path needs"),
            });
        }
    };
    outbound::stays_below(&path).map_err(|reason| call.path.failure(reason))?;
    let body = match &call.body {
        Body::Empty => None,
        Body::Properties => Some(variables.properties.clone()),
        Body::Made(part) => {
            let body = part
                .value(&scope)?
                .ok_or_else(|| match absent(part, &variables.lead.lead) {
                    Some(field) => part.failure(&format!(
                        "{field} is absent; write .? before a name that may be absent"
                    )),
                    None => part.failure(
                        "it gives nothing for this lead; write lead.?company for a field that may be absent",
                    ),
                })?;
            Some(body)
        }
    };
    Ok(Request {
        url: format!("{base_url}{path}"),
        body: body.map(without_nulls),
        headers: call.headers.clone(),
    })
}

/// The first field of the lead that an expression needs and that this lead lacks, as the expression writes it.
fn absent(part: &Part, lead: &Value) -> Option<String> {
    part.program.needs().into_iter().find(|path| {
        path.strip_prefix("lead.").is_some_and(|field| {
            let pointer = format!("/{}", field.replace('.', "/"));
            lead.pointer(&pointer).is_none_or(Value::is_null)
        })
    })
}

/// Absent values are not sent: most APIs read null as "clear this field".
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::expression::{Names, Program};

    fn part(field: &'static str, source: &str) -> Part {
        Part {
            field,
            program: Program::compile(source, &Names::ALL).unwrap(),
        }
    }

    fn made(path: &str, body: Option<&str>, lead: Value) -> Result<Request, String> {
        let lead = Upsert {
            properties: vec![("Email".to_owned(), json!("ada@example.com"))],
            lead,
            webhook: json!({"name": "website", "namespace": "marketing"}),
            ..Upsert::default()
        };
        let call = Call {
            name: "create",
            method: Method::POST,
            path: part("rest.create.path", path),
            body: body.map_or(Body::Properties, |body| {
                Body::Made(part("rest.create.body", body))
            }),
            headers: HeaderMap::new(),
        };
        request(
            "https://crm.example.com/base",
            &call,
            &Variables::for_update(&lead, "7", &lead.properties),
        )
        .map_err(|failure| format!("{} {}", failure.reason, failure.message))
    }

    #[test]
    fn a_request_is_made_of_lead_properties_webhook_and_id() {
        let lead = json!({"email": "ada+x@example.com"});
        let request = made(
            "'/leads/' + id + '?by=' + webhook.name + '&email=' + urlencode(lead.email)",
            None,
            lead.clone(),
        )
        .unwrap();
        assert_eq!(
            request.url,
            "https://crm.example.com/base/leads/7?by=website&email=ada%2Bx%40example.com"
        );
        assert_eq!(request.body, Some(json!({"Email": "ada@example.com"})));
        let body = "{'data': [properties], 'lead': {'name': lead.?lastName, 'tags': [{'a': null}]}}";
        assert_eq!(
            made("'/x'", Some(body), lead).unwrap().body,
            Some(json!({"data": [{"Email": "ada@example.com"}], "lead": {"tags": [{}]}}))
        );
    }

    #[test]
    fn a_lead_cannot_lead_the_request_elsewhere() {
        for evil in [
            "x@evil.example/",
            "//evil.example/x",
            "/a/../../admin",
            "/a/%2e%2E/admin",
            "/a/.%2e/admin",
            "/./x",
            "/\\evil.example",
            "/a\tb",
            "/a\r\nHost: evil.example",
            "/a b",
            "/a#b",
            "/ä",
            "",
        ] {
            let error = made("lead.email", None, json!({"email": evil})).unwrap_err();
            assert!(
                error.starts_with("MappingFailed rest.create.path: a path must"),
                "{evil}: {error}"
            );
            assert!(!error.contains("evil.example"), "{error}");
            // Encoded, it is one segment.
            assert!(
                made(
                    "'/c/' + urlencode(lead.email) + '/x'",
                    None,
                    json!({"email": evil})
                )
                .is_ok()
            );
        }
        assert!(made("'/c/' + urlencode(lead.email)", None, json!({"email": ".."})).is_err());
        assert!(made("'/c?next=../x'", None, json!({})).is_ok());
    }

    #[test]
    fn what_an_expression_cannot_give_names_its_field() {
        let table = [
            (
                "'/x/' + lead.email",
                None,
                "MappingFailed rest.create.path: lead.email is absent",
            ),
            ("1", None, "MappingFailed rest.create.path: it must give a text"),
            (
                "'/x/' + properties",
                None,
                "MappingFailed rest.create.path: `'/x/' + properties` failed:",
            ),
            (
                "'/x'",
                Some("{'a': lead.email}"),
                "MappingFailed rest.create.body: lead.email is absent",
            ),
        ];
        for (path, body, expected) in table {
            let error = made(path, body, json!({})).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
