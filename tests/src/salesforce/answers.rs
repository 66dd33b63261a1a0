//! The bodies Salesforce answers with.

use serde_json::{Value, json};

/// A status with its body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `None` for answers without a body.
    pub(super) body: Option<Value>,
    /// Seconds.
    pub(super) retry_after: Option<u64>,
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
            retry_after: None,
        }
    }

    /// A page for people, by something between client and Salesforce.
    pub(super) fn page(status: u16) -> Self {
        Self::json(status, json!(PAGE))
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            body: None,
            retry_after: None,
        }
    }
}

/// What is no JSON.
pub(super) const PAGE: &str =
    "<!DOCTYPE html><html><title>Blocked</title><body>Reference 18.2f1</body></html>";

/// An error of the API.
#[derive(Debug, Clone)]
pub(super) struct Fail {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) fields: Vec<String>,
    /// Of a duplicate rule.
    pub(super) duplicates: Option<Box<Value>>,
    /// Of an external id that several records have.
    pub(super) several: Vec<String>,
}

impl Fail {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            fields: Vec::new(),
            duplicates: None,
            several: Vec::new(),
        }
    }

    #[must_use]
    pub(super) fn fields<T: Into<String>>(mut self, fields: impl IntoIterator<Item = T>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(super) fn expired() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, "JSON_PARSER_ERROR", message)
    }

    pub(super) fn over_limit() -> Self {
        Self::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    }

    /// One made up by the fault plan, with the words that Salesforce has for it.
    pub(super) fn scripted(status: u16, code: &str) -> Self {
        let message = match code {
            "UNABLE_TO_LOCK_ROW" => "unable to obtain exclusive access to this record",
            "DUPLICATE_VALUE" => {
                "duplicate value found: Webhook_Submission_ID__c duplicates value on record with id: <unknown>"
            }
            "REQUEST_LIMIT_EXCEEDED" => "TotalRequests Limit exceeded.",
            "INVALID_SESSION_ID" => "Session expired or invalid",
            "SERVER_UNAVAILABLE" => "The server is temporarily unavailable",
            _ => "An unexpected error occurred.",
        };
        Self::new(status, code, message)
    }

    /// As an answer to a call about one record: an array.
    pub(super) fn into_answer(self, version: &str) -> Answer {
        if self.status == 300 {
            let urls: Vec<Value> = self
                .several
                .iter()
                .map(|id| json!(format!("/services/data/{version}/sobjects/Lead/{id}")))
                .collect();
            return Answer::json(300, json!(urls));
        }
        let mut error = json!({"message": self.message, "errorCode": self.code});
        // Only errors about a record's values have fields.
        if self.status == 400 {
            error["fields"] = json!(self.fields);
        }
        if let Some(duplicates) = self.duplicates {
            error["duplicateResult"] = *duplicates;
        }
        Answer::json(self.status, json!([error]))
    }

    /// As a result of a collection.
    pub(super) fn into_item(self, name_duplicates: bool) -> Value {
        let mut error = if self.status == 300 {
            let message = format!(
                "Webhook_Submission_ID__c: more than one record found for external id field: [{}]",
                self.several.join(", ")
            );
            json!({"statusCode": "DUPLICATE_EXTERNAL_ID", "message": message, "fields": ["Webhook_Submission_ID__c"]})
        } else {
            json!({"statusCode": self.code, "message": self.message, "fields": self.fields})
        };
        if let Some(duplicates) = self.duplicates.filter(|_| name_duplicates) {
            error["duplicateResult"] = *duplicates;
        }
        json!({"success": false, "errors": [error]})
    }
}
