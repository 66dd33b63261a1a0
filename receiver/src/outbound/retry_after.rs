//! `Retry-After`, in both of its forms, obeyed in full.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// How long the CRM asks to wait (RFC 9110, 10.2.3): seconds, or an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = date.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn both_forms_are_read_and_nonsense_is_not() {
        assert_eq!(wait("120"), Some(Duration::from_mins(2)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("-3"), Some(Duration::ZERO));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = wait("Fri, 31 Dec 2100 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_hours(24 * 365));
        assert_eq!(wait("soon"), None);
    }
}
