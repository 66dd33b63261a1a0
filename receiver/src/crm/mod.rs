//! The CRMs: a batch of leads in, an outcome per lead out.
//!
//! * [`Crm`] is what delivery drives. `registry` is the one place that knows all CRMs.
//! * Each CRM is a folder with the same files: `mod.rs` (the account, `impl Crm`), `settings.rs` (a sink and its Secrets,
//!   compiled), `api.rs` (one request each), `answer.rs` (what answers mean: a table, with the CRM's documented bodies as
//!   its test), `upsert.rs` (the order of calls for a lead; `batch.rs` where calls take several), `preflight.rs`; and
//!   what else it needs.
//! * A CRM knows neither queue nor HTTP server. It asks its [`Throttle`] before each request, and tells it how the CRM
//!   fared.

mod answer;
mod batching;
pub mod hubspot;
mod matching;
pub(crate) mod phone_forms;
mod properties;
pub(crate) mod registry;
mod rest;
pub mod salesforce;
mod token;
mod twins;
mod undone;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use leadgate_crds::CrmSinkSpec;
use leadgate_crds::reason::FailureReason;
use serde_json::Value;

use crate::expression::Program;

pub use matching::{Candidate, Matching, Verdict};
pub use properties::{Mapping, MappingError};

use undone::deleted;
pub use undone::{Deletion, Twins, Undone};

pub use crate::failure::Failure;
use crate::outbound::NoAnswer;
use crate::outcomes::Unwanted;
use crate::secret_value::ReadSecret;
pub use crate::throttle::{Throttle, Throttled};

/// A CRM may ask to be left alone for this long at most: a wrong `Retry-After` would else stop a sink for years.
pub const MAX_PAUSE: Duration = Duration::from_hours(1);

/// A lead as a CRM gets it.
#[derive(Debug, Clone, Default)]
pub struct Upsert {
    /// CRM property -> value; absent ones are not sent.
    pub properties: Vec<(String, Value)>,
    /// The same for a new record, where `properties` has none: a record that is there keeps what it has.
    pub create_only: Vec<(String, Value)>,
    /// The canonical lead, for expressions and for matching.
    pub lead: Value,
    /// What the sender posted, for expressions.
    pub payload: Value,
    /// `{name, namespace}` of the webhook that took it, for expressions.
    pub webhook: Value,
    /// What is known of this contact's record.
    pub record: Option<Known>,
    /// A person said that the record is this one, or that there is none.
    pub chosen: bool,
    /// The CRM may have it already: an attempt's answer was lost, so long ago.
    pub in_doubt: Option<Duration>,
    /// Which attempt this is; 1 is the first.
    pub attempt: u32,
}

impl Upsert {
    /// The lead's normalised e-mail address.
    pub fn email(&self) -> Option<&str> {
        self.lead.get("email").and_then(Value::as_str)
    }

    /// How long a search that lags for so long may still not show what an earlier attempt made; `None`: what it shows is
    /// all there is.
    pub fn search_lags(&self, lag: Duration) -> Option<Duration> {
        lag.checked_sub(self.in_doubt?).filter(|left| !left.is_zero())
    }

    /// The properties of a new record.
    pub fn for_create(&self) -> impl Iterator<Item = &(String, Value)> {
        self.properties.iter().chain(&self.create_only)
    }

    /// Whether a property holds what the person is known by: without it there is no telling whose record it is.
    pub fn identifies(&self, property: &str) -> bool {
        let sent = self.email().filter(|email| self.holders(email).next().is_some());
        let Some(key) = sent.or(self.phone()) else {
            return false;
        };
        self.holders(key).any(|name| name == property)
    }

    /// The properties that hold this.
    pub fn holders<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.for_create()
            .filter(move |(_, value)| value.to_string().to_lowercase().contains(key))
            .map(|(name, _)| name.as_str())
    }

    /// The lead's phone number in the form +4930123456, or as it came where it could not be brought into it.
    pub fn phone(&self) -> Option<&str> {
        self.lead.get("phone").and_then(Value::as_str)
    }
}

/// What is known of a contact's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// An earlier lead went to this record, or a person said that it is this one.
    Record(String),
    /// A person said that none of the records that were found is it: make a new one.
    New,
}

