//! A lead that was accepted earlier, mapped again as the webhook is now.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use super::auth::RawRequest;
use super::kept::Kept;
use super::parse::{Batch, Parsed};
use super::refusal::Refusal;
use super::webhook::Webhook;
use crate::ids::Contact;
use crate::lead::{Field, StoredLead};
use crate::queue::NewLead;
use crate::time::epoch_ms;

impl Webhook {
    /// Makes a new lead of the payload of an earlier one; the error says why not, for a person.
    ///
    /// Its headers and the query of its URL are not kept: a mapping that reads them finds nothing there.
    pub fn lead_of(&self, payload: &Value) -> Result<NewLead, String> {
        let mut leads = self
            .leads_of(payload, &Kept::Whole)
            .map_err(|refusal| in_words(&refusal))?;
        match (
            leads.leads.pop(),
            leads.leads.is_empty() && leads.others.is_empty(),
        ) {
            (Some(lead), true) => Ok(lead),
            _ => Err("as the webhook is now, its payload is not one lead".to_owned()),
        }
    }

    /// Makes new leads of a payload that was kept, or is imported, with what is to be kept of it.
    pub fn leads_of(&self, payload: &Value, kept: &Kept) -> Result<Batch, Refusal> {
        let body = payload.to_string();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = RawRequest {
            method: &Method::POST,
            query: None,
            headers: &headers,
            body: body.as_bytes(),
            now: epoch_ms(),
        };
        match self.leads_of_element(&request, kept)? {
            Parsed::Leads(batch) => Ok(batch),
            Parsed::Ignored(_) | Parsed::Challenge(_) => Ok(Batch::default()),
        }
    }

    /// An accepted lead as the webhook maps it now: whose it is, and its body. What the receiver filled in when it was
    /// accepted stays.
    pub fn map_again(&self, stored: &StoredLead) -> Result<(Contact, Vec<u8>), String> {
        let lead = self.lead_of(&stored.payload)?;
        let mut body: Value = serde_json::from_slice(&lead.body).map_err(|error| error.to_string())?;
        for field in [Field::CapturedAt, Field::SubmissionId] {
            if let (Some(first), Some(Value::Object(fields))) =
                (stored.lead.get(field.name()), body.get_mut("lead"))
            {
                fields.insert(field.name().to_owned(), first.clone());
            }
        }
        Ok((lead.contact, body.to_string().into_bytes()))
    }
}

/// Why there is no lead any more. Problems name fields and quote nothing.
fn in_words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Body(error) => error.to_string(),
        Refusal::Invalid(problems) => {
            let all: Vec<String> = problems
                .iter()
                .map(|problem| format!("{} ({})", problem.field, problem.reason))
                .collect();
            format!("as the webhook is now, it is no valid lead: {}", all.join("; "))
        }
    }
}
