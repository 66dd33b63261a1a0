//! What both resources are made of: expressions, durations, references, rules.

mod duration;
mod expression;
mod notify;
mod rules;
mod secrets;

use std::fmt;

use schemars::{Schema, SchemaGenerator, json_schema};

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

pub use duration::Duration;
pub use expression::{Expression, MAX_EXPRESSION_BYTES};
pub use notify::Notify;
pub(crate) use rules::{HeaderValue, at_most_one, between, exactly_one, header_names, https_url};
pub use secrets::{BasicSecretRef, SecretKeyRef, SecretRef};

/// A value that its type does not admit; the text says why and what to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue(String);

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidValue {}

/// A DNS subdomain: the name of most objects.
pub(crate) const NAME_PATTERN: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// A key of a Secret.
pub(crate) const KEY_PATTERN: &str = r"^[-._a-zA-Z0-9]+$";
/// A DNS label (RFC 1123).
pub(crate) const LABEL_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// The name of an HTTP header (RFC 9110 token).
pub(crate) const HEADER_PATTERN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";

/// For fields that are left out when they say nothing.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// For switches that are off unless set. Serialised only when on.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature serde's skip_serializing_if wants"
)]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// An object of any shape, kept as it is.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
