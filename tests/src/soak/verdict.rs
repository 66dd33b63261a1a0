//! The reckoning: what was acknowledged against what the CRM has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

use super::{
    Kills, Plan,
    sender::{Sent, number_text, submission},
    stories,
};
use crate::{
    hubspot::{FaultPlan, HubSpot, Verb, Write},
    receiver::Receiver,
};

/// What a run that kept all promises did.
#[derive(Debug, Clone)]
pub struct Report {
    /// Leads that got their 200.
    pub acknowledged: u64,
    /// Resends and racing copies on top.
    pub copies: u64,
    /// Requests that senders had to repeat.
    pub retries: u64,
    /// What was killed.
    pub kills: Kills,
    /// Writes the CRM took.
    pub writes: usize,
    /// Writes that only repeated the one before (answer lost, or killed before the queue knew).
    pub repeats: usize,
    /// Answers the CRM withheld after a write.
    pub lost_answers: u64,
    /// The longest that a lead waited for its 200.
    pub longest_wait: Duration,
    /// From the end of the load until the CRM had everything.
    pub drain: Duration,
    /// All in all.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} leads acknowledged, {} copies, {} requests repeated; killed: receiver {} times, Redis {} times; CRM: {} \
             writes, {} of them repeats, {} answers lost; longest wait for a 200 {:.1?}, drained {:.1?} after the load, \
             {:.0?} in all",
            self.acknowledged,
            self.copies,
            self.retries,
            self.kills.receiver,
            self.kills.redis,
            self.writes,
            self.repeats,
            self.lost_answers,
            self.longest_wait,
            self.drain,
            self.took
        )
    }
}

