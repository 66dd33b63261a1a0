//! Any CRM with a REST API, described in data: one upsert call, or lookup, then create or update.
//!
//! * `settings`: a sink, compiled to a `description`; `request`: a lead -> one request that cannot leave `baseUrl`.
//! * `answer`: what an answer means; `find`: which of the records that a lookup found is the lead's. Both pure.
//!   `outcome`: what becomes of a lead.
//! * `auth`: credentials, and OAuth tokens that all callers share; `api`: one request; `upsert`: the order of calls for a
//!   lead; `preflight`: a check that writes nothing; `audit`: people with several records.

mod answer;
mod api;
mod audit;
mod auth;
mod description;
mod find;
mod outcome;
mod preflight;
mod request;
mod settings;
mod upsert;

use std::sync::Arc;

use async_trait::async_trait;
use leadgate_crds::reason::FailureReason;

use self::answer::Seen;
use self::api::Api;
use self::description::{Call, Find, Flow, Settings};
use self::request::Variables;
use super::answer::Answer;
use super::{
    Crm, CrmSettings, Deletion, Failure, Outcome, PreflightReport, Throttle, Twins, Undone, Upsert, deleted,
};
use crate::expression::Program;

/// A CRM that a sink describes.
pub(super) struct Rest {
    settings: Arc<Settings>,
    api: Api,
}

impl Rest {
    /// A CRM, over a shared HTTP client that follows no redirects.
    fn new(settings: Arc<Settings>, client: crate::outbound::Client) -> Self {
        Self {
            api: Api::new(Arc::clone(&settings), client),
            settings,
        }
    }
}

impl CrmSettings for Settings {
    fn programs(&self) -> Vec<&Program> {
        match &self.flow {
            Flow::Upsert(upsert) => upsert.call.programs().collect(),
            Flow::Find(find) => {
                let Find {
                    lookup,
                    create,
                    update,
                } = &**find;
                let calls = [&lookup.call, &create.call, &update.call];
                let programs = calls.into_iter().flat_map(Call::programs);
                programs
                    .chain([&lookup.matches.program, &lookup.id.program])
                    .collect()
            }
        }
    }

    fn warnings(&self) -> Vec<String> {
        Self::warnings(self)
    }

    fn connect(self: Arc<Self>, client: crate::outbound::Client) -> Arc<dyn Crm> {
        Arc::new(Rest::new(self, client))
    }
}

impl Rest {
    /// A call about a record, of which nothing but its id is known.
    async fn call_by_id(
        &self,
        call: &Call,
        record: &str,
        throttle: &dyn Throttle,
    ) -> Result<(Answer, Seen), Undone> {
        let nobody = Upsert::default();
        let variables = Variables::for_update(&nobody, record, &[]);
        Ok(self.api.call(call, None, &nobody, &variables, throttle).await?)
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

    async fn delete(&self, record: &str, throttle: &dyn Throttle) -> Deletion {
        let Some(call) = &self.settings.delete else {
            return Err(Undone::Failed(Failure::new(
                FailureReason::DeleteMissing,
                "the sink does not say how records are deleted (rest.delete)",
            )));
        };
        let (answer, _) = self.call_by_id(call, record, throttle).await?;
        deleted(answer)
    }

    async fn twins(&self, records: &[String], throttle: &dyn Throttle) -> Result<Vec<Twins>, Undone> {
        let mut twins = Vec::with_capacity(records.len());
        for record in records {
            twins.push(self.twins_of(record, throttle).await?);
        }
        Ok(twins)
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
