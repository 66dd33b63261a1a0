//! `trace`: what happened to a lead, or to all leads of a person, in order.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use leadgate_crds::api::{Event, EventKind, Lead, LeadFilter, LeadSearch, Page, State, Story};

use crate::Verdict;
use crate::args::Global;
use crate::output::{Cell, Output, Paint, note};
use crate::receiver::{Call, Receiver, encode};
use crate::text::plain;

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// E-mail address, phone number with its country code, or id of a lead.
    #[arg(value_name = "EMAIL|PHONE|ID", value_parser = NonEmptyStringValueParser::new())]
    what: String,
}

pub(crate) async fn run(global: &Global, output: Output, command: &Trace) -> anyhow::Result<Verdict> {
    let mut receiver = Receiver::open(global).await?;
    let ids = match person(&command.what) {
        None => vec![command.what.clone()],
        Some(filter) => leads_of(&mut receiver, filter).await?,
    };
    let mut stories: Vec<Story> = Vec::new();
    for id in ids {
        stories.push(
            receiver
                .call(Call::get(format!("/api/v1/leads/{}", encode(&id))))
                .await?,
        );
    }
    stories.sort_by_key(|story| story.lead.received_at);
    if stories.is_empty() {
        note("No leads of this person found.");
    }
    let items = serde_json::json!({"items": stories});
    let names: Vec<&str> = stories.iter().map(|story| story.lead.id.as_str()).collect();
    if !stories.is_empty() || !output.is_for_people() {
        output.one(&items, &names.join("\n"), || text(output, &stories))?;
    }
    Ok(Verdict::Fine)
}

async fn leads_of(receiver: &mut Receiver, filter: LeadFilter) -> anyhow::Result<Vec<String>> {
    let mut search = LeadSearch {
        filter,
        limit: Some(500),
        ..LeadSearch::default()
    };
    let mut ids = Vec::new();
    loop {
        let page: Page<Lead> = receiver
            .call(Call::post("/api/v1/leads/search").json(&search)?)
            .await?;
        ids.extend(page.items.into_iter().map(|lead| lead.id));
        match page.next {
            Some(next) => search.after = Some(next),
            None => return Ok(ids),
        }
    }
}

/// Pure: whose leads are meant, if not one lead by its id.
fn person(what: &str) -> Option<LeadFilter> {
    let mut filter = LeadFilter::default();
    let digits = what.chars().filter(char::is_ascii_digit).count();
    let is_number = what.chars().all(|c| c.is_ascii_digit() || " +-./()".contains(c));
    if what.contains('@') {
        filter.email = Some(what.to_owned());
    } else if is_number && digits >= 6 {
        filter.phone = Some(what.to_owned());
    } else {
        return None;
    }
    Some(filter)
}

/// The stories for people: leads one after the other, their events in order.
pub(crate) fn text(output: Output, stories: &[Story]) -> String {
    let mut text = String::new();
    for story in stories {
        let lead = &story.lead;
        let head = format!("{}  {}  {:?}", lead.id, lead.webhook, lead.outcome);
        let reason = lead
            .reason
            .as_deref()
            .map(|reason| format!("  {reason}"))
            .unwrap_or_default();
        let trace = lead
            .trace_id
            .as_deref()
            .map(|id| format!("  trace {id}"))
            .unwrap_or_default();
        text.push_str(&plain(&format!("{head}{reason}{trace}\n")));
        let mut events: Vec<&Event> = story.events.iter().collect();
        events.sort_by_key(|event| event.at);
        let lines: Vec<Vec<Cell>> = events.into_iter().map(line).collect();
        text.push_str(&output.columns(&lines));
    }
    text
}

fn line(event: &Event) -> Vec<Cell> {
    let mut more: Vec<String> = Vec::new();
    let mut add = |text: Option<String>| more.extend(text);
    add(event.attempt.map(|attempt| format!("attempt {attempt}")));
    add(event.status.map(|status| format!("status {status}")));
    add(event.took_ms.map(|ms| format!("{ms} ms")));
    add(event.reason.clone());
    add(event.record.as_ref().map(|record| format!("record {record}")));
    add(event.by.as_ref().map(|by| format!("by {by}")));
    let paint = match event.event {
        EventKind::Delivered => Paint::Good,
        EventKind::Retried | EventKind::Held => Paint::Warning,
        EventKind::Dead => Paint::Bad,
        _ => Paint::None,
    };
    vec![
        Cell::new(
            &format!("  {}", event.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")),
            Paint::Dim,
        ),
        Cell::new(&format!("{:?}", event.event), paint),
        event.sink.as_deref().unwrap_or_default().into(),
        more.join(", ").into(),
    ]
}

/// The colour of a state.
pub(crate) fn paint(state: State) -> Paint {
    match state {
        State::Delivered => Paint::Good,
        State::Held => Paint::Warning,
        State::Dead => Paint::Bad,
        State::Discarded | State::Moved | State::Erased => Paint::Dim,
        State::Pending => Paint::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_from_leads() {
        let kind = |what| match person(what) {
            None => "id",
            Some(filter) if filter.email.is_some() => "email",
            Some(_) => "phone",
        };
        #[rustfmt::skip]
        let table = [
            ("ada@example.com", "email"), ("+49 30 123456", "phone"), ("0049-30-123456", "phone"), ("(650) 253-0000", "phone"),
            ("01KAZ3V9Q8W1XH6Y3QF3N4T5RS", "id"), ("12", "id"), ("a1b2c3d4", "id"),
        ];
        for (what, expected) in table {
            assert_eq!(kind(what), expected, "{what}");
        }
    }
}
