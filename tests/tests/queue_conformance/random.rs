//! Random sequences of operations: the queue must do what the model does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use leadgate_receiver::queue::*;
use leadgate_tests::redis_server::RedisServer;
use proptest::prelude::*;

use crate::model::Model;
use crate::operations::{Operation, new_lead, sequences, sink, webhook};
use crate::rig::*;

/// How many sequences are tried on each queue.
const CASES: u32 = 64;
const LIMIT: RateLimit = RateLimit {
    requests: 12,
    per: LONG,
};
const BREAKER: Breaker = Breaker {
    failures: 2,
    cooldown: LONG,
};

/// The queue, the model, and what was done so far.
struct Comparison {
    rig: Rig,
    queue: Arc<dyn Queue>,
    model: Model,
    offered: Vec<Vec<NewLead>>,
    claims: Vec<(SinkId, Claim)>,
}

impl Comparison {
    fn new(rig: Rig) -> Self {
        let queue = rig.queue.clone();
        Self {
            rig,
            queue,
            model: Model::default(),
            offered: Vec::new(),
            claims: Vec::new(),
        }
    }

    async fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Accept(leads) => {
                let group: Vec<_> = leads.iter().map(|&lead| new_lead(lead)).collect();
                self.accept(group.clone()).await;
                self.offered.push(group);
            }
            Operation::AcceptAgain(which) => {
                if !self.offered.is_empty() {
                    self.accept(which.get(&self.offered).clone()).await;
                }
            }
            Operation::Claim {
                sink: number,
                max,
                comes_back,
            } => {
                self.claim(&sink(*number), *max, *comes_back).await;
            }
            Operation::Settle { which, how } => self.settle(which, *how).await,
            Operation::Renew { which, comes_back } => self.renew(which, *comes_back).await,
            Operation::Replay { which, other_set } => self.replay(which, *other_set).await,
            Operation::Discard { which } => self.discard(which).await,
            Operation::DiscardWaiting { which } => {
                if let Some((sink, contact, id)) = self.some_waiting(which) {
                    let expected = self.model.discard_waiting(&sink, &contact, &id);
                    let done = self
                        .queue
                        .discard(DeadLetterSet::Pending, Some(&sink), &id, "ops")
                        .await;
                    assert_eq!(done.unwrap(), expected);
                }
            }
            Operation::Expedite { which } => {
                if let Some((sink, contact, id)) = self.some_waiting(which) {
                    let expected = self.model.expedite(&sink, &contact);
                    assert_eq!(self.queue.expedite(&sink, &id).await.unwrap(), expected);
                }
            }
            Operation::Move { which } => self.move_waiting(which).await,
            Operation::Route { which } => {
                if !self.model.unrouted.is_empty() {
                    let at = which.index(self.model.unrouted.len());
                    let id = self.model.unrouted[at].1.id.clone();
                    let expected = self.model.route(at, &crm());
                    let how = Requeue::default();
                    let done = self
                        .queue
                        .requeue(DeadLetterSet::Unrouted, None, &id, &[crm()], how)
                        .await;
                    assert_eq!(done.unwrap(), expected);
                }
            }
            Operation::Permits { sink: number, want } => self.permits(&sink(*number), *want).await,
            Operation::Report { sink: number, up } => {
                let health = if *up { CrmHealth::Up } else { CrmHealth::Down };
                self.queue
                    .report(&sink(*number).into(), health, BREAKER)
                    .await
                    .unwrap();
                self.model.report(&sink(*number), health, BREAKER);
            }
            Operation::Pause(number) => {
                self.queue
                    .pause(&sink(*number).into(), LONG, &PauseReason::circuit_open())
                    .await
                    .unwrap();
                self.model.pause(&sink(*number));
            }
            Operation::Resume(number) => {
                self.queue.resume(&sink(*number).into()).await.unwrap();
                self.model.resume(&sink(*number));
            }
            Operation::Prune => assert!(
                !self.queue.prune(&LedgerBounds::default()).await.unwrap(),
                "nothing is old"
            ),
            Operation::Crash => {
                self.rig.crash().await;
                self.queue = self.rig.queue.clone();
            }
        }
    }

    fn some_waiting(&self, which: &prop::sample::Index) -> Option<(SinkId, Contact, LeadId)> {
        let waiting = self.model.waiting();
        (!waiting.is_empty()).then(|| which.get(&waiting).clone())
    }

    async fn move_waiting(&mut self, which: &prop::sample::Index) {
        let Some((sink, contact, id)) = self.some_waiting(which) else {
            return;
        };
        let to = if sink == crm() { other_crm() } else { crm() };
        let expected = self.model.move_waiting(&sink, &contact, &id, &to);
        let how = Requeue::default();
        let done = self
            .queue
            .requeue(DeadLetterSet::Pending, Some(&sink), &id, &[to], how)
            .await;
        assert_eq!(done.unwrap(), expected);
    }

    async fn accept(&mut self, group: Vec<NewLead>) {
        // What is accepted later has a later time.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let expected = self.model.accept(&group);
        assert_eq!(self.queue.accept(group).await.unwrap(), expected);
    }

    async fn claim(&mut self, sink: &SinkId, max: usize, comes_back: bool) {
        let lease = if comes_back { Duration::ZERO } else { LONG };
        let due = self.model.due(sink);
        let answer = self.queue.claim(sink, max, lease).await.unwrap();
        assert_eq!(answer.claims.len(), due.min(max));
        for claim in &answer.claims {
            self.model.claimed(sink, claim, comes_back);
            self.claims.push((sink.clone(), claim.clone()));
        }
        if max > 0 && self.model.due(sink) > 0 {
            assert_eq!(answer.next_due, Some(Duration::ZERO));
        }
    }

    async fn settle(&mut self, which: &prop::sample::Index, how: u8) {
        if self.claims.is_empty() {
            return;
        }
        // Mostly the latest: older ones are stale by now.
        let at = self.claims.len() - 1 - which.index(self.claims.len().min(4));
        let (sink, claim) = self.claims[at].clone();
        let dead_letter = |set| Disposition::DeadLetter {
            set,
            why: why("Refused"),
            keep: LONG,
        };
        let outcome = match how {
            0 => DELIVERED,
            1 => Disposition::delivered(Some((format!("crm-{}", claim.token), LONG))),
            2 => Disposition::Retry {
                after: Duration::ZERO,
                in_doubt: true,
                why: not_yet(),
            },
            3 => Disposition::Retry {
                after: Duration::ZERO,
                in_doubt: false,
                why: not_yet(),
            },
            4 => Disposition::Retry {
                after: LONG,
                in_doubt: false,
                why: not_yet(),
            },
            5 => Disposition::Release {
                after: Duration::ZERO,
                why: None,
            },
            6 => dead_letter(DeadLetterSet::Held),
            _ => dead_letter(DeadLetterSet::Dead),
        };
        let settlement = Settlement::of(&claim, outcome);
        let expected = self.model.settle(&sink, &settlement);
        assert_eq!(
            self.queue.settle(&sink, vec![settlement]).await.unwrap(),
            [expected]
        );
    }

    async fn renew(&mut self, which: &prop::sample::Index, comes_back: bool) {
        if self.claims.is_empty() {
            return;
        }
        let (sink, Claim { contact, token, .. }) = which.get(&self.claims).clone();
        let lease = if comes_back { Duration::ZERO } else { LONG };
        let expected = self.model.renew(&sink, &contact, token, comes_back);
        assert_eq!(
            self.queue.renew(&sink, &[(contact, token)], lease).await.unwrap(),
            [expected]
        );
    }

    async fn replay(&mut self, which: &prop::sample::Index, other_set: bool) {
        let Some((mut set, sink, id)) = self.some_dead_letter(which) else {
            return;
        };
        if other_set {
            set = if set == DeadLetterSet::Held {
                DeadLetterSet::Dead
            } else {
                DeadLetterSet::Held
            };
        }
        let expected = self.model.replay(set, &sink, &id);
        assert_eq!(self.rig.replay(set, &sink, &id, None).await, expected);
    }

    async fn discard(&mut self, which: &prop::sample::Index) {
        let Some((set, sink, id)) = self.some_dead_letter(which) else {
            return;
        };
        let expected = self.model.discard(set, &sink, &id);
        assert_eq!(
            self.queue.discard(set, Some(&sink), &id, "ops").await.unwrap(),
            expected
        );
    }

    fn some_dead_letter(&self, which: &prop::sample::Index) -> Option<(DeadLetterSet, SinkId, LeadId)> {
        if self.model.dead_letters.is_empty() {
            return None;
        }
        let dead_letter = which.get(&self.model.dead_letters);
        Some((
            dead_letter.set,
            dead_letter.sink.clone(),
            dead_letter.id().clone(),
        ))
    }

    async fn permits(&mut self, sink: &SinkId, want: u32) {
        let (granted, failures, stopped) = self.model.permits(sink, want, LIMIT);
        let grant = self
            .queue
            .permits(&sink.clone().into(), want, Some(LIMIT), BREAKER)
            .await
            .unwrap();
        assert_eq!(
            (grant.granted, grant.failures, grant.paused.is_some()),
            (granted, failures, stopped)
        );
        assert_eq!(grant.wait > Duration::ZERO, granted < want);
    }

    async fn rig_listed(&self, set: DeadLetterSet) -> Vec<LeadId> {
        let filter = ListFilter {
            limit: 1000,
            ..ListFilter::default()
        };
        let page = self.queue.list(set, &filter).await.unwrap();
        page.items.into_iter().map(|item| item.id).collect()
    }

    /// What the ledger tells comes to where the leads are: no effect without its entry, no entry without its effect.
    async fn compare_ledger(&self) {
        let (mut pending, mut set_aside, mut delivered) = (Vec::new(), Vec::new(), 0);
        let mut unrouted = Vec::new();
        for number in 0..2 {
            let (filter, all) = (EntryFilter::default(), Before::Time(u64::MAX >> 20));
            let page = self.queue.entries(&webhook(number), &all, &filter, 1000).await;
            let entries = page.unwrap().items;
            let taken = [EntryOutcome::Accepted, EntryOutcome::Unrouted];
            let accepted = entries
                .iter()
                .filter(|entry| taken.contains(&entry.outcome))
                .count() as u64;
            assert_eq!(accepted, self.model.webhook(&webhook(number)).accepted);
            for entry in entries {
                let mut places: BTreeMap<SinkId, LedgerEventKind> = entry
                    .sinks
                    .iter()
                    .map(|sink| (sink.clone(), LedgerEventKind::Replayed))
                    .collect();
                let mut waits = entry.outcome == EntryOutcome::Unrouted;
                for event in entry.events {
                    waits &= event.sink.is_none() && event.what == LedgerEventKind::Retried;
                    delivered += u64::from(event.what == LedgerEventKind::Delivered);
                    if event.what == LedgerEventKind::Moved {
                        places.remove(&SinkId::from(event.reason.as_str()));
                    }
                    places.extend(event.sink.map(|sink| (sink, event.what)));
                }
                if waits {
                    unrouted.push(entry.id.clone());
                }
                for (sink, last) in places {
                    match last {
                        LedgerEventKind::Held | LedgerEventKind::Dead => {
                            set_aside.push((sink, entry.id.clone()));
                        }
                        LedgerEventKind::Delivered | LedgerEventKind::Discarded | LedgerEventKind::Erased => {
                        }
                        _ => pending.push((sink, entry.id.clone())),
                    }
                }
            }
        }
        let waiting = self.model.waiting();
        let mut expected: Vec<_> = waiting.into_iter().map(|(sink, _, id)| (sink, id)).collect();
        expected.sort();
        pending.sort();
        assert_eq!(pending, expected, "pending");
        let dead = &self.model.dead_letters;
        let mut expected: Vec<_> = dead
            .iter()
            .map(|dead| (dead.sink.clone(), dead.id().clone()))
            .collect();
        expected.sort();
        set_aside.sort();
        assert_eq!(set_aside, expected, "set aside");
        let mut expected: Vec<_> = self
            .model
            .unrouted
            .iter()
            .map(|(_, lead)| lead.id.clone())
            .collect();
        expected.sort();
        unrouted.sort();
        assert_eq!(unrouted, expected, "unrouted");
        let stats = self.queue.sink_stats(&[crm(), other_crm()]).await.unwrap();
        assert_eq!(delivered, stats.iter().map(|sink| sink.delivered).sum::<u64>());
    }

    /// Everything that can be read agrees.
    async fn compare(&self) {
        self.compare_ledger().await;
        for sink in [crm(), other_crm()] {
            let stats = self
                .queue
                .sink_stats(std::slice::from_ref(&sink))
                .await
                .unwrap()
                .remove(0);
            let timeless = |(webhook, share): (WebhookId, SinkShare)| {
                assert_eq!(share.last_delivered_at.is_some(), share.delivered > 0);
                (
                    webhook,
                    SinkShare {
                        last_delivered_at: None,
                        ..share
                    },
                )
            };
            let shares: Vec<_> = stats.by_webhook.into_iter().map(timeless).collect();
            assert_eq!(shares, self.model.shares(&sink));
            assert_eq!(stats.oldest_accepted_at.is_some(), stats.pending > 0);
        }
        for number in 0..2 {
            let stats = self
                .queue
                .webhook_stats(&[webhook(number)])
                .await
                .unwrap()
                .remove(0);
            assert_eq!(stats.last_accepted_at.is_some(), stats.accepted > 0);
            assert_eq!(
                WebhookStats {
                    last_accepted_at: None,
                    ..stats
                },
                self.model.webhook(&webhook(number))
            );
        }
        let mut pending = self.rig_listed(DeadLetterSet::Pending).await;
        pending.sort();
        let mut expected: Vec<_> = self.model.waiting().into_iter().map(|(_, _, id)| id).collect();
        expected.sort();
        assert_eq!(pending, expected);
        let mut unrouted: Vec<_> = self.rig_listed(DeadLetterSet::Unrouted).await;
        unrouted.sort();
        let mut expected: Vec<_> = self
            .model
            .unrouted
            .iter()
            .map(|(_, lead)| lead.id.clone())
            .collect();
        expected.sort();
        assert_eq!(unrouted, expected);
        let mut dead_letter = Vec::new();
        for set in [DeadLetterSet::Held, DeadLetterSet::Dead] {
            let mut filter = ListFilter {
                limit: 3,
                ..ListFilter::default()
            };
            loop {
                let page = self.queue.list(set, &filter).await.unwrap();
                dead_letter.extend(page.items.into_iter().map(|item| {
                    let (sink, contact) = (item.sink.unwrap(), item.contact.unwrap());
                    (
                        set.as_str().to_owned(),
                        sink,
                        item.id,
                        contact,
                        item.webhook,
                        item.attempts,
                    )
                }));
                filter.after = page.next;
                if filter.after.is_none() {
                    break;
                }
            }
        }
        dead_letter.sort();
        assert_eq!(dead_letter, self.model.dead_letters());
    }
}

async fn agree(rig: Rig, operations: &[Operation]) -> Rig {
    let mut comparison = Comparison::new(rig);
    for (n, operation) in operations.iter().enumerate() {
        comparison.apply(operation).await;
        if n % 10 == 0 {
            comparison.compare().await;
        }
    }
    comparison.compare().await;
    comparison.queue.close().await;
    comparison.rig
}

fn config() -> ProptestConfig {
    // Each failing sequence is printed in full: no file of them is kept.
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    }
}

#[test]
fn sqlite_does_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    proptest!(config(), |(operations in sequences())| {
        runtime.block_on(async { agree(Rig::sqlite().await, &operations).await });
    });
}

#[test]
fn redis_does_what_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // One server for all, each sequence under a prefix of its own.
    let server = std::cell::RefCell::new(Some(RedisServer::start().unwrap()));
    proptest!(config(), |(operations in sequences())| {
        runtime.block_on(async {
            let used = server.borrow_mut().take().unwrap_or_else(|| RedisServer::start().unwrap());
            let mut rig = agree(Rig::redis_apart(used).await, &operations).await;
            *server.borrow_mut() = rig.redis.take();
        });
    });
}
