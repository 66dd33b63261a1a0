//! The ledger: each request that passed its proof has one entry, written with what it tells of.

use std::time::Duration;

use leadgate_receiver::queue::*;

use crate::rig::*;

/// The id of a trace.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOW: Before = Before::Time(u64::MAX >> 20);

fn of(email: &str) -> NewLead {
    NewLead {
        people: vec![Identity::email(email)],
        ..fresh(email)
    }
}

async fn entries(rig: &Rig, filter: &EntryFilter) -> Vec<Entry> {
    let (mut found, mut before) = (Vec::new(), NOW);
    loop {
        let page = rig.queue.entries(&form(), &before, filter, 1000).await.unwrap();
        found.extend(page.items);
        match page.next {
            Some(place) => before = Before::Place(place),
            None => return found,
        }
    }
}

async fn entry(rig: &Rig, id: &LeadId) -> Entry {
    rig.queue.entry(&form(), id).await.unwrap().unwrap()
}

fn noted(id: &LeadId, outcome: EntryOutcome) -> NewEntry {
    NewEntry {
        id: id.clone(),
        webhook: form(),
        outcome,
        reason: "NotALead".into(),
        people: Vec::new(),
    }
}

fn invalid() -> NewRejected {
    NewRejected {
        id: LeadId::generate(),
        webhook: form(),
        why: why("InvalidLead"),
        people: Vec::new(),
        body: bytes::Bytes::from_static(b"no lead"),
        room: 1 << 20,
    }
}

/// Ids of one millisecond have no order.
async fn a_moment() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

pub async fn every_request_has_its_entry(rig: Rig) {
    let accepted = NewLead {
        sinks: vec![crm(), other_crm()].into(),
        ..lead("ann", "one")
    };
    rig.accept(accepted.clone()).await;
    a_moment().await;
    let again = lead("ann", "one");
    rig.accept(again.clone()).await;
    a_moment().await;
    let nowhere = NewLead {
        sinks: Vec::new().into(),
        ..fresh("bob")
    };
    rig.accept(nowhere.clone()).await;
    a_moment().await;
    let refused = invalid();
    rig.queue.reject(refused.clone(), LONG).await.unwrap();
    a_moment().await;
    let test = LeadId::generate();
    // A repeated call enters nothing twice.
    for _ in 0..2 {
        let entry = noted(&test, EntryOutcome::Ignored);
        rig.queue.note(vec![entry]).await.unwrap();
    }

    let found = entries(&rig, &EntryFilter::default()).await;
    let told: Vec<(&LeadId, EntryOutcome, &str)> = found
        .iter()
        .map(|entry| (&entry.id, entry.outcome, entry.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (&test, EntryOutcome::Ignored, "NotALead"),
            (&refused.id, EntryOutcome::Rejected, "InvalidLead"),
            (&nowhere.id, EntryOutcome::Unrouted, ""),
            (&again.id, EntryOutcome::Duplicate, accepted.id.as_str()),
            (&accepted.id, EntryOutcome::Accepted, ""),
        ],
        "newest first"
    );
    assert_eq!(found[4].sinks, [crm(), other_crm()]);
    assert_eq!(rig.queue.ledger_webhooks().await.unwrap(), [form()]);
}

pub async fn an_accept_that_is_repeated_has_one_entry(rig: Rig) {
    let leads = vec![of("ann@example.com"), of("bob@example.com")];
    for _ in 0..3 {
        rig.queue.accept(leads.clone()).await.unwrap();
    }
    assert_eq!(entries(&rig, &EntryFilter::default()).await.len(), 2);
}