impl Known {
    /// How [`Known::New`] is written in the queue's memory of a contact's record; no CRM's id looks like it.
    const NEW: &str = "+new";
    /// Stands before the account and before the id of a record that an earlier lead went to; a person's choice is the bare id.
    const REACHED: char = '~';

    /// As the queue remembers it, and whether a person said so; `None`: it is a record of another account than `account`,
    /// which the sink wrote to before it was changed.
    pub fn from_memory(text: &str, account: &str) -> Option<(Self, bool)> {
        match text.strip_prefix(Self::REACHED) {
            Some(reached) => {
                let id = reached.strip_prefix(account)?.strip_prefix(Self::REACHED)?;
                Some((Self::Record(id.to_owned()), false))
            }
            None if text == Self::NEW => Some((Self::New, true)),
            None => Some((Self::Record(text.to_owned()), true)),
        }
    }

    /// The record of an account that a lead went to, for the queue to remember.
    pub fn reached(id: &str, account: &str) -> String {
        let mark = Self::REACHED;
        format!("{mark}{account}{mark}{id}")
    }

    /// For the queue to remember.
    pub fn into_memory(self) -> String {
        match self {
            Self::Record(id) => id,
            Self::New => Self::NEW.to_owned(),
        }
    }
}

/// What became of a lead at the CRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The CRM has it, in this record.
    Delivered {
        /// The record's id.
        record: Option<String>,
    },
    /// Try again.
    Retry {
        /// Not before this, if the CRM said so.
        after: Option<Duration>,
        /// Why.
        why: Failure,
        /// Whether the CRM may have written it.
        in_doubt: bool,
    },
    /// An earlier attempt may have made a record that the CRM's search does not show yet. Nothing was sent; after this
    /// wait the search can be believed.
    AwaitVisibility {
        /// What is left of the time for which a search lags.
        after: Duration,
        /// Why.
        why: Failure,
    },
    /// Nothing was sent: the sink is paused, its circuit open, or its rate used up.
    Throttled(Throttled),
    /// Stop all deliveries to this CRM for a while; the lead waits.
    Pause {
        /// For so long.
        pause: Duration,
        /// Why.
        why: Failure,
    },
    /// It did not arrive, and it is not plain whether the lead is to blame or the account: a firewall in between refused
    /// it, say, or a permission is lacking for one of its properties. Delivery judges by whether other leads pass and by
    /// what [`Crm::preflight`] says at that moment; in doubt the lead steps back alone.
    Suspect {
        /// Why.
        why: Failure,
        /// Whether the CRM may have written it.
        in_doubt: bool,
        /// Whether the refusal is in the CRM's own words, not in those of something in between.
        own: bool,
    },
    /// What was fetched for it says that it is not to be delivered: nothing was sent.
    Unwanted(Unwanted),
    /// The CRM will never take it as it is.
    Reject(Failure),
    /// The CRM takes it without these properties, which are never the one that identifies the record (then:
    /// [`Outcome::Reject`]). Nothing was written; delivery tries again without them, or gives the lead up, as
    /// `delivery.onRefusedProperty` says.
    Refused {
        /// Why, should the lead be given up.
        why: Failure,
        /// At least one, each of them sent.
        properties: Vec<RefusedProperty>,
    },
    /// A person must decide which record it is.
    Hold {
        /// Why.
        why: Failure,
        /// Ids of the records that it may be.
        candidates: Vec<String>,
    },
}

impl Outcome {
    /// A person decided for a record that is not there: another one, or a new one, would be somebody else's decision.
    fn chosen_is_gone(id: &str) -> Self {
        Self::Hold {
            why: chosen_is_gone(id),
            candidates: Vec::new(),
        }
    }
}

/// Why a lead is held again.
fn chosen_is_gone(id: &str) -> Failure {
    Failure::new(
        FailureReason::RecordGone,
        format!(
            "the CRM has no record {id}, which a person chose for this lead; choose another one, or a new one"
        ),
    )
}

/// A property that a CRM does not take, while it would take the rest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusedProperty {
    /// The CRM's name of it, as the sink's mapping has it.
    pub property: String,
    /// In a word: `InvalidOption`, `TooLong`, `ReadOnlyProperty`, `UnknownProperty`, `InvalidEmail` or `InvalidProperty`.
    pub reason: FailureReason,
    /// What of its value the CRM takes.
    pub instead: Option<String>,
}

