//! What a failed call of the API server means, and how it is told.

use kube::core::Status;
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::reasons::Reason;

/// Why an object could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It belongs to somebody else.
    #[error(
        "{kind} {name} exists and does not belong to Leadgate, so it was not changed. Rename or delete it, or give this \
         resource another name",
        kind = kind.name()
    )]
    Foreign { kind: Kind, name: String },
    /// It belongs to an earlier resource of the same name and is about to be removed.
    #[error("{kind} {name} of an earlier resource with this name is still being deleted", kind = kind.name())]
    Leftover { kind: Kind, name: String },
    /// The keys of the leads in the queue are gone, and other ones would not open them.
    #[error(
        "the Secret leadgate-encryption is gone or empty, and so is its copy: leads in the queue are sealed with keys that nobody has, \
         so no other ones are made. Restore the Secret from your copy; to give these leads up and go on with a new key, set the \
         annotation leadgate.dev/allow-loss: \"true\" on the LeadReceiver"
    )]
    KeysLost,
    /// The API server says that it is wrong.
    #[error("the API server rejected {kind} {name}: {message}", kind = kind.name())]
    Refused {
        kind: Kind,
        name: String,
        /// Why.
        message: String,
    },
    /// A certificate cannot be made.
    #[error("the certificate in Secret {name} cannot be made: {error}")]
    Certificate {
        name: String,
        /// Why.
        error: rcgen::Error,
    },
    /// The API server could not be asked, or does not allow it.
    #[error("{kind} {name}: {error}", kind = kind.name(), error = words(error))]
    Api {
        kind: Kind,
        name: String,
        /// Why.
        error: kube::Error,
    },
}

impl ApplyError {
    /// Why, in one CamelCase word: the condition's reason, the metric's label.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Foreign { .. } => Reason::NameTaken,
            Self::KeysLost => Reason::KeysLost,
            Self::Leftover { .. } => Reason::WaitingForRemoval,
            Self::Refused { .. } | Self::Certificate { .. } => Reason::ObjectRefused,
            Self::Api { error, .. } => reason_of(error),
        }
    }

    /// Whether it stays as it is until a person changes something.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::Refused { .. } | Self::KeysLost)
    }
}

/// A failed call's reason.
pub(crate) fn reason_of(error: &kube::Error) -> Reason {
    match error {
        kube::Error::Api(status) if status.code == 403 => Reason::Forbidden,
        kube::Error::Api(status) if status.code == 409 => Reason::Conflict,
        kube::Error::Api(_) => Reason::ApiError,
        _ => Reason::ApiUnreachable,
    }
}

/// A failed call in words. The library's own text shows the whole answer as Rust writes it.
pub(crate) fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => said(status),
        error => {
            // Of a chain of causes the last one says most: "connection refused".
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(error);
            while let Some(next) = cause {
                text = next.to_string();
                cause = next.source();
            }
            format!("the API server is not reachable: {text}")
        }
    }
}

/// A failed watch in words.
pub(crate) fn watch_words(error: &kube::runtime::watcher::Error) -> String {
    use kube::runtime::watcher::Error;
    match error {
        Error::InitialListFailed(error) | Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            words(error)
        }
        Error::WatchError(status) => said(status),
        Error::NoResourceVersion => "the API server gave no resource version".to_owned(),
    }
}

fn said(status: &Status) -> String {
    let message = if status.message.is_empty() {
        &status.reason
    } else {
        &status.message
    };
    format!("the API server answered {}: {message}", status.code)
}

/// A failed call on an object.
pub(crate) fn failed(kind: Kind, name: &str, error: kube::Error) -> ApplyError {
    let name = name.to_owned();
    match error {
        kube::Error::Api(status) if is_mistake(&status) => ApplyError::Refused {
            kind,
            name,
            message: status.message.clone(),
        },
        error => ApplyError::Api { kind, name, error },
    }
}

/// Whether an object is wrong, and will be so the next time. A field that the API server does not know is told as its own
/// failure, with 500.
fn is_mistake(status: &Status) -> bool {
    matches!(status.code, 400 | 422) || status.message.contains("failed to create typed patch object")
}

/// Whether a status could not be written because the definition does not know one of its fields.
pub(crate) fn is_outdated(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.message.contains("field not declared in schema"))
}

/// What can be written nevertheless: the conditions, which say so.
pub(crate) fn outdated_status(status: &Value, error: &kube::Error) -> Value {
    let message = format!(
        "the CustomResourceDefinition is older than the operator, so the rest of the status cannot be written ({}); install the \
         CustomResourceDefinitions of the operator's version",
        words(error)
    );
    let mut conditions = status
        .get("conditions")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for condition in &mut conditions {
        let truth = match condition.get("type").and_then(Value::as_str) {
            Some("Ready") => "False",
            Some("Stalled") => "True",
            _ => continue,
        };
        if let Some(fields) = condition.as_object_mut() {
            fields.insert("status".to_owned(), json!(truth));
            fields.insert("reason".to_owned(), json!(Reason::DefinitionOutdated.as_str()));
            fields.insert("message".to_owned(), json!(message));
        }
    }
    json!({"observedGeneration": status.get("observedGeneration"), "conditions": conditions})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_object_is_told_from_what_passes() {
        let typo = "failed to create typed patch object (n/x; apps/v1, Kind=Deployment): .spec.bogus: field not declared in schema";
        for (code, message, terminal) in [
            (422, "invalid", true),
            (400, "strict decoding error", true),
            (500, typo, true),
            (500, "etcdserver: request timed out", false),
            (403, "exceeded quota: q", false),
            (409, "the object has been modified", false),
        ] {
            let status = Status::failure(message, "R").with_code(code);
            let error = failed(Kind::Deployment, "x", kube::Error::Api(status.boxed()));
            assert_eq!(error.is_terminal(), terminal, "{code} {message}");
        }
    }

    #[test]
    fn answers_are_told_in_words() {
        let status =
            Status::failure("services \"x\" is forbidden: exceeded quota: q", "Forbidden").with_code(403);
        let error = ApplyError::Api {
            kind: Kind::Service,
            name: "x".to_owned(),
            error: kube::Error::Api(status.boxed()),
        };
        assert_eq!(
            error.to_string(),
            "Service x: the API server answered 403: services \"x\" is forbidden: exceeded quota: q"
        );
        assert_eq!(error.reason(), Reason::Forbidden);
    }
}
