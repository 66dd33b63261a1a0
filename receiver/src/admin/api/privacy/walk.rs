//! The way through everything that is held of a person.

use std::collections::BTreeSet;

use leadgate_crds::api::Set;

use super::Targets;
use super::person::named_by;
use crate::admin::dead_letters::Realm;
use crate::admin::shared::Admin;
use crate::queue::{
    Before, DeadLetter, DeadLetterSet, Entry, EntryFilter, ListFilter, QueueError, WebhookId,
};

/// All sets, in the order in which leads pass through them: what moves on during a walk is met again.
pub(super) const SETS: [(DeadLetterSet, Set); 6] = [
    (DeadLetterSet::Pending, Set::Pending),
    (DeadLetterSet::Held, Set::Held),
    (DeadLetterSet::Dead, Set::Dead),
    (DeadLetterSet::Unrouted, Set::Unrouted),
    (DeadLetterSet::Rejected, Set::Rejected),
    (DeadLetterSet::Delivered, Set::Delivered),
];

/// Leads of a page: each is read with its payload.
const PAGE: usize = 50;

/// Entries of a page.
const ENTRIES: usize = 500;

/// A part of a set.
#[derive(Default)]
pub(super) struct Part {
    /// The person's leads.
    pub(super) found: Vec<DeadLetter>,
    /// Leads that nobody can look at, because their key is missing.
    pub(super) closed: u64,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<String>,
}

/// Looks at a page of a set. `entered`: leads whose entries name the person, as those of thin leads do that were fetched.
pub(super) async fn part(
    admin: &Admin,
    targets: &Targets,
    entered: &BTreeSet<String>,
    set: DeadLetterSet,
    after: Option<String>,
) -> Result<Part, QueueError> {
    let filter = ListFilter {
        bodies: true,
        after,
        limit: PAGE,
        ..ListFilter::default()
    };
    let page = admin.queue.list(set, &filter).await?;
    let realm = Realm::of_admin(admin);
    let config = admin.config.borrow().clone();
    let mut part = Part {
        next: page.next,
        ..Part::default()
    };
    for lead in page.items {
        if !realm.has(lead.webhook.as_str()) {
            continue;
        }
        let webhook = config.webhook(&lead.webhook);
        let region = webhook.and_then(|webhook| webhook.region());
        // Its entry or its contact tells, even if nothing else can be read.
        if entered.contains(lead.id.as_str()) || is_about(admin, targets, &lead, region) {
            part.found.push(lead);
        } else if lead.key_missing {
            part.closed += 1;
        }
    }
    Ok(part)
}

fn is_about(admin: &Admin, targets: &Targets, lead: &DeadLetter, region: Option<&str>) -> bool {
    let contact = lead.contact.as_ref();
    contact.is_some_and(|contact| targets.contacts.contains(contact.as_str()))
        || named_by(lead, region).iter().any(|person| {
            let hash = admin.queue.hash_of(person);
            hash.is_some_and(|hash| targets.hashes.contains(&hash))
        })
}

/// The webhooks whose entries this receiver may touch.
pub(super) async fn webhooks(admin: &Admin) -> Result<Vec<WebhookId>, QueueError> {
    let realm = Realm::of_admin(admin);
    let mut webhooks = admin.queue.ledger_webhooks().await?;
    webhooks.retain(|webhook| realm.has(webhook.as_str()));
    Ok(webhooks)
}

/// The ids of a person's entries, of all webhooks.
pub(super) async fn entered(admin: &Admin, targets: &Targets) -> Result<BTreeSet<String>, QueueError> {
    let mut found = BTreeSet::new();
    for webhook in webhooks(admin).await? {
        let entries = entries(admin, targets, &webhook).await?;
        found.extend(entries.iter().map(|entry| entry.id.to_string()));
    }
    Ok(found)
}

/// A webhook's entries of a person.
pub(super) async fn entries(
    admin: &Admin,
    targets: &Targets,
    webhook: &WebhookId,
) -> Result<Vec<Entry>, QueueError> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for hash in &targets.hashes {
        let filter = EntryFilter {
            words: vec![hash.clone()],
            ..EntryFilter::default()
        };
        let mut before = Before::Time(crate::admin::api::leads::FOREVER);
        loop {
            let page = admin.queue.entries(webhook, &before, &filter, ENTRIES).await?;
            for entry in page.items {
                if entry.people.contains(hash) && seen.insert(entry.id.to_string()) {
                    found.push(entry);
                }
            }
            match page.next {
                Some(place) => before = Before::Place(place),
                None => break,
            }
        }
    }
    Ok(found)
}
