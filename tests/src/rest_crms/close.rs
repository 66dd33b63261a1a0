//! Close: contacts; it makes duplicates unasked, and tells with `ratelimit` how long to wait.
//! Sources: developer.close.com/resources/contacts, …/advanced-filtering and …/topics/rate-limits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Api, Asked, Kept, Told, change, is_address, text};

/// Contacts, oldest first.
pub struct Close {
    key: String,
    contacts: Vec<Value>,
}

impl Close {
    /// One that takes this API key.
    pub fn new(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            contacts: Vec::new(),
        }
    }

    fn search(&self, body: &Value) -> Value {
        let queries = body["query"]["queries"].as_array().unwrap();
        assert_eq!(
            queries[0],
            json!({"type": "object_type", "object_type": "contact"})
        );
        assert_eq!(queries[1]["related_object_type"], "contact_email");
        let condition = &queries[1]["related_query"]["condition"];
        let (mode, value) = (text(condition, "mode"), text(condition, "value").to_lowercase());
        assert_eq!(mode, "full_words");
        // Words: what stands between separators, so that an address also finds those that it is a part of.
        let found: Vec<Value> = self
            .contacts
            .iter()
            .filter(|contact| first_email(contact).to_lowercase().contains(&value))
            .map(|contact| json!({"__object_type": "contact", "id": contact["id"], "emails": contact["emails"]}))
            .collect();
        json!({"data": found, "cursor": null})
    }
}

fn first_email(contact: &Value) -> String {
    text(&contact["emails"][0], "email")
}

impl Api for Close {
    fn answer(&mut self, asked: &Asked) -> Told {
        let expected = format!("Basic {}", STANDARD.encode(format!("{}:", self.key)));
        if asked.header("authorization") != expected {
            return Told::json(
                401,
                json!({"error": "The server could not verify that you are authorized."}),
            );
        }
        let email = first_email(&asked.body);
        if !email.is_empty() && !is_address(&email) {
            let fields =
                json!({"emails": {"errors": {"0": {"field-errors": {"email": "Invalid email address."}}}}});
            return Told::json(400, json!({"errors": [], "field-errors": fields}));
        }
        match asked.line() {
            ("POST", "/api/v1/data/search/") => Told::json(200, self.search(&asked.body)),
            ("POST", "/api/v1/contact/") => {
                let mut contact = asked.body.clone();
                contact["id"] = json!(format!("cont_{}", self.contacts.len()));
                self.contacts.push(contact.clone());
                Told::json(200, contact)
            }
            ("PUT", path) => {
                let id = path
                    .trim_start_matches("/api/v1/contact/")
                    .trim_end_matches('/')
                    .to_owned();
                match self
                    .contacts
                    .iter_mut()
                    .find(|contact| contact["id"] == id.as_str())
                {
                    Some(contact) => {
                        change(contact, &asked.body);
                        Told::json(200, contact.clone())
                    }
                    None => Told::json(404, json!({"error": "The requested object does not exist."})),
                }
            }
            _ => Told::json(405, json!({"error": "Method not allowed."})),
        }
    }

    fn records(&self) -> Vec<Kept> {
        self.contacts
            .iter()
            .map(|contact| Kept {
                id: text(contact, "id"),
                email: first_email(contact),
                name: text(contact, "name"),
                fields: contact.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        let error =
            json!({"rate_limit_type": "KEY", "message": "API call count exceeded", "rate_reset": seconds});
        Told::json(429, json!({"error": error}))
            .with("ratelimit", format!("limit=100, remaining=0, reset={seconds}"))
    }

    fn writes(&self, asked: &Asked) -> bool {
        !asked.path.ends_with("/search/")
    }

    fn nothing_found(&self) -> Option<Told> {
        Some(Told::json(200, json!({"data": [], "cursor": null})))
    }
}
