//! Audits (`spec.audit` of a CrmSink): which of the people whose leads were delivered have a second record in the CRM. How
//! far an audit is stands in the store among the jobs, so that one receiver makes it and any goes on with it.

mod kept;
mod run;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use leadgate_crds::crm_sink::CrmSinkStatusAudit;

use crate::queue::SinkId;

pub(crate) use run::run_audits;

/// What the last audit of each sink found, as this receiver last read it in the store.
#[derive(Debug, Default)]
pub(crate) struct Audits(Mutex<BTreeMap<SinkId, CrmSinkStatusAudit>>);

impl Audits {
    /// Of a sink; `None`: there is nothing to tell yet.
    pub(in crate::admin) fn of(&self, sink: &SinkId) -> Option<CrmSinkStatusAudit> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(sink)?;
        (found.last_time.is_some() || found.reason.is_some()).then(|| found.clone())
    }

    fn note(&self, sink: &SinkId, found: &CrmSinkStatusAudit) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(sink.clone(), found.clone());
    }
}
