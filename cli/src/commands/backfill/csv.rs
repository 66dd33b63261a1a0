//! Tables: a payload has a member for each column.

use std::collections::BTreeSet;
use std::io::{BufRead, Cursor, Read as _};

use anyhow::anyhow;
use csv::{Position, StringRecord};
use serde_json::{Map, Value};
use ulid::Ulid;

use super::lines::{Lines, MAX_LINE_BYTES, line, too_long};
use crate::Usage;
use crate::output::note;

/// Those that spreadsheets write: which one depends on their language.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

pub(super) fn read(mut input: Box<dyn BufRead>, time_field: Option<String>) -> anyhow::Result<Lines> {
    let mut head = Vec::new();
    (&mut input)
        .take(MAX_LINE_BYTES as u64)
        .read_until(b'\n', &mut head)?;
    if std::str::from_utf8(&head).is_err() {
        let why = "its header is not UTF-8 (perhaps Latin-1 or Windows-1252): save it as UTF-8 (Excel: CSV UTF-8), or convert it \
                   with iconv";
        return Err(Usage(why.to_owned()).into());
    }
    let separator = separator(&head);
    // The reader counts the line feed of CRLF with the next record.
    let offset = u64::from(head.ends_with(b"\r\n"));
    // A quote that is never closed swallows the rest of the file, and this with it.
    let end = Ulid::new().to_string();
    let tail = Cursor::new(format!("\n{end}\n"));
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .delimiter(separator)
        .from_reader(Cursor::new(head).chain(input).chain(tail));
    let header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    check(&header, &end, time_field.as_deref())?;
    let mut records = reader.into_records();
    Ok(Box::new(std::iter::from_fn(move || {
        let record = match records.next()? {
            Ok(record) => record,
            Err(error) => {
                let number = error.position().map_or(0, Position::line) + offset;
                return Some(match error.kind() {
                    csv::ErrorKind::Utf8 { .. } => Ok(Err(format!("line {number}: it is not UTF-8"))),
                    _ => Err(error.into()),
                });
            }
        };
        let number = record.position().map_or(0, Position::line) + offset;
        match record.iter().next_back() {
            Some(cell) if cell == end && record.len() == 1 => return None,
            Some(cell) if cell.trim_end().ends_with(&end) => {
                return Some(Ok(Err(format!(
                    "line {number}: a quote (\") that opens here is never closed, so neither this line nor any after it was read: \
                     close it and run the command again"
                ))));
            }
            _ => {}
        }
        Some(Ok(payload(&record, number, &header).and_then(|payload| {
            if let Some(column) = swallowed(&record, &header, separator) {
                note(&format!(
                    "line {number}: the cell of {column} holds lines that look like records: is one of its quotes (\") missing?"
                ));
            }
            line(number, payload, time_field.as_deref())
        })))
    })))
}

/// What would be lost or altered silently, before anything is sent.
fn check(header: &[String], end: &str, time_field: Option<&str>) -> anyhow::Result<()> {
    if header.iter().any(|name| name.trim_end().ends_with(end)) {
        return Err(if header.len() == 1 && header.iter().all(|name| name == end) {
            anyhow!("it is empty")
        } else {
            anyhow!("a quote (\") that opens in its header is never closed")
        });
    }
    let mut known = BTreeSet::new();
    if let Some(twice) = header
        .iter()
        .find(|name| !name.is_empty() && !known.insert(name.as_str()))
    {
        let why = format!("the column {twice} is there twice: rename or remove one");
        return Err(Usage(why).into());
    }
    if let Some(field) = time_field
        && !header.iter().any(|name| name == field)
    {
        let why = format!(
            "the column {field} (--time-field) is missing; the columns are: {}",
            header.join(", ")
        );
        return Err(Usage(why).into());
    }
    Ok(())
}

/// The one that the header has most of, outside of quotes. Pure.
fn separator(head: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut is_quoted = false;
    for byte in head {
        is_quoted ^= *byte == b'"';
        let found = SEPARATORS
            .iter()
            .zip(&mut counts)
            .find(|(known, _)| *known == byte);
        if let Some((_, count)) = found.filter(|_| !is_quoted) {
            *count += 1;
        }
    }
    let counted = SEPARATORS.into_iter().zip(counts);
    // Of several that are as frequent, the first.
    let most = counted.rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(separator, _)| separator)
}

fn payload(record: &StringRecord, number: u64, header: &[String]) -> Result<Value, String> {
    if record.as_slice().len() > MAX_LINE_BYTES {
        return Err(too_long(number));
    }
    if record.len() != header.len() {
        let missing = header
            .get(record.len())
            .map(|name| format!("; {name} is missing"))
            .unwrap_or_default();
        return Err(format!(
            "line {number}: it has {} columns and the header has {}{missing}",
            record.len(),
            header.len()
        ));
    }
    let members = header
        .iter()
        .zip(record)
        .map(|(name, value)| (name.clone(), Value::from(value)));
    Ok(Value::Object(members.collect::<Map<_, _>>()))
}

