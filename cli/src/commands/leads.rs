//! `leads`: what became of them, and what is to become of them.

use anyhow::bail;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use leadgate_crds::api::{Action, Lead, LeadSearch, NewJob, Page, Set, Story};
use serde_json::Value;

use super::{jobs, trace};
use crate::args::Global;
use crate::filter::{FilterArgs, sets, word};
use crate::output::{Cell, Output, Paint, Row, confirm, note};
use crate::receiver::{Call, Receiver, encode};
use crate::text::{age, plain, yaml};
use crate::{Usage, Verdict};

#[derive(Debug, Subcommand)]
pub(crate) enum Leads {
    /// List leads without personal data: those received last first, of a set those that came into it last first (pending: by when
    /// they are due).
    List(List),
    /// Show what happened to a lead.
    Show(Show),
    /// Deliver leads again. Rejected and unrouted leads are mapped again, as the webhook is now.
    Replay(Replay),
    /// Remove leads for good.
    Discard(Which),
    /// Deliver leads to another sink.
    Move(Move),
    /// Decide which CRM record a held lead belongs to.
    Resolve(Resolve),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    filter: FilterArgs,
    /// Number of leads at most; 0 for all.
    #[arg(long, default_value_t = 500, value_name = "NUMBER")]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Id of the lead.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// Also show what is kept of it: personal data, and the CRM's response.
    #[arg(long)]
    payload: bool,
}

/// One lead, or all that fit.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Id of the lead. Without it, all leads that fit the options below; --set is dead if it is not set.
    #[arg(value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["email", "phone", "webhook", "reason", "submission", "record", "since", "until"])]
    id: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Percentage of the sink's rate limit to use at most. Default: 20.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    share: Option<u8>,
    /// Show which leads are meant and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    which: Which,
    /// Also replay leads that a newer lead of the same person has overtaken; they overwrite its values.
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Move {
    #[command(flatten)]
    which: Which,
    /// CrmSink that the leads go to: NAME, or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    to: String,
    /// Deliver them to their own sink as well (only with options that select leads).
    #[arg(long, conflicts_with = "id")]
    copy: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// Id of the lead.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// Id of the CRM record to update.
    #[arg(long, value_name = "ID", conflicts_with = "create")]
    record: Option<String>,
    /// No record is the lead's: create a new one.
    #[arg(long)]
    create: bool,
    /// CrmSink, if several hold the lead.
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
    /// Set of leads, if the lead is in several.
    #[arg(long, value_parser = sets())]
    set: Option<Set>,
}

pub(crate) async fn run(global: &Global, output: Output, command: Leads) -> anyhow::Result<Verdict> {
    let mut receiver = Receiver::open(global).await?;
    let receiver = &mut receiver;
    match command {
        Leads::List(list) => print_list(receiver, output, &list).await,
        Leads::Show(show) => print_one(receiver, output, &show).await,
        Leads::Replay(replay) => {
            let force = replay.force;
            act(receiver, output, Action::Replay, replay.which, None, force).await
        }
        Leads::Discard(which) => act(receiver, output, Action::Discard, which, None, false).await,
        Leads::Move(to) => {
            let action = if to.copy { Action::Copy } else { Action::Move };
            act(receiver, output, action, to.which, Some(to.to), false).await
        }
        Leads::Resolve(decision) => resolve(receiver, output, &decision).await,
    }
}

async fn print_list(receiver: &mut Receiver, output: Output, list: &List) -> anyhow::Result<Verdict> {
    let mut printer = output.list::<Lead>();
    let mut search = LeadSearch {
        set: list.filter.set,
        filter: list.filter.filter(),
        ..LeadSearch::default()
    };
    loop {
        let room = match list.limit {
            0 => 500,
            limit => limit.saturating_sub(printer.printed()),
        };
        search.limit = u16::try_from(room.min(500)).ok();
        let page: Page<Lead> = receiver
            .call(Call::post("/api/v1/leads/search").json(&search)?)
            .await?;
        printer.page(&page.items)?;
        search.after = page.next;
        if search.after.is_none() {
            break;
        }
        if list.limit != 0 && printer.printed() >= list.limit {
            note(&format!(
                "There are more leads than {}: --limit 0 shows all.",
                list.limit
            ));
            break;
        }
    }
    printer.end("No leads found.")?;
    Ok(Verdict::Fine)
}

async fn print_one(receiver: &mut Receiver, output: Output, show: &Show) -> anyhow::Result<Verdict> {
    let path = format!("/api/v1/leads/{}", encode(&show.id));
    let story: Story = receiver.call(Call::get(&path)).await?;
    if !show.payload {
        output.one(&story, &story.lead.id, || {
            trace::text(output, std::slice::from_ref(&story))
        })?;
        return Ok(Verdict::Fine);
    }
    let kept: Value = receiver.call(Call::get(format!("{path}/payload"))).await?;
    let text = yaml(&kept)?;
    let mut both = serde_json::to_value(&story)?;
    if let Value::Object(members) = &mut both {
        members.insert("kept".to_owned(), kept);
    }
    let people = || format!("{}\n{text}", trace::text(output, std::slice::from_ref(&story)));
    output.one(&both, &story.lead.id, people)?;
    Ok(Verdict::Fine)
}