/// Waits until the CRM has every acknowledged lead; hung if nothing is written for the plan's patience.
pub(super) async fn drain(plan: &Plan, hubspot: &HubSpot, sent: &[Sent]) -> Result<Duration> {
    // A good day from here on: the end of the run shows that it drains, not that it can bear more.
    hubspot.set_faults(FaultPlan::default());
    let began = Instant::now();
    let (mut writes, mut moved) = (hubspot.write_count(), Instant::now());
    loop {
        let late = late(hubspot, sent);
        if late.is_empty() {
            return Ok(began.elapsed());
        }
        let now = hubspot.write_count();
        if now != writes {
            (writes, moved) = (now, Instant::now());
        }
        if moved.elapsed() > plan.patience || began.elapsed() > plan.patience * 5 {
            bail!(
                "hung: {} contacts lack their last lead {:.0?} after the load ended, no write for {:.0?}: {}",
                late.len(),
                began.elapsed(),
                moved.elapsed(),
                late.join(", ")
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Contacts whose record does not show their last lead.
fn late(hubspot: &HubSpot, sent: &[Sent]) -> Vec<String> {
    sent.iter()
        .filter(|sender| sender.acknowledged > 0)
        .filter_map(|sender| {
            let last = number_text(sender.acknowledged);
            let has = hubspot
                .contact(&sender.email)
                .map(|contact| contact.get("firstname").to_owned());
            (has.as_deref() != Some(&last)).then(|| {
                format!(
                    "{} has {} of {last}",
                    sender.email,
                    has.as_deref().unwrap_or("nothing")
                )
            })
        })
        .collect()
}

/// Every promise, checked; all that is broken is told at once.
pub(super) async fn reckon(
    plan: &Plan,
    hubspot: &HubSpot,
    receiver: &Receiver,
    sent: &[Sent],
    kills: Kills,
    took: Duration,
    drain: Duration,
) -> Result<Report> {
    // Whatever is still on its way would be a lead delivered again.
    let settled = settle(hubspot, receiver).await;
    let mut broken: Vec<String> = settled
        .err()
        .map(|error| format!("{error:#}"))
        .into_iter()
        .collect();

    let mut by_email: BTreeMap<String, Vec<Write>> = BTreeMap::new();
    for write in hubspot.writes() {
        by_email.entry(write.email.clone()).or_default().push(write);
    }
    let mut repeats = 0;
    for (contact, sender) in sent.iter().enumerate() {
        let history = by_email.remove(&sender.email).unwrap_or_default();
        // The tasks ended in any order: the contact is in the address.
        let contact = contact_of(&sender.email).unwrap_or(contact);
        repeats += judge(contact, sender, &history, &mut broken);
    }
    broken.extend(by_email.keys().map(|email| format!("nobody sent {email}")));
    match stories::read(receiver).await {
        Ok(stories) => broken.extend(stories::judge(sent, &stories)),
        Err(error) => broken.push(format!("the ledger cannot be read: {error:#}")),
    }
    let records = hubspot.records_per_email();
    broken.extend(
        records
            .iter()
            .filter(|(_, count)| **count != 1)
            .map(|(email, count)| format!("{email} has {count} records")),
    );
    let contacts = hubspot.contacts().len();
    if contacts != records.len() {
        broken.push(format!("{contacts} records, but {} e-mails", records.len()));
    }

    let stats = hubspot.stats();
    // A repeat needs a reason: a lost answer, or a kill while the lead was with the CRM (a failed settlement hands it
    // out once more, hence twice). Each concerns at most one lead of each contact: calls are batches.
    let reasons = (stats.lost_answers + u64::from(kills.receiver + kills.redis) * 2) * plan.contacts as u64;
    if u64::try_from(repeats).unwrap_or(u64::MAX) > reasons {
        broken.push(format!(
            "{repeats} repeated writes, but at most {reasons} reasons for one"
        ));
    }
    if !broken.is_empty() {
        let more = broken.len().saturating_sub(20);
        broken.truncate(20);
        bail!("broken promises:\n  {}\n  and {more} more", broken.join("\n  "));
    }
    ensure!(
        plan.rounds == 0 || kills != Kills::default(),
        "nothing was killed"
    );
    Ok(Report {
        acknowledged: sent.iter().map(|sender| sender.acknowledged).sum(),
        copies: sent.iter().map(|sender| sender.copies).sum(),
        retries: sent.iter().map(|sender| sender.retries).sum(),
        kills,
        writes: stats.writes,
        repeats,
        lost_answers: stats.lost_answers,
        longest_wait: sent.iter().map(|sender| sender.longest).max().unwrap_or_default(),
        drain,
        took,
    })
}

fn contact_of(email: &str) -> Option<usize> {
    email.strip_prefix("person")?.split('@').next()?.parse().ok()
}

/// One contact's history against what its sender was told. Returns how many writes were repeats.
fn judge(contact: usize, sender: &Sent, history: &[Write], broken: &mut Vec<String>) -> usize {
    let email = &sender.email;
    let creates = history.iter().filter(|write| write.verb == Verb::Create).count();
    if creates > 1 {
        broken.push(format!("{email} was created {creates} times"));
    }
    let number = |write: &Write| write.properties.get("firstname").cloned().unwrap_or_default();
    // Only a new record is given its address; one that is found by it has it.
    let others = |write: &Write| {
        let mut properties = write.properties.clone();
        properties.remove("email");
        properties
    };
    let mut repeats = 0;
    for pair in history.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        if number(after) < number(before) {
            let (before, after) = (number(before), number(after));
            broken.push(format!(
                "{email}: {after} was written after {before} (write {})",
                pair[1].seq
            ));
        } else if number(after) == number(before) {
            repeats += 1;
            if others(after) != others(before) {
                broken.push(format!("{email}: a repeated write of {} differs", number(after)));
            }
        }
    }
    let written: BTreeSet<&str> = history
        .iter()
        .filter_map(|write| write.properties.get("lastname").map(String::as_str))
        .collect();
    let missing: Vec<String> = (1..=sender.acknowledged)
        .map(|number| submission(contact, number))
        .filter(|id| !written.contains(id.as_str()))
        .collect();
    if let Some(first) = missing.first() {
        broken.push(format!(
            "{email}: {} acknowledged leads are missing, the first is {first}",
            missing.len()
        ));
    }
    let last = history.last().map(number).unwrap_or_default();
    if sender.acknowledged > 0 && last != number_text(sender.acknowledged) {
        broken.push(format!(
            "{email}: the last write is {last}, not {}",
            number_text(sender.acknowledged)
        ));
    }
    repeats
}

/// Waits until the receiver itself says that nothing is pending; then nothing may be held or dead either.
async fn settle(hubspot: &HubSpot, receiver: &Receiver) -> Result<()> {
    let began = Instant::now();
    loop {
        let status = receiver.status().await?;
        let count = |name: &str| total(&status["sinks"], name);
        if count("pending") == 0 {
            let (held, dead) = (count("held"), count("dead"));
            ensure!(
                held + dead == 0,
                "{held} leads are held and {dead} dead: {status}"
            );
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(90) {
            let writes = hubspot.write_count();
            bail!("the CRM has everything ({writes} writes), but the receiver still says pending: {status}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The sum of a figure, wherever it stands below.
fn total(status: &serde_json::Value, name: &str) -> u64 {
    match status {
        serde_json::Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                if key == name {
                    value.as_u64().unwrap_or(0)
                } else {
                    total(value, name)
                }
            })
            .sum(),
        serde_json::Value::Array(items) => items.iter().map(|item| total(item, name)).sum(),
        _ => 0,
    }
}

/// What a person needs to find the cause.
pub(super) async fn diagnosis(hubspot: &HubSpot, receiver: &Receiver) -> String {
    let status = match receiver.admin("/status").await {
        Ok((code, text)) => format!("{code} {text}"),
        Err(error) => format!("none: {error:#}"),
    };
    format!(
        "receiver's /status: {status}\nCRM: {:?}\nreceiver's last log lines:\n{}",
        hubspot.stats(),
        receiver.log_tail(40)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history of these numbers, the first of which creates.
    fn history(numbers: &[u64]) -> Vec<Write> {
        let write = |(index, number): (usize, &u64)| Write {
            seq: index as u64 + 1,
            id: 1,
            verb: if index == 0 { Verb::Create } else { Verb::Update },
            at: 0,
            email: "person3@example.com".into(),
            properties: [
                ("firstname", number_text(*number)),
                ("lastname", submission(3, *number)),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        };
        numbers.iter().enumerate().map(write).collect()
    }

    /// What is wrong with a history of 1, 2, 3.
    fn verdict(history: &[Write]) -> (usize, String) {
        let sender = Sent {
            email: "person3@example.com".into(),
            acknowledged: 3,
            ..Sent::default()
        };
        let mut broken = Vec::new();
        let repeats = judge(3, &sender, history, &mut broken);
        (repeats, broken.join("\n"))
    }

    #[test]
    fn loss_disorder_and_doubles_are_seen_and_repeats_are_none_of_them() {
        assert_eq!(verdict(&history(&[1, 2, 3])), (0, String::new()));
        assert_eq!(verdict(&history(&[1, 1, 2, 3, 3])), (2, String::new()));
        for (numbers, complaint) in [
            (
                &[1, 3][..],
                "1 acknowledged leads are missing, the first is submission-3-2",
            ),
            (&[1, 2], "the last write is n000002, not n000003"),
            (&[], "3 acknowledged leads are missing"),
            (&[1, 3, 2, 3], "n000002 was written after n000003"),
            (&[1, 2, 3, 1], "n000001 was written after n000003"),
        ] {
            let (_, broken) = verdict(&history(numbers));
            assert!(broken.contains(complaint), "{numbers:?}: {broken}");
        }
        let mut twice = history(&[1, 2, 3]);
        twice[2].verb = Verb::Create;
        assert!(verdict(&twice).1.contains("created 2 times"));
        let mut differs = history(&[1, 2, 2, 3]);
        differs[2].properties.insert("city".into(), "Rome".into());
        assert!(verdict(&differs).1.contains("differs"));
    }
}
