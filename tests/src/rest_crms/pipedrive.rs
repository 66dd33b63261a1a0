//! Pipedrive, API v2: persons; no upsert, and a search that shows a new person only after a moment.
//! Source: developers.pipedrive.com/docs/api/v1/Persons (the v2 operations) and its guide on rate limiting.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Api, Asked, Kept, Told, change, is_address, text};

/// How long the search lags here.
const LAG: Duration = Duration::from_millis(800);

/// Persons, oldest first; ids are numbers from 1.
pub struct Pipedrive {
    token: String,
    persons: Vec<(Instant, Value)>,
}

impl Pipedrive {
    /// One that takes this token.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            persons: Vec::new(),
        }
    }

    fn search(&self, field: &str, term: &str) -> Value {
        let list = format!("{field}s");
        let items: Vec<Value> = self
            .persons
            .iter()
            .filter(|(made, person)| made.elapsed() > LAG && first(person, &list).eq_ignore_ascii_case(term))
            .map(|(_, person)| {
                let item = json!({"id": person["id"], "type": "person", "name": person["name"],
                    "emails": [first(person, "emails")], "phones": [first(person, "phones")]});
                json!({"result_score": 0.7, "item": item})
            })
            .collect();
        if items.is_empty() {
            return json!({"success": true, "data": null});
        }
        json!({"success": true, "data": {"items": items}, "additional_data": {"next_cursor": null}})
    }
}

fn first_email(person: &Value) -> String {
    first(person, "emails")
}

fn first(person: &Value, list: &str) -> String {
    text(&person[list][0], "value")
}

fn invalid(words: &str) -> Told {
    let body = json!({"success": false, "error": words, "code": "ERR_SCHEMA_VALIDATION_FAILED",
        "error_info": "Please check developers.pipedrive.com"});
    Told::json(400, body)
}

impl Api for Pipedrive {
    fn answer(&mut self, asked: &Asked) -> Told {
        if asked.header("x-api-token") != self.token {
            return Told::json(
                401,
                json!({"success": false, "error": "unauthorized access", "errorCode": 401}),
            );
        }
        let email = first_email(&asked.body);
        if !email.is_empty() && !is_address(&email) {
            return invalid("Validation failed: emails: value is not an email address");
        }
        match asked.line() {
            ("GET", "/api/v2/persons/search") => {
                assert_eq!(asked.parameter("exact_match"), "true");
                Told::json(
                    200,
                    self.search(asked.parameter("fields"), asked.parameter("term")),
                )
            }
            ("POST", "/api/v2/persons") if text(&asked.body, "name").is_empty() => {
                invalid("Validation failed: name: name is required")
            }
            ("POST", "/api/v2/persons") => {
                let mut person = asked.body.clone();
                person["id"] = json!(self.persons.len() + 1);
                self.persons.push((Instant::now(), person.clone()));
                Told::json(201, json!({"success": true, "data": person}))
            }
            ("PATCH", path) => {
                let id: u64 = path.trim_start_matches("/api/v2/persons/").parse().unwrap();
                match self.persons.iter_mut().find(|(_, person)| person["id"] == id) {
                    Some((_, person)) => {
                        change(person, &asked.body);
                        Told::json(200, json!({"success": true, "data": person}))
                    }
                    None => Told::json(
                        404,
                        json!({"success": false, "error": "Person not found", "code": "ERR_NOT_FOUND"}),
                    ),
                }
            }
            _ => Told::json(404, json!({"success": false, "error": "Unknown method."})),
        }
    }

    fn records(&self) -> Vec<Kept> {
        self.persons
            .iter()
            .map(|(_, person)| Kept {
                id: person["id"].to_string(),
                email: first_email(person),
                name: text(person, "name"),
                fields: person.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        let body = json!({"success": false, "error": "request over limit", "errorCode": 429});
        Told::json(429, body)
            .with("x-ratelimit-remaining", "0")
            .with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        asked.method != "GET"
    }

    fn nothing_found(&self) -> Option<Told> {
        Some(Told::json(200, json!({"success": true, "data": {"items": []}})))
    }
}
