//! Any CRM with a REST API, described in data: one upsert call, or lookup, then create or update.
//!
//! * `settings`: a sink, compiled to a `description`; `request`: a lead -> one request that cannot leave `baseUrl`.
//! * `answer`: what an answer means; `find`: which of the records that a lookup found is the lead's. Both pure.
//!   `search_lag`: leads whose record the lookup may not show yet; `outcome`: what becomes of a lead.
//! * `auth`: credentials, and OAuth tokens that all callers share; `api`: one request; `upsert`: the order of calls for a
//!   lead; `preflight`: a check that writes nothing.

mod answer;
mod api;
mod auth;
mod description;
mod find;
mod outcome;
mod preflight;
mod request;
mod search_lag;
mod settings;
mod upsert;

use std::sync::Arc;

use async_trait::async_trait;

use self::api::Api;
use self::description::Settings;
use self::search_lag::SearchLag;
use super::{Crm, CrmSettings, Outcome, PreflightReport, Throttle, Upsert};

/// A CRM that a sink describes.
pub(super) struct Rest {
    settings: Arc<Settings>,
    api: Api,
    search_lag: SearchLag,
}

impl Rest {
    /// A CRM, over a shared HTTP client that follows no redirects.
    fn new(settings: Arc<Settings>, client: crate::outbound::Client) -> Self {
        Self {
            api: Api::new(Arc::clone(&settings), client),
            settings,
            search_lag: SearchLag::default(),
        }
    }
}

impl CrmSettings for Settings {
    fn connect(self: Arc<Self>, client: crate::outbound::Client) -> Arc<dyn Crm> {
        Arc::new(Rest::new(self, client))
    }
}

#[async_trait]
impl Crm for Rest {
    async fn upsert(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(batch.len());
        for lead in batch {
            outcomes.push(self.deliver(lead, throttle).await);
        }
        outcomes
    }

    fn max_batch(&self) -> usize {
        1
    }

    async fn preflight(
        &self,
        _properties: &[&str],
        _create_only: &[&str],
        throttle: &dyn Throttle,
    ) -> PreflightReport {
        preflight::preflight(&self.settings, &self.api, throttle).await
    }
}
