//! LeadWebhook: who may post, and how a payload becomes a lead.

mod auth;
mod certificate;
mod challenge;
mod extract;
mod message_signature;
mod payload;
mod receiver;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use auth::{
    Auth, AuthScheme, Basic, Encoding, Hmac, HmacAlgorithm, NoAuth, SecretFormat, Token, TokenEncoding,
};
pub use certificate::{ClientCertificate, ForwardedCertificate, ForwardedFormat, VerifiedHeader};
pub use challenge::{AnswerKind, Challenge, ChallengeMethod, ChallengeWhen};
pub use extract::{Extractor, Signature, SignatureEncoding, TimeUnit, Timestamp};
pub use message_signature::MessageSignature;
pub use payload::{
    Format, Hydrate, Idempotency, ItemsPolicy, LEAD_FIELDS, LeadMapping, OnInvalid, Payload, ValidationRule,
};
pub use receiver::{
    Autoscaling, CaSecretRef, Durability, Gateway, Ingress, ParentRef, PodTemplate, Queue, Receiver, Redis,
    Storage, Tls,
};
pub use status::{Latency, LeadWebhookStatus, LeadWebhookStatusLeads, LeadWebhookStatusSink, SinkError};

use crate::common::{Duration, Expression, LABEL_PATTERN, between, is_default};

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
    validation = Rule::new("self.metadata.name != 'redis' && !self.metadata.name.endsWith('-admin')")
        .message("metadata.name must not be redis nor end with -admin: the operator's own objects have these names; write for example website"),
    scale(
        spec_replicas_path = ".spec.receiver.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
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
        description = "Leads accepted",
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
        description = "Deliveries that are still to be made, over all sinks",
        json_path = ".status.leads.pending"
    ),
    printcolumn(
        name = "Dead",
        type_ = "integer",
        description = "Deliveries that failed for good and wait for a person, over all sinks",
        json_path = ".status.leads.dead"
    ),
    printcolumn(
        name = "Success",
        type_ = "string",
        description = "Percentage of settled deliveries that a CRM confirmed",
        json_path = ".status.successRate"
    ),
    printcolumn(
        name = "Last-Lead",
        type_ = "date",
        description = "When the last lead was accepted",
        json_path = ".status.leads.lastAcceptedTime"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Rejected",
        type_ = "integer",
        description = "Requests answered 4xx because of what they hold",
        json_path = ".status.leads.rejected",
        priority = 1
    ),
    printcolumn(
        name = "Ignored",
        type_ = "integer",
        description = "Requests that payload.accept made no lead of",
        json_path = ".status.leads.ignored",
        priority = 1
    ),
    printcolumn(
        name = "Unrouted",
        type_ = "integer",
        description = "Leads that are kept because no sink takes them",
        json_path = ".status.leads.unrouted",
        priority = 1
    ),
    printcolumn(
        name = "Unauthorized",
        type_ = "integer",
        description = "Requests answered 401 or 403",
        json_path = ".status.leads.unauthorized",
        priority = 1
    ),
    printcolumn(
        name = "Queue",
        type_ = "string",
        description = "How much of the queue's memory is used",
        json_path = ".status.queueUsed",
        priority = 1
    ),
    printcolumn(
        name = "URL",
        type_ = "string",
        description = "Where senders post to",
        json_path = ".status.url",
        priority = 1
    ),
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
    ),
    printcolumn(
        name = "P99",
        type_ = "string",
        description = "Time from acceptance to delivery that 99 of 100 leads stay under, of the slowest sink",
        json_path = ".status.p99",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
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
    /// The preset of a known sender, which gives the authentication scheme, handshake, mapping and
    /// idempotency key, for example `typeform`. Any field below overrides it. Default: `generic`.
    #[serde(default = "default_source")]
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN))]
    pub source: String,

    /// The path that senders post to. Absent: `/webhooks/<namespace>/<name>`.
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

    /// The URL under which senders reach the path, as they write it. Needed only by senders that
    /// sign the URL (HubSpot, Twilio, Mandrill, `messageSignature`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = crate::common::https_url("publicUrl"))]
    pub public_url: Option<String>,

    /// Who may post: exactly one of `hmac`, `token`, `basic` and `none`, or `clientCertificate` alone.
    pub auth: Auth,

    /// How a request's body becomes leads.
    #[serde(default)]
    pub payload: Payload,

    /// How a resend is told from a new submission.
    #[serde(default, skip_serializing_if = "is_default")]
    pub idempotency: Idempotency,

    /// Which CRMs receive the leads: 1 to 16 CrmSinks of the same namespace.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(s, !has(s.otherwise) || !s.otherwise || !has(s.when))")
            .message("a sink has either when or otherwise: otherwise receives what no when of the others holds for"),
        validation = Rule::new("!self.exists(s, has(s.otherwise) && s.otherwise) || self.all(s, has(s.when) || (has(s.otherwise) && s.otherwise))")
            .message("otherwise receives nothing while another sink receives every lead: give each other sink a when")
    )]
    pub sinks: Vec<SinkRef>,

    /// Where accepted leads are kept until they are delivered.
    #[serde(default)]
    pub queue: Queue,

    /// The pods that receive, and how they are reached.
    #[serde(default, skip_serializing_if = "is_default")]
    pub receiver: Receiver,

    /// How long leads that need a person are kept.
    #[serde(default)]
    pub retention: Retention,

    /// What is promised to those who wait for leads. A missed objective sets the condition
    /// `Delivering` to False with the reason `ObjectiveMissed`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub objectives: Objectives,

    /// How long deletion waits for pending leads to be delivered before it says what is left and
    /// waits for an annotation that allows loss. From `0s` to `168h`; default `10m`.
    #[serde(default = "default_drain_timeout")]
    #[x_kube(validation = between("drainTimeout", "0s", "168h"))]
    pub drain_timeout: Duration,

    /// Whether to refuse requests with 503, which senders that retry try again. Leads that were
    /// already accepted are still delivered. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// One CRM that receives the leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SinkRef {
    /// The name of a CrmSink in the same namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = LABEL_PATTERN))]
    pub name: String,
    /// CEL over `lead` and `webhook` that gives true or false: whether this sink receives the lead. Absent: it
    /// receives every lead, unless `otherwise` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// Whether this sink receives the leads that no other sink of the webhook receives. Without such a sink they are
    /// kept as unrouted. Default: false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub otherwise: bool,
}

