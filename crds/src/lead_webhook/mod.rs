//! LeadWebhook: an endpoint that accepts webhooks and turns them into leads.

mod auth;
mod certificate;
mod challenge;
mod exposure;
mod extract;
mod message_signature;
mod payload;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use auth::{
    Auth, AuthScheme, Basic, Encoding, Hmac, HmacAlgorithm, NoAuth, SecretFormat, Token, TokenEncoding,
};
pub use certificate::{ClientCertificate, ForwardedCertificate, ForwardedFormat, VerifiedHeader};
pub use challenge::{AnswerKind, Challenge, ChallengeMethod, ChallengeWhen};
pub use exposure::{Gateway, Ingress, ParentRef};
pub use extract::{Extractor, Signature, SignatureEncoding, TimeUnit, Timestamp};
pub use message_signature::MessageSignature;
pub use payload::{
    Format, Hydrate, Idempotency, ItemsPolicy, Keep, LEAD_FIELDS, LeadMapping, OnInvalid, Payload,
    ValidationRule,
};
pub use status::{
    Latency, LeadFailure, LeadWebhookStatus, LeadWebhookStatusLeads, LeadWebhookStatusSink, MAX_FAILURES,
    SinkError, milliseconds,
};

use crate::common::{
    Duration, Expression, LABEL_PATTERN, NAME_PATTERN, Notify, at_most_one, between, is_default,
};
use crate::lead_receiver::DEFAULT_RECEIVER;

/// An endpoint that accepts webhooks and turns them into leads.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "leadgate.dev",
    version = "v1alpha1",
    kind = "LeadWebhook",
    plural = "leadwebhooks",
    singular = "leadwebhook",
    shortname = "lw",
    category = "leadgate",
    namespaced,
    status = "LeadWebhookStatus",
    derive = "PartialEq",
    doc = "An endpoint that accepts webhooks and turns them into leads.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether leads are accepted and delivered",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Sinks",
        type_ = "string",
        description = "The CRMs that receive the leads",
        json_path = ".status.sinkNames"
    ),
    printcolumn(
        name = "Accepted",
        type_ = "integer",
        description = "Accepted leads",
        json_path = ".status.leads.accepted"
    ),
    printcolumn(
        name = "Delivered",
        type_ = "integer",
        description = "Deliveries that a CRM confirmed, over all sinks",
        json_path = ".status.leads.delivered"
    ),
    printcolumn(
        name = "Pending",
        type_ = "integer",
        description = "Pending deliveries, over all sinks",
        json_path = ".status.leads.pending"
    ),
    printcolumn(
        name = "Dead",
        type_ = "integer",
        description = "Deliveries that failed permanently, over all sinks",
        json_path = ".status.leads.dead"
    ),
    printcolumn(
        name = "Success",
        type_ = "string",
        description = "Percentage of settled deliveries that a CRM confirmed",
        json_path = ".status.successRate"
    ),
    printcolumn(
        name = "Last Lead",
        type_ = "date",
        description = "Time at which the last lead was accepted",
        json_path = ".status.leads.lastAcceptedTime"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Rejected",
        type_ = "integer",
        description = "Requests answered with 4xx because of their content",
        json_path = ".status.leads.rejected",
        priority = 1
    ),
    printcolumn(
        name = "Ignored",
        type_ = "integer",
        description = "Requests that payload.accept ignored",
        json_path = ".status.leads.ignored",
        priority = 1
    ),
    printcolumn(
        name = "Unrouted",
        type_ = "integer",
        description = "Leads that are kept because no sink receives them",
        json_path = ".status.leads.unrouted",
        priority = 1
    ),
    printcolumn(
        name = "Unauthorized",
        type_ = "integer",
        description = "Requests answered with 401 or 403",
        json_path = ".status.leads.unauthorized",
        priority = 1
    ),
    printcolumn(
        name = "Receiver",
        type_ = "string",
        description = "LeadReceiver whose pods serve the webhook",
        json_path = ".status.receiver",
        priority = 1
    ),
    printcolumn(
        name = "URL",
        type_ = "string",
        description = "Address of the webhook listener",
        json_path = ".status.url",
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
    ),
    printcolumn(
        name = "P99",
        type_ = "string",
        description = "99th percentile of the time from acceptance to delivery, of the slowest sink",
        json_path = ".status.p99",
        priority = 1
    ),
    printcolumn(
        name = "Kept Dead",
        type_ = "string",
        description = "Retention of dead and unrouted leads",
        json_path = ".spec.retention.dead",
        priority = 1
    ),
    printcolumn(
        name = "Kept Held",
        type_ = "string",
        description = "Retention of held leads",
        json_path = ".spec.retention.held",
        priority = 1
    ),
    printcolumn(
        name = "Kept Rejected",
        type_ = "string",
        description = "Retention of rejected requests",
        json_path = ".spec.retention.rejected",
        priority = 1
    ),
    printcolumn(
        name = "Kept Payloads",
        type_ = "string",
        description = "Retention of the payloads of delivered leads",
        json_path = ".spec.retention.payloads",
        priority = 1
    ),
    printcolumn(
        name = "Kept Ledger",
        type_ = "string",
        description = "Retention of the ledger",
        json_path = ".spec.retention.ledger",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = at_most_one(
        &["ingress", "gateway"],
        "only one of ingress and gateway can be set: keep the one that your cluster's edge implements",
    ),
    validation = Rule::new(
        "!has(self.publicUrl) || !has(self.path) || self.publicUrl.endsWith(self.path)"
    )
    .message("publicUrl must end with path: it is the URL that the sender calls, for example https://leads.example.com followed by the path")
    .field_path(".publicUrl"),
    validation = Rule::new(
        "!has(self.auth.hmac) || !has(self.auth.hmac.messageSignature) || has(self.publicUrl) || !self.auth.hmac.messageSignature.components.exists(c, c in ['@target-uri', '@authority', '@scheme', '@path', '@request-target'])"
    )
    .message("publicUrl is missing: auth.hmac.messageSignature.components names a part of the URL that the sender calls; write it as the sender knows it, for example https://leads.example.com/webhooks/leads")
)]
pub struct LeadWebhookSpec {
    /// The preset of a known sender, for example `typeform`. It provides the authentication scheme,
    /// handshake, mapping and idempotency key; any field below overrides it. Default: `generic`.
    #[serde(default = "default_source")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN))]
    pub source: String,

