//! A CrmSink with its Secrets, compiled: what all CRMs share here, each CRM's own settings in a file of its name.

mod hubspot;
mod rest;
mod salesforce;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use leadgate_crds::common::SecretKeyRef;
use leadgate_crds::crm_sink::{ContactMatch, Crm, Delivery, OnRefusedProperty};
use leadgate_crds::{CrmSink, CrmSinkSpec};

use crate::crm::{self, Mapping, Matching};
use crate::queue::{Breaker, RateLimit, SinkId};
use crate::source::ReadSecret;

/// A compiled sink.
#[derive(Debug)]
pub struct Sink {
    /// `namespace/name`.
    pub id: SinkId,
    /// Which CRM, and how to reach it.
    pub crm: CrmSettings,
    /// Lead -> properties.
    pub mapping: Mapping,
    /// Lead -> further properties of a new record.
    pub create_only: Mapping,
    /// How a lead finds its record.
    pub matching: Matching,
    /// How fast and how patiently.
    pub delivery: DeliverySettings,
    /// Queue, do not deliver.
    pub suspended: bool,
}

/// How to reach a CRM.
#[derive(Debug)]
pub enum CrmSettings {
    /// HubSpot.
    HubSpot(Arc<crm::hubspot::Settings>),
    /// Salesforce.
    Salesforce(Arc<crm::salesforce::Settings>),
    /// Any CRM with a REST API.
    Rest(Arc<crm::rest::Settings>),
}

/// How fast, how often and how patiently leads are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySettings {
    /// For one call.
    pub timeout: Duration,
    /// A lead this old is dead when it fails again.
    pub max_age: Duration,
    /// The first backoff.
    pub initial_backoff: Duration,
    /// The longest backoff.
    pub max_backoff: Duration,
    /// Over all replicas.
    pub limit: RateLimit,
    /// Over all replicas.
    pub breaker: Breaker,
    /// Calls under way at once, in this process.
    pub concurrency: usize,
    /// The most leads of one call, where the CRM takes several.
    pub batch_size: usize,
    /// How long a lead may wait for others to share its call.
    pub linger: Duration,
    /// Whether a lead goes without a property that the CRM refuses.
    pub on_refused_property: OnRefusedProperty,
}

impl DeliverySettings {
    /// How long a claim lasts: renewed after a third, what is left always exceeds one call to the CRM, so that a
    /// lead does not come back while a dead worker's call may still be carried out.
    pub fn lease(&self) -> Duration {
        self.timeout.mul_f64(1.5) + Duration::from_secs(1)
    }
}

impl From<&Delivery> for DeliverySettings {
    fn from(spec: &Delivery) -> Self {
        Self {
            timeout: spec.timeout.get(),
            max_age: spec.retry.max_age.get(),
            initial_backoff: spec.retry.initial_backoff.get(),
            max_backoff: spec.retry.max_backoff.get(),
            limit: RateLimit {
                requests: u32::try_from(spec.rate_limit.requests).unwrap_or(1).max(1),
                per: spec.rate_limit.per.get(),
            },
            breaker: Breaker {
                failures: u32::try_from(spec.circuit_breaker.failures).unwrap_or(1).max(1),
                cooldown: spec.circuit_breaker.cooldown.get(),
            },
            concurrency: usize::try_from(spec.concurrency).unwrap_or(1).max(1),
            batch_size: usize::try_from(spec.batch.max_size).unwrap_or(1).max(1),
            linger: spec.batch.linger.get(),
            on_refused_property: spec.on_refused_property,
        }
    }
}

