//! Body parsing: every format, compressed or not.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use leadgate_crds::lead_webhook::Format;
use leadgate_receiver::source::body::{decompress, parse};

use super::choices::Choices;
use super::{in_time, payloads};

static READ: AtomicUsize = AtomicUsize::new(0);

const KINDS: &[&str] = &[
    "",
    "application/json",
    "application/json; charset=utf-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=X",
    "multipart/form-data; boundary=\"a b\"",
    "multipart/form-data",
    "text/plain",
    "application/vnd.api+json",
    "nonsense",
];
const FORMATS: &[Format] = &[Format::Auto, Format::Json, Format::Form, Format::Multipart];
/// The longest body; also what a compressed one may unfold to.
const LONGEST: usize = 64 << 10;

fn multipart() -> Vec<u8> {
    b"--X\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@example.com\r\n--X\r\nContent-Disposition: form-data; \
      name=\"cv\"; filename=\"cv.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--X--\r\n"
        .to_vec()
}

#[test]
fn bodies_are_read_or_refused() {
    let mut examples = payloads();
    examples.push(multipart());
    bolero::check!().for_each(|bytes: &[u8]| {
        let mut choices = Choices::new(bytes);
        let kind = *choices.of(KINDS);
        let format = *choices.of(FORMATS);
        let example = if choices.once_in(8) {
            choices.rest(512)
        } else {
            let n = choices.below(examples.len());
            choices.changed(&examples[n])
        };
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert("content-type", kind.parse().unwrap());
        }
        let compressed = choices.once_in(3);
        let body = if compressed {
            headers.insert("content-encoding", "gzip".parse().unwrap());
            let repeated = example.repeat(1 + choices.below(300));
            let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
            writer.write_all(&repeated).unwrap();
            let whole = writer.finish().unwrap();
            if choices.once_in(2) {
                choices.changed(&whole)
            } else {
                whole
            }
        } else {
            example
        };
        in_time("reading a body", || {
            let Ok(plain) = decompress(&headers, &body, LONGEST) else {
                return;
            };
            assert!(
                !compressed || plain.len() <= LONGEST,
                "{} bytes of a body of at most {LONGEST}",
                plain.len()
            );
            if let Ok(payload) = parse(format, &headers, plain.clone()) {
                READ.fetch_add(1, Ordering::Relaxed);
                // What is kept as it came must mean what expressions saw.
                if let Some(json) = &payload.json {
                    let again: serde_json::Value = serde_json::from_slice(json).unwrap();
                    assert_eq!(again, payload.value);
                }
                assert!(serde_json::to_vec(&payload.value).is_ok());
            }
        });
    });
    assert!(READ.load(Ordering::Relaxed) > 0, "no body was read");
}
