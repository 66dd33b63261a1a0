//! `erase` and `export`: what is held about a person.

use std::time::Duration;

use clap::Args;
use leadgate_crds::api::{
    CrmRecord, Erasure, ErasureState, Export, LeftBecause, NewErasure, Page, Person, RecordErasure, Story,
    Suppressions,
};
use serde_json::json;

use crate::args::Global;
use crate::filter::word;
use crate::output::{Output, confirm, note, progress};
use crate::receiver::{Call, Receiver, encode};
use crate::text::plain;
use crate::{Usage, Verdict};

/// How often an erasure is looked at until it ends.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// E-mail address of the person.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Phone number of the person, with its country code.
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
}

impl Whom {
    fn person(&self) -> anyhow::Result<Person> {
        if self.email.is_none() && self.phone.is_none() {
            return Err(Usage("name the person with --email, --phone or both".to_owned()).into());
        }
        Ok(Person {
            email: self.email.clone(),
            phone: self.phone.clone(),
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    whom: Whom,
    /// Show what would be erased, and erase nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
    /// Refuse later leads of the person, too: they are answered with 200, counted and not stored.
    #[arg(long, conflicts_with = "dry_run")]
    suppress: bool,
    /// Erase nothing, and take leads of the person again.
    #[arg(long, conflicts_with_all = ["suppress", "dry_run", "yes"])]
    lift: bool,
    /// List the erasures of the past, newest first; they do not say whose they were.
    #[arg(long, conflicts_with_all = ["email", "phone", "suppress", "lift", "dry_run", "yes"])]
    list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    whom: Whom,
}

/// Erases, and waits until nothing is left.
pub(crate) async fn erase(global: &Global, output: Output, command: &Erase) -> anyhow::Result<Verdict> {
    if command.list {
        let page: Page<Erasure> = Receiver::open(global)
            .await?
            .call(Call::get("/api/v1/privacy/erasures"))
            .await?;
        let names: Vec<&str> = page.items.iter().map(|erasure| erasure.id.as_str()).collect();
        let people = || page.items.iter().map(told).collect::<Vec<_>>().join("\n");
        output.one(&page, &names.join("\n"), people)?;
        return Ok(Verdict::Fine);
    }
    let person = command.whom.person()?;
    let mut receiver = Receiver::open(global).await?;
    if command.lift {
        return lift(receiver, output, &person).await;
    }
    if command.dry_run || !command.yes {
        let held: Export = receiver
            .call(Call::post("/api/v1/privacy/exports").json(&person)?)
            .await?;
        held.missing.iter().for_each(|missing| note(missing));
        let counts = format!(
            "{} leads and {} entries of the ledger",
            held.leads.len(),
            held.entries.len()
        );
        if command.dry_run {
            note(&format!(
                "Nothing was erased. Without --dry-run, this erases {counts}."
            ));
            if !output.is_for_people() {
                let ids: Vec<&str> = held.leads.iter().map(|lead| lead.id.as_str()).collect();
                let found = json!({"leads": ids, "entries": held.entries.len(), "missing": held.missing});
                output.one(&found, &ids.join("\n"), String::new)?;
            }
            return Ok(if held.missing.is_empty() {
                Verdict::Fine
            } else {
                Verdict::Wrong
            });
        }
        let delivered = |story: &Story| story.lead.sinks.iter().any(|sink| sink.record.is_some());
        if held.entries.iter().any(delivered) {
            note(
                "Leads of this person were delivered. Sinks with privacy.crm: Delete delete their records in the CRM as well, for \
                 good and with everything that sales added; the others are listed.",
            );
        }
        let also = if command.suppress {
            ", and refuse all later leads of the person"
        } else {
            ""
        };
        if !confirm(&format!("Erase {counts} for good{also}?"), false)? {
            return Ok(Verdict::Wrong);
        }
    }
    let asked = NewErasure {
        person,
        suppress: command.suppress,
    };
    let mut erasure: Erasure = receiver
        .call(Call::post("/api/v1/privacy/erasures").json(&asked)?)
        .await?;
    let path = format!("/api/v1/privacy/erasures/{}", encode(&erasure.id));
    while erasure.state == ErasureState::Running {
        tokio::time::sleep(INTERVAL).await;
        erasure = receiver.call(Call::get(path.clone())).await?;
        let erased: u64 = erasure.leads.iter().map(|count| count.leads).sum();
        let waiting = erasure
            .records
            .iter()
            .filter(|record| record.erasure == RecordErasure::Pending);
        progress(&match waiting.count() {
            0 => format!("{erased} leads erased"),
            records => format!("{erased} leads erased; {records} CRM records are still to be deleted"),
        });
    }
    progress("");
    output.one(&erasure, &erasure.id, || told(&erasure))?;
    Ok(if erasure.state == ErasureState::Completed {
        Verdict::Fine
    } else {
        Verdict::Wrong
    })
}

/// Takes leads of a person again.
async fn lift(mut receiver: Receiver, output: Output, person: &Person) -> anyhow::Result<Verdict> {
    let told: Suppressions = receiver
        .call(Call::post("/api/v1/privacy/suppressions/lift").json(person)?)
        .await?;
    output.one(&told, &told.lifted.to_string(), || match told.lifted {
        0 => "No lead of this person is refused.".to_owned(),
        lifted => format!("Leads of this person are taken again ({lifted} addresses and numbers)."),
    })?;
    Ok(if told.lifted == 0 {
        Verdict::Wrong
    } else {
        Verdict::Fine
    })
}

/// Prints everything that is held.
pub(crate) async fn export(global: &Global, output: Output, command: &ExportArgs) -> anyhow::Result<Verdict> {
    let person = command.whom.person()?;
    let export: Export = Receiver::open(global)
        .await?
        .call(Call::post("/api/v1/privacy/exports").json(&person)?)
        .await?;
    export.missing.iter().for_each(|missing| note(missing));
    let names: Vec<&str> = export.leads.iter().map(|lead| lead.id.as_str()).collect();
    output.one(&export, &names.join("\n"), || held(&export))?;
    Ok(if export.missing.is_empty() {
        Verdict::Fine
    } else {
        Verdict::Wrong
    })
}

/// An erasure for people.
fn told(erasure: &Erasure) -> String {
    let mut lines = vec![format!(
        "erasure {} of {} by {}: {:?}",
        erasure.id, erasure.created_at, erasure.by, erasure.state
    )];
    for count in &erasure.leads {
        lines.push(format!("  {} {} leads erased", count.leads, word(count.set)));
    }
    lines.push(format!("  {} entries of the ledger cleared", erasure.entries));
    if erasure.suppressed {
        lines.push("  later leads are refused".to_owned());
    }
    for record in &erasure.records {
        lines.push(format!(
            "  delivered to {} as record {}: {}",
            record.sink,
            record.record,
            became(record)
        ));
    }
    lines.extend(
        erasure
            .missing
            .iter()
            .map(|missing| format!("  missing: {missing}")),
    );
    lines.extend(
        erasure
            .remains
            .iter()
            .map(|remains| format!("  may remain in {remains}")),
    );
    plain(&lines.join("\n"))
}

/// What became of a record, and what is to be done about it. What may be another person's is not to be erased unseen.
fn became(record: &CrmRecord) -> String {
    let reason = record.reason.as_deref().unwrap_or("no reason");
    let left = match (record.erasure, record.left()) {
        (RecordErasure::Deleted, _) => return "deleted there".to_owned(),
        (RecordErasure::Pending, _) => return format!("not deleted there yet ({reason})"),
        (RecordErasure::Failed, _) => return format!("not deleted there ({reason}): delete it, by this id"),
        (RecordErasure::Skipped, Some(LeftBecause::NotAskedFor)) => {
            "its sink does not say privacy.crm: Delete; erase it there, too"
        }
        (RecordErasure::Skipped, Some(LeftBecause::FoundByNumber)) => {
            "it may be another person's, who has the same phone number; look whose it is before you erase it there"
        }
        (RecordErasure::Skipped, Some(LeftBecause::OnlyMentioned)) => {
            "it is another person's, whose lead only mentions this one; do not erase it, remove there what it says of this person"
        }
        (RecordErasure::Skipped, Some(LeftBecause::UnknownSink)) => {
            "the receiver does not run this sink any more; erase it there, too"
        }
        (RecordErasure::Skipped, Some(LeftBecause::IdTooLong)) => {
            "this is only the beginning of its id; find it there, and erase it"
        }
        (RecordErasure::Skipped, None) => "look whose it is before you erase it there",
    };
    format!("left as it is ({reason}): {left}")
}

/// An export for people.
fn held(export: &Export) -> String {
    let mut lines = vec![format!("Exported at {}.", export.exported_at)];
    for story in &export.entries {
        let lead = &story.lead;
        lines.push(format!(
            "{} received by {}: {:?} (lead {})",
            lead.received_at, lead.webhook, lead.outcome, lead.id
        ));
        for event in &story.events {
            let sink = event.sink.as_deref().unwrap_or_default();
            let record = event.record.as_deref().unwrap_or_default();
            lines.push(
                format!("  {} {:?} {sink} {record}", event.at, event.event)
                    .trim_end()
                    .to_owned(),
            );
        }
    }
    for lead in &export.leads {
        let until = lead
            .kept_until
            .map_or_else(|| "until it is delivered".to_owned(), |at| format!("until {at}"));
        lines.push(format!("{} held as {} {until}:", lead.id, word(lead.set)));
        lines.push(format!("  {}", lead.data));
    }
    plain(&lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_to_erase_what_may_be_another_persons() {
        let told = |erasure, reason: Option<&str>| {
            let reason = reason.map(str::to_owned);
            let (sink, record) = ("default/crm".to_owned(), "1001".to_owned());
            became(&CrmRecord {
                sink,
                record,
                erasure,
                reason,
            })
        };
        for (reason, what) in [
            (Some("NotAskedFor"), "privacy.crm: Delete; erase it there, too"),
            (Some("UnknownSink"), "erase it there, too"),
            (Some("IdTooLong"), "find it there"),
            (Some("OnlyMentioned"), "do not erase it"),
            (Some("FoundByNumber"), "look whose it is"),
            (Some("OfALaterVersion"), "look whose it is"),
            (None, "look whose it is"),
        ] {
            let text = told(RecordErasure::Skipped, reason);
            assert!(
                text.contains(what) && text.contains(reason.unwrap_or("no reason")),
                "{text}"
            );
        }
        assert!(told(RecordErasure::Failed, Some("Forbidden")).contains("(Forbidden): delete it"));
        assert_eq!(told(RecordErasure::Deleted, None), "deleted there");
    }
}
