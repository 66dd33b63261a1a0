//! What waits for a person, and who asks to be forgotten.

use std::time::Duration;

use bytes::Bytes;
use leadgate_receiver::queue::*;

use crate::rig::*;

/// Accepts a lead and settles it as a dead letter.
pub async fn dead_letter(rig: &Rig, person: &str, set: DeadLetterSet) -> NewLead {
    let lead = fresh(person);
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    assert_eq!(claim.id, lead.id);
    assert_eq!(rig.dead_letter(&claim, set).await, Settled::Done);
    lead
}

/// Dead letters of seven people, in the order of acceptance.
pub async fn seven_dead_letters(rig: &Rig) -> Vec<LeadId> {
    let mut ids = Vec::new();
    for n in 0..7 {
        let lead = dead_letter(rig, &format!("person {n}"), DeadLetterSet::Dead).await;
        ids.push(lead.id);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    ids
}

fn rejected(body: &'static [u8]) -> NewRejected {
    NewRejected {
        people: Vec::new(),
        id: LeadId::generate(),
        webhook: form(),
        why: why("Invalid"),
        body: Bytes::from_static(body),
        room: 64 << 20,
    }
}

pub async fn a_dead_letter_is_shown_in_full(rig: Rig) {
    let lead = fresh("ann");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    rig.settle(&claim, retry(Duration::ZERO)).await;
    let claim = rig.claim_soon().await;
    assert_eq!(rig.dead_letter(&claim, DeadLetterSet::Held).await, Settled::Done);
    assert_eq!(rig.dead_letter(&claim, DeadLetterSet::Held).await, Settled::Stale);

    let shown = rig.queue.show(&lead.id).await.unwrap();
    assert_eq!(shown, rig.listed(DeadLetterSet::Held).await);
    assert_eq!(shown.len(), 1);
    let shown = &shown[0];
    assert_eq!(
        (&shown.set, &shown.id, &shown.webhook),
        (&DeadLetterSet::Held, &lead.id, &lead.webhook)
    );
    assert_eq!(
        (shown.sink.as_ref(), shown.contact.as_ref()),
        (Some(&crm()), Some(&lead.contact))
    );
    assert_eq!(
        (shown.attempts, &shown.why, &shown.body),
        (2, &why("Refused"), &lead.body)
    );
    assert_eq!(shown.accepted_at, claim.accepted_at);
    assert!(shown.dead_lettered_at >= shown.accepted_at);
    assert_eq!(
        u128::from(shown.expires_at.unwrap() - shown.dead_lettered_at),
        LONG.as_millis()
    );
    assert!(rig.listed(DeadLetterSet::Dead).await.is_empty());
    assert!(rig.queue.show(&LeadId::generate()).await.unwrap().is_empty());
}

pub async fn a_dead_letter_lets_the_next_lead_pass(rig: Rig) {
    let (first, second) = (fresh("ann"), fresh("ann"));
    rig.queue.accept(vec![first, second.clone()]).await.unwrap();
    let claim = rig.claim_soon().await;
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    assert_eq!(rig.claim_soon().await.id, second.id);
}

pub async fn a_lead_dead_in_two_sinks_is_shown_twice(rig: Rig) {
    let mut lead = fresh("ann");
    lead.sinks = vec![crm(), other_crm()].into();
    rig.accept(lead.clone()).await;
    for sink in [crm(), other_crm()] {
        let claim = rig.queue.claim(&sink, 1, LONG).await.unwrap().claims.remove(0);
        let outcome = Disposition::DeadLetter {
            set: DeadLetterSet::Dead,
            why: why("Refused"),
            keep: LONG,
        };
        let settlement = Settlement::of(&claim, outcome);
        rig.queue.settle(&sink, vec![settlement]).await.unwrap();
    }
    let shown = rig.queue.show(&lead.id).await.unwrap();
    let sinks: Vec<_> = shown
        .into_iter()
        .filter_map(|dead_letter| dead_letter.sink)
        .collect();
    assert_eq!(sinks, [crm(), other_crm()]);
    // One of them goes, the other stays.
    assert!(
        rig.queue
            .discard(DeadLetterSet::Dead, Some(&crm()), &lead.id, "ops")
            .await
            .unwrap()
    );
    assert_eq!(rig.queue.show(&lead.id).await.unwrap().len(), 1);
}

pub async fn a_replayed_lead_stands_by_its_age_with_its_attempts_cleared(rig: Rig) {
    let dead = dead_letter(&rig, "ann", DeadLetterSet::Dead).await;
    let waiting = fresh("ann");
    rig.accept(waiting.clone()).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(
        !rig.replay(DeadLetterSet::Held, &crm(), &dead.id, None).await,
        "not in that set"
    );
    assert!(
        !rig.replay(DeadLetterSet::Dead, &other_crm(), &dead.id, None)
            .await,
        "not of that sink"
    );
    assert!(rig.replay(DeadLetterSet::Dead, &crm(), &dead.id, None).await);
    assert!(
        !rig.replay(DeadLetterSet::Dead, &crm(), &dead.id, None).await,
        "once"
    );
    let shown = rig.queue.show(&dead.id).await.unwrap();
    assert_eq!(
        shown.iter().map(|lead| lead.set).collect::<Vec<_>>(),
        [DeadLetterSet::Pending]
    );

    // It stands by its time of acceptance: before what came after it.
    let replayed = rig.claim_soon().await;
    assert_eq!(
        (&replayed.id, &replayed.body, replayed.attempt),
        (&dead.id, &dead.body, 1)
    );
    assert_eq!(replayed.in_doubt, None);
    assert!(
        replayed.queued_at > replayed.accepted_at,
        "when it was accepted is not forgotten"
    );
    rig.settle(&replayed, DELIVERED).await;
    let last = rig.claim_soon().await;
    assert_eq!(last.id, waiting.id);
    rig.settle(&last, DELIVERED).await;
    assert_eq!((rig.stats().await.delivered, rig.stats().await.pending), (2, 0));
}

pub async fn a_replay_can_say_which_record_it_is(rig: Rig) {
    let held = dead_letter(&rig, "ann", DeadLetterSet::Held).await;
    let decided = Some(("crm-7", LONG));
    assert!(rig.replay(DeadLetterSet::Held, &crm(), &held.id, decided).await);
    let replayed = rig.claim_soon().await;
    assert_eq!(
        (&replayed.id, replayed.record.as_deref()),
        (&held.id, Some("crm-7"))
    );
    // Without a decision, what is remembered stays.
    rig.settle(
        &replayed,
        Disposition::DeadLetter {
            set: DeadLetterSet::Dead,
            why: why("Refused"),
            keep: LONG,
        },
    )
    .await;
    assert!(rig.replay(DeadLetterSet::Dead, &crm(), &held.id, None).await);
    assert_eq!(rig.claim_soon().await.record.as_deref(), Some("crm-7"));
}

pub async fn a_replay_leaves_a_claim_and_a_retry_in_force(rig: Rig) {
    let dead = dead_letter(&rig, "ann", DeadLetterSet::Dead).await;
    let also_dead = dead_letter(&rig, "ann", DeadLetterSet::Dead).await;
    rig.accept(fresh("ann")).await;
    let claim = rig.claim_soon().await;
    assert!(rig.replay(DeadLetterSet::Dead, &crm(), &dead.id, None).await);
    assert!(rig.claim(10).await.is_empty(), "the contact is claimed");
    assert_eq!(rig.settle(&claim, retry(LONG)).await, Settled::Done);
    assert!(rig.replay(DeadLetterSet::Dead, &crm(), &also_dead.id, None).await);
    assert!(
        rig.claim(10).await.is_empty(),
        "its first lead is to be retried later"
    );
}

pub async fn a_discarded_lead_is_gone_and_counted(rig: Rig) {
    let lead = dead_letter(&rig, "ann", DeadLetterSet::Held).await;
    assert!(
        !rig.queue
            .discard(DeadLetterSet::Dead, Some(&crm()), &lead.id, "ops")
            .await
            .unwrap()
    );
    assert!(
        !rig.queue
            .discard(DeadLetterSet::Held, None, &lead.id, "ops")
            .await
            .unwrap()
    );
    assert!(
        rig.queue
            .discard(DeadLetterSet::Held, Some(&crm()), &lead.id, "ops")
            .await
            .unwrap()
    );
    assert!(
        !rig.queue
            .discard(DeadLetterSet::Held, Some(&crm()), &lead.id, "ops")
            .await
            .unwrap()
    );
    let stats = rig.stats().await;
    assert_eq!((stats.held, stats.discarded, stats.pending), (0, 1, 0));
}

pub async fn a_rejected_request_is_kept_and_counted(rig: Rig) {
    let one = rejected(b"{\"email\": \xff");
    rig.queue.reject(one.clone(), LONG).await.unwrap();
    rig.queue.reject(one.clone(), LONG).await.unwrap();
    rig.queue.reject(rejected(b""), LONG).await.unwrap();
    let shown = rig.queue.show(&one.id).await.unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (shown[0].set, &shown[0].sink, &shown[0].contact),
        (DeadLetterSet::Rejected, &None, &None)
    );
    assert_eq!((&shown[0].body, &shown[0].why), (&one.body, &one.why));
    assert_eq!(rig.listed(DeadLetterSet::Rejected).await.len(), 2);
    assert!(!rig.replay(DeadLetterSet::Rejected, &crm(), &one.id, None).await);
    assert!(
        rig.queue
            .discard(DeadLetterSet::Rejected, None, &one.id, "ops")
            .await
            .unwrap()
    );
    assert_eq!(rig.listed(DeadLetterSet::Rejected).await.len(), 1);
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!(
        (counted.rejected, counted.accepted),
        (2, 0),
        "ever: a repeated call counts once"
    );
}

