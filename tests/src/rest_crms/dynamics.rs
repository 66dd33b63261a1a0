//! Dynamics 365 (Dataverse Web API 9.2): PATCH by an alternate key creates or updates, 204 either way.
//! Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api, and for
//! the characters that break a key's value …/developer/data-platform/use-alternate-key-reference-record.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Api, Asked, Kept, Told, change, is_address, pairs, text};

/// Leads by key.
pub struct Dynamics {
    secret: String,
    leads: BTreeMap<String, Value>,
}

impl Dynamics {
    /// One whose application `client` has this secret.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            leads: BTreeMap::new(),
        }
    }

    fn token(&self, asked: &Asked) -> Told {
        let form = pairs(&asked.text);
        let given = |name: &str| form.get(name).map_or("", String::as_str);
        assert_eq!(given("scope"), "https://example.crm.dynamics.com/.default");
        if (given("client_id"), given("client_secret")) != ("client", self.secret.as_str()) {
            let words = "AADSTS7000215: Invalid client secret provided.";
            return Told::json(
                401,
                json!({"error": "invalid_client", "error_description": words}),
            );
        }
        Told::json(
            200,
            json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ.fake.token"}),
        )
    }
}

fn refused(status: u16, code: &str, words: &str) -> Told {
    Told::json(status, json!({"error": {"code": code, "message": words}}))
}

impl Api for Dynamics {
    fn answer(&mut self, asked: &Asked) -> Told {
        if asked.line() == ("POST", "/tenant/oauth2/v2.0/token") {
            return self.token(asked);
        }
        if asked.header("authorization") != "Bearer eyJ.fake.token" {
            return Told::empty(401);
        }
        assert_eq!(asked.header("odata-version"), "4.0");
        let key = asked
            .path
            .strip_prefix("/api/data/v9.2/leads(new_leadgatekey='")
            .and_then(|rest| rest.strip_suffix("')"));
        let Some(key) = key else {
            return refused(404, "0x80060888", "Resource not found for the segment 'leads'.");
        };
        if key.chars().any(|c| "/<>*%&:\\?+'".contains(c)) {
            return refused(400, "0x80060888", "Bad Request - Error in query syntax.");
        }
        if asked.method == "GET" {
            return refused(
                404,
                "0x80040217",
                "A record with the specified key values does not exist in lead entity",
            );
        }
        assert_eq!(asked.method, "PATCH");
        if !is_address(&text(&asked.body, "emailaddress1")) {
            return refused(
                400,
                "0x80044330",
                "A validation error occurred. The value of 'emailaddress1' is not valid.",
            );
        }
        let id = format!("11111111-2222-3333-4444-{:012}", self.leads.len());
        let lead = self
            .leads
            .entry(key.to_owned())
            .or_insert_with(|| json!({"leadid": id}));
        change(lead, &asked.body);
        let entity = format!(
            "https://example.crm.dynamics.com/api/data/v9.2/leads({})",
            text(lead, "leadid")
        );
        Told::empty(204).with("odata-entityid", entity)
    }

    fn records(&self) -> Vec<Kept> {
        self.leads
            .values()
            .map(|lead| Kept {
                id: text(lead, "leadid"),
                email: text(lead, "emailaddress1"),
                name: text(lead, "lastname"),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        let words = "Number of requests exceeded the limit of 6000 over time window of 300 seconds.";
        refused(429, "0x80072322", words).with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        asked.method == "PATCH"
    }

    fn nothing_found(&self) -> Option<Told> {
        None
    }
}
