//! The text that is signed: the signature base of RFC 9421. Pure.

use std::borrow::Cow;

use http::{HeaderName, Uri};

use super::fields::{INPUT, Input};
use crate::source::auth::{AuthError, RawRequest};

/// Every signature base holds this, and no challenge that is signed for strangers does.
pub const SIGNED: &str = "\"@signature-params\": ";

/// `publicUrl` in the parts that can be signed: never from Host or X-Forwarded-*, which anybody can set.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: String,
    pub(super) scheme: String,
    pub(super) authority: String,
    pub(super) path: String,
}

impl Target {
    pub(super) fn compile(public_url: &str) -> Result<Self, String> {
        let wrong = || "publicUrl: it is not a URL; write it exactly as the sender does".to_owned();
        let uri: Uri = public_url.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().ok_or_else(wrong)?.to_ascii_lowercase();
        let authority = uri.authority().ok_or_else(wrong)?.as_str().to_ascii_lowercase();
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        // A URL without a path has the path `/`, and is signed with it.
        let slash = if public_url.ends_with(uri.path()) { "" } else { "/" };
        Ok(Self {
            url: format!("{public_url}{slash}"),
            authority: authority.to_owned(),
            path: uri.path().to_owned(),
            scheme,
        })
    }
}

/// Whether it is a component for which `publicUrl` must be known.
pub(super) fn needs_url(component: &str) -> bool {
    matches!(
        component,
        "@target-uri" | "@authority" | "@scheme" | "@path" | "@request-target"
    )
}

/// Whether it is a component that can be looked up.
pub(super) fn is_known(component: &str) -> bool {
    match component.strip_prefix('@') {
        Some(derived) => matches!(derived, "method" | "query") || needs_url(component),
        None => HeaderName::from_lowercase(component.as_bytes()).is_ok(),
    }
}

/// What a signer of this request with these components has signed.
pub(super) fn signature_base(
    input: &Input<'_>,
    request: &RawRequest<'_>,
    target: Option<&Target>,
) -> Result<Vec<u8>, AuthError> {
    let mut base = Vec::new();
    for component in input.components()? {
        base.push(b'"');
        base.extend_from_slice(component.as_bytes());
        base.extend_from_slice(b"\": ");
        base.extend_from_slice(&value(component, request, target)?);
        base.push(b'\n');
    }
    base.extend_from_slice(SIGNED.as_bytes());
    base.extend_from_slice(input.signature_params().as_bytes());
    Ok(base)
}

fn value<'r>(
    component: &str,
    request: &RawRequest<'r>,
    target: Option<&'r Target>,
) -> Result<Cow<'r, [u8]>, AuthError> {
    if !component.starts_with('@') {
        return header(component, request);
    }
    let query = request.query.unwrap_or_default();
    let target = || {
        target.ok_or(AuthError::Unsupported(
            "a part of the URL, while publicUrl is not set",
        ))
    };
    let with_query = |url: &str| match request.query {
        Some(query) => Cow::Owned(format!("{url}?{query}").into_bytes()),
        None => Cow::Owned(url.as_bytes().to_vec()),
    };
    Ok(match component {
        "@method" => Cow::Borrowed(request.method.as_str().as_bytes()),
        "@target-uri" => with_query(&target()?.url),
        "@authority" => Cow::Borrowed(target()?.authority.as_bytes()),
        "@scheme" => Cow::Borrowed(target()?.scheme.as_bytes()),
        "@path" => Cow::Borrowed(target()?.path.as_bytes()),
        "@request-target" => with_query(&target()?.path),
        // A `?` alone stands for no query.
        "@query" => Cow::Owned(format!("?{query}").into_bytes()),
        _ => {
            return Err(AuthError::Unsupported(
                "a derived component other than @method, @target-uri, @authority, @scheme, @path, @query and @request-target",
            ));
        }
    })
}

/// All lines of a header, each without the white space around it.
fn header<'r>(name: &str, request: &RawRequest<'r>) -> Result<Cow<'r, [u8]>, AuthError> {
    let name = HeaderName::from_lowercase(name.as_bytes()).map_err(|_| AuthError::Malformed(INPUT))?;
    let mut lines = request
        .headers
        .get_all(name)
        .iter()
        .map(|line| line.as_bytes().trim_ascii());
    let first = lines.next().ok_or(AuthError::Missing(
        "value for one of the headers that its signature covers",
    ))?;
    let rest: Vec<&[u8]> = lines.collect();
    if rest.is_empty() {
        return Ok(Cow::Borrowed(first));
    }
    let all: Vec<&[u8]> = std::iter::once(first).chain(rest).collect();
    Ok(Cow::Owned(all.join(b", ".as_slice())))
}
