//! ActiveCampaign API 3: `contact/sync` creates or updates by e-mail.
//! Source: developers.activecampaign.com/reference/sync-a-contacts-data.

use serde_json::{Value, json};

use super::{Api, Asked, Kept, Told, change, is_address, text};

/// Contacts, oldest first.
pub struct ActiveCampaign {
    token: String,
    contacts: Vec<Value>,
}

impl ActiveCampaign {
    /// One that takes this token.
    pub fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            contacts: Vec::new(),
        }
    }
}

impl Api for ActiveCampaign {
    fn answer(&mut self, asked: &Asked) -> Told {
        if asked.header("api-token") != self.token {
            return Told::json(
                403,
                json!({"message": "You do not have permission to access this resource"}),
            );
        }
        if asked.line() != ("POST", "/api/3/contact/sync") {
            return Told::json(404, json!({"message": "No Result found"}));
        }
        let given = &asked.body["contact"];
        let email = text(given, "email");
        if !is_address(&email) {
            let error = json!({"title": "Contact Email Address is not valid.", "detail": "", "code": "email_invalid",
                "source": {"pointer": "/data/attributes/email"}});
            return Told::json(422, json!({"errors": [error]}));
        }
        let known = self
            .contacts
            .iter_mut()
            .find(|known| text(known, "email").eq_ignore_ascii_case(&email));
        if let Some(known) = known {
            change(known, given);
            return Told::json(200, json!({"fieldValues": [], "contact": known}));
        }
        let mut new = given.clone();
        new["id"] = json!((self.contacts.len() + 1).to_string());
        self.contacts.push(new.clone());
        Told::json(201, json!({"fieldValues": [], "contact": new}))
    }

    fn records(&self) -> Vec<Kept> {
        self.contacts
            .iter()
            .map(|contact| Kept {
                id: text(contact, "id"),
                email: text(contact, "email"),
                name: text(contact, "lastName"),
                fields: contact.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        Told::empty(429).with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        asked.method == "POST"
    }

    fn nothing_found(&self) -> Option<Told> {
        None
    }
}