/// The column of a cell that has swallowed records: a further line of it has as many separators as one. A blank behind a
/// separator is prose. Pure.
fn swallowed<'h>(record: &StringRecord, header: &'h [String], separator: u8) -> Option<&'h str> {
    let separator = char::from(separator);
    let is_record = |line: &str| {
        let mut parts = line.split(separator).skip(1);
        let count = parts.clone().count();
        count > 0 && count + 1 >= header.len() && parts.all(|part| !part.starts_with(' '))
    };
    let mut cells = header.iter().zip(record);
    let found = cells.find(|(_, cell)| cell.lines().skip(1).any(is_record));
    found.map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::lines::tests::{Told, all, input};
    use super::*;

    fn table(bytes: &[u8], time_field: Option<&str>) -> anyhow::Result<Vec<Told>> {
        read(input(bytes)?, time_field.map(str::to_owned)).map(all)
    }

    fn ids(text: &str) -> Vec<Result<u64, String>> {
        let found = table(text.as_bytes(), None).unwrap();
        found.into_iter().map(|line| line.map(|(id, ..)| id)).collect()
    }

    #[test]
    fn a_table_becomes_payloads_with_the_names_of_its_columns() {
        let text = "\u{feff}email,note,at\na@example.com,\"two\nlines, one cell\",2026-11-01\nb@example.com,x\nc@example.com,y,2026-11-02\n";
        let found = table(text.as_bytes(), Some("at")).unwrap();
        let first = r#"{"email":"a@example.com","note":"two\nlines, one cell","at":"2026-11-01"}"#;
        let sorted: Value = serde_json::from_str(first).unwrap();
        assert_eq!(
            found[0],
            Ok((2, sorted.to_string(), Some("2026-11-01T00:00:00Z".into())))
        );
        assert_eq!(
            found[1],
            Err("line 4: it has 2 columns and the header has 3; at is missing".into())
        );
        assert_eq!(found[2].as_ref().unwrap().0, 5);
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn what_a_header_cannot_be_is_told_before_anything_is_sent() {
        for (bytes, why) in [
            (
                &b"email,when\n"[..],
                "the column at (--time-field) is missing; the columns are: email, when",
            ),
            (b"email,at,email\n", "the column email is there twice"),
            (b"Stra\xdfe,at\n", "its header is not UTF-8"),
            (
                b"email,\"at\na@example.com,x\n",
                "a quote (\") that opens in its header",
            ),
            (b"", "it is empty"),
        ] {
            let error = table(bytes, Some("at")).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
        }
        // Columns without a name, as spreadsheets leave them, are no two of a kind.
        assert!(table(b"email,,\na@example.com,,\n", None).unwrap()[0].is_ok());
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_with_its_line() {
        for (text, read) in [
            ("email,note\nq1@x,\"unclosed\nq2@x,b\nq3@x,c\n", 0),
            ("email,note\nq1@x,a\nq2@x,\"unclosed", 1),
            ("email\nq1@x\n\"q2@x\nq3@x\n", 1),
        ] {
            let found = ids(text);
            assert_eq!(found.len(), read + 1, "{text}");
            let error = found[read].as_ref().unwrap_err();
            assert!(
                error.starts_with(&format!("line {}: a quote", read + 2)),
                "{error}"
            );
        }
        for text in [
            "email,note\nq1@x,\"closed\"\nq2@x,5\" pipe\n",
            "email,note\nq1@x,a\nq2@x,\"last\"",
            "email\nq1@x\nq2@x",
        ] {
            assert_eq!(ids(text), [Ok(2), Ok(3)], "{text}");
        }
    }

    #[test]
    fn a_cell_that_has_swallowed_records_is_told_from_one_with_several_lines() {
        let header = ["email".to_owned(), "note".to_owned()];
        let column = |cell: &str| {
            let record = StringRecord::from(vec!["q1@x", cell]);
            swallowed(&record, &header, b',').map(str::to_owned)
        };
        assert_eq!(column("unclosed\nq2@x,b\nq3@x,").as_deref(), Some("note"));
        for fine in ["two\nlines", "two\nlines, with prose", "a,b", ""] {
            assert_eq!(column(fine), None, "{fine}");
        }
    }

    #[test]
    fn the_separator_is_the_one_that_the_header_has() {
        for (text, separator) in [
            ("email,note", b','),
            ("email;note", b';'),
            ("email\tnote", b'\t'),
            ("email", b','),
            ("\"a,b,c\";note", b';'),
            ("email;note,at", b','),
        ] {
            assert_eq!(super::separator(text.as_bytes()), separator, "{text}");
        }
        let found = table("email;note\r\na@example.com;\"x;y\"\r\n".as_bytes(), None).unwrap();
        assert_eq!(
            found,
            [Ok((2, r#"{"email":"a@example.com","note":"x;y"}"#.into(), None))]
        );
    }
}
