//! Secrets' values, as those who need them want them.

use http::HeaderValue;
use leadgate_crds::common::SecretKeyRef;

/// Reads a Secret's key: `(name, key)`, in the namespace of whose manifest names it. An error says what is missing.
pub(crate) type ReadSecret<'a> = dyn Fn(&str, &str) -> Result<Vec<u8>, String> + 'a;

/// A Secret's text without the line break that editors and `echo` leave behind it; nothing else is taken away. A binary
/// key stays whole: its last byte may look like one.
pub fn without_line_break(value: &[u8]) -> &[u8] {
    let Some(text) = value.strip_suffix(b"\n") else {
        return value;
    };
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let is_binary = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    match std::str::from_utf8(text) {
        Ok(characters) if !characters.contains(is_binary) => text,
        _ => value,
    }
}

/// A Secret's value without blanks around it; empty ones are an error. `what` says what belongs there.
pub(crate) fn secret_text(
    at: &str,
    reference: &SecretKeyRef,
    what: &str,
    read_secret: &ReadSecret<'_>,
) -> Result<Vec<u8>, String> {
    let value = read_secret(&reference.name, &reference.key).map_err(|e| format!("{at}: {e}"))?;
    let value = value.trim_ascii();
    if value.is_empty() {
        return Err(format!(
            "{at}: Secret {} key {} is empty; put {what} there",
            reference.name, reference.key
        ));
    }
    Ok(value.to_vec())
}

/// A header's value made of a prefix and a Secret's value; marked sensitive, so that it shows in no log.
pub(crate) fn secret_header(
    at: &str,
    reference: &SecretKeyRef,
    prefix: &[u8],
    what: &str,
    read_secret: &ReadSecret<'_>,
) -> Result<HeaderValue, String> {
    let value = secret_text(at, reference, what, read_secret)?;
    let mut header = HeaderValue::from_bytes(&[prefix, &value].concat()).map_err(|_| {
        format!(
            "{at}: Secret {} key {} holds characters that no header can have; put {what} there",
            reference.name, reference.key
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}
