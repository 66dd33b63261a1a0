//! `jobs`: work on many leads.

use std::time::Duration;

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use leadgate_crds::api::{Action, Job, JobState, NewJob, Page};
use ulid::Ulid;

use crate::Verdict;
use crate::args::Global;
use crate::filter::word;
use crate::output::{Cell, Output, Paint, Row, confirm, note, progress};
use crate::receiver::{Call, Receiver, encode};
use crate::text::{age, plain};

/// How often a job is looked at that is followed.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// List jobs, newest first.
    List,
    /// Show a job.
    Show {
        /// Id of the job.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Stop a job. What it has done stays done.
    Cancel {
        /// Id of the job.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Follow a job until it ends.
    Watch {
        /// Id of the job.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
}

fn path(id: &str) -> String {
    format!("/api/v1/jobs/{}", encode(id))
}

pub(crate) async fn run(global: &Global, output: Output, command: &Jobs) -> anyhow::Result<Verdict> {
    let mut receiver = Receiver::open(global).await?;
    match command {
        Jobs::List => {
            let mut printer = output.list::<Job>();
            let mut after: Option<String> = None;
            loop {
                let call = Call::get("/api/v1/jobs").query("after", after.as_deref());
                let page: Page<Job> = receiver.call(call).await?;
                printer.page(&page.items)?;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            printer.end("There are no jobs.")?;
            Ok(Verdict::Fine)
        }
        Jobs::Show { id } => show(output, &receiver.call(Call::get(path(id))).await?),
        Jobs::Cancel { id } => {
            let job: Job = receiver.call(Call::delete(path(id))).await?;
            show(output, &job)?;
            Ok(Verdict::Fine)
        }
        Jobs::Watch { id } => loop {
            let job: Job = receiver.call(Call::get(path(id))).await?;
            if job.state != JobState::Running {
                progress("");
                return show(output, &job);
            }
            let waits = job.message.as_deref().unwrap_or_default();
            progress(&format!(
                "{} done, {} left as they were  {waits}",
                job.done, job.kept
            ));
            tokio::time::sleep(INTERVAL).await;
        },
    }
}

/// Starts a job, after a person has seen how many leads it is about.
pub(crate) async fn start(
    receiver: &mut Receiver,
    output: Output,
    mut job: NewJob,
    yes: bool,
) -> anyhow::Result<Verdict> {
    let only_count = std::mem::replace(&mut job.dry_run, true);
    if only_count || !yes {
        let counted: Job = receiver.call(Call::post("/api/v1/jobs").json(&job)?).await?;
        if only_count {
            note("Nothing was done. Without --dry-run, this starts the job:");
            return show(output, &counted);
        }
        if counted.done == 0 {
            note("No leads fit.");
            return Ok(Verdict::Fine);
        }
        let to = job
            .to
            .as_deref()
            .map(|to| format!(" to {to}"))
            .unwrap_or_default();
        let question = format!("{:?} {} {} leads{to}?", job.action, counted.done, word(job.set));
        if !confirm(&question, yes)? {
            return Ok(Verdict::Wrong);
        }
    }
    job.dry_run = false;
    // A request that is sent twice starts one job.
    let call = Call::post("/api/v1/jobs")
        .json(&job)?
        .header("idempotency-key", Ulid::new().to_string());
    let started: Job = receiver.call(call).await?;
    show(output, &started)?;
    if started.state == JobState::Running {
        note(&format!(
            "Follow it with: kubectl leadgate jobs watch {}",
            started.id
        ));
    }
    Ok(Verdict::Fine)
}

/// Leads that were left as they were are something wrong.
fn show(output: Output, job: &Job) -> anyhow::Result<Verdict> {
    // A dry run has no id: it is about these leads.
    let ids = if job.id.is_empty() {
        job.sample.join("\n")
    } else {
        job.id.clone()
    };
    output.one(job, &ids, || {
        let mut text = output.columns(&[Job::COLUMNS.iter().map(Into::into).collect(), cells(job)]);
        for (what, value) in selection(job) {
            text.push_str(&plain(&format!("  {what}: {value}\n")));
        }
        for left in &job.left {
            text.push_str(&plain(&format!("  {}  {}\n", left.id, left.reason)));
        }
        for id in &job.sample {
            text.push_str(&plain(&format!("  {id}\n")));
        }
        text
    })?;
    Ok(if job.kept > 0 && job.state != JobState::Running {
        Verdict::Wrong
    } else {
        Verdict::Fine
    })
}

/// Which leads of the set a job is about, and how it goes about it.
fn selection(job: &Job) -> Vec<(&str, String)> {
    let mut found = job.work.filter.criteria();
    if found.is_empty() && job.hidden_filter.is_empty() {
        found.push(("filter", "none: all leads of the set".to_owned()));
    }
    let hidden = job
        .hidden_filter
        .iter()
        .map(|name| (name.as_str(), "given, and not kept".to_owned()));
    let share = job.work.share.map(|share| ("share", format!("{share} %")));
    let force = job.work.force.then(|| ("force", "true".to_owned()));
    found
        .into_iter()
        .chain(hidden)
        .chain(share)
        .chain(force)
        .collect()
}

fn cells(job: &Job) -> Vec<Cell> {
    let state = match (job.work.dry_run, job.state) {
        (true, _) => Cell::new("DryRun", Paint::Dim),
        (false, JobState::Running) => Cell::new("Running", Paint::Warning),
        (false, JobState::Completed) => Cell::new("Completed", Paint::Good),
        (false, JobState::Cancelled) => Cell::new("Cancelled", Paint::Dim),
    };
    let action = match (job.work.action, job.work.to.as_deref()) {
        (Action::Move | Action::Copy, Some(to)) => format!("{:?} to {to}", job.work.action),
        (action, _) => format!("{action:?}"),
    };
    vec![
        job.id.as_str().into(),
        action.into(),
        word(job.work.set).into(),
        state,
        job.done.to_string().into(),
        job.kept.to_string().into(),
        age(job.created_at).into(),
        job.message.as_deref().unwrap_or_default().into(),
        job.by.as_str().into(),
    ]
}

impl Row for Job {
    const COLUMNS: &'static [&'static str] = &[
        "ID", "ACTION", "SET", "STATE", "DONE", "LEFT", "AGE", "MESSAGE", "BY",
    ];
    const NARROW: usize = 8;

    fn lines(&self) -> Vec<Vec<Cell>> {
        vec![cells(self)]
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}
