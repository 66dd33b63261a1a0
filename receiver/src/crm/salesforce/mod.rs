//! Salesforce: one query finds the records that a batch may be about, then collections of up to 200 update them or
//! create new ones by external id.
//!
//! * Pure: `answer` (what answers mean), `external` (a value that is safe as an external id), `soql` (queries and what
//!   they find), `plan` (which record is the lead's, and what is sent), `batch` (which writes share a call), `contact` (people
//!   who are contacts already).
//! * Shells: `auth` (one sign-in for all callers), `limits` (the daily limit, seen coming), `api` (one request each), `write`
//!   (many in few calls), `upsert` (the order of calls for a batch), `preflight` (what to know before the first lead), `audit` (people with
//!   several records).

mod answer;
mod api;
mod audit;
mod auth;
mod batch;
mod contact;
mod external;
mod limits;
mod plan;
mod preflight;
mod settings;
mod soql;
mod upsert;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use leadgate_crds::reason::FailureReason;

use self::answer::Answer;
use self::api::Api;
pub use self::settings::STANDARD_PROPERTIES;
use self::settings::Settings;
use super::batching::Batching;
use super::{Crm, CrmSettings, Deletion, Failure, Outcome, PreflightReport, Throttle, Twins, Undone, Upsert};
use crate::expression::Program;

/// A Salesforce organisation.
pub struct Salesforce {
    settings: Arc<Settings>,
    api: Api,
    batching: Batching,
}

impl Salesforce {
    /// An organisation, over a shared HTTP client.
    fn new(settings: Arc<Settings>, client: crate::outbound::Client) -> Self {
        Self {
            api: Api::new(Arc::clone(&settings), client),
            settings,
            batching: Batching::new(batch::MAX_BATCH),
        }
    }
}

impl CrmSettings for Settings {
    fn programs(&self) -> Vec<&Program> {
        self.external_id.iter().map(|external| &external.value).collect()
    }

    fn connect(self: Arc<Self>, client: crate::outbound::Client) -> Arc<dyn Crm> {
        Arc::new(Salesforce::new(self, client))
    }
}

#[async_trait]
impl Crm for Salesforce {
    async fn upsert(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        self.upsert_all(batch, throttle).await
    }

    async fn delete(&self, record: &str, throttle: &dyn Throttle) -> Deletion {
        if !matches!(record.len(), 15 | 18) || !record.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Undone::no_id());
        }
        match self.api.delete(record, throttle).await {
            Answer::Done(_) => Ok(()),
            // Else it may be there: a converted lead, another object, a path that does not exist.
            Answer::NotFound(why) if why.reason == FailureReason::RecordGone => Ok(()),
            answer => Err(audit::undone(answer)),
        }
    }

    async fn twins(&self, records: &[String], throttle: &dyn Throttle) -> Result<Vec<Twins>, Undone> {
        self.find_twins(records, throttle).await
    }

    fn max_batch(&self) -> usize {
        batch::MAX_BATCH
    }

    fn notice(&self) -> Option<Failure> {
        self.batching.refusal()
    }

    async fn preflight(
        &self,
        properties: &[&str],
        create_only: &[&str],
        throttle: &dyn Throttle,
    ) -> PreflightReport {
        preflight::preflight(&self.api, &self.settings, properties, create_only, throttle).await
    }
}