pub async fn an_entry_tells_what_happened_in_order(rig: Rig) {
    let lead = of("ann@example.com");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    let mut failed = Settlement::of(&claim, retry(Duration::ZERO));
    failed.attempt.took = Duration::from_millis(1234);
    failed.attempt.status = Some(503);
    TRACE.clone_into(&mut failed.attempt.trace);
    rig.queue.settle(&crm(), vec![failed]).await.unwrap();
    let claim = rig.claim_soon().await;
    // No attempt was made: nothing to tell.
    let released = Disposition::Release {
        after: Duration::ZERO,
        why: None,
    };
    rig.settle(&claim, released).await;
    let claim = rig.claim_soon().await;
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    let how = Requeue {
        by: "eve@ops",
        ..Requeue::default()
    };
    let to = [crm()];
    let replayed = rig
        .queue
        .requeue(DeadLetterSet::Dead, Some(&crm()), &lead.id, &to, how)
        .await;
    assert!(replayed.unwrap().is_done());
    let claim = rig.claim_soon().await;
    let delivered = Disposition::Delivered {
        record: Some("crm-7".into()),
        remember: None,
        keep: Duration::ZERO,
    };
    rig.settle(&claim, delivered.clone()).await;
    // A settlement that comes too late changes nothing.
    assert_eq!(rig.settle(&claim, delivered).await, Settled::Stale);

    let told: Vec<_> = entry(&rig, &lead.id)
        .await
        .events
        .into_iter()
        .map(|e| {
            (
                e.what,
                e.attempt,
                e.took.as_millis(),
                e.status,
                e.record,
                e.reason,
                (e.by, e.trace),
            )
        })
        .collect();
    let text = String::from;
    assert_eq!(
        told,
        [
            (
                LedgerEventKind::Retried,
                1,
                1234,
                Some(503),
                text(""),
                text("Unavailable"),
                (text(""), text(TRACE))
            ),
            (
                LedgerEventKind::Dead,
                2,
                0,
                None,
                text(""),
                text("Refused"),
                (text(""), text(""))
            ),
            (
                LedgerEventKind::Replayed,
                0,
                0,
                None,
                text(""),
                text(""),
                (text("eve@ops"), text(""))
            ),
            (
                LedgerEventKind::Delivered,
                1,
                0,
                None,
                text("crm-7"),
                text(""),
                (text(""), text(""))
            ),
        ]
    );
}

pub async fn what_leaves_the_queue_by_hand_is_entered(rig: Rig) {
    let leads = [
        of("ann@example.com"),
        of("bob@example.com"),
        of("cid@example.com"),
    ];
    for lead in &leads {
        rig.accept(lead.clone()).await;
    }
    let gone = rig
        .queue
        .discard(DeadLetterSet::Pending, Some(&crm()), &leads[0].id, "eve")
        .await;
    assert!(gone.unwrap());
    let gone = rig
        .queue
        .remove(
            DeadLetterSet::Pending,
            Some(&crm()),
            &leads[1].id,
            Removal::Erased,
            "eve",
        )
        .await;
    assert!(gone.unwrap());
    let how = Requeue {
        by: "eve",
        ..Requeue::default()
    };
    let to = [other_crm()];
    let moved = rig
        .queue
        .requeue(DeadLetterSet::Pending, Some(&crm()), &leads[2].id, &to, how)
        .await;
    assert!(moved.unwrap().is_done());
    let kinds = [
        LedgerEventKind::Discarded,
        LedgerEventKind::Erased,
        LedgerEventKind::Moved,
    ];
    for (lead, kind) in leads.iter().zip(kinds) {
        let events = entry(&rig, &lead.id).await.events;
        let told: Vec<_> = events.iter().map(|e| (e.what, e.by.as_str())).collect();
        assert_eq!(told, [(kind, "eve")]);
    }
    assert_eq!(entry(&rig, &leads[2].id).await.events[0].sink, Some(other_crm()));
}

