//! CrmSink: a CRM that leads are delivered to.

mod audit;
mod delivery;
mod hubspot;
mod rest;
mod salesforce;
mod status;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use audit::Audit;
pub use delivery::{Batch, CircuitBreaker, Delivery, OnRefusedProperty, RateLimit, Retry};
pub use hubspot::{HubSpot, Upsert};
pub use rest::{
    Answers, Create, DeleteCall, DeleteMethod, Lookup, Method, OAuth2ClientCredentials, ReadCall, Rest,
    RestAuth, RestAuthScheme, RestBasic, RestBearer, RestHeader, Update, UpsertCall,
};
pub use salesforce::{
    ClientCredentials, DuplicateRule, ExternalId, Fallbacks, JwtBearer, RefreshToken, Salesforce,
    SalesforceAuth, SalesforceAuthFlow,
};
pub use status::{CrmSinkStatus, CrmSinkStatusAudit, CrmSinkStatusLeads, DuplicateRecord, MAX_DUPLICATES};

use crate::common::{Expression, Notify, exactly_one, is_default};
use crate::secret_refs::SecretReference;

/// What a sink without exactly one CRM is told, by the API server, the operator and the receiver.
pub const EXACTLY_ONE_CRM: &str =
    "a CrmSink needs exactly one of hubspot, salesforce and rest; create one CrmSink for each CRM";

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
        description = "Type of CRM",
        json_path = ".status.type"
    ),
    printcolumn(
        name = "Webhooks",
        type_ = "integer",
        description = "LeadWebhooks that deliver to this sink",
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
        description = "Pending deliveries",
        json_path = ".status.leads.pending"
    ),
    printcolumn(
        name = "Dead",
        type_ = "integer",
        description = "Deliveries that failed permanently",
        json_path = ".status.leads.dead"
    ),
    printcolumn(
        name = "Paused",
        type_ = "boolean",
        description = "Whether deliveries are paused, because the sink is suspended or the CRM asked to wait",
        json_path = ".status.paused"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Duplicates",
        type_ = "string",
        description = "Percentage of the records in the last audit whose person has a second record",
        json_path = ".status.audit.duplicateRate",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        description = "Reason of the condition Ready",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        description = "Message of the condition Ready",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = exactly_one(FIELDS, EXACTLY_ONE_CRM),
    validation = Rule::new("!has(self.rest) || !has(self.privacy) || self.privacy.crm != 'Delete' || has(self.rest.delete)")
        .message("rest.delete is missing: privacy.crm Delete needs the call that deletes a record, for example path: \"'/api/contacts/' + id\""),
    validation = Rule::new("!has(self.rest) || !has(self.audit) || has(self.rest.lookup) && has(self.rest.read)")
        .message("audit needs rest.lookup, which finds a person's records, and rest.read, which reads a record by its id, for example path: \"'/api/contacts/' + id\" and lead: \"{'email': body.email, 'phone': body.phone}\"")
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

    /// Maps CRM properties to CEL over `lead`, `webhook` and `payload`; up to 128 entries. Absent and blank
    /// values are not sent; `clear()` empties a property. For `hubspot` and `salesforce`, entries are added
    /// to the CRM's standard fields, and `null` omits a standard field. For `rest`, only these properties are
    /// sent. The mapping is applied at delivery, so a corrected mapping also applies to replayed
    /// leads, as far as what it reads was stored (`payload.keep` of the LeadWebhook).
    /// Default: the CRM's standard fields.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    #[x_kube(
        validation = Rule::new("self.all(k, size(k) > 0 && size(k) <= 255)")
            .message("properties has the CRM's property names as keys, 1 to 255 characters each")
    )]
    pub properties: BTreeMap<String, Option<Expression>>,

    /// Maps CRM properties to CEL; up to 128 entries. These values are sent only when a record is created and
    /// `properties` gives no value. Existing records keep theirs, so use this field for fallbacks and for
    /// values that are set once, such as the lead source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128))]
    #[x_kube(
        validation = Rule::new("self.all(k, size(k) > 0 && size(k) <= 255)")
            .message("createOnly has the CRM's property names as keys, 1 to 255 characters each")
    )]
    pub create_only: BTreeMap<String, Expression>,

    /// How leads are matched with existing records of the CRM.
    #[serde(default)]
    pub matching: Matching,

    /// How fast, how often and how patiently leads are delivered.
    #[serde(default)]
    pub delivery: Delivery,

    /// Whom to tell when leads of the sink need someone: dead and held leads, or deliveries that are paused until somebody
    /// corrects the credentials or the set-up. Absent: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,

    /// What an erasure does in this CRM.
    #[serde(default, skip_serializing_if = "is_default")]
    pub privacy: Privacy,

    /// Looks in the CRM at regular intervals for second records of the people whose leads were delivered, whoever made them.
    /// Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,

    /// Whether deliveries are suspended. Leads are still queued. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// Declares the CRMs: the field of a sink that sets one, and the type of that field.
