//! `backfill`: leads of the past, from a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use leadgate_crds::api::{Backfill, Line, LineResult, Outcome, Page};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::Global;
use crate::filter::moment;
use crate::output::{Output, note, progress};
use crate::receiver::{Call, Receiver, Refused, encode};
use crate::text::plain;
use crate::{Usage, Verdict};

/// What the receiver takes at once.
const BATCH: usize = 500;
/// How long the receiver is asked again while it asks to wait, and how often.
const PATIENCE: Duration = Duration::from_mins(30);
const PAUSE: Duration = Duration::from_secs(1);
/// A line that is longer is no lead.
const MAX_LINE_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// File with a payload per line (JSON lines), or CSV with a header; - for standard input.
    file: PathBuf,
    /// LeadWebhook that reads the payloads: NAME, or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    webhook: String,
    /// Format of the file. Default: by its name, .csv or .jsonl.
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Column, or top-level member, with the time of submission. An older lead does not overwrite what a newer one wrote.
    #[arg(long, value_name = "NAME")]
    time_field: Option<String>,
    /// Tell what would become of the lines and store nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    Jsonl,
    Csv,
}

/// What became of the file.
#[derive(Debug, Default, Serialize)]
struct Summary {
    accepted: u64,
    duplicates: u64,
    others: u64,
    broken: u64,
}

pub(crate) async fn run(global: &Global, output: Output, command: &BackfillArgs) -> anyhow::Result<Verdict> {
    let lines = open(command)?;
    let (mut receiver, namespace, name) = Receiver::open_for(global, &command.webhook).await?;
    let path = format!(
        "/api/v1/webhooks/{}/{}/backfill",
        encode(&namespace),
        encode(&name)
    );
    let mut summary = Summary::default();
    let mut batch = Backfill {
        dry_run: command.dry_run,
        ..Backfill::default()
    };
    for line in lines {
        match line? {
            Ok(line) => batch.lines.push(line),
            Err(why) => {
                summary.broken += 1;
                note(&why);
            }
        }
        if batch.lines.len() == BATCH {
            send(&mut receiver, &path, &mut batch, &mut summary).await?;
        }
    }
    if !batch.lines.is_empty() {
        send(&mut receiver, &path, &mut batch, &mut summary).await?;
    }
    progress("");
    let would = if command.dry_run {
        " (nothing was stored)"
    } else {
        ""
    };
    output.one(&summary, &format!("{namespace}/{name}"), || {
        plain(&format!(
            "{} accepted, {} known already, {} not accepted, {} broken lines{would}",
            summary.accepted, summary.duplicates, summary.others, summary.broken
        ))
    })?;
    Ok(if summary.others + summary.broken == 0 {
        Verdict::Fine
    } else {
        Verdict::Wrong
    })
}

async fn send(
    receiver: &mut Receiver,
    path: &str,
    batch: &mut Backfill,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    let (last, mut waited) = (batch.lines.last().map_or(0, |line| line.line), Duration::ZERO);
    // Live leads come first: then the receiver asks to wait.
    let asked = loop {
        let asked = receiver.call(Call::post(path).json(batch)?).await;
        let is_busy = |error: &anyhow::Error| {
            error
                .downcast_ref::<Refused>()
                .is_some_and(|refused| refused.status == 503)
        };
        if !asked.as_ref().is_err_and(is_busy) || waited >= PATIENCE {
            break asked;
        }
        waited += PAUSE;
        tokio::time::sleep(PAUSE).await;
    };
    let page: Page<LineResult> = asked.with_context(|| {
        let first = batch.lines.first().map_or(0, |line| line.line);
        format!(
            "lines {first} to {last} (run the command again to go on: lines that were accepted are known)"
        )
    })?;
    batch.lines.clear();
    for result in &page.items {
        match result.outcome {
            Outcome::Accepted => summary.accepted += 1,
            Outcome::Duplicate => summary.duplicates += 1,
            Outcome::Ignored | Outcome::Unrouted | Outcome::Rejected => {
                summary.others += 1;
                let why = result
                    .message
                    .as_deref()
                    .or(result.reason.as_deref())
                    .unwrap_or_default();
                note(&format!("line {}: {:?}: {why}", result.line, result.outcome));
            }
        }
    }
    progress(&format!("{last} lines"));
    Ok(())
}

/// A line, or what is wrong with it; the outer error ends everything.
type Lines = Box<dyn Iterator<Item = anyhow::Result<Result<Line, String>>>>;

fn open(command: &BackfillArgs) -> anyhow::Result<Lines> {
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
    let input: Box<dyn Read> = if name == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&command.file).with_context(|| format!("cannot read {name}"))?)
    };
    let time_field = command.time_field.clone();
    match format {
        FileFormat::Csv => csv(input, time_field).with_context(|| name),
        FileFormat::Jsonl => Ok(json_lines(input, time_field)),
    }
}