pub async fn entries_are_found_by_what_is_known_of_them(rig: Rig) {
    let (ann, bob) = (of("ann@example.com"), of("bob@example.com"));
    rig.queue.accept(vec![ann.clone(), bob.clone()]).await.unwrap();
    let claim = rig
        .claim(10)
        .await
        .into_iter()
        .find(|claim| claim.id == ann.id)
        .unwrap();
    let delivered = Disposition::Delivered {
        record: Some("crm-4711".into()),
        remember: None,
        keep: Duration::ZERO,
    };
    rig.settle(&claim, delivered).await;
    let ignored = LeadId::generate();
    rig.queue
        .note(vec![noted(&ignored, EntryOutcome::Ignored)])
        .await
        .unwrap();

    let person = |email| EntryFilter {
        people: vec![vec![Identity::email(email)]],
        ..EntryFilter::default()
    };
    let word = |word: &str| EntryFilter {
        words: vec![word.into()],
        ..EntryFilter::default()
    };
    let outcome = EntryFilter {
        outcome: Some(EntryOutcome::Ignored),
        ..EntryFilter::default()
    };
    let later = EntryFilter {
        since: u64::MAX >> 20,
        ..EntryFilter::default()
    };
    for (filter, expected) in [
        (person("ann@example.com"), vec![&ann.id]),
        (person("eve@example.com"), vec![]),
        (word("crm-4711"), vec![&ann.id]),
        (word("NotALead"), vec![&ignored]),
        (word("shop/crm"), vec![&bob.id, &ann.id]),
        (outcome, vec![&ignored]),
        (later, vec![]),
    ] {
        let found = entries(&rig, &filter).await;
        let mut found: Vec<&LeadId> = found.iter().map(|entry| &entry.id).collect();
        let mut expected = expected;
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{filter:?}");
    }
}

pub async fn pages_of_entries_are_stable(rig: Rig) {
    let leads: Vec<NewLead> = (0..25).map(|n| of(&format!("person{n}@example.com"))).collect();
    rig.queue.accept(leads.clone()).await.unwrap();
    let (mut seen, mut before) = (Vec::new(), NOW);
    loop {
        let page = rig
            .queue
            .entries(&form(), &before, &EntryFilter::default(), 7)
            .await
            .unwrap();
        assert!(page.items.len() <= 7);
        seen.extend(page.items.into_iter().map(|entry| entry.id));
        // What comes meanwhile is newer, and disturbs nothing.
        rig.accept(of("newcomer@example.com")).await;
        match page.next {
            Some(place) => before = Before::Place(place),
            None => break,
        }
    }
    let mut expected: Vec<LeadId> = leads.into_iter().map(|lead| lead.id).collect();
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected);
}

fn bounds(keep: Duration, bytes: u64) -> LedgerBounds {
    LedgerBounds {
        webhooks: [(form(), LedgerBound { keep, bytes })].into(),
    }
}

/// Whatever the retention of the ledger.
async fn prune_all(rig: &Rig) {
    a_moment().await;
    let now = Duration::from_millis(1);
    while rig.queue.prune(&bounds(now, 0)).await.unwrap() {}
}

async fn ids_of_entries(rig: &Rig) -> Vec<LeadId> {
    let entries = entries(rig, &EntryFilter::default()).await;
    let mut ids: Vec<LeadId> = entries.into_iter().map(|entry| entry.id).collect();
    ids.sort();
    ids
}

