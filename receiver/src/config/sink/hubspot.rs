//! `spec.hubspot`.

use std::time::Duration;

use leadgate_crds::crm_sink::HubSpot;

use super::secret_header;
use crate::crm::{Matching, hubspot};
use crate::source::ReadSecret;

/// Compiles; every error names its field and the remedy.
pub(super) fn settings(
    spec: &HubSpot,
    timeout: Duration,
    matching: Matching,
    read_secret: &ReadSecret<'_>,
) -> Result<hubspot::Settings, Vec<String>> {
    let authorization = secret_header(
        "spec.hubspot.tokenSecretRef",
        &spec.token_secret_ref,
        b"Bearer ",
        "the private-app token",
        read_secret,
    )
    .map_err(|error| vec![error])?;
    Ok(hubspot::Settings {
        base_url: spec.base_url.clone(),
        api_version: spec.api_version.clone(),
        object: spec.object.clone(),
        unique_property: spec.unique_property.clone(),
        upsert: spec.upsert,
        ensure_properties: spec.ensure_properties,
        authorization,
        timeout,
        matching,
    })
}
