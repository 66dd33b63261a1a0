//! The lines of a file, each with its number.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};

use anyhow::Context as _;
use jiff::Timestamp;
use leadgate_crds::api::Line;
use leadgate_crds::time::timestamp;
use serde_json::Value;

use super::{BackfillArgs, FileFormat};
use crate::Usage;

/// A line that is longer is no lead.
pub(super) const MAX_LINE_BYTES: usize = 1 << 20;

/// A line, or what is wrong with it; the outer error ends everything.
pub(super) type Lines = Box<dyn Iterator<Item = anyhow::Result<Result<Line, String>>>>;

pub(super) fn open(command: &BackfillArgs) -> anyhow::Result<Lines> {
    let name = command.file.display().to_string();
    let by_name = |end: &str| {
        command
            .file
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case(end))
    };
    let format = match command.format {
        Some(format) => format,
        None if by_name("csv") => FileFormat::Csv,
        None if by_name("jsonl") || by_name("ndjson") => FileFormat::Jsonl,
        None => return Err(Usage(format!("{name}: set --format csv or --format jsonl")).into()),
    };
    let input: Box<dyn BufRead> = if name == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let file = File::open(&command.file).with_context(|| format!("cannot read {name}"))?;
        Box::new(BufReader::new(file))
    };
    let time_field = command.time_field.clone();
    let lines = utf8(input).and_then(|input| match format {
        FileFormat::Csv => super::csv::read(input, time_field),
        FileFormat::Jsonl => Ok(json_lines(input, time_field)),
    });
    lines.with_context(|| name)
}

/// The text without the mark that programs write before UTF-8. UTF-16 is refused: it has zero bytes, and UTF-8 has none.
pub(super) fn utf8(mut input: Box<dyn BufRead>) -> anyhow::Result<Box<dyn BufRead>> {
    let mut head = Vec::new();
    (&mut input).take(4).read_to_end(&mut head)?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || head.contains(&0) {
        let why = "it is UTF-16: save it as UTF-8 (Excel: CSV UTF-8), or convert it with iconv";
        return Err(Usage(why.to_owned()).into());
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).to_vec();
    Ok(Box::new(std::io::Cursor::new(head).chain(input)))
}

fn json_lines(mut input: Box<dyn BufRead>, time_field: Option<String>) -> Lines {
    let mut number = 0;
    Box::new(std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut bytes = Vec::new();
            match (&mut input)
                .take(MAX_LINE_BYTES as u64)
                .read_until(b'\n', &mut bytes)
            {
                Err(error) => return Some(Err(error.into())),
                Ok(0) => return None,
                Ok(MAX_LINE_BYTES..) if !bytes.ends_with(b"\n") => {
                    let left = input.skip_until(b'\n').map_err(anyhow::Error::from);
                    return Some(left.map(|_| Err(too_long(number))));
                }
                Ok(_) if bytes.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(json_line(&bytes, number, time_field.as_deref()))),
            }
        }
    }))
}

pub(super) fn too_long(number: u64) -> String {
    format!("line {number}: it is longer than 1 MiB")
}

fn json_line(bytes: &[u8], number: u64, time_field: Option<&str>) -> Result<Line, String> {
    // Not the parser's words: they quote the line.
    let payload: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("line {number}: it is not JSON (column {})", error.column()))?;
    line(number, payload, time_field)
}