pub async fn the_entry_of_a_lead_stays_as_long_as_the_lead(rig: Rig) {
    // One for each set, and many between them that were delivered.
    let [dead, held, payload] = ["dead", "held", "payload"].map(|name| of(&format!("{name}@example.com")));
    let with_payload = Disposition::Delivered {
        record: None,
        remember: None,
        keep: LONG,
    };
    for (lead, set) in [
        (&dead, Some(DeadLetterSet::Dead)),
        (&held, Some(DeadLetterSet::Held)),
        (&payload, None),
    ] {
        rig.accept(lead.clone()).await;
        let claim = rig.claim_soon().await;
        match set {
            Some(set) => rig.dead_letter(&claim, set).await,
            None => rig.settle(&claim, with_payload.clone()).await,
        };
    }
    let many = (0..250).map(|n| of(&format!("person{n}@example.com"))).collect();
    rig.queue.accept(many).await.unwrap();
    assert_eq!(rig.deliver_all().await.len(), 250);
    let unrouted = NewLead {
        sinks: Vec::new().into(),
        ..of("unrouted@example.com")
    };
    rig.accept(unrouted.clone()).await;
    let refused = invalid();
    rig.queue.reject(refused.clone(), LONG).await.unwrap();
    let not_kept = LeadId::generate();
    let note = noted(&not_kept, EntryOutcome::Rejected);
    rig.queue.note(vec![note]).await.unwrap();
    let pending = of("pending@example.com");
    rig.accept(pending.clone()).await;

    prune_all(&rig).await;

    let mut kept = vec![
        &dead.id,
        &held.id,
        &payload.id,
        &unrouted.id,
        &refused.id,
        &pending.id,
    ];
    kept.sort();
    assert_eq!(ids_of_entries(&rig).await.iter().collect::<Vec<_>>(), kept);
    let told = entry(&rig, &dead.id).await;
    assert_eq!(told.events.len(), 1, "with all that happened");

    // Whatever ends a lead's stay lets its entry go.
    let (from, to) = (crm(), [other_crm()]);
    let moved = rig.queue.requeue(
        DeadLetterSet::Dead,
        Some(&from),
        &dead.id,
        &to,
        Requeue::default(),
    );
    assert!(moved.await.unwrap().is_done());
    prune_all(&rig).await;
    assert!(
        ids_of_entries(&rig).await.contains(&dead.id),
        "it waits elsewhere"
    );
    let queue = &rig.queue;
    for (set, sink, id) in [
        (DeadLetterSet::Pending, Some(other_crm()), &dead.id),
        (DeadLetterSet::Held, Some(crm()), &held.id),
        (DeadLetterSet::Delivered, Some(crm()), &payload.id),
        (DeadLetterSet::Unrouted, None, &unrouted.id),
        (DeadLetterSet::Rejected, None, &refused.id),
    ] {
        assert!(queue.discard(set, sink.as_ref(), id, "eve").await.unwrap());
    }
    assert_eq!(rig.deliver_all().await.len(), 1);
    prune_all(&rig).await;
    assert_eq!(ids_of_entries(&rig).await, []);
}

pub async fn entries_that_stay_do_not_keep_those_behind_them(rig: Rig) {
    // More that wait than one call looks at, and behind them some that were delivered.
    let waits: Vec<NewLead> = (0..2500)
        .map(|n| NewLead {
            sinks: vec![other_crm()].into(),
            ..of(&format!("waits{n}@example.com"))
        })
        .collect();
    for part in waits.chunks(250) {
        rig.queue.accept(part.to_vec()).await.unwrap();
    }
    a_moment().await;
    for n in 0..20 {
        rig.accept(of(&format!("person{n}@example.com"))).await;
    }
    assert_eq!(rig.deliver_all().await.len(), 20);
    a_moment().await;
    let (mut calls, now) = (0, bounds(Duration::from_millis(1), u64::MAX));
    while rig.queue.prune(&now).await.unwrap() || ids_of_entries(&rig).await.len() > waits.len() {
        calls += 1;
        assert!(calls < 20, "they never go");
    }
    assert_eq!(ids_of_entries(&rig).await.len(), waits.len());
}

pub async fn entries_are_bounded_in_time_and_bytes(rig: Rig) {
    for n in 0..40 {
        rig.accept(of(&format!("person{n}@example.com"))).await;
    }
    assert_eq!(rig.deliver_all().await.len(), 40);
    let all = entries(&rig, &EntryFilter::default()).await;
    while rig.queue.prune(&bounds(LONG, 1000)).await.unwrap() {}
    let left = entries(&rig, &EntryFilter::default()).await;
    assert!(!left.is_empty() && left.len() < 30, "{}", left.len());
    assert_eq!(left, all[..left.len()], "the newest stay");
    let stats = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!(stats.ledger_dropped, (all.len() - left.len()) as u64);
    tokio::time::sleep(Duration::from_millis(5)).await;
    while rig
        .queue
        .prune(&bounds(Duration::from_millis(1), 1 << 20))
        .await
        .unwrap()
    {}
    assert!(entries(&rig, &EntryFilter::default()).await.is_empty());
    let stats = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!(
        stats.ledger_dropped,
        (all.len() - left.len()) as u64,
        "only what found no room is counted"
    );
}

