//! A CrmSink with its Secrets, compiled.

use std::time::Duration;

use http::HeaderValue;
use leadgate_crds::CrmSink;
use leadgate_crds::crm_sink::{Crm, Delivery, HubSpot};

use crate::crm::{Mapping, hubspot};
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
    /// How fast and how patiently.
    pub delivery: DeliverySettings,
    /// Queue, do not deliver.
    pub suspended: bool,
}

/// How to reach a CRM.
#[derive(Debug)]
pub enum CrmSettings {
    /// HubSpot.
    HubSpot(hubspot::Settings),
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
    /// Leads under way at once, in this process.
    pub concurrency: usize,
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
        let (crm, standard) = match spec.crm() {
            Some(Crm::HubSpot(settings)) => (
                hubspot_settings(settings, delivery.timeout, read_secret).map(CrmSettings::HubSpot),
                hubspot::STANDARD_PROPERTIES,
            ),
            Some(Crm::Salesforce(_) | Crm::Rest(_)) => {
                return Err(vec![
                    "spec: this version delivers to HubSpot only; salesforce and rest sinks come with a later one".to_owned(),
                ]);
            }
            None => {
                return Err(vec![
                    "spec: set exactly one of hubspot, salesforce and rest".to_owned(),
                ]);
            }
        };
        let mapping = if spec.properties.is_empty() {
            Mapping::standard(standard)
        } else {
            Mapping::compile(&spec.properties)
        };
        match (crm, mapping) {
            (Ok(crm), Ok(mapping)) => Ok(Self {
                id: SinkId::new(format!("{namespace}/{name}")),
                crm,
                mapping,
                delivery,
                suspended: spec.suspend,
            }),
            (crm, mapping) => {
                let mut errors: Vec<String> = crm.err().into_iter().collect();
                errors.extend(mapping.err().unwrap_or_default());
                Err(errors)
            }
        }
    }
}

fn hubspot_settings(
    spec: &HubSpot,
    timeout: Duration,
    read_secret: &ReadSecret<'_>,
) -> Result<hubspot::Settings, String> {
    let at = "spec.hubspot.tokenSecretRef";
    let secret = &spec.token_secret_ref;
    let token = read_secret(&secret.name, &secret.key).map_err(|e| format!("{at}: {e}"))?;
    let token = token.trim_ascii();
    if token.is_empty() {
        return Err(format!(
            "{at}: Secret {} key {} is empty; put the private-app token there",
            secret.name, secret.key
        ));
    }
    let mut authorization = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| {
        format!(
            "{at}: Secret {} key {} holds characters that no token has",
            secret.name, secret.key
        )
    })?;
    authorization.set_sensitive(true);
    Ok(hubspot::Settings {
        base_url: spec.base_url.clone(),
        api_version: spec.api_version.clone(),
        object: spec.object.clone(),
        unique_property: spec.unique_property.clone(),
        authorization,
        timeout,
    })
}
