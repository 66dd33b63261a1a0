//! All CRMs there are.

use leadgate_crds::CrmSinkSpec;
use leadgate_crds::crm_sink::Crm;

use super::CrmSpec;

/// A sink's CRM; `None` if it names none or several.
pub(crate) fn of(sink: &CrmSinkSpec) -> Option<&dyn CrmSpec> {
    sink.crm().map(|crm| match crm {
        Crm::HubSpot(spec) => spec as &dyn CrmSpec,
        Crm::Salesforce(spec) => spec,
        Crm::Rest(spec) => spec,
    })
}
