//! A CrmSink with its Secrets, compiled: what all CRMs share. Each CRM's own settings are its own business
//! (`crm/*/settings.rs`).

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use leadgate_crds::crm_sink::{
    Audit, ContactMatch, CrmErasure, Delivery, EXACTLY_ONE_CRM, OnRefusedProperty,
};
use leadgate_crds::{CrmSink, CrmSinkSpec};
use sha2::{Digest as _, Sha256};

use crate::crm::{CrmSettings, CrmSpec, Mapping, Matching, registry};
use crate::expression::Program;
use crate::notice::Notifier;
use crate::queue::{Breaker, RateLimit, SinkId};
use crate::secret_value::ReadSecret;

/// A compiled sink.
#[derive(Debug)]
pub struct Sink {
    /// `namespace/name`.
    pub id: SinkId,
    /// How to reach the CRM.
    pub crm: Arc<dyn CrmSettings>,
    /// Stands for the account and the kind of records in it: an id of one is none of another's.
    pub account: String,
    /// Lead -> properties.
    pub mapping: Mapping,
    /// Lead -> further properties of a new record.
    pub create_only: Mapping,
    /// How a lead finds its record.
    pub matching: Matching,
    /// How fast and how patiently.
    pub delivery: DeliverySettings,
    /// What an erasure does with its records.
    pub erasure: CrmErasure,
    /// How its people are looked at for second records.
    pub audit: Option<AuditSettings>,
    /// Queue, do not deliver.
    pub suspended: bool,
    /// Whom to tell when leads need someone.
    pub notifier: Option<Arc<Notifier>>,
    /// Why nobody can be told, although somebody is to be.
    pub notify_problems: Vec<String>,
}

/// When, and how many records, an audit looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditSettings {
    /// From the end of one to the next.
    pub interval: Duration,
    /// At most.
    pub max_records: usize,
}

impl From<&Audit> for AuditSettings {
    fn from(spec: &Audit) -> Self {
        Self {
            interval: spec.interval.get(),
            max_records: usize::try_from(spec.max_records).unwrap_or(1).max(1),
        }
    }
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

/// 48 bits of a digest: to tell a few accounts apart, not to withstand anybody.
fn tag(digest: Sha256) -> String {
    URL_SAFE_NO_PAD.encode(digest.finalize().first_chunk::<6>().unwrap_or(&[0; 6]))
}

impl Sink {
    /// The expressions that look at a lead.
    pub(super) fn programs(&self) -> impl Iterator<Item = &Program> {
        let mapped = self.mapping.programs().chain(self.create_only.programs());
        mapped.chain(self.crm.programs())
    }

    /// Compiles; every error names its field and the remedy.
    pub fn compile(object: &CrmSink, read_secret: &ReadSecret<'_>) -> Result<Self, Vec<String>> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
        let spec = &object.spec;
        let delivery = DeliverySettings::from(&spec.delivery);
        let matching = Matching::from(&spec.matching);
        let Some(crm) = registry::of(spec) else {
            return Err(vec![format!("spec: {EXACTLY_ONE_CRM}")]);
        };
        if matching.contacts != ContactMatch::Create && !crm.has_contacts() {
            return Err(vec![
                "spec.matching.contacts: only Salesforce's object Lead has contacts beside it; leave it out"
                    .to_owned(),
            ]);
        }
        let create_only = spec
            .create_only
            .iter()
            .map(|(name, own)| (name.as_str(), Some(own)));
        let create_only = Mapping::compile("createOnly", create_only, &[]);
        let mapping = properties(spec, crm);
        let (notifier, notify_problems) = Notifier::of(spec.notify.as_ref(), read_secret);
        let account = RefCell::new(Sha256::new_with_prefix(crm.address()));
        let noting = |name: &str, key: &str| {
            let value = read_secret(name, key)?;
            account.borrow_mut().update(&value);
            Ok(value)
        };
        match (crm.compile(spec, &noting), mapping, create_only) {
            (Ok(crm), Ok(mapping), Ok(create_only)) => Ok(Self {
                id: SinkId::of(namespace, name),
                crm,
                account: tag(account.into_inner()),
                mapping,
                create_only,
                matching,
                delivery,
                erasure: spec.privacy.crm,
                audit: spec.audit.as_ref().map(AuditSettings::from),
                suspended: spec.suspend,
                notifier,
                notify_problems,
            }),
            (crm, mapping, create_only) => {
                let failed = [crm.err(), mapping.err(), create_only.err()];
                Err(failed.into_iter().flatten().flatten().collect())
            }
        }
    }
}

/// A sink's properties, on top of the standard ones where these are known. What only new records get is no standard property
/// any more.
fn properties(spec: &CrmSinkSpec, crm: &dyn CrmSpec) -> Result<Mapping, Vec<String>> {
    let on_create = |name: &str| spec.create_only.keys().any(|own| own.eq_ignore_ascii_case(name));
    let with_standard = crm.extends_standard_properties() || spec.properties.is_empty();
    let standard: Vec<(&str, &str)> = crm
        .standard_properties()
        .iter()
        .copied()
        .filter(|(name, _)| with_standard && !on_create(name))
        .collect();
    let own = spec
        .properties
        .iter()
        .map(|(name, own)| (name.as_str(), own.as_ref()));
    let mapping = Mapping::compile("properties", own, &standard)?;
    let maps = |wanted: &str| {
        let mut names = mapping.names().chain(spec.create_only.keys().map(String::as_str));
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    match crm.unidentified(&maps) {
        Some(error) => Err(vec![error]),
        None => Ok(mapping),
    }
}
