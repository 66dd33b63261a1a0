//! Answers of receivers as pages show them. What a page for everybody is built from has no place for personal data.

use std::borrow::Borrow;

use jiff::Timestamp;
use leadgate_crds::api::{Page, Set};
use leadgate_crds::reason::{FailureClass, FailureReason};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::{Api, Call, Clear, Failure, ask, encode};

/// A lead that is kept, without what may quote its person: the message, the CRM's answer, the payload.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) set: Set,
    pub(crate) webhook: String,
    pub(crate) sink: Option<String>,
    #[serde(default)]
    pub(crate) reason: String,
    pub(crate) candidates: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default)]
    pub(crate) overtaken: bool,
    pub(crate) dead_lettered_at: Option<Timestamp>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Kept {
    /// The sink, or nothing.
    pub(crate) fn sink(&self) -> &str {
        self.sink.as_deref().unwrap_or_default()
    }

    /// What the reason is about.
    pub(crate) fn class(&self) -> FailureClass {
        FailureReason::from(self.reason.as_str()).class()
    }
}

/// The same with everything that is kept.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeptClear {
    #[serde(flatten)]
    pub(crate) kept: Kept,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) answer: String,
    #[serde(default)]
    pub(crate) body: Value,
}

impl KeptClear {
    /// The body that the sender would post, corrected: JSON; `None`: what is kept cannot be read as such.
    pub(crate) fn copy(&self) -> Option<Value> {
        match self.kept.set {
            Set::Rejected => {
                let text = self.body.get("body")?.as_str()?;
                let kind = self.body.get("content_type").and_then(Value::as_str);
                let is_cut = self.body.get("cut_from_bytes").is_some_and(|cut| !cut.is_null());
                if is_cut || kind.is_some_and(|kind| kind.starts_with("multipart/")) {
                    return None;
                }
                serde_json::from_str(text)
                    .ok()
                    .or_else(|| Some(Value::Object(form(text))))
            }
            _ => self
                .body
                .get("payload")
                .filter(|payload| payload.is_object())
                .cloned(),
        }
    }
}

/// The fields of a form, as the receiver reads them: a name that comes several times is a list.
fn form(text: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = Value::String(value.into_owned());
        match fields.get_mut(name.as_ref()) {
            None => {
                fields.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(single) => *single = Value::Array(vec![single.take(), value]),
        }
    }
    fields
}

/// Everything that is kept of a lead. The receiver records who was shown it.
pub(crate) async fn payload(
    api: &dyn Api,
    place: &str,
    id: &str,
    _right: Clear,
) -> Result<Vec<KeptClear>, Failure> {
    let found: Page<KeptClear> = ask(
        api,
        place,
        Call::get(format!("/api/v1/leads/{}/payload", encode(id))),
    )
    .await?;
    Ok(found.items)
}

/// The name of a set in a query.
pub(crate) fn set_name(set: impl Borrow<Set>) -> &'static str {
    match set.borrow() {
        Set::Pending => "pending",
        Set::Held => "held",
        Set::Dead => "dead",
        Set::Unrouted => "unrouted",
        Set::Rejected => "rejected",
        Set::Delivered => "delivered",
    }
}

/// The set of a name.
pub(crate) fn set_of(name: &str) -> Option<Set> {
    [
        Set::Pending,
        Set::Held,
        Set::Dead,
        Set::Unrouted,
        Set::Rejected,
        Set::Delivered,
    ]
    .into_iter()
    .find(|set| set_name(*set) == name)
}
