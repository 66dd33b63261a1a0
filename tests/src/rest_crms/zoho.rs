//! Zoho CRM v8: upsert by e-mail with a result for each record inside the answer, and access tokens that end.
//! Sources: zoho.com/crm/developer/docs/api/v8/upsert-records.html and
//! zoho.com/accounts/protocol/oauth/self-client/client-credentials-flow.html.

use serde_json::{Value, json};

use super::{Api, Asked, Kept, Told, change, is_address, pairs, text};

/// A token is good for so many calls here, so that its end is met.
const CALLS: usize = 4;

/// Leads, oldest first.
pub struct Zoho {
    secret: String,
    leads: Vec<Value>,
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

    fn upsert(&mut self, lead: &Value) -> Value {
        let refused = |code: &str, field: &str, words: &str| {
            json!({"code": code, "details": {"api_name": field, "json_path": format!("$.data[0].{field}")},
                "message": words, "status": "error"})
        };
        let email = text(lead, "Email");
        if text(lead, "Last_Name").is_empty() {
            return refused("MANDATORY_NOT_FOUND", "Last_Name", "required field not found");
        }
        if !is_address(&email) {
            return refused("INVALID_DATA", "Email", "invalid data");
        }
        let known = self
            .leads
            .iter_mut()
            .find(|known| text(known, "Email").eq_ignore_ascii_case(&email));
        let (action, words, id) = if let Some(known) = known {
            change(known, lead);
            ("update", "record updated", known["id"].clone())
        } else {
            let mut new = lead.clone();
            new["id"] = json!(format!("5725767000000{:06}", self.leads.len()));
            self.leads.push(new.clone());
            ("insert", "record added", new["id"].clone())
        };
        json!({"code": "SUCCESS", "duplicate_field": (action == "update").then_some("Email"), "action": action,
            "details": {"id": id}, "message": words, "status": "success"})
    }
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
        if asked.line() != ("POST", "/crm/v8/Leads/upsert") {
            return Told::json(404, json!({"code": "INVALID_URL_PATTERN", "status": "error"}));
        }
        assert_eq!(asked.body["duplicate_check_fields"], json!(["Email"]));
        let results: Vec<Value> = asked.body["data"]
            .as_array()
            .unwrap()
            .clone()
            .iter()
            .map(|lead| self.upsert(lead))
            .collect();
        Told::json(200, json!({"data": results}))
    }

    fn records(&self) -> Vec<Kept> {
        self.leads
            .iter()
            .map(|lead| Kept {
                id: text(lead, "id"),
                email: text(lead, "Email"),
                name: text(lead, "Last_Name"),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        let body = json!({"code": "TOO_MANY_REQUESTS", "message": "too many requests", "status": "error"});
        Told::json(429, body).with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        asked.path.ends_with("/upsert")
    }

    fn nothing_found(&self) -> Option<Told> {
        None
    }
}