fn json_lines(input: Box<dyn Read>, time_field: Option<String>) -> Lines {
    let mut input = BufReader::new(input);
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
                    let told = || Err(format!("line {number}: it is longer than 1 MiB"));
                    return Some(left.map(|_| told()));
                }
                Ok(_) if bytes.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Ok(json_line(&bytes, number, time_field.as_deref()))),
            }
        }
    }))
}

fn json_line(bytes: &[u8], number: u64, time_field: Option<&str>) -> Result<Line, String> {
    // Not the parser's words: they quote the line.
    let payload: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("line {number}: it is not JSON (column {})", error.column()))?;
    let at = time(number, time_field, &payload)?;
    Ok(Line {
        line: number,
        payload,
        at,
    })
}

/// The time of a payload, if a field of it is to have one.
fn time(number: u64, field: Option<&str>, payload: &Value) -> Result<Option<Timestamp>, String> {
    let Some(field) = field else { return Ok(None) };
    let value = payload
        .get(field)
        .ok_or_else(|| format!("line {number}: {field} (--time-field) is missing"))?;
    let found = value.as_str().and_then(moment);
    let wanted =
        || format!("line {number}: {field} (--time-field) must be a time such as 2026-11-01T08:00:00Z");
    found.map(Some).ok_or_else(wanted)
}

fn csv(input: Box<dyn Read>, time_field: Option<String>) -> anyhow::Result<Lines> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(input);
    let header: Vec<String> = reader
        .headers()?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect();
    if let Some(field) = &time_field
        && !header.contains(field)
    {
        let why = format!(
            "the column {field} (--time-field) is missing; the columns are: {}",
            header.join(", ")
        );
        return Err(Usage(why).into());
    }
    let records = reader.into_records().map(move |record| {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let number = error.position().map_or(0, csv::Position::line);
                return match error.kind() {
                    csv::ErrorKind::Utf8 { .. } => Ok(Err(format!("line {number}: it is not UTF-8"))),
                    _ => Err(error.into()),
                };
            }
        };
        let number = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let missing = header
                .get(record.len())
                .map(|name| format!("; {name} is missing"))
                .unwrap_or_default();
            return Ok(Err(format!(
                "line {number}: it has {} columns and the header has {}{missing}",
                record.len(),
                header.len()
            )));
        }
        let members = header
            .iter()
            .zip(&record)
            .map(|(name, value)| (name.clone(), Value::from(value)));
        let payload = Value::Object(members.collect::<Map<_, _>>());
        Ok(time(number, time_field.as_deref(), &payload).map(|at| Line {
            line: number,
            payload,
            at,
        }))
    });
    Ok(Box::new(records))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: Lines) -> Vec<Result<(u64, String, bool), String>> {
        let told = |line: Line| (line.line, line.payload.to_string(), line.at.is_some());
        lines.map(|line| line.unwrap().map(told)).collect()
    }

    #[test]
    fn broken_lines_are_told_by_number_and_the_rest_is_read() {
        let text = "{\"t\":\"2026-11-01\"}\n\n{broken ada@example.com\n{}\n{\"t\":\"soon\"}\n{\"t\":\"2026-11-01T08:00:00Z\"}";
        let found = all(json_lines(Box::new(text.as_bytes()), Some("t".into())));
        assert_eq!(found[0], Ok((1, r#"{"t":"2026-11-01"}"#.into(), true)));
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
    fn a_table_becomes_payloads_with_the_names_of_its_columns() {
        let text = "\u{feff}email,note,at\na@example.com,\"two\nlines, one cell\",2026-11-01\nb@example.com,x\nc@example.com,y,2026-11-02\n";
        let found = all(csv(Box::new(text.as_bytes()), Some("at".into())).unwrap());
        let first = r#"{"email":"a@example.com","note":"two\nlines, one cell","at":"2026-11-01"}"#;
        let sorted: Value = serde_json::from_str(first).unwrap();
        assert_eq!(found[0], Ok((2, sorted.to_string(), true)));
        assert_eq!(
            found[1],
            Err("line 4: it has 2 columns and the header has 3; at is missing".into())
        );
        assert_eq!(found[2].as_ref().unwrap().0, 5);
    }

    #[test]
    fn a_missing_column_is_named_before_anything_is_sent() {
        let error = csv(Box::new("email,when\n".as_bytes()), Some("at".into()))
            .err()
            .unwrap();
        assert!(
            error
                .to_string()
                .contains("the column at (--time-field) is missing; the columns are: email, when")
        );
    }
}
