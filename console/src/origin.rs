//! Where a request comes from. Browsers say so by themselves, and pages cannot forge it (Fetch standard, forbidden
//! request-headers), so changing requests need no token in their forms.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Whether a page of this console sent a changing request. What says nothing of where it comes from is not believed.
pub fn is_own(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(http::HeaderValue::as_bytes);
    let origin = headers.get(ORIGIN).map(http::HeaderValue::as_bytes);
    let host = headers.get(HOST).map(http::HeaderValue::as_bytes);
    let is_own_origin = origin.map(|origin| {
        let named = [&b"http://"[..], b"https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(*scheme));
        named.is_some() && named == host
    });
    match (site, is_own_origin) {
        (None, None) => false,
        (site, is_own_origin) => {
            site.is_none_or(|site| site == b"same-origin") && is_own_origin.unwrap_or(true)
        }
    }
}

/// Whether the browser came by HTTPS, as it says itself with each form.
pub fn is_https(headers: &HeaderMap) -> bool {
    headers
        .get(ORIGIN)
        .is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_from_here_changes_something() {
        for (headers, own) in [
            (&[][..], false),
            (&[("host", "a:1")], false),
            (&[("host", "a:1"), ("origin", "http://a:1")], true),
            (&[("host", "a:1"), ("origin", "https://a:1")], true),
            (&[("host", "a:1"), ("origin", "http://a:2")], false),
            (&[("host", "a:1"), ("origin", "null")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (
                &[
                    ("host", "a"),
                    ("origin", "https://evil"),
                    ("sec-fetch-site", "same-origin"),
                ],
                false,
            ),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            assert_eq!(is_own(&map), own, "{headers:?}");
        }
    }
}