impl Sink {
    /// Compiles; every error names its field and the remedy.
    pub fn compile(object: &CrmSink, read_secret: &ReadSecret<'_>) -> Result<Self, Vec<String>> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
        let spec = &object.spec;
        let delivery = DeliverySettings::from(&spec.delivery);
        let matching = Matching::from(&spec.matching);
        let leads_of_salesforce = spec
            .salesforce
            .as_ref()
            .is_some_and(|salesforce| salesforce.object.eq_ignore_ascii_case("Lead"));
        if matching.contacts != ContactMatch::Create && !leads_of_salesforce {
            return Err(vec![
                "spec.matching.contacts: only Salesforce's object Lead has contacts beside it; leave it out"
                    .to_owned(),
            ]);
        }
        let (crm, standard) = match spec.crm() {
            Some(Crm::HubSpot(settings)) => (
                hubspot::settings(settings, delivery.timeout, matching.clone(), read_secret)
                    .map(|settings| CrmSettings::HubSpot(Arc::new(settings))),
                crm::hubspot::STANDARD_PROPERTIES,
            ),
            Some(Crm::Salesforce(settings)) => (
                salesforce::settings(settings, delivery.timeout, matching.clone(), read_secret)
                    .map(|settings| CrmSettings::Salesforce(Arc::new(settings))),
                crm::salesforce::STANDARD_PROPERTIES,
            ),
            Some(Crm::Rest(settings)) => (
                rest::settings(
                    settings,
                    &spec.create_only,
                    delivery.timeout,
                    matching.clone(),
                    read_secret,
                )
                .map(|settings| CrmSettings::Rest(Arc::new(settings))),
                crm::rest::STANDARD_PROPERTIES,
            ),
            None => {
                return Err(vec![
                    "spec: set exactly one of hubspot, salesforce and rest".to_owned(),
                ]);
            }
        };
        let create_only = spec
            .create_only
            .iter()
            .map(|(name, own)| (name.as_str(), Some(own)));
        let create_only = Mapping::compile("createOnly", create_only, &[]);
        let mapping = properties(spec, standard);
        match (crm, mapping, create_only) {
            (Ok(crm), Ok(mapping), Ok(create_only)) => Ok(Self {
                id: SinkId::of(namespace, name),
                crm,
                mapping,
                create_only,
                matching,
                delivery,
                suspended: spec.suspend,
            }),
            (crm, mapping, create_only) => {
                let failed = [crm.err(), mapping.err(), create_only.err()];
                Err(failed.into_iter().flatten().flatten().collect())
            }
        }
    }
}

/// A sink's properties, on top of the standard ones. Another CRM's names are not known, nor those of another object: what
/// is written for these is all that they get. What only new records get is no standard property any more.
fn properties(spec: &CrmSinkSpec, standard: &[(&str, &str)]) -> Result<Mapping, Vec<String>> {
    let known = match spec.crm() {
        Some(Crm::HubSpot(settings)) => settings.object == "contacts",
        Some(Crm::Salesforce(settings)) => settings.object == "Lead",
        _ => false,
    };
    let on_create = |name: &str| spec.create_only.keys().any(|own| own.eq_ignore_ascii_case(name));
    let standard: Vec<(&str, &str)> = standard
        .iter()
        .copied()
        .filter(|(name, _)| (known || spec.properties.is_empty()) && !on_create(name))
        .collect();
    let own = spec
        .properties
        .iter()
        .map(|(name, own)| (name.as_str(), own.as_ref()));
    let mapping = Mapping::compile("properties", own, &standard)?;
    identity(spec, &mapping)?;
    Ok(mapping)
}

/// An error when no property says whose record it is: each lead would make one more.
fn identity(spec: &CrmSinkSpec, mapping: &Mapping) -> Result<(), Vec<String>> {
    let maps = |wanted: &str| {
        let mut names = mapping.names().chain(spec.create_only.keys().map(String::as_str));
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    match spec.crm() {
        Some(Crm::HubSpot(own)) if !maps(&own.unique_property) => {
            let unique = &own.unique_property;
            let source = if unique == "email" { "lead.email" } else { "lead.submissionId" };
            Err(vec![format!(
                "spec.properties: nothing gives {unique}, by which HubSpot finds a record (hubspot.uniqueProperty); add `{unique}: {source}`"
            )])
        }
        Some(Crm::Salesforce(own)) if own.external_id.is_none() && !maps("Email") && !maps("Phone") => Err(vec![
            "spec.properties: neither Email nor Phone is given, by which a record is found; add `Email: lead.email`, or set salesforce.externalId"
                .to_owned(),
        ]),
        _ => Ok(()),
    }
}

/// A Secret's value without blanks around it; empty ones are an error. `what` says what belongs there.
fn secret_text(
    at: &str,
    reference: &SecretKeyRef,
    what: &str,
    read_secret: &ReadSecret<'_>,
) -> Result<Vec<u8>, String> {
    let value = read_secret(&reference.name, &reference.key).map_err(|e| format!("{at}: {e}"))?;
    let value = value.trim_ascii();
    if value.is_empty() {
        return Err(format!(
            "{at}: Secret {} key {} is empty; put {what} there",
            reference.name, reference.key
        ));
    }
    Ok(value.to_vec())
}

/// A header's value made of a prefix and a Secret's value; marked sensitive, so that it shows in no log.
fn secret_header(
    at: &str,
    reference: &SecretKeyRef,
    prefix: &[u8],
    what: &str,
    read_secret: &ReadSecret<'_>,
) -> Result<HeaderValue, String> {
    let value = secret_text(at, reference, what, read_secret)?;
    let mut header = HeaderValue::from_bytes(&[prefix, &value].concat()).map_err(|_| {
        format!(
            "{at}: Secret {} key {} holds characters that no header can have; put {what} there",
            reference.name, reference.key
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}
