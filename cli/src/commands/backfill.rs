//! `backfill`: leads of the past, from a file.

mod csv;
mod lines;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use leadgate_crds::api::{Backfill, Line, LineResult, Outcome, Page};
use serde::Serialize;

use crate::Verdict;
use crate::args::Global;
use crate::output::{Output, note, progress};
use crate::receiver::{Call, Receiver, Refused, encode};
use crate::text::plain;

/// What the receiver takes at once: so many lines, and requests of up to 16 MiB.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 8 << 20;
/// How long the receiver is asked again while it asks to wait, and how often.
const PATIENCE: Duration = Duration::from_mins(30);
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// File with a payload per line (JSON lines), or CSV with a header; - for standard input. UTF-8.
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
    /// They are stored, and wait for a sink.
    unrouted: u64,
    others: u64,
    broken: u64,
    /// Of those that were accepted: older than a newer lead of the same person.
    overtaken: u64,
}

impl Summary {
    fn count(&mut self, result: &LineResult) {
        match result.outcome {
            Outcome::Accepted => {
                self.accepted += 1;
                self.overtaken += u64::from(result.reason.is_some());
            }
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Unrouted => self.unrouted += 1,
            Outcome::Ignored | Outcome::Rejected => {
                self.others += 1;
                let why = result.message.as_deref().or(result.reason.as_deref());
                note(&format!(
                    "line {}: {:?}: {}",
                    result.line,
                    result.outcome,
                    why.unwrap_or_default()
                ));
            }
        }
    }
}

pub(crate) async fn run(global: &Global, output: Output, command: &BackfillArgs) -> anyhow::Result<Verdict> {
    let lines = lines::open(command)?;
    let (receiver, namespace, name) = Receiver::open_for(global, &command.webhook).await?;
    let mut import = Import {
        receiver,
        path: format!(
            "/api/v1/webhooks/{}/{}/backfill",
            encode(&namespace),
            encode(&name)
        ),
        batch: Backfill {
            dry_run: command.dry_run,
            ..Backfill::default()
        },
        bytes: 0,
        has_waited: false,
        summary: Summary::default(),
    };
    for line in lines {
        match line? {
            Ok(line) => import.add(line).await?,
            Err(why) => {
                import.summary.broken += 1;
                note(&why);
            }
        }
    }
    import.send().await?;
    progress("");
    let summary = import.summary;
    let would = if command.dry_run {
        " (nothing was stored)"
    } else {
        ""
    };
    output.one(&summary, &format!("{namespace}/{name}"), || {
        plain(&format!(
            "{} accepted, {} known already, {} unrouted, {} not accepted, {} broken lines{would}",
            summary.accepted, summary.duplicates, summary.unrouted, summary.others, summary.broken
        ))
    })?;
    if summary.overtaken > 0 {
        note(&format!(
            "{} of the accepted leads are older than one of the same person that was delivered or waits: they are kept as dead \
             (OvertakenByNewer) and overwrite nothing.",
            summary.overtaken
        ));
    }
    if summary.unrouted > 0 {
        note(
            "No sink of the webhook takes the unrouted leads (sinks[].when). They are kept: kubectl leadgate leads list --set unrouted",
        );
    }
    Ok(if summary.others + summary.broken == 0 {
        Verdict::Fine
    } else {
        Verdict::Wrong
    })
}

/// An import under way.
struct Import {
    receiver: Receiver,
    path: String,
    /// Lines that are not sent yet, and about how long they are as JSON.
    batch: Backfill,
    bytes: usize,
    /// Whether somebody was told that the receiver asks to wait.
    has_waited: bool,
    summary: Summary,
}

impl Import {
    /// Adds a line; sends those before it if they are as many as go together.
    async fn add(&mut self, line: Line) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(&line)?.len();
        if self.batch.lines.len() == BATCH || self.bytes + bytes > BATCH_BYTES {
            self.send().await?;
        }
        self.bytes += bytes;
        self.batch.lines.push(line);
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        let (Some(first), Some(last)) = (self.batch.lines.first(), self.batch.lines.last()) else {
            return Ok(());
        };
        let (first, last) = (first.line, last.line);
        let page = self.ask().await.with_context(|| {
            format!(
                "lines {first} to {last} (run the command again to go on: lines that were accepted are known)"
            )
        })?;
        self.batch.lines.clear();
        self.bytes = 0;
        page.items.iter().for_each(|result| self.summary.count(result));
        progress(&format!("{last} lines"));
        Ok(())
    }

    /// Sends the lines, and again while the receiver asks to wait: live leads come first.
    async fn ask(&mut self) -> anyhow::Result<Page<LineResult>> {
        let mut waited = Duration::ZERO;
        loop {
            let call = Call::post(&self.path).json(&self.batch)?;
            let asked = self.receiver.call(call).await;
            let refused = asked
                .as_ref()
                .err()
                .and_then(|error| error.downcast_ref::<Refused>());
            let Some(busy) = refused.filter(|refused| refused.is_busy && waited < PATIENCE) else {
                return asked;
            };
            let waits = format!("the receiver asks to wait: {busy}");
            if !std::mem::replace(&mut self.has_waited, true) {
                note(&format!(
                    "{waits}; the command goes on by itself, for up to 30 minutes. A sink that is paused shows in: kubectl leadgate sinks list"
                ));
            }
            progress(&waits);
            waited += PAUSE;
            tokio::time::sleep(PAUSE).await;
        }
    }
}