pub async fn rejected_requests_are_bounded_in_bytes_by_webhook(rig: Rig) {
    // Given webhooks of which 10,000 bytes of rejected requests are kept,
    let queue = &rig.queue;
    let reject = async |webhook: &str, size: usize| {
        let rejected = NewRejected {
            webhook: WebhookId::from(webhook),
            body: vec![b'x'; size].into(),
            room: 10_000,
            ..rejected(b"")
        };
        queue.reject(rejected.clone(), LONG).await.unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
        rejected.id
    };
    let kept = async |webhook: &str| {
        let filter = ListFilter {
            webhook: Some(WebhookId::from(webhook)),
            limit: 100,
            ..ListFilter::default()
        };
        let page = queue.list(DeadLetterSet::Rejected, &filter).await.unwrap();
        let mut ids: Vec<_> = page.items.into_iter().map(|item| item.id).collect();
        ids.reverse();
        ids
    };
    let quiet = reject("shop/quiet", 3000).await;
    // when one webhook rejects more,
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(reject("shop/loud", 3000).await);
    }
    // then its newest are kept, and the other's.
    assert_eq!(kept("shop/loud").await, ids[2..]);
    assert_eq!(kept("shop/quiet").await, [quiet]);
    // What is discarded makes room, too.
    assert!(
        queue
            .discard(DeadLetterSet::Rejected, None, &ids[3], "ops")
            .await
            .unwrap()
    );
    let more = reject("shop/loud", 3000).await;
    assert_eq!(kept("shop/loud").await, [ids[2].clone(), ids[4].clone(), more]);
    // One that is too large alone is not kept.
    reject("shop/loud", 20_000).await;
    assert!(kept("shop/loud").await.is_empty());
    let counted = queue
        .webhook_stats(&[WebhookId::from("shop/loud")])
        .await
        .unwrap()
        .remove(0);
    assert_eq!((counted.rejected, counted.rejected_dropped), (7, 6));
    queue.close().await;
}

