//! Every right that the operator needs, and none besides. The chart makes Roles or ClusterRoles of this table, and a
//! test runs the operator with exactly these rights.

/// Verbs on resources of one API group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The API group, empty for the core one.
    pub group: &'static str,
    /// The resources.
    pub resources: &'static [&'static str],
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// What for.
    pub why: &'static str,
}

const fn rule(
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    why: &'static str,
) -> Rule {
    Rule {
        group,
        resources,
        verbs,
        why,
    }
}

/// In every namespace that is watched: a ClusterRole, or with `watchNamespaces` a Role in each.
pub const WATCHED: &[Rule] = &[
    rule(
        "leadgate.dev",
        &["leadwebhooks", "leadreceivers"],
        &["list", "watch", "patch"],
        "read them; set and remove the finalizer",
    ),
    rule(
        "leadgate.dev",
        &["crmsinks"],
        &["list", "watch"],
        "read the sinks",
    ),
    rule(
        "leadgate.dev",
        &["leadwebhooks/status", "leadreceivers/status", "crmsinks/status"],
        &["patch"],
        "write what became of them",
    ),
    rule(
        "",
        &["secrets"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "watch the metadata of Secrets, read those that resources name and copy the named keys for the receivers, create admin \
         tokens, Redis passwords and generated keys; remove the operator's own",
    ),
    rule(
        "",
        &["configmaps", "services", "serviceaccounts"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "what receivers and Redis consist of",
    ),
    rule(
        "",
        &["pods"],
        &["list", "watch", "patch"],
        "say why pods do not start; ask them for figures; annotate them, so that they see a new configuration at once",
    ),
    rule(
        "",
        &["persistentvolumeclaims"],
        &["get", "patch"],
        "enlarge the volume of the managed Redis",
    ),
    rule(
        "",
        &["events"],
        &["list"],
        "say why the pod of the managed Redis cannot be made",
    ),
    rule(
        "",
        &["namespaces"],
        &["get"],
        "see whether a namespace is being deleted",
    ),
    rule(
        "apps",
        &["deployments", "statefulsets"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "the receivers and the managed Redis",
    ),
    rule(
        "networking.k8s.io",
        &["networkpolicies"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "who may reach them",
    ),
    rule(
        "networking.k8s.io",
        &["ingresses"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "how senders reach them",
    ),
    rule(
        "policy",
        &["poddisruptionbudgets"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "how many pods may be away",
    ),
    rule(
        "autoscaling",
        &["horizontalpodautoscalers"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "the number of pods, by load",
    ),
    rule(
        "gateway.networking.k8s.io",
        &["httproutes"],
        &["get", "list", "watch", "create", "patch", "delete"],
        "how senders reach them through a Gateway",
    ),
    rule(
        "networking.k8s.io",
        &["ingressclasses"],
        &["get"],
        "see whether the class of an Ingress exists",
    ),
    rule(
        "gateway.networking.k8s.io",
        &["gateways"],
        &["get"],
        "see whether a Gateway exists and works",
    ),
    rule(
        "storage.k8s.io",
        &["storageclasses"],
        &["get"],
        "see whether the class of a volume exists",
    ),
    rule(
        "scheduling.k8s.io",
        &["priorityclasses"],
        &["get"],
        "see whether the class of pods exists",
    ),
    rule(
        "coordination.k8s.io",
        &["leases"],
        &["get"],
        "see whether another installation that claimed the namespace still works",
    ),
    rule(
        "events.k8s.io",
        &["events"],
        &["create", "patch"],
        "tell people what changed",
    ),
];

/// In the namespace of `--leader-election-namespace`: a Role.
pub const LEADER_ELECTION: &[Rule] = &[rule(
    "coordination.k8s.io",
    &["leases"],
    &["get", "create", "update"],
    "one leader among several operators",
)];