impl RefusedProperty {
    /// One of whose value the CRM takes nothing.
    fn whole(property: &str, reason: FailureReason) -> Self {
        Self {
            property: property.to_owned(),
            reason,
            instead: None,
        }
    }
}

impl From<NoAnswer> for Outcome {
    fn from(no_answer: NoAnswer) -> Self {
        match no_answer {
            NoAnswer::Throttled(denied) => Self::Throttled(denied),
            NoAnswer::Failed(why, in_doubt) => Self::Retry {
                after: None,
                why,
                in_doubt,
            },
        }
    }
}

/// A CRM account.
#[async_trait]
pub trait Crm: Send + Sync + 'static {
    /// Upserts leads of different contacts; one outcome per lead, in their order.
    async fn upsert(&self, batch: &[Upsert], throttle: &dyn Throttle) -> Vec<Outcome>;

    /// Deletes a record by its id, for an erasure. One that is gone already is deleted; an id that cannot be one of this CRM's
    /// is refused before anything is sent.
    async fn delete(&self, record: &str, throttle: &dyn Throttle) -> Deletion;

    /// Looks for other records with the e-mail address or phone number of these, whoever made them, as `matching` compares them:
    /// for each of the records, in their order. At most [`Crm::max_batch`] of them; it changes nothing.
    async fn twins(&self, records: &[String], throttle: &dyn Throttle) -> Result<Vec<Twins>, Undone>;

    /// The most leads of one [`Crm::upsert`].
    fn max_batch(&self) -> usize;

    /// What makes deliveries slower without stopping them, for the sink's status: a batch call that the CRM does not take,
    /// say.
    fn notice(&self) -> Option<Failure> {
        None
    }

    /// From how many waiting leads on they share a call; below, each has its own and none waits for others.
    fn batch_from(&self) -> usize {
        2
    }

    /// Reads what a sink needs to know before the first lead: whether the CRM answers, takes the credentials, and has
    /// the properties that the sink names in `properties` and `createOnly`. Changes nothing, unless the sink lets it
    /// make properties.
    async fn preflight(
        &self,
        properties: &[&str],
        create_only: &[&str],
        throttle: &dyn Throttle,
    ) -> PreflightReport;
}

/// A sink's CRM as its manifest describes it: what is asked before and while it is compiled. Its type in
/// `leadgate_crds` implements this, in that CRM's `settings`.
pub trait CrmSpec {
    /// Compiles with its Secrets; every error names its field and the remedy.
    fn compile(
        &self,
        sink: &CrmSinkSpec,
        read_secret: &ReadSecret<'_>,
    ) -> Result<Arc<dyn CrmSettings>, Vec<String>>;

    /// Where its records are, and of which kind they are. With the credentials it says whose an id is.
    fn address(&self) -> String;

    /// Property -> expression, for sinks without `properties`.
    fn standard_properties(&self) -> &'static [(&'static str, &'static str)];

    /// Whether a sink's own properties come on top of the standard ones. Not where the names are not known: what is written
    /// then is all that is sent.
    fn extends_standard_properties(&self) -> bool {
        false
    }

    /// Whether `matching.contacts` means anything here.
    fn has_contacts(&self) -> bool {
        false
    }

    /// What is wrong when no property says whose record it is, since each lead would make one more. `maps` tells whether
    /// the sink gives a property.
    fn unidentified(&self, _maps: &dyn Fn(&str) -> bool) -> Option<String> {
        None
    }
}

/// How to reach a CRM: a compiled [`CrmSpec`].
pub trait CrmSettings: fmt::Debug + Send + Sync {
    /// The expressions that look at a lead, beside the sink's `properties` and `createOnly`.
    fn programs(&self) -> Vec<&Program> {
        Vec::new()
    }

    /// What of its settings can run, and will surprise; each names its field and the remedy.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// The account, over a shared HTTP client.
    fn connect(self: Arc<Self>, client: crate::outbound::Client) -> Arc<dyn Crm>;
}

/// What [`Crm::preflight`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PreflightReport {
    /// Whether the CRM answered; `None`: it was not asked (paused).
    pub reachable: Option<Result<(), Failure>>,
    /// Whether it took the credentials; `None`: not found out.
    pub credentials: Option<Result<(), Failure>>,
    /// What is wrong with the sink's properties, each with its remedy: unknown ones, read-only ones.
    pub problems: Vec<String>,
}
