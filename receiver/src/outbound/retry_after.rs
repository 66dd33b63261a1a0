//! `Retry-After`, in both of its forms, obeyed in full.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// How long the CRM asks to wait (RFC 9110, 10.2.3): seconds, or an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    wait(headers.get(RETRY_AFTER)?.to_str().ok()?)
}

/// A number that is this large is no wait but a time, of the year 2000 or later, in seconds since 1970.
const FIRST_EPOCH: f64 = 946_684_800.0;

/// How long a header asks to wait: seconds, an HTTP date, or, as some APIs write it, a time in seconds or milliseconds since
/// 1970.
pub(crate) fn wait(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        let now = || jiff::Timestamp::now().as_duration().as_secs_f64();
        let seconds = if number >= FIRST_EPOCH * 1000.0 {
            number / 1000.0 - now()
        } else if number >= FIRST_EPOCH {
            number - now()
        } else {
            number
        };
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = date.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn a_time_since_1970_is_a_time() {
        let now = jiff::Timestamp::now();
        let soon = now.as_second() + 100;
        for text in [soon.to_string(), (soon * 1000).to_string()] {
            let wait = asked(&text).unwrap();
            assert!(wait <= Duration::from_secs(100), "{text}: {wait:?}");
            assert!(wait > Duration::ZERO, "{text}: {wait:?}");
        }
        for past in ["946684800", "1700000000", "1700000000000"] {
            assert_eq!(asked(past), Some(Duration::ZERO), "{past}");
        }
        assert_eq!(asked("946684799"), Some(Duration::from_secs(946_684_799)));
    }

    #[test]
    fn both_forms_are_read_and_nonsense_is_not() {
        assert_eq!(asked("120"), Some(Duration::from_mins(2)));
        assert_eq!(asked("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(asked("-3"), Some(Duration::ZERO));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let far = asked("Fri, 31 Dec 2100 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_hours(24 * 365));
        assert_eq!(asked("soon"), None);
    }
}
