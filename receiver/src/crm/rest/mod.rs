//! Any CRM with a REST API, described in data: one upsert call, or lookup, then create or update.
//!
//! * `settings`: a sink, compiled to a `description`; `request`: a lead -> one request that cannot leave `baseUrl`.
//! * `answer`: what an answer means; `find`: which of the records that a lookup found is the lead's. Both pure.
//!   `outcome`: what becomes of a lead.
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
mod settings;
mod upsert;

use std::sync::Arc;

use async_trait::async_trait;
use leadgate_crds::reason::FailureReason;

use self::api::Api;
use self::description::{Call, Find, Flow, Settings};
use self::request::Variables;
use super::{Crm, CrmSettings, Deletion, Failure, Outcome, PreflightReport, Throttle, Upsert};
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

    async fn delete(&self, record: &str, throttle: &dyn Throttle) -> Deletion {
        let Some(call) = &self.settings.delete else {
            return Deletion::Failed(Failure::new(
                FailureReason::DeleteMissing,
                "the sink does not say how records are deleted (rest.delete)",
            ));
        };
        let nobody = Upsert::default();
        let variables = Variables::for_update(&nobody, record, &[]);
        match self.api.call(call, None, &nobody, &variables, throttle).await {
            Ok((answer, _)) => answer.into(),
            Err(outcome) => of_no_answer(outcome),
        }
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

/// What a call that got no answer means for a deletion.
fn of_no_answer(outcome: Outcome) -> Deletion {
    match outcome {
        Outcome::Throttled(denied) => denied.into(),
        Outcome::Pause { pause, why } => Deletion::Later { after: pause, why },
        Outcome::Retry { after, why, .. } => Deletion::Later {
            after: after.unwrap_or_default(),
            why,
        },
        Outcome::AwaitVisibility { why, .. } | Outcome::Suspect { why, .. } => Deletion::later(why),
        Outcome::Reject(why) | Outcome::Refused { why, .. } | Outcome::Hold { why, .. } => {
            Deletion::Failed(why)
        }
        Outcome::Unwanted(_) | Outcome::Delivered { .. } => Deletion::Done,
    }
}
