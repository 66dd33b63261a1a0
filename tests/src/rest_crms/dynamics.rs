//! Dynamics 365 (Dataverse Web API 9.2): queries, POST, and PATCH, which makes a record that is not there unless told
//! otherwise by If-Match. An alternate key is unique.
//! Source: learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api, and for
//! the characters that break a key's value …/developer/data-platform/use-alternate-key-reference-record; for
//! If-Match …/developer/data-platform/webapi/perform-conditional-operations-using-web-api.

use serde_json::{Value, json};

use super::{Api, Asked, Kept, REFUSED_NUMBER, Told, change, is_address, pairs, text};

/// Leads, oldest first.
pub struct Dynamics {
    secret: String,
    leads: Vec<Value>,
}

impl Dynamics {
    /// One whose application `client` has this secret.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            leads: Vec::new(),
        }
    }

    /// With a lead that sales typed.
    #[must_use]
    pub fn with(mut self, mut lead: Value) -> Self {
        lead["leadid"] = json!("99999999-2222-3333-4444-000000000000");
        self.leads.push(lead);
        self
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

    fn query(&self, filter: &str) -> Told {
        let (key, email) = filter
            .strip_prefix("new_leadgatekey eq '")
            .and_then(|rest| rest.strip_suffix('\''))
            .and_then(|rest| rest.split_once("' or emailaddress1 eq '"))
            .unwrap();
        let email = email.replace("''", "'");
        // Texts are compared without regard to case.
        let found: Vec<Value> = self
            .leads
            .iter()
            .filter(|lead| {
                text(lead, "new_leadgatekey").eq_ignore_ascii_case(key)
                    || text(lead, "emailaddress1").eq_ignore_ascii_case(&email)
            })
            .map(|lead| {
                json!({"leadid": lead["leadid"], "new_leadgatekey": lead["new_leadgatekey"],
                    "emailaddress1": lead["emailaddress1"]})
            })
            .collect();
        Told::json(200, json!({"value": found}))
    }

    fn create(&mut self, given: &Value) -> Told {
        let key = text(given, "new_leadgatekey");
        assert!(
            !key.is_empty() && !key.chars().any(|c| "/<>*%&:\\?+'".contains(c)),
            "a key that nothing can find"
        );
        if self
            .leads
            .iter()
            .any(|lead| text(lead, "new_leadgatekey").eq_ignore_ascii_case(&key))
        {
            let words = "A record that has the attribute values Leadgate key already exists.";
            return refused(412, "0x80060892", words);
        }
        assert!(
            !text(given, "subject").is_empty() && !text(given, "lastname").is_empty(),
            "a lead has a subject and a name"
        );
        let mut lead = given.clone();
        lead["leadid"] = json!(format!("11111111-2222-3333-4444-{:012}", self.leads.len()));
        self.leads.push(lead.clone());
        written(&lead)
    }
}

/// 204, and the record's address in a header.
fn written(lead: &Value) -> Told {
    let id = text(lead, "leadid");
    let entity = format!("https://example.crm.dynamics.com/api/data/v9.2/leads({id})");
    Told::empty(204).with("odata-entityid", entity)
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
        if asked.method != "GET" {
            let email = text(&asked.body, "emailaddress1");
            if !email.is_empty() && !is_address(&email) {
                return refused(
                    400,
                    "0x80044330",
                    "A validation error occurred. The value of 'emailaddress1' is not valid.",
                );
            }
        }
        if asked.body["telephone1"] == REFUSED_NUMBER {
            let words = "A validation error occurred.  The length of the 'telephone1' attribute of the 'lead' entity exceeded the maximum allowed length of '5'.";
            return refused(400, "0x80044331", words);
        }
        match asked.line() {
            ("GET", "/api/data/v9.2/leads") => self.query(asked.parameter("$filter")),
            ("POST", "/api/data/v9.2/leads") => self.create(&asked.body),
            ("PATCH", path) => {
                let id = path
                    .trim_start_matches("/api/data/v9.2/leads(")
                    .trim_end_matches(')');
                assert_eq!(
                    asked.header("if-match"),
                    "*",
                    "a PATCH of a lead that is gone would make one"
                );
                match self.leads.iter_mut().find(|lead| lead["leadid"] == id) {
                    Some(lead) => {
                        change(lead, &asked.body);
                        written(lead)
                    }
                    None => refused(404, "0x80040217", "Entity 'Lead' With Id Does Not Exist"),
                }
            }
            _ => refused(404, "0x80060888", "Resource not found for the segment."),
        }
    }

    fn records(&self) -> Vec<Kept> {
        self.leads
            .iter()
            .map(|lead| Kept {
                id: text(lead, "leadid"),
                email: text(lead, "emailaddress1"),
                name: text(lead, "lastname"),
                fields: lead.clone(),
            })
            .collect()
    }

    fn limited(&self, seconds: u64) -> Told {
        let words = "Number of requests exceeded the limit of 6000 over time window of 300 seconds.";
        refused(429, "0x80072322", words).with("retry-after", seconds.to_string())
    }

    fn writes(&self, asked: &Asked) -> bool {
        asked.path.starts_with("/api/") && asked.method != "GET"
    }

    fn nothing_found(&self) -> Option<Told> {
        Some(Told::json(200, json!({"value": []})))
    }
}