/// Does something with one lead at once, or with many as a job.
async fn act(
    receiver: &mut Receiver,
    output: Output,
    action: Action,
    which: Which,
    to: Option<String>,
    force: bool,
) -> anyhow::Result<Verdict> {
    let Some(id) = which.id else {
        if which.filter.is_empty() {
            let why = "name a lead by its id, or select leads, for example with --set dead or --webhook NAME";
            return Err(Usage(why.to_owned()).into());
        }
        let job = NewJob {
            action,
            set: which.filter.set.unwrap_or(Set::Dead),
            filter: which.filter.filter(),
            to,
            share: which.share,
            force,
            dry_run: which.dry_run,
        };
        return jobs::start(receiver, output, job, which.yes).await;
    };
    let path = format!("/api/v1/leads/{}", encode(&id));
    let verb = match action {
        Action::Replay => "replay",
        Action::Discard => "discard",
        Action::Move | Action::Copy => "move",
    };
    if which.dry_run {
        let story: Story = receiver.call(Call::get(path)).await?;
        note(&format!(
            "Nothing was done. Without --dry-run, this {verb}s the lead:"
        ));
        output.all(&[story.lead], "")?;
        return Ok(Verdict::Fine);
    }
    let call = match action {
        Action::Discard => {
            if !confirm(&format!("Discard lead {id} for good?"), which.yes)? {
                return Ok(Verdict::Wrong);
            }
            Call::delete(path)
        }
        _ => Call::post(format!("{path}/{verb}")),
    };
    let call = call
        .query("to", to.as_deref())
        .query("set", which.filter.set.map(word))
        .query("sink", which.filter.sink.as_deref())
        .query("force", force.then_some("true"));
    let answer: Value = receiver.call(call).await?;
    tell(output, &id, verb, &answer)
}

/// Tells what the receiver answered. What it left as it was is something wrong.
fn tell(output: Output, id: &str, verb: &str, answer: &Value) -> anyhow::Result<Verdict> {
    let items = answer.get("items").and_then(Value::as_array);
    let left: Vec<&Value> = items
        .into_iter()
        .flatten()
        .filter(|item| item.get("replayed") == Some(&Value::Bool(false)))
        .collect();
    output.one(answer, id, || {
        let done = if left.is_empty() { "done" } else { "not done" };
        let mut text = format!("lead {}: {verb} {done}\n", plain(id));
        for item in &left {
            let reason = item.get("reason").and_then(Value::as_str).unwrap_or_default();
            text.push_str(&format!("  {}\n", plain(reason)));
        }
        text
    })?;
    Ok(if left.is_empty() {
        Verdict::Fine
    } else {
        Verdict::Wrong
    })
}

async fn resolve(receiver: &mut Receiver, output: Output, decision: &Resolve) -> anyhow::Result<Verdict> {
    let path = format!("/api/v1/leads/{}", encode(&decision.id));
    let set = decision.set.unwrap_or(Set::Held);
    if decision.record.is_none() && !decision.create {
        let kept: Value = receiver.call(Call::get(format!("{path}/payload"))).await?;
        let items = kept.get("items").and_then(Value::as_array).into_iter().flatten();
        let sets: Vec<&str> = items
            .clone()
            .filter_map(|item| item.get("set")?.as_str())
            .collect();
        if !sets.contains(&word(set)) {
            bail!(
                "lead {} is not {}, so no record is to be chosen: it is {}",
                decision.id,
                word(set),
                sets.join(", ")
            );
        }
        let candidates = items
            .filter_map(|item| item.get("candidates")?.as_array())
            .flatten();
        let candidates: Vec<&str> = candidates.filter_map(Value::as_str).collect();
        let found = if candidates.is_empty() {
            "none were found".to_owned()
        } else {
            candidates.join(", ")
        };
        let why = format!(
            "choose the CRM record with --record ID, or --create for a new one; records that it may be: {found}"
        );
        return Err(Usage(why).into());
    }
    let call = Call::post(format!("{path}/replay"))
        .query("record", decision.record.as_deref())
        .query("create", decision.create.then_some("true"))
        .query("sink", decision.sink.as_deref())
        .query("set", Some(word(set)));
    let answer: Value = receiver.call(call).await?;
    tell(output, &decision.id, "resolve", &answer)
}

impl Row for Lead {
    const COLUMNS: &'static [&'static str] = &[
        "ID", "WEBHOOK", "AGE", "OUTCOME", "SINK", "STATE", "REASON", "ATTEMPTS", "RECORD",
    ];
    const NARROW: usize = 7;

    fn lines(&self) -> Vec<Vec<Cell>> {
        let head = |sink: &str, state: Cell, reason: Option<&str>| -> Vec<Cell> {
            let outcome = format!("{:?}", self.outcome);
            let start = [
                self.id.as_str(),
                &self.webhook,
                &age(self.received_at),
                &outcome,
                sink,
            ];
            let mut line: Vec<Cell> = start.into_iter().map(Into::into).collect();
            line.extend([state, reason.unwrap_or_default().into()]);
            line
        };
        if self.sinks.is_empty() {
            return vec![head("", Cell::default(), self.reason.as_deref())];
        }
        let line = |delivery: &leadgate_crds::api::Delivery| {
            let state = Cell::new(&format!("{:?}", delivery.state), trace::paint(delivery.state));
            let mut line = head(&delivery.sink, state, delivery.reason.as_deref());
            line.push(delivery.attempts.to_string().into());
            line.push(Cell::new(
                delivery.record.as_deref().unwrap_or_default(),
                Paint::Dim,
            ));
            line
        };
        self.sinks.iter().map(line).collect()
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}
