//! CrmSink: where leads go.

mod delivery;
mod hubspot;
mod rest;
mod salesforce;
mod status;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use delivery::{Batch, CircuitBreaker, Delivery, OnRefusedProperty, RateLimit, Retry};
pub use hubspot::{HubSpot, Upsert};
pub use rest::{
    Answers, Create, Lookup, Method, OAuth2ClientCredentials, Rest, RestAuth, RestAuthScheme, RestBasic,
    RestBearer, RestHeader, Update, UpsertCall,
};
pub use salesforce::{
    ClientCredentials, DuplicateRule, ExternalId, Fallbacks, JwtBearer, RefreshToken, Salesforce,
    SalesforceAuth, SalesforceAuthFlow,
};
pub use status::{CrmSinkStatus, CrmSinkStatusLeads};

use crate::common::{Expression, exactly_one};

/// What a sink without exactly one CRM is told, by the API server, the operator and the receiver.
pub const EXACTLY_ONE_CRM: &str =
    "a CrmSink needs exactly one of hubspot, salesforce and rest; write one CrmSink for each CRM";

/// A CRM that leads are delivered to.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "leadgate.dev",
    version = "v1alpha1",
    kind = "CrmSink",
    plural = "crmsinks",
    singular = "crmsink",
    shortname = "crm",
    category = "leadgate",
    namespaced,
    status = "CrmSinkStatus",
    derive = "PartialEq",
    doc = "A CRM that leads are delivered to.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether leads are delivered",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Type",
        type_ = "string",
        description = "The kind of CRM",
        json_path = ".status.type"
    ),
    printcolumn(
        name = "Webhooks",
        type_ = "integer",
        description = "LeadWebhooks that deliver to it",
        json_path = ".status.webhooks"
    ),
    printcolumn(
        name = "Delivered",
        type_ = "integer",
        description = "Deliveries that the CRM confirmed",
        json_path = ".status.leads.delivered"
    ),
    printcolumn(
        name = "Pending",
        type_ = "integer",
        description = "Deliveries that are still to be made",
        json_path = ".status.leads.pending"
    ),
    printcolumn(
        name = "Dead",
        type_ = "integer",
        description = "Deliveries that failed for good and wait for a person",
        json_path = ".status.leads.dead"
    ),
    printcolumn(
        name = "Paused",
        type_ = "boolean",
        description = "Whether deliveries wait: it is suspended, or the CRM asked to wait",
        json_path = ".status.paused"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Why it is ready or not",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        description = "The same in words",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = exactly_one(&["hubspot", "salesforce", "rest"], EXACTLY_ONE_CRM)
)]
pub struct CrmSinkSpec {
    /// A HubSpot account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hubspot: Option<HubSpot>,
    /// A Salesforce organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salesforce: Option<Salesforce>,
    /// Any other CRM with a REST API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,

    /// CRM property -> CEL over `lead`, `webhook` and `payload`, up to 128. Absent and blank values are
    /// not sent; `clear()` empties a property. Default: the CRM's standard fields. For `hubspot` and
    /// `salesforce` yours come on top of these, and `null` leaves one out; for `rest` yours are all
    /// that is sent. It is applied when a lead is delivered, so that a corrected mapping repairs a
    /// replay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    #[x_kube(
        validation = Rule::new("self.all(k, size(k) > 0 && size(k) <= 255)")
            .message("properties has the CRM's property names as keys, 1 to 255 characters each")
    )]
    pub properties: BTreeMap<String, Option<Expression>>,

    /// CRM property -> CEL, up to 128: values for new records only, where `properties` gives none. A
    /// record that is there already keeps what it has, so this is the place for fallbacks and for what
    /// is said once, such as a lead source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    #[x_kube(
        validation = Rule::new("self.all(k, size(k) > 0 && size(k) <= 255)")
            .message("createOnly has the CRM's property names as keys, 1 to 255 characters each")
    )]
    pub create_only: BTreeMap<String, Expression>,

    /// How a lead is matched with records that the CRM has already.
    #[serde(default)]
    pub matching: Matching,

    /// How fast, how often and how patiently leads are delivered.
    #[serde(default)]
    pub delivery: Delivery,

    /// Whether to queue leads without delivering them. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// The CRM of a [`CrmSinkSpec`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crm<'a> {
    /// A HubSpot account.
    HubSpot(&'a HubSpot),
    /// A Salesforce organisation.
    Salesforce(&'a Salesforce),
    /// Any other CRM with a REST API.
    Rest(&'a Rest),
}

impl Crm<'_> {
    /// The name that `status.type` has for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::HubSpot(_) => "HubSpot",
            Self::Salesforce(_) => "Salesforce",
            Self::Rest(_) => "Rest",
        }
    }
}

impl CrmSinkSpec {
    /// The CRM, when exactly one is set.
    pub fn crm(&self) -> Option<Crm<'_>> {
        match (&self.hubspot, &self.salesforce, &self.rest) {
            (Some(x), None, None) => Some(Crm::HubSpot(x)),
            (None, Some(x), None) => Some(Crm::Salesforce(x)),
            (None, None, Some(x)) => Some(Crm::Rest(x)),
            _ => None,
        }
    }
}

/// How a lead is matched with records that the CRM has already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Matching {
    /// What is compared, in this order. Default: `Email`, then `Phone`.
    #[serde(default = "default_keys")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub keys: Vec<MatchingKey>,
    /// What happens when a record has the lead's phone number but another e-mail address: `Update`
    /// it, `Create` a new one, or `Hold` the lead for a person. Default: `Hold`.
    #[serde(default)]
    pub on_partial_match: PartialMatch,
    /// For Salesforce's leads: what happens when a contact, such as a customer or a lead that was
    /// converted, has the lead's e-mail address or phone number. `Create` a lead all the same, without
    /// looking; `Update` the contact; or `Hold` the lead for a person. Default: `Create`.
    #[serde(default)]
    pub contacts: ContactMatch,
    /// Whether a record's values are replaced: `Always`, or `IfEmpty`, which never replaces what
    /// sales typed. Default: `Always`.
    #[serde(default)]
    pub overwrite: Overwrite,
    /// The same for single CRM properties, up to 128. Default: as `overwrite`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    pub overwrite_properties: BTreeMap<String, Overwrite>,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            keys: default_keys(),
            on_partial_match: PartialMatch::default(),
            contacts: ContactMatch::default(),
            overwrite: Overwrite::default(),
            overwrite_properties: BTreeMap::new(),
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MatchingKey {
    /// The e-mail address, in lower case.
    Email,
    /// The phone number, in the form +4930123456.
    Phone,
}

/// What happens when the phone number matches and the e-mail address does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PartialMatch {
    /// The record is updated.
    Update,
    /// A new record is made.
    Create,
    /// The lead waits for a person.
    #[default]
    Hold,
}

/// What happens when somebody is a contact already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ContactMatch {
    /// Contacts are not looked at.
    #[default]
    Create,
    /// The contact is updated.
    Update,
    /// The lead waits for a person.
    Hold,
}

/// Whether a record's values are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Overwrite {
    /// They are.
    #[default]
    Always,
    /// Only empty ones are.
    IfEmpty,
}

fn default_keys() -> Vec<MatchingKey> {
    vec![MatchingKey::Email, MatchingKey::Phone]
}
