//! `diff`: how a changed LeadWebhook would change the leads that are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use leadgate_crds::api::{Changed, Diff, DiffPage, Set};
use serde_json::Value;

use super::try_::read;
use crate::args::Global;
use crate::filter::sets;
use crate::output::{Cell, Output, Paint, note, progress};
use crate::receiver::{Call, Receiver, encode};
use crate::{Usage, Verdict};

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// File with the LeadWebhook as you would apply it; - for standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// Set of leads to compare.
    #[arg(long, value_parser = sets(), default_value = "delivered")]
    set: Set,
    /// Show each lead with its values, which are personal data, instead of counts.
    #[arg(long)]
    values: bool,
}

pub(crate) async fn run(global: &Global, output: Output, command: &DiffArgs) -> anyhow::Result<Verdict> {
    let file = command.filename.display();
    let text = String::from_utf8_lossy(&read(&command.filename)?).into_owned();
    let manifest: Value = serde_saphyr::from_str(&text)
        .map_err(|_| Usage(format!("{file}: it must be one LeadWebhook in YAML or JSON")))?;
    let member = |path: &str| manifest.pointer(path).and_then(Value::as_str);
    if member("/kind") != Some("LeadWebhook") {
        return Err(Usage(format!("{file}: kind must be LeadWebhook")).into());
    }
    let Some(name) = member("/metadata/name") else {
        return Err(Usage(format!("{file}: metadata.name is missing")).into());
    };
    let name = member("/metadata/namespace")
        .map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
    let (mut receiver, namespace, name) = Receiver::open_for(global, &name).await?;
    let path = format!("/api/v1/webhooks/{}/{}/diff", encode(&namespace), encode(&name));
    let mut diff = Diff {
        manifest,
        set: command.set,
        after: None,
    };
    let (mut compared, mut changed) = (0, Vec::new());
    loop {
        let page: DiffPage = receiver.call(Call::post(&path).json(&diff)?).await?;
        compared += page.compared;
        changed.extend(page.items.into_iter().map(|lead| {
            if command.values {
                lead
            } else {
                without_values(lead)
            }
        }));
        progress(&format!("{compared} leads compared"));
        diff.after = page.next;
        if diff.after.is_none() {
            break;
        }
    }
    progress("");
    let lines = if command.values {
        each(&changed)
    } else {
        counts(&changed)
    };
    let whole = serde_json::json!({"compared": compared, "items": changed});
    let ids: Vec<&str> = changed.iter().map(|lead| lead.id.as_str()).collect();
    if !changed.is_empty() || !output.is_for_people() {
        output.one(&whole, &ids.join("\n"), || output.columns(&lines))?;
    }
    note(&format!(
        "{compared} leads compared, {} would change.",
        changed.len()
    ));
    Ok(Verdict::Fine)
}

/// The names of fields say nothing of a person.
fn without_values(mut lead: Changed) -> Changed {
    for field in &mut lead.fields {
        (field.from, field.to) = (Value::Null, Value::Null);
    }
    lead
}

/// How many leads would change in each field, and how many would be refused.
fn counts(changed: &[Changed]) -> Vec<Vec<Cell>> {
    let mut fields: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for lead in changed {
        for field in &lead.fields {
            *fields.entry(("changed", &field.field)).or_default() += 1;
        }
        if let Some(reason) = &lead.refused {
            *fields.entry(("refused", reason)).or_default() += 1;
        }
    }
    let head = ["WHAT", "FIELD OR REASON", "LEADS"].map(Cell::from).to_vec();
    let line = |((what, field), count): ((&str, &str), usize)| {
        let paint = if what == "refused" {
            Paint::Bad
        } else {
            Paint::None
        };
        vec![Cell::new(what, paint), field.into(), count.to_string().into()]
    };
    std::iter::once(head)
        .chain(fields.into_iter().map(line))
        .collect()
}

/// Each lead with its values.
fn each(changed: &[Changed]) -> Vec<Vec<Cell>> {
    let mut lines = vec![["ID", "FIELD", "FROM", "TO"].map(Cell::from).to_vec()];
    for lead in changed {
        if let Some(reason) = &lead.refused {
            lines.push(vec![
                lead.id.as_str().into(),
                "".into(),
                "".into(),
                Cell::new(reason, Paint::Bad),
            ]);
        }
        for field in &lead.fields {
            let [from, to] = [&field.from, &field.to].map(|value| Cell::from(value.to_string()));
            lines.push(vec![
                lead.id.as_str().into(),
                field.field.as_str().into(),
                from,
                to,
            ]);
        }
    }
    lines
}