    /// The URL path that senders post to. Absent: `/webhooks/<namespace>/<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(
        validation = Rule::new(
            r"self.matches('^/[A-Za-z0-9/._~%!$&()*+,;=:@-]*$') && !self.contains('//') && !self.contains('..')"
        )
        .message("path must start with '/' and be a plain URL path: no '//', no '..', no query, no fragment, no spaces; write for example /webhooks/leads"),
        validation = Rule::new("!self.matches('^/(livez|readyz|metrics|status)(/.*)?$')")
            .message("path must not be /livez, /readyz, /metrics or /status nor lie under them: these are the receiver's own; write for example /webhooks/leads")
    )]
    pub path: Option<String>,

    /// The URL that senders call, exactly as they write it. Required only by senders that sign the URL
    /// (HubSpot, Twilio, Mandrill, `messageSignature`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = crate::common::https_url("publicUrl"))]
    pub public_url: Option<String>,

    /// How senders are authenticated: exactly one of `hmac`, `token`, `basic` and `none`, or
    /// `clientCertificate` alone.
    pub auth: Auth,

    /// How the body of a request is parsed and mapped to leads.
    #[serde(default)]
    pub payload: Payload,

    /// How a resent submission is recognised.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idempotency: Idempotency,

    /// The CrmSinks in the same namespace that leads are delivered to, 1 to 16.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(s, !has(s.otherwise) || !s.otherwise || !has(s.when))")
            .message("a sink cannot have both when and otherwise: otherwise receives the leads for which no other sink's when is true"),
        validation = Rule::new("!self.exists(s, has(s.otherwise) && s.otherwise) || self.all(s, has(s.when) || (has(s.otherwise) && s.otherwise))")
            .message("otherwise would never receive a lead, because another sink without when receives every lead: give every other sink a when")
    )]
    pub sinks: Vec<SinkRef>,

    /// The LeadReceiver in the same namespace whose pods serve the webhook. Default: `default`; if there is no
    /// LeadReceiver of this name, the operator acts as if there were one with all defaults.
    #[serde(default)]
    pub receiver_ref: ReceiverRef,

    /// The Ingress that the operator creates. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,

    /// The HTTPRoute (Gateway API) that the operator creates. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,

    /// How long leads are kept: dead letters (held, dead and rejected), the payloads of delivered leads, and the ledger.
    #[serde(default)]
    pub retention: Retention,

    /// Service level objectives. If an objective is missed, the condition `Delivering` is False with the
    /// reason `ObjectiveMissed`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub objectives: Objectives,

    /// Whom to tell when leads of the webhook need someone: dead, held and unrouted leads, and rejected requests.
    /// Absent: nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,

    /// Whether the webhook is suspended. Requests are then answered with 503, which senders with retries send
    /// again. Leads that were already accepted are still delivered. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// The LeadReceiver whose pods serve the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiverRef {
    /// The name of a LeadReceiver in the same namespace. Default: `default`.
    #[serde(default = "default_receiver")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME_PATTERN))]
    pub name: String,
}