pub async fn delivered_payloads_are_kept_and_replayed(rig: Rig) {
    let lead = of("ann@example.com");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    let kept = Disposition::Delivered {
        record: Some("crm-1".into()),
        remember: None,
        keep: LONG,
    };
    rig.settle(&claim, kept).await;
    let listed = rig.listed(DeadLetterSet::Delivered).await;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0].id, &listed[0].body), (&lead.id, &lead.body));
    let stats = rig.stats().await;
    assert_eq!((stats.pending, stats.dead, stats.delivered), (0, 0, 1));

    // A copy goes to another sink, and stays.
    let copy = Requeue {
        copy: true,
        by: "eve",
        ..Requeue::default()
    };
    let to = [other_crm()];
    let copied = rig
        .queue
        .requeue(DeadLetterSet::Delivered, Some(&crm()), &lead.id, &to, copy)
        .await;
    assert!(copied.unwrap().is_done());
    assert_eq!(rig.listed(DeadLetterSet::Delivered).await.len(), 1);
    let there = rig.queue.claim(&other_crm(), 10, LONG).await.unwrap().claims;
    assert_eq!(there[0].body, lead.body);

    // A replay says what it has become meanwhile.
    let contact = Contact::from("anna");
    let corrected = Requeue {
        instead: Some(Instead {
            contact: &contact,
            webhook: &form(),
            body: b"corrected",
        }),
        by: "eve",
        ..Requeue::default()
    };
    let to = [crm()];
    let replayed = rig
        .queue
        .requeue(DeadLetterSet::Delivered, Some(&crm()), &lead.id, &to, corrected)
        .await;
    assert!(replayed.unwrap().is_done());
    assert!(rig.listed(DeadLetterSet::Delivered).await.is_empty());
    let claim = rig.claim_soon().await;
    assert_eq!((&claim.id, &claim.contact), (&lead.id, &contact));
    assert_eq!(&claim.body[..], b"corrected");
    let stats = rig.stats().await;
    assert_eq!((stats.pending, stats.delivered), (1, 1));
    rig.settle(&claim, DELIVERED).await;
    let stats = rig.stats().await;
    assert_eq!((stats.pending, stats.delivered, stats.discarded), (0, 2, 0));
}

pub async fn a_kept_payload_knows_that_a_newer_lead_was_delivered(rig: Rig) {
    let kept = Disposition::Delivered {
        record: None,
        remember: None,
        keep: LONG,
    };
    let older = of("ann@example.com");
    rig.accept(older.clone()).await;
    rig.settle(&rig.claim_soon().await, kept.clone()).await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    rig.accept(of("ann@example.com")).await;
    rig.settle(&rig.claim_soon().await, kept).await;
    let listed = rig.listed(DeadLetterSet::Delivered).await;
    let overtaken = listed.iter().find(|lead| lead.id == older.id).unwrap();
    assert!(overtaken.overtaken);
    assert!(listed.iter().any(|lead| lead.id != older.id && !lead.overtaken));
    assert_eq!(rig.erase(older.contact.as_str()).await, 2);
    assert!(rig.listed(DeadLetterSet::Delivered).await.is_empty());
    assert_eq!(rig.stats().await.delivered, 2);
}

pub async fn a_lead_that_is_tried_for_days_has_an_entry_that_ends(rig: Rig) {
    let lead = of("ann@example.com");
    rig.accept(lead.clone()).await;
    for _ in 0..120 {
        rig.settle(&rig.claim_soon().await, retry(Duration::ZERO)).await;
    }
    rig.settle(&rig.claim_soon().await, DELIVERED).await;
    let events = entry(&rig, &lead.id).await.events;
    assert!(events.len() < 100, "{}", events.len());
    let last = events.last().unwrap();
    assert_eq!((last.what, last.attempt), (LedgerEventKind::Delivered, 121));
}