/// How long leads that need a person are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retention {
    /// Deliveries that failed for good, and leads that no sink receives. From `1h` to `8760h`; default `720h`.
    #[serde(default = "default_retention")]
    #[x_kube(validation = between("retention.dead", "1h", "8760h"))]
    pub dead: Duration,
    /// Deliveries that wait for a person's decision. From `1h` to `8760h`; default `720h`.
    #[serde(default = "default_retention")]
    #[x_kube(validation = between("retention.held", "1h", "8760h"))]
    pub held: Duration,
    /// Payloads that were answered with 400, for debugging and replay. From `0s` (keep none) to
    /// `720h`; default `168h`.
    #[serde(default = "default_retention_rejected")]
    #[x_kube(validation = between("retention.rejected", "0s", "720h"))]
    pub rejected: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            dead: default_retention(),
            held: default_retention(),
            rejected: default_retention_rejected(),
        }
    }
}

/// What is promised to those who wait for leads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Objectives {
    /// The time from acceptance to delivery that 99 of 100 leads must stay under. From `100ms` to
    /// `24h`. Absent: no such objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = between("objectives.speedToLead", "100ms", "24h"))]
    pub speed_to_lead: Option<Duration>,
    /// The percentage of settled deliveries that a CRM must have confirmed, as a string such as
    /// `"99.9"`. Absent: no such objective.
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

fn default_drain_timeout() -> Duration {
    Duration::minutes(10)
}

fn default_retention() -> Duration {
    Duration::hours(720)
}

fn default_retention_rejected() -> Duration {
    Duration::hours(168)
}
