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
        "The specification is valid.",
        "";
    AnnotationsNotCopied [Accepted]
        "The specification is valid, but some annotations are missing from the Ingress: the operator copies only annotations with an allowed prefix.",
        "Add the prefixes to the chart value `ingress.allowedAnnotations`, or remove the annotations.";
    OperatorConflict [Accepted]
        "The specification is valid, but a second installation of the operator watches this namespace, too. It does nothing there.",
        "Change `watchNamespaces` of one of the installations, then remove the annotation `leadgate.dev/contested-by` of the ConfigMap `leadgate-installation`.";
    InvalidConfiguration [Accepted, Ready, Stalled]
        "The receivers rejected the configuration, for example because of an invalid expression. They keep running with the previous one.",
        "Correct the field named in the message.";
    QueueUrlInvalid [Accepted, Ready, Stalled]
        "The Secret that `spec.queue.redis.urlSecretRef` names does not hold the URL of a Redis.",
        "Write the URL into the Secret as the message shows.";
    FieldUnknown [Accepted, Ready, Stalled]
        "The resource has a field, or a value, that this version of the operator does not know: the definitions in the cluster are newer. The receivers keep running with the last specification that was read whole.",
        "Upgrade the operator to the version of the definitions, or remove the field.";
    PresetUnknown [Accepted, Ready, Stalled]
        "`spec.source` does not name a preset.",
        "Use a preset listed in the message, or `generic`.";
    PathTaken [Accepted, Ready, Stalled]
        "An older LeadWebhook uses the same path in the same LeadReceiver, or under the same host.",
        "Use a unique path for each webhook.";
    PathNotAllowed [Accepted, Ready, Stalled]
        "`spec.path` starts with `/webhooks/` followed by the name of another namespace.",
        "Use `/webhooks/` followed by this namespace, omit `spec.path`, or use a path that does not start with `/webhooks/`.";
    HostNotAllowed [Accepted, Ready, Stalled]
        "The operator is not allowed to create an Ingress or HTTPRoute for this host in this namespace.",
        "Use an allowed host, or add this host to the chart value `ingress.allowedHosts`.";
    ClientCaMissing [Accepted, Ready, Stalled]
        "`spec.auth.clientCertificate` is set, but no component verifies client certificates.",
        "Set the CA bundle in `spec.tls.clientCaSecretRef` of the LeadReceiver, or set `spec.auth.clientCertificate.forwarded`.";
    LocalAddress [Accepted, Ready, Stalled]
        "A URL refers to the pod itself, its node or a cloud metadata server.",
        "Use the address of the CRM.";
    ConfigurationTooLarge [Accepted, Ready, Stalled]
        "The ConfigMap of the LeadReceiver in which the webhook belongs is full.",
        "Shorten `spec.payload.schema` or expressions, or move webhooks to another LeadReceiver with `spec.receiverRef`.";
    StoreConflict [Accepted, Ready, Stalled]
        "Two LeadReceivers would configure one queue, or a CrmSink is fed from two queues. Order and rate limits hold within one queue only, so the leads in one of them wait.",
        "Give the LeadWebhooks the same `spec.receiverRef`, create a CrmSink for each queue, or remove `spec.queue` from one of the LeadReceivers.";
    StoreInUse [Accepted, Ready, Stalled]
        "`spec.queue` of the LeadReceiver names another queue while the current one still holds leads. The pods stay with the current queue.",
        "Wait until the leads are delivered, and decide about or discard the others. To give them up, run `kubectl annotate leadreceiver NAME leadgate.dev/allow-loss=true`.";
    StorageFixed [Accepted, Ready, Stalled]
        "`spec.queue.storage.size` is smaller than the volume of the managed Redis, and a volume cannot shrink.",
        "Write the size of the volume.";
    QueueTooSmall [Accepted, Ready, Stalled]
        "`spec.queue.memory` is too small for the leads in the queue. The managed Redis keeps its memory.",
        "Wait until leads are delivered, or increase `spec.queue.memory`.";
    ReferenceMissing [Accepted, ResolvedRefs, Exposed, Ready, Stalled, Reconciling]
        "The resource names an IngressClass, Gateway, PriorityClass, StorageClass or image pull Secret that does not exist, or a Gateway that does not work. The operator looks every 20 seconds.",
        "Create the object, or correct the field named in the message.";
    CrmUnclear [Accepted, Ready, Stalled]
        "A CrmSink sets none or more than one of `hubspot`, `salesforce` and `rest`.",
        "Create one CrmSink for each CRM.";
    KeysLost [Accepted, Programmed, Ready, Stalled]
        "The Secret `leadgate-encryption` and its copy are gone. The leads in the queue are sealed with these keys, so the operator makes no other ones.",
        "Restore the Secret from your copy. To give up the sealed leads, run `kubectl annotate leadreceiver NAME leadgate.dev/allow-loss=true`.";
    NameTaken [Accepted, Programmed, Ready, Stalled]
        "An object with a name that the operator needs exists and does not belong to Leadgate.",
        "Rename or delete that object, or rename the resource.";
    ObjectRefused [Accepted, Programmed, Ready, Stalled]
        "The API server or a policy of the cluster rejected an object that the operator creates.",
        "Change the field named in the message, for example `spec.podTemplate` of the LeadReceiver.";
    Resolved [ResolvedRefs]
        "All referenced sinks, Secrets and keys exist.",
        "";
    SecretShort [ResolvedRefs]
        "All references exist, but a secret that authenticates senders has fewer than 16 bytes and can be guessed.",
        "Use a longer secret both at the sender and in the Secret; `openssl rand -hex 32` generates one.";
    CertificateType [ResolvedRefs]
        "All references exist, but the Secret with the certificate of the Ingress is not of type `kubernetes.io/tls`. Some ingress controllers do not use it.",
        "Create the Secret with `kubectl create secret tls`.";
    SecretMissing [ResolvedRefs, Exposed, Accepted, Ready, Stalled, Reconciling]
        "The referenced Secret does not exist in the namespace. While that of `spec.ingress.tlsSecretName` is missing, senders get the default certificate of the ingress controller.",
        "Create it with the key named in the message.";
    SecretKeyMissing [ResolvedRefs, Exposed, Accepted, Ready, Stalled, Reconciling]
        "The Secret does not have the referenced key, or its value is empty.",
        "Add the key to the Secret.";
    SecretPlaceholder [ResolvedRefs, Accepted, Ready, Stalled]
        "The Secret still contains the placeholder of an example, which is public.",
        "Replace it with your own value.";
    SecretReserved [ResolvedRefs, Accepted, Ready, Stalled]
        "The Secret belongs to the operator or contains cluster credentials, and must not be referenced.",
        "Create another Secret.";
    SecretNotLabelled [ResolvedRefs, Accepted, Ready, Stalled]
        "The operator requires a label on referenced Secrets (chart value `secrets.requireLabel`).",
        "If Leadgate may use the Secret, run `kubectl label secret NAME leadgate.dev/use=true`.";
    SinkGone [Delivering, Ready]
        "Leads are pending for a CrmSink that was removed from `spec.sinks` and that does not exist or has a problem of its own.",
        "Recreate or correct the CrmSink to deliver the leads, or move or discard them.";
    SinkMissing [ResolvedRefs, Ready, Stalled]
        "The referenced CrmSink does not exist in the namespace.",
        "Create it, or remove it from `spec.sinks`.";
    ReceiverMissing [ResolvedRefs, Ready, Stalled]
        "The referenced LeadReceiver does not exist in the namespace.",
        "Create it, or remove `spec.receiverRef` to use the LeadReceiver `default`.";
    GatewayApiMissing [ResolvedRefs, Ready, Stalled]
        "The cluster does not have the HTTPRoute resource.",
        "Install the Gateway API, or use `spec.ingress`.";
    AtAddress [Exposed]
        "The Ingress has an address, or each Gateway has accepted the HTTPRoute.",
        "";
    NoAddress [Exposed, Ready, Reconciling]
        "The Ingress has no address, or no Gateway has accepted the HTTPRoute yet: senders reach nobody.",
        "Check that the ingress controller or Gateway runs, that `spec.ingress.className` or `spec.gateway.parentRefs` names it, and that the controller publishes its address in the status of Ingresses.";
    RouteRefused [Exposed, Ready, Reconciling]
        "A Gateway does not serve the HTTPRoute.",
        "Follow the message: the listener may not allow this namespace or host.";
    NotCheckedYet [Accepted, ResolvedRefs, Programmed, Exposed, QueueReady, QueueDurable, Delivering, Ready]
        "The state has not been checked yet.",
        "Wait. If it persists, check the log of the operator.";
    Programmed [Programmed]
        "Every ready pod of the LeadReceiver runs the current generation of the webhook.",
        "";
    Pending [Programmed, Ready, Reconciling]
        "Some pods of the LeadReceiver do not run the current generation of the webhook yet.",
        "Wait a few seconds. If it persists, check the log of the receivers.";
    Moving [Programmed, Ready, Reconciling]
        "`spec.receiverRef` names another LeadReceiver. The former one serves the webhook until the pods of the new one run it.",
        "Wait. If it persists, see the conditions of the new LeadReceiver.";
    Invalid [Programmed]
        "The webhook is not valid. Its last valid form, if there was one, runs on.",
        "See the conditions `Accepted` and `ResolvedRefs`.";
    Measured [QueueDurable]
        "Receivers have measured what an acknowledged lead survives. The message says it.",
        "";
    ServersMissing [QueueDurable]
        "Fewer servers of the managed Redis have all leads than a lead waits for. Senders get 503.",
        "Check the pods `leadgate-redis-0` to `leadgate-redis-2`. If nodes are lost for good, set `spec.queue.redis.acknowledge.replicas: 0` until they are replaced.";
    Unsafe [QueueReady, QueueDurable, Programmed, Ready]
        "The queue works, but may lose leads because of a Redis setting.",
        "Correct the setting named in the message.";
    Unavailable [QueueReady, Programmed, Ready]
        "The queue does not respond to the receivers. Senders get 503.",
        "Check the pods `leadgate-redis-0` and, with three servers, `leadgate-redis-1` and `leadgate-redis-2`; or your own Redis.";
    NearlyFull [QueueReady]
        "At least 80 % of the queue's memory is used. A full queue rejects leads with 503.",
        "Fix the delivery, discard leads that are not needed, or increase `spec.queue.memory` (or `maxmemory` of your own Redis).";
    ReceiversSilent [QueueReady, Programmed]
        "The receivers do not respond to the operator on their admin port.",
        "Check whether a NetworkPolicy blocks the operator from port 9090 of the pods, and check the log of the receivers.";
    StatusStale [QueueReady, Programmed, Ready]
        "The receivers have not responded to the operator for more than a minute. What the status says of leads is as old.",
        "Check whether a NetworkPolicy or the mutual TLS of a service mesh blocks the operator from port 9090 of the pods, and check the log of the receivers.";
    PodsRefused [Available, QueueReady, Programmed, Ready, Reconciling]
        "The cluster refuses to create the pods: a ResourceQuota, a LimitRange, PodSecurity or a security context constraint forbids them.",
        "Follow the message: raise the quota, or set `spec.resources` or `spec.podTemplate` of the LeadReceiver.";
    NotScaling [Available]
        "Pods are ready, but the HorizontalPodAutoscaler cannot scale them, for example because no metrics are served.",
        "Install metrics-server, and set a CPU request in `spec.resources` of the LeadReceiver.";
    PodsReady [Available]
        "Pods are ready to accept requests; the message says how many.",
        "";
    ScaledToZero [Available, Programmed, Ready, Reconciling]
        "The LeadReceiver is scaled to zero pods: no lead is accepted, and none is delivered.",
        "Increase `spec.replicas` of the LeadReceiver.";
    Starting [QueueReady, Available, Programmed, Ready, Reconciling]
        "Pods are starting.",
        "Wait. If it persists, run `kubectl get events` and `kubectl describe` for the Deployment or StatefulSet; a quota may be exceeded or a volume missing.";
    NotCreatedYet [QueueReady, Available, Programmed, Ready, Reconciling]
        "A required object does not exist yet.",
        "Wait. If it persists, another condition shows the cause.";
    Delivering [Delivering]
        "Leads are delivered.",
        "";
    AttentionNeeded [Delivering]
        "Leads are delivered, but the receivers report hints, for example leads that no sink receives or idempotency keys that are not unique.",
        "Follow the message.";
    NoLeadsYet [Delivering]
        "No lead has been accepted yet.",
        "Send a lead.";
    NoWebhooks [Delivering]
        "No LeadWebhook references this CrmSink.",
        "Add it to `spec.sinks` of a LeadWebhook.";
    DeliveryFailing [Delivering, Ready]
        "Leads are pending, and the last delivery attempt failed.",
        "See the CRM's reason in the message; the reasons are listed below.";
    SinkPaused [Delivering, Ready]
        "All deliveries to a sink are paused because of its credentials, a rate limit or its circuit breaker. Leads are kept.",
        "See the reason in the message; the reasons are listed below.";
    ObjectiveMissed [Delivering]
        "An objective of `spec.objectives` is not met.",
        "See `status.sinks` for the slow or failing sink.";
    PropertyProblem [Delivering, Ready]
        "The sink maps properties that do not exist in the CRM or are read-only.",
        "Correct `spec.properties`, or create the property in the CRM.";
    NotTriedYet [CredentialsValid, Reachable]
        "No receiver has called the CRM yet.",
        "Wait up to a minute after the first webhook references the sink.";
    CredentialsAccepted [CredentialsValid]
        "The CRM accepts the credentials.",
        "";
    Reached [Reachable]
        "The CRM responds.",
        "";
    Ready [QueueReady, Ready]
        "The resource is ready.",
        "";
    Suspended [Ready, Delivering]
        "`spec.suspend` is true: a suspended webhook answers 503, a suspended sink keeps its leads.",
        "Set `spec.suspend` to false.";
    Draining [Ready, Reconciling]
        "The resource is being deleted and waits: a LeadWebhook for its pending leads to be delivered, a LeadReceiver for the LeadWebhooks that name it.",
        "Wait. See `DrainTimeout` if it takes too long.";
    DrainTimeout [Stalled]
        "The resource is being deleted, and leads are still pending after `spec.drainTimeout` of the LeadReceiver.",
        "Fix the delivery. To give up the pending leads, run `kubectl annotate leadwebhook NAME leadgate.dev/allow-loss=true`.";
    ObjectContested [Event, Programmed, Stalled]
        "Somebody else changes an object of the operator again and again: the message names the field and the field manager. The operator puts the object back ever more rarely, at least every five minutes. Two minutes after the last change, the condition is gone.",
        "Follow the message: change the LeadReceiver or LeadWebhook instead. An autoscaler has the LeadReceiver as its `scaleTargetRef`, not the Deployment.";
    RolloutFailed [Stalled]
        "The pods of a new configuration do not become ready. The pods of the previous configuration keep running.",
        "See the message for the cause.";
    UpgradeWaits [Reconciling]
        "A new version of the operator replaces the pods of two namespaces at a time, and in each the managed Redis before the receivers. This one waits for its turn, or because a namespace before it is not ready any more.",
        "Wait. If the message names a namespace, repair its LeadReceiver, or go back to the former version.";
    RollingOut [Reconciling]
        "The receiver pods are being replaced one by one.",
        "Wait.";
    SecretRemade [Event, ResolvedRefs]
        "A Secret that the operator generates was deleted or emptied, and the operator has made it again.",
        "If it is the key of a sender: give the sender the new key, then remove the annotation: `kubectl annotate secret NAME leadgate.dev/remade-`. Of the operator's own Secrets, the pods take the new value by themselves.";
    Restored [Event]
        "An object of the operator was changed or deleted by somebody else, and the operator has put it back.",
        "Change the LeadReceiver or LeadWebhook instead. To work on an object by hand, set the annotation `leadgate.dev/paused: \"true\"` first.";
    Paused [Reconciling]
        "The annotation `leadgate.dev/paused: \"true\"` stops the reconciliation of this resource: the operator reports its state and changes nothing, deletion included.",
        "Remove the annotation: `kubectl annotate KIND NAME leadgate.dev/paused-`.";
    Stalled [Reconciling]
        "The resource is waiting for a change.",
        "See the condition `Stalled`.";
    Done [Reconciling]
        "All resources are up to date.",
        "";
    Progressing [Stalled]
        "No blocking problem, or reconciliation is in progress.",
        "";
    WaitingForRemoval [Ready, Reconciling]
        "An object of an earlier resource with the same name is still being deleted.",
        "Wait.";
    DefinitionOutdated [Ready, Stalled]
        "The CustomResourceDefinition is older than the operator, so the status cannot be written as a whole.",
        "Install the CustomResourceDefinitions of the same version as the operator: `helm upgrade` does, unless `crds.enabled` is false.";
    Forbidden [Ready, Reconciling]
        "The API server denied the operator a request.",
        "Compare the operator's roles with those of the chart of the same version.";
    Conflict [Ready, Reconciling]
        "Another client changed an object at the same time.",
        "Wait. If it persists, check whether a second operator is running.";
    ApiError [Ready, Reconciling]
        "The API server returned an error.",
        "The operator retries. See the message for the error.";
    ApiUnreachable [Ready, Reconciling]
        "The API server does not respond to the operator.",
        "The operator retries. The receivers keep working.";
}
