//! The names of things: of leads, sinks and webhooks, and hashes of who a lead is about and which submission it is.

use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a text.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    };
}

text_id! {
    /// A lead's id: a ULID, so ids sort by time.
    LeadId
}
text_id! {
    /// A sink: `namespace/name`.
    SinkId
}
text_id! {
    /// A webhook: `namespace/name`.
    WebhookId
}
text_id! {
    /// Who a lead is about: a hash, never the e-mail or phone itself.
    Contact
}
text_id! {
    /// What makes two submissions the same one: a hash, never personal data.
    DedupeKey
}

impl LeadId {
    /// A new id, from now.
    pub fn generate() -> Self {
        Self::new(ulid::Ulid::new().to_string())
    }
}

macro_rules! namespaced {
    ($($name:ident)*) => {$(
        impl $name {
            /// Of a namespace and a name.
            pub fn of(namespace: &str, name: &str) -> Self {
                Self::new(format!("{namespace}/{name}"))
            }

            /// Its namespace; empty if it has none.
            pub fn namespace(&self) -> &str {
                self.0.split_once('/').map_or("", |(namespace, _)| namespace)
            }

            /// Its name without the namespace.
            pub fn name(&self) -> &str {
                self.0.split_once('/').map_or(&self.0, |(_, name)| name)
            }
        }
    )*};
}

namespaced! { SinkId WebhookId }
