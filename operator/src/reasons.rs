//! The words that stand as `reason` in conditions, Events and metrics, each with its meaning and remedy.
//! `docs/troubleshooting.md` is made from this list. Words that come from elsewhere stand beside it: a pod's are
//! Kubernetes', a sink's are its receivers'.

macro_rules! reasons {
    ($($name:ident [$($condition:ident),+] $means:literal, $remedy:literal;)+) => {
        /// Why a condition is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each has its meaning below")]
        pub enum Reason {
            $($name,)+
        }

        impl Reason {
            /// All of them, in the order of the conditions.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// The conditions that may have it.
            pub fn conditions(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$(stringify!($condition),)+],)+
                }
            }

            /// What it means, in Markdown.
            pub fn means(self) -> &'static str {
                match self {
                    $(Self::$name => $means,)+
                }
            }

            /// What to do, in Markdown; empty: nothing.
            pub fn remedy(self) -> &'static str {
                match self {
                    $(Self::$name => $remedy,)+
                }
            }
        }
    };
}

reasons! {
    Valid [Accepted]
        "The specification is valid.", "";
    AnnotationsNotCopied [Accepted]
        "The specification is valid, but annotations of its Ingress were left out: the operator copies only those that begin with an allowed prefix.",
        "Add their beginnings to the chart value `ingress.allowedAnnotations`, or remove them.";
    InvalidConfiguration [Accepted, Ready, Stalled]
        "The receivers cannot use the configuration, for example because an expression is wrong. They keep what they had before.",
        "Correct the field that the message names.";
    PresetUnknown [Accepted, Ready, Stalled]
        "`spec.source` names no preset.", "Write one of those that the message lists, or `generic`.";
    PathTaken [Accepted, Ready, Stalled]
        "An older LeadWebhook has this path under the same host.", "Give each webhook a path of its own.";
    PathNotAllowed [Accepted, Ready, Stalled]
        "`spec.path` begins with `/webhooks/` and the name of another namespace.",
        "Write `/webhooks/` and this namespace, leave `spec.path` out, or use a path that does not begin with `/webhooks/`.";
    HostNotAllowed [Accepted, Ready, Stalled]
        "The operator makes no Ingress or HTTPRoute for this host in this namespace.",
        "Use another host, or have this one added to the chart value `ingress.allowedHosts`.";
    ClientCaMissing [Accepted, Ready, Stalled]
        "`spec.auth.clientCertificate` asks for certificates that nobody would check.",
        "Name the authority in `spec.receiver.tls.clientCaSecretRef`, or set `spec.auth.clientCertificate.forwarded`.";
    LocalAddress [Accepted, Ready, Stalled]
        "A URL names the pod itself, its node or a cloud's metadata server.", "Write the address of the CRM.";
    ConfigurationTooLarge [Accepted, Ready, Stalled]
        "The webhook and its sinks do not fit into a ConfigMap.", "Shorten `spec.payload.schema`, or the sinks' expressions.";
    CrmUnclear [Accepted, Ready, Stalled]
        "A CrmSink has none or several of `hubspot`, `salesforce` and `rest`.", "Write one CrmSink for each CRM.";
    NameTaken [Accepted, Ready, Stalled]
        "An object of the name that the operator needs exists and is not Leadgate's.",
        "Rename or delete that object, or give the webhook another name.";
    ObjectRefused [Accepted, Ready, Stalled]
        "The API server, or a policy of the cluster, refuses an object that the operator makes.",
        "Change what the message names, for example in `spec.receiver.podTemplate`.";
    Resolved [ResolvedRefs]
        "All sinks, Secrets and keys exist.", "";
    SecretShort [ResolvedRefs]
        "All exist, but a secret with which senders prove who they are has fewer than 16 bytes and can be guessed.",
        "Use a longer one at the sender and in the Secret; `openssl rand -hex 32` makes one.";
    SecretMissing [ResolvedRefs, Accepted, Ready, Stalled]
        "There is no Secret of this name in the namespace.", "Create it with the key that the message names.";
    SecretKeyMissing [ResolvedRefs, Accepted, Ready, Stalled]
        "The Secret does not have the key, or it is empty.", "Add it.";
    SecretPlaceholder [ResolvedRefs, Accepted, Ready, Stalled]
        "The Secret still holds the text of an example, which everybody knows.", "Put a value of your own in.";
    SecretReserved [ResolvedRefs, Accepted, Ready, Stalled]
        "The Secret is the operator's own, or opens the cluster, and cannot be named.", "Make a Secret of your own.";
    SecretNotLabelled [ResolvedRefs, Accepted, Ready, Stalled]
        "The operator demands a label on Secrets that may be named (chart value `secrets.requireLabel`).",
        "If Leadgate may use the Secret: `kubectl label secret NAME leadgate.dev/use=true`.";
    SinkGone [Delivering, Ready]
        "Leads wait for a CrmSink that `spec.sinks` no longer names, and that does not exist any more or has a problem of its own.",
        "Create it again, or correct it: they are then delivered. Or move or discard them.";
    SinkMissing [ResolvedRefs, Ready, Stalled]
        "There is no CrmSink of this name in the namespace.", "Create it, or remove it from `spec.sinks`.";
    GatewayApiMissing [ResolvedRefs, Ready, Stalled]
        "The cluster has no HTTPRoutes.", "Install the Gateway API, or use `spec.receiver.ingress`.";
    NotCheckedYet [Accepted, ResolvedRefs, QueueReady, Delivering]
        "Nobody has been able to look yet.", "Wait; if it stays, look at the operator's log.";
    Unsafe [QueueReady, Ready]
        "The queue works, but may lose leads: the message says which setting of Redis is wrong.", "Correct it.";
    Unavailable [QueueReady, Ready]
        "The queue does not answer the receivers; senders get 503.", "Look at the pod `leadgate-redis-0`, or at the Redis of your own.";
    NearlyFull [QueueReady]
        "80 % of the queue's memory or more are used. A full queue refuses leads with 503.",
        "Repair the delivery, discard what nobody needs, or raise `spec.queue.memory` (or `maxmemory` of a Redis of your own).";
    ReceiversSilent [QueueReady]
        "The receivers do not answer the operator on their admin port.",
        "Look whether a NetworkPolicy keeps the operator from port 9090 of the pods, and at their log.";
    PodsReady [Available]
        "As many pods as the message says take requests.", "";
    ScaledToZero [Available]
        "No pods are wanted.", "Raise `spec.receiver.replicas`.";
    Starting [QueueReady, Available, Ready, Reconciling]
        "Pods are starting.",
        "Wait. If it stays: `kubectl get events`, and `kubectl describe` of the Deployment or StatefulSet; a quota or a volume may be missing.";
    NotCreatedYet [QueueReady, Available, Ready, Reconciling]
        "An object is not made yet.", "Wait; another condition says what is in the way.";
    Delivering [Delivering]
        "Leads are delivered.", "";
    AttentionNeeded [Delivering]
        "Leads are delivered, and the receivers have something to say: leads that no sink takes, or idempotency keys that are too coarse.",
        "The message says what to do.";
    NoLeadsYet [Delivering]
        "No lead has been accepted yet.", "Send one.";
    NoWebhooks [Delivering]
        "No LeadWebhook names this CrmSink.", "Name it in `spec.sinks` of one.";
    DeliveryFailing [Delivering, Ready]
        "Leads wait, and the last attempt to deliver one failed.", "The message has the CRM's reason; see below.";
    SinkPaused [Delivering, Ready]
        "All deliveries to a sink wait, because of its credentials, its limits or its circuit breaker. Leads are kept.",
        "The message has the reason; see below.";
    ObjectiveMissed [Delivering]
        "What `spec.objectives` promises is not kept.", "See which sink is slow: `status.sinks`.";
    PropertyProblem [Delivering, Ready]
        "The sink maps to properties that the CRM does not have, or that cannot be written.",
        "Correct `spec.properties`, or make the property in the CRM.";
    NotTriedYet [CredentialsValid, Reachable]
        "No receiver has called the CRM yet.", "Wait a minute after the first webhook names the sink.";
    CredentialsAccepted [CredentialsValid]
        "The CRM takes the credentials.", "";
    Reached [Reachable]
        "The CRM answers.", "";
    Ready [QueueReady, Ready]
        "It does its work.", "";
    Suspended [Ready, Delivering]
        "`spec.suspend` is true: a webhook refuses requests with 503, a sink keeps its leads.", "Set it to false.";
    Draining [Ready, Reconciling]
        "It is being deleted and waits until its leads are delivered.", "Wait, or see the next row.";
    DrainTimeout [Stalled]
        "It is being deleted, and leads are left after `spec.drainTimeout`.",
        "Repair the delivery. To lose what is left: `kubectl annotate leadwebhook NAME leadgate.dev/allow-loss=true`.";
    RolloutFailed [Stalled]
        "The pods of a new configuration do not get ready; those of the old one still work.", "The message says why they do not start.";
    RollingOut [Reconciling]
        "The receivers are being replaced, one after the other.", "Wait.";
    Stalled [Reconciling]
        "It waits for a change by a person.", "See the condition `Stalled`.";
    Done [Reconciling]
        "Everything is as it is to be.", "";
    Working [Stalled]
        "Nothing stands in the way.", "";
    WaitingForRemoval [Ready, Reconciling]
        "An object of an earlier resource of this name is still being removed.", "Wait.";
    Forbidden [Ready, Reconciling]
        "The API server does not allow the operator something.", "Compare its rights with those of the chart of its version.";
    Conflict [Ready, Reconciling]
        "Somebody else changed an object at the same moment.", "Wait; if it stays, look for a second operator.";
    ApiError [Ready, Reconciling]
        "The API server answered with an error.", "The operator tries again; the message has the answer.";
    ApiUnreachable [Ready, Reconciling]
        "The API server does not answer the operator.", "The operator tries again; receivers work meanwhile.";
}
