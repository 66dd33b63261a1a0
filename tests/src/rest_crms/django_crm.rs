//! django-crm (BottleCRM) 1.35.0, as its running code answered; `make test-crm` compares it with the real one.

use serde_json::{Value, json};

use super::{Api, Asked, Kept, Told, change, is_address, text};

/// Leads, by id.
pub struct DjangoCrm {
    token: String,
    leads: Vec<Value>,
}

impl DjangoCrm {
    /// One that takes this token.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            leads: Vec::new(),
        }
    }

    /// What is wrong with the address of a lead that is not `own`.
    fn fault(&self, lead: &Value, own: Option<&str>) -> Option<Told> {
        let refuse = |words: &str| {
            Some(Told::json(
                400,
                json!({"error": true, "errors": {"email": [words]}}),
            ))
        };
        let email = text(lead, "email");
        if email.is_empty() {
            return None;
        }
        if !is_address(&email) {
            return refuse("Enter a valid email address.");
        }
        let taken = self
            .leads
            .iter()
            .any(|known| text(known, "email").eq_ignore_ascii_case(&email) && known["id"].as_str() != own);
        taken
            .then(|| refuse("Another lead in this organisation already uses that email address."))
            .flatten()
    }

    fn page(&self, part: &str) -> Value {
        let part = part.to_lowercase();
        let found: Vec<&Value> = self
            .leads
            .iter()
            .filter(|lead| text(lead, "email").to_lowercase().contains(&part))
            .collect();
        let list = |closed: bool| -> Vec<&Value> {
            found
                .iter()
                .filter(|lead| (lead["status"] == "closed") == closed)
                .copied()
                .collect()
        };
        json!({
            "per_page": 10,
            "open_leads": {"leads_count": list(false).len(), "open_leads": list(false), "offset": null},
            "close_leads": {"leads_count": list(true).len(), "close_leads": list(true), "offset": null},
        })
    }
}

impl Api for DjangoCrm {
    fn answer(&mut self, asked: &Asked) -> Told {
        if asked.header("authorization") != format!("Bearer {}", self.token) {
            return Told::json(403, json!({"detail": "Invalid or expired token."}));
        }
        match asked.line() {
            ("GET", "/api/leads/") => Told::json(200, self.page(asked.parameter("email"))),
            ("POST", "/api/leads/") => {
                if let Some(fault) = self.fault(&asked.body, None) {
                    return fault;
                }
                let id = format!("00000000-0000-4000-8000-{:012}", self.leads.len());
                let mut lead = asked.body.clone();
                lead["id"] = json!(id);
                self.leads.push(lead);
                Told::json(
                    200,
                    json!({"error": false, "message": "Lead Created Successfully", "id": id}),
                )
            }
            ("PATCH", path) => {
                let id = path
                    .trim_start_matches("/api/leads/")
                    .trim_end_matches('/')
                    .to_owned();
                if let Some(fault) = self.fault(&asked.body, Some(&id)) {
                    return fault;
                }
                match self.leads.iter_mut().find(|lead| lead["id"] == id.as_str()) {
                    Some(lead) => {
                        change(lead, &asked.body);
                        Told::json(
                            200,
                            json!({"error": false, "message": "Lead updated Successfully"}),
                        )
                    }
                    None => Told::json(404, json!({"detail": "Not found."})),
                }
            }
            _ => Told::json(405, json!({"detail": "Method not allowed."})),
        }
    }

    fn records(&self) -> Vec<Kept> {
        self.leads
            .iter()
            .map(|lead| Kept {
                id: text(lead, "id"),
                email: text(lead, "email"),
                name: text(lead, "last_name"),
                fields: lead.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        // Django REST framework's throttling.
        let words = format!("Request was throttled. Expected available in {seconds} seconds.");
        Told::json(429, json!({"detail": words})).with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        asked.method != "GET"
    }

    fn nothing_found(&self) -> Option<Told> {
        Some(Told::json(200, self.page("nobody has this")))
    }
}
