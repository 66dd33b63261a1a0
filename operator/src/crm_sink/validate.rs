//! What a person has to change in a sink. Pure.

use kube::ResourceExt as _;
use leadgate_crds::CrmSink;
use leadgate_crds::crm_sink::EXACTLY_ONE_CRM;

use super::dereference::Dereferenced;
use crate::lead_webhook::validate::local_addresses;
use crate::reasons::Reason;
use crate::rules::Rules;
use crate::secrets;
use crate::validation::{ErrorScope, ValidationError, unread};

/// Everything that is wrong.
pub fn validate(sink: &CrmSink, facts: &Dereferenced, rules: &Rules) -> Result<(), Vec<ValidationError>> {
    let mut mistakes: Vec<_> = unread(sink).collect();
    if sink.spec.crm().is_none() {
        mistakes.push(ValidationError {
            about: ErrorScope::Spec,
            reason: Reason::CrmUnclear,
            message: format!("spec: {EXACTLY_ONE_CRM}"),
        });
    }
    mistakes.extend(local_addresses(&sink.spec));
    let namespace = sink.namespace().unwrap_or_default();
    mistakes.extend(secrets::rules::mistakes(
        &namespace,
        sink.spec.secret_refs().iter(),
        &facts.secrets,
        rules.secret_label,
    ));
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}
