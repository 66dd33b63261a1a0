//! `spec.rest`.

use std::time::Duration;

use leadgate_crds::crm_sink::Rest;

use crate::crm::{Matching, rest};
use crate::source::ReadSecret;

/// Compiles; every error names its field and the remedy.
pub(super) fn settings(
    _spec: &Rest,
    _timeout: Duration,
    _matching: Matching,
    _read_secret: &ReadSecret<'_>,
) -> Result<rest::Settings, Vec<String>> {
    Err(vec![
        "spec.rest: this version does not deliver to it yet".to_owned(),
    ])
}
