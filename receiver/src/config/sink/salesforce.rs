//! `spec.salesforce`.

use std::time::Duration;

use leadgate_crds::crm_sink::Salesforce;

use crate::crm::{Matching, salesforce};
use crate::source::ReadSecret;

/// Compiles; every error names its field and the remedy.
pub(super) fn settings(
    _spec: &Salesforce,
    _timeout: Duration,
    _matching: Matching,
    _read_secret: &ReadSecret<'_>,
) -> Result<salesforce::Settings, Vec<String>> {
    Err(vec![
        "spec.salesforce: this version does not deliver to it yet".to_owned(),
    ])
}
