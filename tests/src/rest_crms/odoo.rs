//! Odoo 19, External JSON-2 API: everything is a POST of a method's arguments; no upsert.
//! Source: odoo.com/documentation/19.0/developer/reference/external_api.html.

use serde_json::{Value, json};

use super::{Api, Asked, Kept, Told, change, is_address, text};

/// `crm.lead` records, oldest first; ids are numbers from 1.
pub struct Odoo {
    key: String,
    leads: Vec<Value>,
}

impl Odoo {
    /// One that takes this API key.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            leads: Vec::new(),
        }
    }

    /// With a lead that somebody in the office typed.
    #[must_use]
    pub fn with(mut self, mut lead: Value) -> Self {
        lead["id"] = json!(self.leads.len() + 1);
        self.leads.push(lead);
        self
    }

    fn search_read(&self, body: &Value) -> Value {
        let [field, operator, wanted] = [0, 1, 2].map(|part| &body["domain"][0][part]);
        let holds = |lead: &Value| match (field.as_str(), operator.as_str()) {
            (Some("email_normalized"), Some("=")) => text(lead, "email_from").to_lowercase() == *wanted,
            // As it was typed.
            (Some("phone"), Some("in")) => wanted.as_array().unwrap().contains(&lead["phone"]),
            other => panic!("no such domain: {other:?}"),
        };
        // What is empty is false.
        let shown = |value: String| {
            if value.is_empty() {
                json!(false)
            } else {
                json!(value)
            }
        };
        // The newest first.
        assert_eq!(body["order"], "active desc, id desc");
        let found: Vec<Value> = self
            .leads
            .iter()
            .rev()
            .filter(|lead| holds(lead))
            .map(|lead| {
                let email = shown(text(lead, "email_from").to_lowercase());
                json!({"id": lead["id"], "email_normalized": email, "phone": shown(text(lead, "phone"))})
            })
            .collect();
        json!(found)
    }
}

/// Odoo's error body.
fn error(status: u16, name: &str, words: &str) -> Told {
    let body = json!({"name": name, "message": words, "arguments": [words], "context": {}, "debug": ""});
    Told::json(status, body)
}

fn fault(values: &Value) -> Option<Told> {
    let email = text(values, "email_from");
    (!email.is_empty() && !is_address(&email)).then(|| {
        error(
            422,
            "odoo.exceptions.ValidationError",
            "The email address is not valid.",
        )
    })
}

impl Api for Odoo {
    fn answer(&mut self, asked: &Asked) -> Told {
        if asked.header("authorization") != format!("bearer {}", self.key) {
            return error(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey");
        }
        assert_eq!(asked.header("x-odoo-database"), "example");
        match asked.line() {
            ("POST", "/json/2/crm.lead/search_read") => Told::json(200, self.search_read(&asked.body)),
            ("POST", "/json/2/crm.lead/create") => {
                let mut lead = asked.body["vals_list"][0].clone();
                if let Some(fault) = fault(&lead) {
                    return fault;
                }
                assert!(!text(&lead, "name").is_empty(), "name is required");
                lead["id"] = json!(self.leads.len() + 1);
                self.leads.push(lead);
                Told::json(200, json!([self.leads.len()]))
            }
            ("POST", "/json/2/crm.lead/write") => {
                let (id, values) = (&asked.body["ids"][0], &asked.body["vals"]);
                assert!(id.is_u64(), "ids are numbers: {id}");
                if let Some(fault) = fault(values) {
                    return fault;
                }
                match self.leads.iter_mut().find(|lead| lead["id"] == *id) {
                    Some(lead) => {
                        change(lead, values);
                        Told::json(200, json!(true))
                    }
                    None => error(
                        404,
                        "odoo.exceptions.MissingError",
                        "Record does not exist or has been deleted.",
                    ),
                }
            }
            _ => error(404, "werkzeug.exceptions.NotFound", "no such method"),
        }
    }

    fn records(&self) -> Vec<Kept> {
        self.leads
            .iter()
            .map(|lead| Kept {
                id: lead["id"].to_string(),
                email: text(lead, "email_from"),
                name: text(lead, "contact_name"),
                fields: lead.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        error(429, "werkzeug.exceptions.TooManyRequests", "too many").with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        !asked.path.ends_with("/search_read")
    }

    fn nothing_found(&self) -> Option<Told> {
        Some(Told::json(200, json!([])))
    }
}
