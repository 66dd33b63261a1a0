//! Which span something belongs to, as the W3C's `traceparent` writes it: `00-TRACE-SPAN-FLAGS`.

use http::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// How long a `traceparent` of version 00 is.
const LENGTH: usize = 55;

/// The span that the sender of a request names. It may be anybody's: a trace may link to it, nothing more.
pub(super) fn of_sender(headers: &HeaderMap) -> Option<SpanContext> {
    let mut values = headers.get_all("traceparent").iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse(value.to_str().ok()?),
        _ => None,
    }
}

/// Reads one. Later versions may be longer; what they add is not read.
pub(super) fn parse(text: &str) -> Option<SpanContext> {
    let (known, more) = text.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let mut hex = |length: usize| {
        let part = parts.next()?;
        let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (part.len() == length && is_hex).then_some(part)
    };
    let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let ends = more.is_empty() || (version != "00" && more.starts_with('-'));
    if version == "ff" || !ends {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

/// Writes one, to be stored with a lead.
pub(super) fn write(context: &SpanContext) -> String {
    format!(
        "00-{}-{}-{:02x}",
        context.trace_id(),
        context.span_id(),
        context.trace_flags()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_written_is_read_again() {
        let context = parse(GOOD).unwrap();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(write(&context), GOOD);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for hostile in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4bf92f3577b34da6a3ce929d0e0e47-36-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\u{e9}",
            "ada@example.com-ada@example.com-ada@example.com-ada@example.com",
        ] {
            assert_eq!(parse(hostile), None, "{hostile}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-what-the-future-brings";
        assert_eq!(write(&parse(later).unwrap()), GOOD);
    }

    #[test]
    fn a_request_names_one_span_or_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_sender(&headers), None);
        headers.append("traceparent", HeaderValue::from_static(GOOD));
        assert_eq!(of_sender(&headers), parse(GOOD));
        headers.append("traceparent", HeaderValue::from_static(GOOD));
        assert_eq!(of_sender(&headers), None);
        headers.insert("traceparent", HeaderValue::from_bytes(&[0xff; 55]).unwrap());
        assert_eq!(of_sender(&headers), None);
    }
}
