//! Whom to tell when leads need someone.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Expression, SecretKeyRef};
use crate::secret_refs::{SecretPurpose, SecretReference};

/// Whom to tell when leads need someone: an HTTP POST, at most once an hour, with counts and no personal data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notify {
    /// The key of a Secret that contains the URL to post to, for example an incoming webhook of Slack or Microsoft
    /// Teams, or a topic of ntfy.
    pub url_secret_ref: SecretKeyRef,
    /// CEL over `message` (a sentence with the counts and the link), `counts` (by `dead`, `held`, `rejected`,
    /// `unrouted` and `paused`), `object` (its `kind`, `namespace` and `name`) and `link` that returns the body. A
    /// string is sent as text, anything else as JSON. Default: `{'text': message}`, which Slack, Mattermost and Google
    /// Chat understand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Expression>,
    /// A link for whoever reads the message, for example to the console. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(
        validation = Rule::new(r"self.matches('^https?://[^\\s]+$')")
            .message("notify.link must be a URL that begins with https:// or http://, without spaces")
    )]
    pub link: Option<String>,
}

impl Notify {
    /// The key of a Secret that it refers to.
    pub(crate) fn secret_ref(&self) -> SecretReference {
        SecretReference {
            field: "spec.notify.urlSecretRef".to_owned(),
            name: self.url_secret_ref.name.clone(),
            key: self.url_secret_ref.key.clone(),
            purpose: SecretPurpose::Credentials,
        }
    }
}
