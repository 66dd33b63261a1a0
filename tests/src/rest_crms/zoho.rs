//! Zoho CRM v8: a search that lags, upsert by e-mail and update with a result for each record inside the answer, and
//! access tokens that end.
//! Sources: zoho.com/crm/developer/docs/api/v8/upsert-records.html, …/search-records.html, …/update-records.html and
//! zoho.com/accounts/protocol/oauth/self-client/client-credentials-flow.html.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Api, Asked, Kept, REFUSED_NUMBER, Told, change, is_address, pairs, text};

/// A token is good for so many calls here, so that its end is met.
const CALLS: usize = 4;
/// How long the search lags here.
const LAG: Duration = Duration::from_millis(800);

/// Leads, oldest first.
pub struct Zoho {
    secret: String,
    leads: Vec<(Instant, Value)>,
    tokens: usize,
    calls: usize,
}

impl Zoho {
    /// One whose client `client` has this secret.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            leads: Vec::new(),
            tokens: 0,
            calls: 0,
        }
    }

    /// With a lead that was there before.
    #[must_use]
    pub fn with(mut self, mut lead: Value) -> Self {
        lead["id"] = json!("5725767000000999999");
        let long_ago = Instant::now().checked_sub(LAG).unwrap();
        self.leads.push((long_ago, lead));
        self
    }

    fn token(&mut self, asked: &Asked) -> Told {
        let form = pairs(&asked.text);
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        assert_eq!(
            (given("grant_type"), given("soid")),
            ("client_credentials", "ZohoCRM.600123456")
        );
        if (given("client_id"), given("client_secret")) != ("client", self.secret.as_str()) {
            // With 200, as Zoho does.
            return Told::json(200, json!({"error": "invalid_client"}));
        }
        self.tokens += 1;
        self.calls = 0;
        let token = format!("1000.{}", self.tokens);
        Told::json(
            200,
            json!({"access_token": token, "scope": given("scope"), "token_type": "Bearer", "expires_in": 3600}),
        )
    }

    fn search(&self, asked: &Asked) -> Told {
        let (email, phone) = (asked.parameter("email"), asked.parameter("phone"));
        let found: Vec<Value> = self
            .leads
            .iter()
            .filter(|(made, lead)| {
                let has = |field, wanted: &str| {
                    !wanted.is_empty() && text(lead, field).eq_ignore_ascii_case(wanted)
                };
                let found = has("Email", email) || has("Secondary_Email", email) || has("Phone", phone);
                made.elapsed() > LAG && found
            })
            .map(|(_, lead)| {
                json!({"id": lead["id"], "Email": lead["Email"], "Secondary_Email": lead["Secondary_Email"],
                    "Phone": lead["Phone"], "Mobile": null})
            })
            .collect();
        if found.is_empty() {
            return Told::empty(204);
        }
        let info = json!({"per_page": 200, "count": found.len(), "page": 1, "more_records": false});
        Told::json(200, json!({"data": found, "info": info}))
    }

    fn upsert(&mut self, lead: &Value) -> Value {
        let email = text(lead, "Email");
        let known = self
            .leads
            .iter_mut()
            .find(|(_, known)| !email.is_empty() && text(known, "Email").eq_ignore_ascii_case(&email));
        if let Some((_, known)) = known {
            return write(known, lead, "update", "record updated");
        }
        if text(lead, "Last_Name").is_empty() {
            return refused("MANDATORY_NOT_FOUND", "Last_Name", "required field not found");
        }
        let mut new = json!({"id": format!("5725767000000{:06}", self.leads.len())});
        let result = write(&mut new, lead, "insert", "record added");
        if result["status"] == "success" {
            self.leads.push((Instant::now(), new));
        }
        result
    }

    fn update(&mut self, id: &str, changes: &Value) -> Told {
        match self.leads.iter_mut().find(|(_, lead)| lead["id"] == id) {
            Some((_, lead)) => Told::json(
                200,
                json!({"data": [write(lead, changes, "update", "record updated")]}),
            ),
            None => Told::json(
                400,
                json!({"data": [refused("INVALID_DATA", "id", "the id given seems to be invalid")]}),
            ),
        }
    }
}

fn refused(code: &str, field: &str, words: &str) -> Value {
    json!({"code": code, "details": {"api_name": field, "json_path": format!("$.data[0].{field}")},
        "message": words, "status": "error"})
}

/// Writes into a record, and says so.
fn write(record: &mut Value, changes: &Value, action: &str, words: &str) -> Value {
    let email = text(changes, "Email");
    if !email.is_empty() && !is_address(&email) {
        return refused("INVALID_DATA", "Email", "invalid data");
    }
    change(record, changes);
    json!({"code": "SUCCESS", "duplicate_field": (action == "update").then_some("Email"), "action": action,
        "details": {"id": record["id"]}, "message": words, "status": "success"})
}

impl Api for Zoho {
    fn answer(&mut self, asked: &Asked) -> Told {
        if asked.line() == ("POST", "/oauth/v2/token") {
            return self.token(asked);
        }
        let expected = format!("Zoho-oauthtoken 1000.{}", self.tokens);
        if asked.header("authorization") != expected || self.calls >= CALLS {
            let body = json!({"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"});
            return Told::json(401, body);
        }
        self.calls += 1;
        let first = &asked.body["data"][0];
        if first["Phone"] == REFUSED_NUMBER {
            return Told::json(400, refused("INVALID_DATA", "Phone", "invalid data"));
        }
        match asked.line() {
            ("GET", "/crm/v8/Leads/search") => self.search(asked),
            ("POST", "/crm/v8/Leads/upsert") => {
                assert_eq!(asked.body["duplicate_check_fields"], json!(["Email"]));
                Told::json(200, json!({"data": [self.upsert(first)]}))
            }
            ("PUT", path) => {
                let id = path.trim_start_matches("/crm/v8/Leads/").to_owned();
                self.update(&id, first)
            }
            _ => Told::json(404, json!({"code": "INVALID_URL_PATTERN", "status": "error"})),
        }
    }

    fn records(&self) -> Vec<Kept> {
        self.leads
            .iter()
            .map(|(_, lead)| Kept {
                id: text(lead, "id"),
                email: text(lead, "Email"),
                name: text(lead, "Last_Name"),
                fields: lead.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        let body = json!({"code": "TOO_MANY_REQUESTS", "message": "too many requests", "status": "error"});
        Told::json(429, body).with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        matches!(asked.method.as_str(), "POST" | "PUT") && asked.path.starts_with("/crm/")
    }

    fn nothing_found(&self) -> Option<Told> {
        Some(Told::empty(204))
    }
}
