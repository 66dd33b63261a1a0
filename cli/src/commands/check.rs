//! `check`: whether an installation is as it should be, after an installation or an upgrade.

mod cluster;
mod rights;
mod server;

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::Verdict;
use crate::args::Global;
use crate::cluster::Place;
use crate::filter::duration;
use crate::objects::{Health, Level};
use crate::output::{Cell, Format, Output, Paint, Row, note, progress};

pub(crate) use cluster::check as of_cluster;
pub(crate) use server::check as of_server;

/// How often it is checked with --wait.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Wait until all is well, for this time at most, for example 5m.
    #[arg(long, value_name = "TIME", value_parser = wait)]
    wait: Option<SignedDuration>,
}

fn wait(text: &str) -> Result<SignedDuration, &'static str> {
    duration(text).ok_or("write a time such as 30s or 5m")
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// What was checked.
    check: String,
    #[serde(flatten)]
    health: Health,
}

impl Finding {
    fn new(check: impl Into<String>, health: Health) -> Self {
        Self {
            check: check.into(),
            health,
        }
    }

    fn fine(check: impl Into<String>, message: impl AsRef<str>) -> Self {
        Self::new(check, Health::new(Level::Fine, "OK", message.as_ref()))
    }

    fn wrong(check: impl Into<String>, reason: &str, message: impl AsRef<str>) -> Self {
        Self::new(check, Health::new(Level::Wrong, reason, message.as_ref()))
    }

    fn warning(check: impl Into<String>, reason: &str, message: impl AsRef<str>) -> Self {
        Self::new(check, Health::new(Level::Warning, reason, message.as_ref()))
    }

    /// What could not be checked is not taken for right.
    fn unknown(check: impl Into<String>, why: &anyhow::Error) -> Self {
        Self::new(
            check,
            Health::new(Level::Unknown, "NotChecked", &format!("{why:#}")),
        )
    }

    fn is_bad(&self) -> bool {
        self.health.level < Level::Warning
    }
}

pub(crate) async fn run(global: &Global, output: Output, command: &Check) -> anyhow::Result<Verdict> {
    let place = Place::of(global).await?;
    let until = command
        .wait
        .and_then(|wait| Timestamp::now().checked_add(wait).ok());
    let mut findings = loop {
        let findings = match &place {
            Place::Cluster(cluster) => of_cluster(cluster, global).await,
            Place::Server(_) => of_server(&place, global).await?,
        };
        let bad = findings.iter().filter(|finding| finding.is_bad()).count();
        if bad == 0 || until.is_none_or(|until| Timestamp::now() >= until) {
            break findings;
        }
        progress(&format!("waiting: {bad} of {} checks fail", findings.len()));
        tokio::time::sleep(INTERVAL).await;
    };
    progress("");
    let bad = findings.iter().filter(|finding| finding.is_bad()).count();
    let all = findings.len();
    if output.format == Format::Short {
        findings.retain(Finding::is_bad);
    }
    output.all(&findings, "Nothing is wrong.")?;
    if bad > 0 {
        note(&format!("{bad} of {all} checks fail."));
        return Ok(Verdict::Wrong);
    }
    Ok(Verdict::Fine)
}

impl Row for Finding {
    const COLUMNS: &'static [&'static str] = &["CHECK", "RESULT", "MESSAGE"];
    const NARROW: usize = 3;

    fn lines(&self) -> Vec<Vec<Cell>> {
        let paint = if self.is_bad() { Paint::None } else { Paint::Dim };
        vec![vec![
            self.check.as_str().into(),
            self.health.cell(),
            Cell::new(&self.health.message, paint),
        ]]
    }

    fn name(&self) -> String {
        self.check.clone()
    }
}
