//! HubSpot: find by a unique property, else by `matching`, else create, else update what the conflict names.
//!
//! `answer`: what HubSpot's answers mean, as a table; `api`: the calls; `upsert`: one lead; `batch`: up to 100 in one call,
//! as `batch_plan` chooses; `progress` and `batch_answer` (pure): what has become of them; `values` (pure): what is written; `search` (pure): how
//! people are looked for; `preflight`: what to know before the first lead.

mod answer;
mod api;
mod batch;
mod batch_answer;
mod batch_plan;
mod preflight;
mod progress;
mod search;
mod settings;
mod upsert;
mod values;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use leadgate_crds::crm_sink;

use self::api::{Api, Record};
pub use self::settings::STANDARD_PROPERTIES;
use self::settings::Settings;
use super::batching::Batching;
use super::{
    Candidate, Crm, CrmSettings, Deletion, Failure, Outcome, PreflightReport, Throttle, Twins, Undone,
    Upsert, deleted,
};

/// HubSpot's bound on the inputs of one call.
const MAX_BATCH: usize = 100;
/// `Auto`: so many waiting leads share a call; fewer go one by one, at the same time, and answer sooner.
const AUTO_BATCH_FROM: usize = 5;

/// A HubSpot account.
pub struct HubSpot {
    settings: Arc<Settings>,
    api: Api,
    /// The account refused `batch/upsert` by this property: update and create, each in a batch, do instead.
    no_upsert: AtomicBool,
    batching: Batching,
}

impl HubSpot {
    /// An account, over a shared HTTP client.
    fn new(settings: Arc<Settings>, client: crate::outbound::Client) -> Self {
        Self {
            api: Api::new(Arc::clone(&settings), client),
            settings,
            no_upsert: AtomicBool::new(false),
            batching: Batching::new(MAX_BATCH),
        }
    }
}

impl CrmSettings for Settings {
    fn connect(self: Arc<Self>, client: crate::outbound::Client) -> Arc<dyn Crm> {
        Arc::new(HubSpot::new(self, client))
    }
}

/// Ids are numbers.
fn is_id(record: &str) -> bool {
    !record.is_empty() && record.bytes().all(|byte| byte.is_ascii_digit())
}

#[async_trait]
impl Crm for HubSpot {
    async fn upsert(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome> {
        match batch {
            [lead]
                if self.settings.upsert != crm_sink::Upsert::Batch || self.batching.refusal().is_some() =>
            {
                vec![self.upsert_one(lead, throttle).await]
            }
            leads => self.upsert_batch(leads, throttle).await,
        }
    }

    async fn delete(&self, record: &str, throttle: &dyn Throttle) -> Deletion {
        // Nothing else may ever be sent: see `Api::delete`.
        if !is_id(record) {
            return Err(Undone::no_id());
        }
        deleted(self.api.delete(record, throttle).await?)
    }

    async fn twins(&self, records: &[String], throttle: &dyn Throttle) -> Result<Vec<Twins>, Undone> {
        let ids: Vec<String> = records.iter().filter(|id| is_id(id)).cloned().collect();
        if ids.is_empty() {
            return Ok(vec![None; records.len()]);
        }
        let candidates =
            |records: Vec<Record>| -> Vec<Candidate> { records.iter().map(Record::candidate).collect() };
        let own = candidates(self.api.read_batch(&ids, None, &[], throttle).await??);
        let matching = &self.settings.matching;
        let keys = matching.twin_keys(&own);
        let found = candidates(self.api.search(&keys.emails, &keys.phones, throttle).await??);
        Ok(matching.twins(records, &own, &found))
    }

    fn max_batch(&self) -> usize {
        match self.settings.upsert {
            crm_sink::Upsert::Single => 1,
            crm_sink::Upsert::Auto | crm_sink::Upsert::Batch => self.batching.size(),
        }
    }

    fn batch_from(&self) -> usize {
        match self.settings.upsert {
            crm_sink::Upsert::Batch => 1,
            crm_sink::Upsert::Auto | crm_sink::Upsert::Single => AUTO_BATCH_FROM,
        }
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
        preflight::preflight(
            &self.api,
            &self.settings,
            &[properties, create_only].concat(),
            throttle,
        )
        .await
    }
}