macro_rules! crms {
    ($($field:ident: $kind:ident,)+) => {
        /// The fields of which a sink sets one.
        const FIELDS: &[&str] = &[$(stringify!($field),)+];

        /// The CRM of a [`CrmSinkSpec`].
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Crm<'a> {
            $(#[doc = concat!("`", stringify!($field), "`.")] $kind(&'a $kind),)+
        }

        impl<'a> Crm<'a> {
            /// The name that `status.type` has for it.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($kind),)+
                }
            }

            /// Every one that a sink sets.
            fn all(spec: &'a CrmSinkSpec) -> impl Iterator<Item = Self> {
                [$(spec.$field.as_ref().map(Self::$kind),)+].into_iter().flatten()
            }

            fn secret_refs(self) -> Vec<SecretReference> {
                match self {
                    $(Self::$kind(own) => own.secret_refs(),)+
                }
            }
        }
    };
}

crms! {
    hubspot: HubSpot,
    salesforce: Salesforce,
    rest: Rest,
}

impl CrmSinkSpec {
    /// The CRM, when exactly one is set.
    pub fn crm(&self) -> Option<Crm<'_>> {
        let mut all = Crm::all(self);
        all.next().filter(|_| all.next().is_none())
    }

    /// Every key of a Secret that the sink refers to.
    pub fn secret_refs(&self) -> Vec<SecretReference> {
        let crm = Crm::all(self).flat_map(Crm::secret_refs);
        crm.chain(self.notify.as_ref().map(Notify::secret_ref)).collect()
    }
}

/// How leads are matched with existing records of the CRM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Matching {
    /// The keys to match by, in this order. Default: `Email`, then `Phone`.
    #[serde(default = "default_keys")]
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub keys: Vec<MatchingKey>,
    /// What happens when a record has the lead's phone number but a different e-mail address. `Update`:
    /// update that record. `Create`: create a new record. `Hold`: hold the lead until a person decides.
    /// Default: `Hold`.
    #[serde(default)]
    pub on_partial_match: PartialMatch,
    /// Only for the Salesforce object `Lead`: what happens when a contact, for example a customer or a
    /// converted lead, has the lead's e-mail address or phone number. `Create`: create a lead without looking
    /// for contacts. `Update`: update the contact. `Hold`: hold the lead until a person decides. Default:
    /// `Create`.
    #[serde(default)]
    pub contacts: ContactMatch,
    /// Whether the values of an existing record are replaced. `Always`: replace them. `IfEmpty`: fill empty
    /// values only, so that nothing typed by sales is replaced. Default: `Always`.
    #[serde(default)]
    pub overwrite: Overwrite,
    /// Overrides `overwrite` for individual CRM properties; up to 128 entries. Default: the value of
    /// `overwrite`.
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

/// A key to match by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MatchingKey {
    /// The e-mail address, in lower case.
    Email,
    /// The phone number in E.164 form, such as +4930123456.
    Phone,
}

/// What an erasure does in a CRM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Privacy {
    /// What an erasure does with the records that the person's leads were delivered to, as far as the ledger
    /// still knows them. `None`: it lists their ids. `Delete`: it deletes them too, by id, including records
    /// that existed before the lead. Default: `None`.
    #[serde(default)]
    pub crm: CrmErasure,
}

/// What an erasure does with records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CrmErasure {
    /// They are listed.
    #[default]
    None,
    /// They are deleted.
    Delete,
}

/// What happens when the phone number matches and the e-mail address does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PartialMatch {
    /// The record is updated.
    Update,
    /// A new record is created.
    Create,
    /// The lead is held until a person decides.
    #[default]
    Hold,
}

/// What happens when the person already exists as a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ContactMatch {
    /// A lead is created without looking for contacts.
    #[default]
    Create,
    /// The contact is updated.
    Update,
    /// The lead is held until a person decides.
    Hold,
}

/// Whether the values of an existing record are replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Overwrite {
    /// All values are replaced.
    #[default]
    Always,
    /// Only empty values are filled.
    IfEmpty,
}

fn default_keys() -> Vec<MatchingKey> {
    vec![MatchingKey::Email, MatchingKey::Phone]
}