/// A line with its time, if a field of it is to have one: text or a number, as a lead's `capturedAt`.
pub(super) fn line(number: u64, payload: Value, time_field: Option<&str>) -> Result<Line, String> {
    let read = |field: &str| -> Result<Timestamp, String> {
        let found = match payload.get(field) {
            None => return Err(format!("line {number}: {field} (--time-field) is missing")),
            Some(Value::String(text)) => timestamp(text.trim()),
            Some(Value::Number(n)) => timestamp(&n.to_string()),
            Some(_) => None,
        };
        found.ok_or_else(|| {
            format!(
                "line {number}: {field} (--time-field) must be a time such as 2026-11-01T08:00:00Z, or seconds since 1970"
            )
        })
    };
    let at = time_field.map(read).transpose()?;
    Ok(Line {
        line: number,
        payload,
        at,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) type Told = Result<(u64, String, Option<String>), String>;

    pub(in super::super) fn all(lines: Lines) -> Vec<Told> {
        let told = |line: Line| {
            let at = line.at.map(|at| at.to_string());
            (line.line, line.payload.to_string(), at)
        };
        lines.map(|line| line.unwrap().map(told)).collect()
    }

    pub(in super::super) fn input(bytes: &[u8]) -> anyhow::Result<Box<dyn BufRead>> {
        utf8(Box::new(std::io::Cursor::new(bytes.to_vec())))
    }

    fn read(text: &str, time_field: Option<&str>) -> Vec<Told> {
        all(json_lines(
            input(text.as_bytes()).unwrap(),
            time_field.map(str::to_owned),
        ))
    }

    #[test]
    fn broken_lines_are_told_by_number_and_the_rest_is_read() {
        let text = "{\"t\":\"2026-11-01\"}\n\n{broken ada@example.com\n{}\n{\"t\":\"soon\"}\n{\"t\":\"2026-11-01T08:00:00Z\"}";
        let found = read(text, Some("t"));
        let midnight = "2026-11-01T00:00:00Z";
        assert_eq!(
            found[0],
            Ok((1, r#"{"t":"2026-11-01"}"#.into(), Some(midnight.into())))
        );
        assert!(
            found[1]
                .as_ref()
                .unwrap_err()
                .starts_with("line 3: it is not JSON")
        );
        assert!(!found[1].as_ref().unwrap_err().contains("ada"));
        assert_eq!(found[2], Err("line 4: t (--time-field) is missing".into()));
        assert!(found[3].as_ref().unwrap_err().starts_with("line 5: t"));
        assert!(found[4].is_ok() && found.len() == 5);
    }

    #[test]
    fn a_time_may_be_whatever_the_time_of_a_lead_may_be() {
        for (written, expected) in [
            ("1790000000", Some("2026-09-21T14:13:20Z")),
            ("1790000000000", Some("2026-09-21T14:13:20Z")),
            ("1790000000.5", Some("2026-09-21T14:13:20.5Z")),
            ("\"1790000000\"", Some("2026-09-21T14:13:20Z")),
            ("\"Mon, 21 Sep 2026 14:13:20 GMT\"", Some("2026-09-21T14:13:20Z")),
            ("\" 2026-09-21 \"", Some("2026-09-21T00:00:00Z")),
            ("12", None),
            ("true", None),
            ("\"\"", None),
        ] {
            let found = read(&format!("{{\"t\": {written}}}"), Some("t")).remove(0);
            let found = found.ok().and_then(|(_, _, at)| at);
            assert_eq!(found.as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn the_mark_of_utf8_is_no_text_and_utf16_is_named() {
        for text in ["\u{feff}{}\n{}", "{}\n{}", "{}"] {
            assert_eq!(read(text, None)[0], Ok((1, "{}".into(), None)), "{text:?}");
        }
        assert!(read("", None).is_empty());
        let utf16 = |little: bool, mark: bool| -> Vec<u8> {
            let text = if mark { "\u{feff}a;b" } else { "a;b" };
            let units = text.encode_utf16();
            units
                .flat_map(|unit| {
                    if little {
                        unit.to_le_bytes()
                    } else {
                        unit.to_be_bytes()
                    }
                })
                .collect()
        };
        for (little, mark) in [(true, true), (true, false), (false, true), (false, false)] {
            let error = input(&utf16(little, mark)).err().unwrap();
            assert!(error.to_string().contains("UTF-16"), "{error}");
        }
    }
}
