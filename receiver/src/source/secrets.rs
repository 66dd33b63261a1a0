//! How the parts of a webhook read the Secrets that it names.

/// Reads a key of a Secret in the webhook's namespace.
pub type ReadSecret<'a> = dyn Fn(&str, &str) -> Result<Vec<u8>, String> + 'a;
