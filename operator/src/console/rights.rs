//! What a right is in Kubernetes, and which of them a request to a receiver needs. Pure.

use http::Method;
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use leadgate_console::{Call, Rights};
use leadgate_crds::api::{Action, NewJob};

/// What a visitor may do in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Right {
    See,
    Payloads,
    Update,
    Delete,
    Pause,
}

impl Right {
    pub(super) const ALL: [Self; 5] = [Self::See, Self::Payloads, Self::Update, Self::Delete, Self::Pause];

    /// What SubjectAccessReviews ask: virtual subresources, which exist for RBAC only. An empty namespace stands for all.
    pub(super) fn attributes(self, namespace: &str) -> ResourceAttributes {
        let (verb, resource, subresource) = match self {
            Self::See => ("get", "leadwebhooks", "leads"),
            Self::Payloads => ("get", "leadwebhooks", "payloads"),
            Self::Update => ("update", "leadwebhooks", "leads"),
            Self::Delete => ("delete", "leadwebhooks", "leads"),
            Self::Pause => ("update", "crmsinks", "pause"),
        };
        ResourceAttributes {
            namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
            verb: Some(verb.to_owned()),
            group: Some(leadgate_crds::GROUP.to_owned()),
            version: Some(leadgate_crds::VERSION.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: Some(subresource.to_owned()),
            ..ResourceAttributes::default()
        }
    }

    /// Whether it is among these.
    pub(super) fn is_in(self, rights: Rights) -> bool {
        match self {
            Self::See => rights.see,
            Self::Payloads => rights.payloads,
            Self::Update => rights.update,
            Self::Delete => rights.delete,
            Self::Pause => rights.pause,
        }
    }
}

/// The rights of which each was granted or not.
pub(super) fn rights(granted: impl IntoIterator<Item = (Right, bool)>) -> Rights {
    let mut rights = Rights::default();
    for (right, is_granted) in granted {
        match right {
            Right::See => rights.see = is_granted,
            Right::Payloads => rights.payloads = is_granted,
            Right::Update => rights.update = is_granted,
            Right::Delete => rights.delete = is_granted,
            Right::Pause => rights.pause = is_granted,
        }
    }
    rights
}

/// Everything that a request to a receiver needs; `None`: the console sends no such request. Pages ask for rights
/// themselves; a page that forgets to reaches no receiver.
pub(super) fn needed(call: &Call) -> Option<&'static [Right]> {
    let path = call.path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let rest = match parts.as_slice() {
        ["status"] if call.method == Method::GET => return Some(&[Right::See]),
        ["api", "v1", rest @ ..] => rest,
        _ => return None,
    };
    Some(match (call.method.as_str(), rest) {
        ("GET", ["overview" | "audit" | "leads" | "jobs"] | ["leads" | "jobs", _])
        | ("POST", ["leads", "search"] | ["webhooks", _, _, "try"]) => &[Right::See],
        ("GET", ["leads", _, "payload"]) | ("POST", ["privacy", "exports"]) => &[Right::See, Right::Payloads],
        ("POST", ["leads", _, "replay" | "expedite"]) | ("DELETE", ["jobs", _]) => {
            &[Right::See, Right::Update]
        }
        ("DELETE", ["leads", _]) => &[Right::See, Right::Delete],
        // Whoever may discard a lead may not erase a person everywhere, CRMs included.
        ("POST", ["privacy", "erasures"]) | ("GET", ["privacy", "erasures"] | ["privacy", "erasures", _]) => {
            &[Right::See, Right::Payloads, Right::Delete]
        }
        ("POST", ["jobs"]) => {
            let job: NewJob = serde_json::from_slice(call.body.as_deref().unwrap_or_default()).ok()?;
            match job.action {
                Action::Discard => &[Right::See, Right::Delete],
                Action::Replay => &[Right::See, Right::Update],
                // No page offers these.
                Action::Move | Action::Copy => return None,
            }
        }
        ("POST", ["webhooks", _, _, "backfill"]) => &[Right::See, Right::Payloads, Right::Update],
        ("POST", ["sinks", _, _, "pause" | "resume"]) => &[Right::See, Right::Pause],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Right::{Delete, Pause, Payloads, See, Update};

    fn call(method: &str, path: &str, body: &str) -> Call {
        Call {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            body: Some(body.as_bytes().to_vec()).filter(|body| !body.is_empty()),
            key: None,
        }
    }

    #[test]
    fn each_request_needs_its_rights_and_no_other_is_sent() {
        let job = |action: &str| format!(r#"{{"action":"{action}","set":"dead","filter":{{}}}}"#);
        let (replay, discard, copy) = (job("Replay"), job("Discard"), job("Copy"));
        let table: &[(&str, &str, &str, Option<&[Right]>)] = &[
            ("GET", "/status", "", Some(&[See])),
            ("GET", "/api/v1/overview", "", Some(&[See])),
            ("GET", "/api/v1/audit?limit=100&after=x", "", Some(&[See])),
            ("GET", "/api/v1/leads?set=dead", "", Some(&[See])),
            ("GET", "/api/v1/leads/7", "", Some(&[See])),
            ("POST", "/api/v1/leads/search", "{}", Some(&[See])),
            ("GET", "/api/v1/leads/7/payload", "", Some(&[See, Payloads])),
            (
                "POST",
                "/api/v1/leads/7/replay?set=held",
                "",
                Some(&[See, Update]),
            ),
            ("POST", "/api/v1/leads/7/expedite", "", Some(&[See, Update])),
            ("POST", "/api/v1/leads/7/move", "", None),
            ("DELETE", "/api/v1/leads/7", "", Some(&[See, Delete])),
            ("POST", "/api/v1/jobs", &replay, Some(&[See, Update])),
            ("POST", "/api/v1/jobs", &discard, Some(&[See, Delete])),
            ("POST", "/api/v1/jobs", &copy, None),
            ("POST", "/api/v1/jobs", "{}", None),
            ("DELETE", "/api/v1/jobs/7", "", Some(&[See, Update])),
            ("POST", "/api/v1/webhooks/a/b/try", "{}", Some(&[See])),
            (
                "POST",
                "/api/v1/webhooks/a/b/backfill",
                "{}",
                Some(&[See, Payloads, Update]),
            ),
            ("POST", "/api/v1/webhooks/a/b/diff", "{}", None),
            ("POST", "/api/v1/sinks/a/b/pause", "{}", Some(&[See, Pause])),
            ("POST", "/api/v1/sinks/a/b/resume", "", Some(&[See, Pause])),
            ("POST", "/api/v1/privacy/exports", "{}", Some(&[See, Payloads])),
            (
                "POST",
                "/api/v1/privacy/erasures",
                "{}",
                Some(&[See, Payloads, Delete]),
            ),
            (
                "GET",
                "/api/v1/privacy/erasures/7",
                "",
                Some(&[See, Payloads, Delete]),
            ),
            ("GET", "/metrics", "", None),
            ("POST", "/deadletters/7/replay", "", None),
            ("GET", "/api/v1/leads/7/../payload", "", None),
        ];
        for (method, path, body, expected) in table {
            assert_eq!(
                needed(&call(method, path, body)),
                *expected,
                "{method} {path} {body}"
            );
        }
    }

    #[test]
    fn a_right_is_a_virtual_subresource() {
        let told = |right: Right, namespace: &str| {
            let asked = right.attributes(namespace);
            format!(
                "{} {}/{} {:?}",
                asked.verb.unwrap(),
                asked.resource.unwrap(),
                asked.subresource.unwrap(),
                asked.namespace
            )
        };
        assert_eq!(told(See, "sales"), "get leadwebhooks/leads Some(\"sales\")");
        assert_eq!(told(Payloads, ""), "get leadwebhooks/payloads None");
        assert_eq!(told(Update, ""), "update leadwebhooks/leads None");
        assert_eq!(told(Delete, ""), "delete leadwebhooks/leads None");
        assert_eq!(told(Pause, ""), "update crmsinks/pause None");
        for right in Right::ALL {
            let one = rights(Right::ALL.map(|other| (other, other == right)));
            assert!(
                Right::ALL
                    .iter()
                    .all(|other| other.is_in(one) == (*other == right))
            );
        }
    }
}