pub async fn an_erased_contact_is_gone_everywhere(rig: Rig) {
    // One delivered (and remembered), one held, one dead, one claimed, one waiting, one in another sink.
    for set in [DeadLetterSet::Held, DeadLetterSet::Dead] {
        dead_letter(&rig, "ann", set).await;
    }
    rig.accept(fresh("ann")).await;
    let claim = rig.claim_soon().await;
    rig.settle(&claim, Disposition::delivered(Some(("crm-7".into(), LONG))))
        .await;
    let mut twice = fresh("ann");
    twice.sinks = vec![crm(), other_crm()].into();
    rig.queue
        .accept(vec![twice, fresh("ann"), fresh("bob")])
        .await
        .unwrap();
    dead_letters_of_others(&rig).await;
    let claims = rig.claim(10).await;
    let anns = claims
        .iter()
        .find(|claim| claim.contact == Contact::from("ann"))
        .unwrap();

    assert_eq!(rig.erase("ann").await, 4);
    assert_eq!(rig.settle(anns, retry(LONG)).await, Settled::Done);
    assert_eq!(rig.erase("ann").await, 1);
    assert_eq!(rig.erase("ann").await, 0);
    assert_eq!(rig.settle(anns, DELIVERED).await, Settled::Stale);
    assert!(
        rig.queue
            .claim(&other_crm(), 10, LONG)
            .await
            .unwrap()
            .claims
            .is_empty()
    );
    assert_eq!(rig.listed(DeadLetterSet::Held).await.len(), 0);
    assert_eq!(
        rig.listed(DeadLetterSet::Dead).await.len(),
        1,
        "another person's stays"
    );
    let stats = rig.stats().await;
    assert_eq!(
        (stats.discarded, stats.held, stats.dead, stats.delivered),
        (4, 0, 1, 1)
    );
    assert_eq!(stats.pending, 1, "bob's");
    // What comes later is a new person's.
    rig.accept(fresh("ann")).await;
    let claim = rig.claim_soon().await;
    assert_eq!((claim.record, claim.attempt), (None, 1));
}

