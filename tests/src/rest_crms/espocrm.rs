//! EspoCRM: leads; creating answers 200, and 409 with the duplicates when somebody has the address or the name.
//! Sources: docs.espocrm.com/development/api/crud, …/duplicate-check.

use serde_json::{Value, json};

use super::{Api, Asked, Kept, REFUSED_NUMBER, Told, change, is_address, text};

/// Leads, oldest first.
pub struct EspoCrm {
    key: String,
    leads: Vec<Value>,
}

impl EspoCrm {
    /// One that takes this API key.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            leads: Vec::new(),
        }
    }

    /// With a lead that was there before.
    #[must_use]
    pub fn with(mut self, mut lead: Value) -> Self {
        lead["id"] = json!("67f00000000000000");
        self.leads.push(lead);
        self
    }

    fn duplicates(&self, lead: &Value) -> Vec<Value> {
        let name = |lead: &Value| (text(lead, "firstName"), text(lead, "lastName"));
        let email = |lead: &Value| text(lead, "emailAddress").to_lowercase();
        self.leads
            .iter()
            .filter(|known| {
                !email(lead).is_empty() && email(known) == email(lead)
                    || (name(known) == name(lead) && !name(lead).0.is_empty())
            })
            .cloned()
            .collect()
    }
}

impl Api for EspoCrm {
    fn answer(&mut self, asked: &Asked) -> Told {
        if asked.header("x-api-key") != self.key {
            return Told::empty(401);
        }
        let email = text(&asked.body, "emailAddress");
        if !email.is_empty() && !is_address(&email) {
            let body = json!({"messageTranslation": {"label": "validationFailure", "scope": null,
                "data": {"field": "emailAddress", "type": "emailAddress"}}});
            return Told::json(400, body).with(
                "x-status-reason",
                "Field validation failure; entityType: Lead, field: emailAddress, type: emailAddress.",
            );
        }
        if asked.body["phoneNumber"] == REFUSED_NUMBER {
            let body = json!({"messageTranslation": {"label": "validationFailure", "scope": null,
                "data": {"field": "phoneNumber", "type": "valid"}}});
            return Told::json(400, body);
        }
        match asked.line() {
            ("GET", "/api/v1/Lead") => {
                assert_eq!(asked.parameter("where[0][type]"), "equals");
                let attribute = asked.parameter("where[0][attribute]");
                let wanted = asked.parameter("where[0][value]");
                // A list has no further addresses.
                let list: Vec<Value> = self
                    .leads
                    .iter()
                    .filter(|lead| {
                        let mut others = lead["emailAddressData"].as_array().into_iter().flatten();
                        text(lead, attribute).eq_ignore_ascii_case(wanted)
                            || others.any(|other| text(other, attribute).eq_ignore_ascii_case(wanted))
                    })
                    .map(|lead| json!({"id": lead["id"], "name": lead["lastName"], "emailAddress": lead["emailAddress"]}))
                    .collect();
                Told::json(200, json!({"total": list.len(), "list": list}))
            }
            ("GET", path) if path.starts_with("/api/v1/Lead/") => {
                let id = path.trim_start_matches("/api/v1/Lead/");
                match self.leads.iter().find(|lead| lead["id"] == id) {
                    Some(lead) => Told::json(200, lead.clone()),
                    None => Told::empty(404),
                }
            }
            ("POST", "/api/v1/Lead") => {
                let named = ["firstName", "lastName"]
                    .map(|field| text(&asked.body, field))
                    .concat();
                assert!(!named.is_empty(), "EspoCRM wants a name");
                let duplicates = self.duplicates(&asked.body);
                if !duplicates.is_empty() && asked.header("x-skip-duplicate-check") != "true" {
                    return Told::json(409, json!(duplicates)).with("x-status-reason", "duplicate");
                }
                let mut lead = asked.body.clone();
                lead["id"] = json!(format!("67{:015x}", self.leads.len()));
                self.leads.push(lead.clone());
                Told::json(200, lead)
            }
            ("PUT", path) => {
                let id = path.trim_start_matches("/api/v1/Lead/").to_owned();
                match self.leads.iter_mut().find(|lead| lead["id"] == id.as_str()) {
                    Some(lead) => {
                        change(lead, &asked.body);
                        Told::json(200, lead.clone())
                    }
                    None => Told::empty(404),
                }
            }
            ("DELETE", path) => {
                let id = path.trim_start_matches("/api/v1/Lead/").to_owned();
                let before = self.leads.len();
                self.leads.retain(|lead| lead["id"] != id.as_str());
                if self.leads.len() < before {
                    Told::json(200, json!(true))
                } else {
                    Told::empty(404)
                }
            }
            _ => Told::empty(404),
        }
    }

    fn records(&self) -> Vec<Kept> {
        self.leads
            .iter()
            .map(|lead| Kept {
                id: text(lead, "id"),
                email: text(lead, "emailAddress"),
                name: text(lead, "lastName"),
                fields: lead.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        // EspoCRM has no limit of its own; a proxy before it may.
        Told::empty(429).with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        asked.method != "GET"
    }

    fn nothing_found(&self) -> Option<Told> {
        Some(Told::json(200, json!({"total": 0, "list": []})))
    }
}
