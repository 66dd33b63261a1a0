//! The rights that each command needs in Kubernetes, and none besides. `docs/cli.md` has this table, and a test runs each
//! command with exactly these rights.

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the namespace of the objects; with `-A`, in all.
    Namespace,
    /// In the namespace of the operator.
    Operator,
    /// In the cluster.
    Cluster,
}

/// A right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// The API group, empty for the core one.
    pub group: &'static str,
    /// The resource, with its subresource.
    pub resource: &'static str,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// Where.
    pub scope: Scope,
}

const fn right(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    scope: Scope,
) -> Right {
    Right {
        group,
        resource,
        verbs,
        scope,
    }
}

const GROUP: &str = "leadgate.dev";

/// To list objects.
const OBJECTS: &[Right] = &[
    right(GROUP, "leadreceivers", &["list"], Scope::Namespace),
    right(GROUP, "leadwebhooks", &["list"], Scope::Namespace),
    right(GROUP, "crmsinks", &["list"], Scope::Namespace),
];
/// To follow them.
const WATCH: &[Right] = &[
    right(GROUP, "leadreceivers", &["watch"], Scope::Namespace),
    right(GROUP, "leadwebhooks", &["watch"], Scope::Namespace),
    right(GROUP, "crmsinks", &["watch"], Scope::Namespace),
];
/// To reach a pod of a receiver: a WebSocket begins with a GET, and Kubernetes 1.35 and newer ask for `create` as well.
const POD: &[Right] = &[
    right("", "pods", &["list"], Scope::Namespace),
    right("", "pods/portforward", &["get", "create"], Scope::Namespace),
];
/// To ask the receiver there: its admin token, and who asks.
const RECEIVER: &[Right] = &[
    right("", "secrets", &["get"], Scope::Namespace),
    right(
        "authentication.k8s.io",
        "selfsubjectreviews",
        &["create"],
        Scope::Cluster,
    ),
];
/// To check the installation.
const INSTALLATION: &[Right] = &[
    right(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &["get"],
        Scope::Cluster,
    ),
    right(
        "authorization.k8s.io",
        "subjectaccessreviews",
        &["create"],
        Scope::Cluster,
    ),
    right("apps", "deployments", &["list"], Scope::Operator),
    right("coordination.k8s.io", "leases", &["get"], Scope::Operator),
];
const EVENTS: &[Right] = &[right("", "events", &["list"], Scope::Namespace)];

/// A command, and all that it needs.
pub const COMMANDS: &[(&str, &[&[Right]])] = &[
    ("status", &[OBJECTS]),
    ("status -w", &[OBJECTS, WATCH]),
    ("check", &[OBJECTS, INSTALLATION]),
    ("leads", &[POD, RECEIVER]),
    ("trace", &[POD, RECEIVER]),
    ("console", &[POD, RECEIVER]),
    (
        "sinks list",
        &[&[right(GROUP, "crmsinks", &["list"], Scope::Namespace)]],
    ),
    ("sinks pause", &[POD, RECEIVER]),
    ("sinks resume", &[POD, RECEIVER]),
    ("try", &[POD, RECEIVER]),
    (
        "try --sign",
        &[
            POD,
            RECEIVER,
            &[right(GROUP, "leadwebhooks", &["get"], Scope::Namespace)],
        ],
    ),
    (
        "send",
        &[
            &[
                right(GROUP, "leadwebhooks", &["get"], Scope::Namespace),
                right("", "secrets", &["get"], Scope::Namespace),
            ],
            POD,
        ],
    ),
    ("jobs", &[POD, RECEIVER]),
    ("erase", &[POD, RECEIVER]),
    ("export", &[POD, RECEIVER]),
    ("processing", &[OBJECTS]),
    ("backfill", &[POD, RECEIVER]),
    ("diff", &[POD, RECEIVER]),
    ("events", &[EVENTS]),
    (
        "events -w",
        &[EVENTS, &[right("", "events", &["watch"], Scope::Namespace)]],
    ),
    (
        "report",
        &[
            OBJECTS,
            INSTALLATION,
            EVENTS,
            POD,
            RECEIVER,
            &[
                right("", "pods", &["list"], Scope::Operator),
                right("", "pods/log", &["get"], Scope::Operator),
                right("", "pods/log", &["get"], Scope::Namespace),
            ],
        ],
    ),
    (
        "version",
        &[&[right("apps", "deployments", &["list"], Scope::Operator)]],
    ),
    ("version --client", &[]),
    ("completion", &[]),
];

/// The table as Markdown, for the documentation: commands with the same rights share a line.
pub fn markdown() -> String {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for (command, rights) in COMMANDS {
        let rights: Vec<String> = rights.iter().flat_map(|some| some.iter()).map(cell).collect();
        let rights = if rights.is_empty() {
            "none".to_owned()
        } else {
            rights.join("; ")
        };
        match lines.iter_mut().find(|(known, _)| *known == rights) {
            Some((_, commands)) => commands.push(command),
            None => lines.push((rights, vec![command])),
        }
    }
    let mut text = String::from("| Commands | Permissions |\n|---|---|\n");
    for (rights, commands) in lines {
        text.push_str(&format!("| `{}` | {rights} |\n", commands.join("`, `")));
    }
    text
}

fn cell(right: &Right) -> String {
    let group = if right.group.is_empty() {
        String::new()
    } else {
        format!(".{}", right.group)
    };
    let scope = match right.scope {
        Scope::Namespace => "",
        Scope::Operator => " in the operator's namespace",
        Scope::Cluster => " in the cluster",
    };
    let (resource, sub) = right.resource.split_once('/').unwrap_or((right.resource, ""));
    let sub = if sub.is_empty() {
        String::new()
    } else {
        format!("/{sub}")
    };
    format!("{} `{resource}{group}{sub}`{scope}", right.verbs.join(", "))
}
