//! A page of a job.

use std::time::Duration;

use leadgate_crds::api::{Action, Job, JobState, Left, NewJob, Set};
use leadgate_crds::words::BEING_DELIVERED;
use tokio_util::sync::CancellationToken;

use super::stored::Kept;
use crate::admin::api::in_set::{self, Order};
use crate::admin::api::leads::{Wanted, want};
use crate::admin::dead_letters::{Realm, kept_because, left_because, replay_one};
use crate::admin::shared::Admin;
use crate::queue::{
    DeadLetter, DeadLetterSet, LedgerEvent, LedgerEventKind, Millis, QueueError, Requeue, Requeued, SinkId,
};

/// Leads of one page, and of a page that is only counted.
const PAGE: usize = 50;
const COUNTED_PAGE: usize = 100;

/// So many leads of jobs may wait in a sink at once: live leads wait behind these at most.
const IN_LINE: u64 = 100;

/// How much of a sink's rate limit a job uses, unless it says otherwise.
const SHARE: u8 = 20;

/// Leads that are listed as left, and as a sample.
const LISTED: usize = 20;
const SAMPLED: usize = 10;

/// By how much the clocks of a receiver and a store may differ, in milliseconds.
const SKEW: Millis = 1000;

/// Counts what fits a job, and names some.
pub(super) async fn count(admin: &Admin, job: &mut Job, wanted: &Wanted) -> Result<(), QueueError> {
    let ids = in_set::find(admin, wanted).await?;
    let realm = Realm::of_admin(admin);
    let mut cursor = None;
    loop {
        let filter = in_set::filter(wanted, cursor, COUNTED_PAGE, Order::Acceptance);
        let page = admin.queue.list(in_set::stored(job.work.set), &filter).await?;
        let meant = |lead: &&DeadLetter| is_meant(lead, &job.work, wanted, ids.as_deref(), &realm);
        let found: Vec<&DeadLetter> = page.items.iter().filter(meant).collect();
        for lead in found {
            job.done += 1;
            if job.sample.len() < SAMPLED {
                job.sample.push(lead.id.to_string());
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// Does a page of a job; how long to wait before the next. `None`: there is no room for it in the line of a sink.
pub(super) async fn page(
    admin: &Admin,
    kept: &mut Kept,
    stop: &CancellationToken,
) -> Result<Option<Duration>, QueueError> {
    let wanted = match want(admin, kept.job.work.filter.clone()).await {
        Ok(wanted) => wanted,
        // The store does not answer.
        Err(refused) if refused.status().is_server_error() => return Ok(None),
        Err(_) => {
            kept.job.state = JobState::Cancelled;
            kept.job.message = Some("the webhook or sink of its filter no longer exists".to_owned());
            return Ok(Some(Duration::ZERO));
        }
    };
    let realm = Realm::of_admin(admin);
    let begun = Millis::try_from(kept.job.created_at.as_millisecond()).unwrap_or_default();
    let filter = in_set::filter(&wanted, kept.cursor.clone(), PAGE, Order::Acceptance);
    let page = admin
        .queue
        .list(in_set::stored(kept.job.work.set), &filter)
        .await?;
    let mut meant = Vec::new();
    for lead in &page.items {
        // What was set aside since then may be what the job itself sent on.
        let is_later = lead.set != DeadLetterSet::Pending && lead.dead_lettered_at > begun + SKEW;
        let fits = is_meant(lead, &kept.job.work, &wanted, kept.ids.as_deref(), &realm);
        if !fits || is_later {
            continue;
        }
        let may_be_own = lead.set != DeadLetterSet::Pending && lead.dead_lettered_at + SKEW >= begun;
        if !may_be_own || !was_sent_on(admin, lead, lead.sink.as_ref(), &by(&kept.job)).await? {
            meant.push(lead);
        }
    }
    let mut pause = Duration::ZERO;
    if kept.job.work.action != Action::Discard {
        for sink in targets(admin, &kept.job, &meant) {
            let pending = waiting(admin, &sink).await?;
            if pending + meant.len() as u64 > IN_LINE {
                kept.job.message = Some(format!(
                    "it waits for room: {pending} leads are pending in {sink}; resume or correct the sink, or cancel the job"
                ));
                return Ok(None);
            }
            pause = pause.max(pace(
                admin,
                &sink,
                meant.len(),
                kept.job.work.share.unwrap_or(SHARE),
            ));
        }
    }
    kept.job.message = None;
    for lead in meant {
        if stop.is_cancelled() {
            // The same page again: what was done has left the set, or is told apart.
            return Ok(Some(Duration::ZERO));
        }
        match act(admin, &kept.job, lead).await? {
            None => {
                kept.job.done += 1;
                kept.did = true;
            }
            Some(reason) => {
                kept.job.kept += 1;
                let id = lead.id.to_string();
                if kept.job.left.len() < LISTED {
                    kept.job.left.push(Left { id, reason });
                }
            }
        }
    }
    kept.cursor = page.next;
    if kept.cursor.is_none() {
        // Lines move while leads wait in them: of these the job has seen all once a pass finds nothing to do.
        if kept.job.work.set == Set::Pending && kept.did {
            (kept.did, kept.job.kept) = (false, 0);
            kept.job.left.clear();
        } else {
            kept.job.state = JobState::Completed;
        }
    }
    Ok(Some(pause))
}

/// What is in the target already is not among what goes there.
fn is_meant(
    lead: &DeadLetter,
    work: &NewJob,
    wanted: &Wanted,
    ids: Option<&[String]>,
    realm: &Realm,
) -> bool {
    in_set::fits(lead, wanted, ids, realm)
        && (work.to.is_none() || lead.sink.as_ref().map(SinkId::as_str) != work.to.as_deref())
}

/// The sinks whose lines a page joins.
fn targets(admin: &Admin, job: &Job, leads: &[&DeadLetter]) -> Vec<SinkId> {
    if let Some(to) = &job.work.to {
        return vec![SinkId::from(to.as_str())];
    }
    let mut sinks: Vec<SinkId> = leads.iter().filter_map(|lead| lead.sink.clone()).collect();
    if leads.iter().any(|lead| lead.sink.is_none()) {
        // Where it goes is found out when it goes there.
        let config = admin.config.borrow();
        let webhooks = leads.iter().filter_map(|lead| config.webhook(&lead.webhook));
        sinks.extend(webhooks.flat_map(|webhook| webhook.sinks.iter().map(|route| route.sink.clone())));
    }
    sinks.sort();
    sinks.dedup();
    sinks
}

async fn waiting(admin: &Admin, sink: &SinkId) -> Result<u64, QueueError> {
    let stats = admin.queue.sink_stats(std::slice::from_ref(sink)).await?;
    Ok(stats.first().map_or(0, |stats| stats.pending))
}

/// How long so many leads take at a share of the sink's rate limit, one request each.
fn pace(admin: &Admin, sink: &SinkId, leads: usize, share: u8) -> Duration {
    let config = admin.config.borrow();
    let limit = config
        .sinks()
        .find(|known| known.id == *sink)
        .map(|known| known.delivery.limit);
    let leads = u32::try_from(leads).unwrap_or(u32::MAX);
    limit.map_or(Duration::ZERO, |limit| limit.time_for(leads, share))
}

/// Does it to one lead; why not, if it was left as it was.
async fn act(admin: &Admin, job: &Job, lead: &DeadLetter) -> Result<Option<String>, QueueError> {
    let by = by(job);
    let to: Option<SinkId> = job.work.to.as_deref().map(SinkId::from);
    let how = Requeue {
        force: job.work.force,
        copy: job.work.action == Action::Copy,
        by: &by,
        ..Requeue::default()
    };
    let done = match (job.work.action, to) {
        (Action::Replay, _) => return Ok(kept_because(&replay_one(admin, lead, how).await?)),
        (Action::Discard, _) => {
            let gone = admin.queue.discard(lead.set, lead.sink.as_ref(), &lead.id, &by);
            return Ok((!gone.await?).then(|| BEING_DELIVERED.to_owned()));
        }
        // A copy leaves the lead where it is: the job may have made it before its receiver died.
        (Action::Copy, Some(to)) if was_sent_on(admin, lead, Some(&to), &by).await? => return Ok(None),
        (Action::Move | Action::Copy, Some(to)) => {
            let to = std::slice::from_ref(&to);
            admin
                .queue
                .requeue(lead.set, lead.sink.as_ref(), &lead.id, to, how)
                .await?
        }
        (Action::Move | Action::Copy, None) => Requeued::Absent,
    };
    Ok(left_because(done).map(str::to_owned))
}

/// As whom a job acts.
fn by(job: &Job) -> String {
    format!("{} (job {})", job.by, job.id)
}

/// Whether a job has put a lead into the line of a sink, as only the ledger tells.
async fn was_sent_on(
    admin: &Admin,
    lead: &DeadLetter,
    to: Option<&SinkId>,
    by: &str,
) -> Result<bool, QueueError> {
    let entry = admin.queue.entry(&lead.webhook, &lead.id).await?;
    let is_own = |event: &LedgerEvent| {
        let joined = [
            LedgerEventKind::Replayed,
            LedgerEventKind::Moved,
            LedgerEventKind::Copied,
        ];
        joined.contains(&event.what) && event.sink.as_ref() == to && event.by == by
    };
    Ok(entry.is_some_and(|entry| entry.events.iter().any(is_own)))
}