/// Makes a dead letter of a person whose name begins like another's.
async fn dead_letters_of_others(rig: &Rig) {
    rig.accept(fresh("anna")).await;
    let claims = rig.claim_for(Duration::from_millis(1)).await;
    for claim in claims {
        if claim.contact == Contact::from("anna") {
            rig.dead_letter(&claim, DeadLetterSet::Dead).await;
        } else {
            rig.settle(
                &claim,
                Disposition::Release {
                    after: Duration::ZERO,
                    why: None,
                },
            )
            .await;
        }
    }
}

pub async fn what_outlives_its_retention_is_pruned_and_counted(rig: Rig) {
    for person in ["ann", "bob"] {
        rig.accept(fresh(person)).await;
        let claim = rig.claim_soon().await;
        let keep = if person == "ann" {
            Duration::from_millis(100)
        } else {
            LONG
        };
        let outcome = Disposition::DeadLetter {
            set: DeadLetterSet::Dead,
            why: why("Refused"),
            keep,
        };
        assert_eq!(rig.settle(&claim, outcome).await, Settled::Done);
    }
    rig.queue
        .reject(rejected(b"x"), Duration::from_millis(100))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    while rig.queue.prune(&LedgerBounds::default()).await.unwrap() {}
    let left = rig.listed(DeadLetterSet::Dead).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].contact, Some(Contact::from("bob")));
    assert!(rig.listed(DeadLetterSet::Rejected).await.is_empty());
    let stats = rig.stats().await;
    assert_eq!((stats.dead, stats.discarded, stats.pending), (1, 1, 0));
}

pub async fn unrouted_leads_are_discarded_erased_and_pruned_and_counted(rig: Rig) {
    for (person, keep) in [
        ("ann", LONG),
        ("bob", LONG),
        ("cid", Duration::from_millis(50)),
        ("dan", LONG),
    ] {
        let lead = NewLead {
            sinks: Vec::new().into(),
            keep,
            ..fresh(person)
        };
        rig.accept(lead.clone()).await;
        if person == "ann" {
            assert!(
                rig.queue
                    .discard(DeadLetterSet::Unrouted, None, &lead.id, "ops")
                    .await
                    .unwrap()
            );
            assert!(
                !rig.queue
                    .discard(DeadLetterSet::Unrouted, None, &lead.id, "ops")
                    .await
                    .unwrap()
            );
        }
    }
    assert_eq!(rig.erase("bob").await, 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    while rig.queue.prune(&LedgerBounds::default()).await.unwrap() {}
    let left = rig.listed(DeadLetterSet::Unrouted).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].contact, Some(Contact::from("dan")));
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!((counted.accepted, counted.unrouted, counted.discarded), (4, 1, 3));
}

pub async fn dead_letters_survive_a_crash(mut rig: Rig) {
    let lead = dead_letter(&rig, "ann", DeadLetterSet::Held).await;
    rig.queue.reject(rejected(b"x"), LONG).await.unwrap();
    rig.crash().await;
    assert_eq!(rig.queue.show(&lead.id).await.unwrap().len(), 1);
    assert_eq!(rig.listed(DeadLetterSet::Rejected).await.len(), 1);
    assert!(rig.replay(DeadLetterSet::Held, &crm(), &lead.id, None).await);
    assert_eq!(rig.claim_soon().await.id, lead.id);
}