impl Default for ReceiverRef {
    fn default() -> Self {
        Self {
            name: default_receiver(),
        }
    }
}

/// A CrmSink that leads are delivered to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SinkRef {
    /// The name of a CrmSink in the same namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN))]
    pub name: String,
    /// CEL over `lead` and `webhook` that returns whether this sink receives the lead. Absent: the sink
    /// receives every lead, unless `otherwise` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// Whether this sink receives the leads that no other sink of the webhook receives. Without such a sink,
    /// those leads are kept as unrouted. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub otherwise: bool,
}

/// How long dead letters (held, dead and rejected) are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// Retention of deliveries that failed permanently, and of leads that no sink receives. From `1h` to
    /// `8760h`. Default: `720h`.
    #[serde(default = "default_retention")]
    #[x_kube(validation = between("retention.dead", "1h", "8760h"))]
    pub dead: Duration,
    /// Retention of deliveries that are held until a person decides. From `1h` to `8760h`. Default: `720h`.
    #[serde(default = "default_retention")]
    #[x_kube(validation = between("retention.held", "1h", "8760h"))]
    pub held: Duration,
    /// Retention of payloads that were answered with 400, for debugging and replay. From `0s` (keep none) to
    /// `720h`. Default: `168h`.
    #[serde(default = "default_retention_rejected")]
    #[x_kube(validation = between("retention.rejected", "0s", "720h"))]
    pub rejected: Duration,
    /// Retention of the payloads of delivered leads, so that they can be replayed after a mapping was corrected. From
    /// `0s` (keep none) to `8760h`. Default: `0s`.
    #[serde(default = "default_retention_payloads")]
    #[x_kube(validation = between("retention.payloads", "0s", "8760h"))]
    pub payloads: Duration,
    /// Retention of the ledger, which tells what became of each request: ids, times, outcomes, and a keyed hash of
    /// the person; no payload, no address, no name. The entry of a lead that waits or is set aside stays as long as the lead. From `1h`
    /// to `8760h`. Default: `336h`.
    #[serde(default = "default_retention_ledger")]
    #[x_kube(validation = between("retention.ledger", "1h", "8760h"))]
    pub ledger: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            dead: default_retention(),
            held: default_retention(),
            rejected: default_retention_rejected(),
            payloads: default_retention_payloads(),
            ledger: default_retention_ledger(),
        }
    }
}

/// Service level objectives. If an objective is missed, the condition `Delivering` is False with the reason
/// `ObjectiveMissed`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objectives {
    /// The maximum time from acceptance to delivery for 99 % of the leads. From `100ms` to `24h`. Absent: no
    /// such objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("objectives.speedToLead", "100ms", "24h"))]
    pub speed_to_lead: Option<Duration>,
    /// The minimum percentage of settled deliveries that a CRM confirmed, as a string such as `"99.9"`.
    /// Absent: no such objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 7))]
    #[x_kube(
        validation = Rule::new(r"self.matches('^(100(\\.0{1,3})?|[0-9]{1,2}(\\.[0-9]{1,3})?)$')")
            .message("objectives.successRate must be a percentage from 0 to 100 with at most three decimals, as a string: write for example \"99.9\"")
    )]
    pub success_rate: Option<String>,
}

fn default_source() -> String {
    "generic".to_owned()
}

fn default_receiver() -> String {
    DEFAULT_RECEIVER.to_owned()
}

fn default_retention() -> Duration {
    Duration::hours(720)
}

fn default_retention_rejected() -> Duration {
    Duration::hours(168)
}

fn default_retention_payloads() -> Duration {
    Duration::hours(0)
}

fn default_retention_ledger() -> Duration {
    Duration::hours(336)
}
