//! Salesforce: one query finds the records that a batch may be about, then collections of up to 200 update them or
//! create new ones by external id.
//!
//! * Pure: `answer` (what answers mean), `external` (a value that is safe as an external id), `soql` (queries and what
//!   they find), `plan` (which record is the lead's, and what is sent), `batch` (which writes share a call), `contact` (people
//!   who are contacts already).
//! * Shells: `auth` (one sign-in for all callers), `limits` (the daily limit, seen coming), `api` (one request each), `write`
//!   (many in few calls), `upsert` (the order of calls for a batch), `preflight` (what to know before the first lead).

mod answer;
mod api;
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

use self::api::Api;
pub use self::settings::STANDARD_PROPERTIES;
use self::settings::Settings;
use super::batching::Batching;
use super::{Crm, CrmSettings, Failure, Outcome, PreflightReport, Throttle, Upsert};

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
    fn connect(self: Arc<Self>, client: crate::outbound::Client) -> Arc<dyn Crm> {
        Arc::new(Salesforce::new(self, client))
    }
}

#[async_trait]
impl Crm for Salesforce {
    async fn upsert(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        self.upsert_all(batch, throttle).await
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
