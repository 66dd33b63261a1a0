//! Claims: one at a time per contact, in order, fenced.

use std::time::{Duration, Instant};

use leadgate_receiver::queue::*;

use crate::rig::*;

const SHORT: Duration = Duration::from_millis(150);
const AFTER_SHORT: Duration = Duration::from_millis(400);
/// By how much two clocks may differ.
const A_TICK: Duration = Duration::from_millis(50);

pub async fn one_contacts_leads_come_one_at_a_time_in_order(rig: Rig) {
    let mut accepted = Vec::new();
    for _ in 0..5 {
        let lead = fresh("ann");
        accepted.push(lead.id.clone());
        rig.accept(lead).await;
    }
    let mut delivered = Vec::new();
    while delivered.len() < 5 {
        let mut claims = rig.claim(10).await;
        assert_eq!(claims.len(), 1, "one claim per contact");
        assert!(
            rig.claim(10).await.is_empty(),
            "while it is claimed, the contact is not"
        );
        let claim = claims.remove(0);
        rig.settle(&claim, DELIVERED).await;
        delivered.push(claim.id);
    }
    assert_eq!(delivered, accepted);
}

pub async fn order_holds_through_a_retry(rig: Rig) {
    let (first, second) = (fresh("ann"), fresh("ann"));
    rig.queue
        .accept(vec![first.clone(), second.clone()])
        .await
        .unwrap();
    let claim = rig.claim(1).await.remove(0);
    rig.settle(&claim, retry(Duration::from_millis(100))).await;
    let again = rig.claim_soon().await;
    assert_eq!(again.id, first.id);
    rig.settle(&again, DELIVERED).await;
    assert_eq!(rig.claim(1).await.remove(0).id, second.id);
}

pub async fn a_claim_takes_at_most_what_was_asked_oldest_first(rig: Rig) {
    for n in 0..10 {
        rig.accept(fresh(&format!("person {n}"))).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let first = rig.queue.claim(&crm(), 4, LONG).await.unwrap();
    let contacts: Vec<_> = first
        .claims
        .iter()
        .map(|claim| claim.contact.to_string())
        .collect();
    assert_eq!(contacts, ["person 0", "person 1", "person 2", "person 3"]);
    assert_eq!(first.next_due, Some(Duration::ZERO), "more are due now");
    assert_eq!(rig.claim(100).await.len(), 6);
    assert!(rig.claim(0).await.is_empty());
}

pub async fn what_was_never_tried_can_be_claimed_first(rig: Rig) {
    let untried = async |max| {
        let found = rig.queue.claim_untried(&crm(), max, LONG).await.unwrap();
        let mut people: Vec<_> = found.claims.iter().map(|claim| claim.contact.clone()).collect();
        people.sort();
        (people, found.claims)
    };
    // Given leads that failed and are due again, one that was put back untried after a newer one came, and that one,
    for person in ["ann", "bob", "cem"] {
        rig.accept(fresh(person)).await;
    }
    for claim in rig.claim(3).await {
        rig.settle(&claim, retry(Duration::ZERO)).await;
    }
    rig.accept(fresh("dan")).await;
    let (people, claims) = untried(10).await;
    assert_eq!(people, [Contact::from("dan")]);
    let back = Disposition::Release {
        after: Duration::ZERO,
        why: None,
    };
    tokio::time::sleep(Duration::from_millis(10)).await;
    rig.accept(fresh("eve")).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    rig.settle(&claims[0], back).await;
    // when those are claimed that were never tried, then they are, newest first, as many as were asked for;
    assert_eq!(untried(1).await.0, [Contact::from("eve")]);
    assert_eq!(untried(10).await.0, [Contact::from("dan")]);
    assert!(untried(10).await.0.is_empty());
    // and the others are claimed as ever.
    let rest = rig.claim(10).await;
    assert_eq!(rest.len(), 3);
    assert!(rest.iter().all(|claim| claim.attempt == 2));
}

pub async fn next_due_tells_when_to_come_back(rig: Rig) {
    assert_eq!(rig.queue.claim(&crm(), 10, LONG).await.unwrap().next_due, None);
    rig.accept(fresh("ann")).await;
    let claims = rig.queue.claim(&crm(), 10, LONG).await.unwrap();
    let next = claims.next_due.unwrap();
    assert!(next <= LONG && next > LONG / 2, "the end of the lease: {next:?}");
    rig.settle(&claims.claims[0], retry(Duration::from_mins(1))).await;
    let next = rig.queue.claim(&crm(), 10, LONG).await.unwrap().next_due.unwrap();
    assert!(
        next <= Duration::from_mins(1) && next > Duration::from_secs(30),
        "the retry: {next:?}"
    );
}

pub async fn sinks_do_not_hinder_each_other(rig: Rig) {
    let mut lead = fresh("ann");
    lead.sinks = vec![crm(), other_crm()].into();
    rig.accept(lead).await;
    let here = rig.claim(1).await.remove(0);
    let there = rig
        .queue
        .claim(&other_crm(), 1, LONG)
        .await
        .unwrap()
        .claims
        .remove(0);
    rig.settle(&here, retry(LONG)).await;
    let settlement = Settlement::of(&there, DELIVERED);
    assert_eq!(
        rig.queue.settle(&other_crm(), vec![settlement]).await.unwrap(),
        [Settled::Done]
    );
    assert_eq!(rig.stats().await.pending, 1);
    assert_eq!(rig.queue.sink_stats(&[other_crm()]).await.unwrap()[0].pending, 0);
}

pub async fn a_dead_workers_lead_comes_back_and_is_unknown(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let lost = rig.claim_for(SHORT).await.remove(0);
    tokio::time::sleep(AFTER_SHORT).await;
    let again = rig.claim(1).await.remove(0);
    assert_eq!(
        (again.id.clone(), again.attempt, again.in_doubt.is_some()),
        (lost.id.clone(), 2, true)
    );
    assert_ne!(again.token, lost.token);
    // The late worker is told, and changes nothing.
    assert_eq!(rig.settle(&lost, DELIVERED).await, Settled::Stale);
    let held = [
        (lost.contact.clone(), lost.token),
        (again.contact.clone(), again.token),
    ];
    assert_eq!(rig.queue.renew(&crm(), &held, LONG).await.unwrap(), [false, true]);
    assert_eq!(rig.settle(&again, DELIVERED).await, Settled::Done);
    assert_eq!(
        rig.settle(&again, DELIVERED).await,
        Settled::Stale,
        "settled once"
    );
    assert_eq!(
        rig.queue.renew(&crm(), &held, LONG).await.unwrap(),
        [false, false]
    );
    assert_eq!(rig.stats().await.delivered, 1);
}

pub async fn a_lease_nobody_took_over_can_still_be_settled(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let claim = rig.claim_for(Duration::from_millis(50)).await.remove(0);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(rig.settle(&claim, DELIVERED).await, Settled::Done);
    assert!(rig.claim(1).await.is_empty());
}

pub async fn a_renewed_lease_holds(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let claim = rig.claim_for(SHORT).await.remove(0);
    assert_eq!(
        rig.queue
            .renew(&crm(), &[(claim.contact.clone(), claim.token)], LONG)
            .await
            .unwrap(),
        [true]
    );
    tokio::time::sleep(AFTER_SHORT).await;
    assert!(rig.claim(1).await.is_empty());
    assert_eq!(rig.settle(&claim, DELIVERED).await, Settled::Done);
}

pub async fn settlements_stand_each_on_its_own(rig: Rig) {
    for person in ["ann", "bob", "cid"] {
        rig.accept(fresh(person)).await;
    }
    let claims = rig.claim(10).await;
    let mut settlements: Vec<_> = claims
        .iter()
        .map(|claim| Settlement::of(claim, DELIVERED))
        .collect();
    settlements[1].token += 1000;
    settlements.push(Settlement {
        contact: Contact::from("nobody"),
        token: 1,
        ..Settlement::of(&claims[0], DELIVERED)
    });
    let outcome = rig.queue.settle(&crm(), settlements).await.unwrap();
    assert_eq!(
        outcome,
        [Settled::Done, Settled::Stale, Settled::Done, Settled::Stale]
    );
    assert_eq!(rig.stats().await.pending, 1);
    assert!(rig.queue.settle(&crm(), Vec::new()).await.unwrap().is_empty());
    assert!(rig.queue.renew(&crm(), &[], LONG).await.unwrap().is_empty());
}

pub async fn attempts_count_up_and_a_release_does_not_count(rig: Rig) {
    rig.accept(fresh("ann")).await;
    for attempt in 1..=3 {
        let claim = rig.claim_soon().await;
        assert_eq!(claim.attempt, attempt);
        rig.settle(&claim, retry(Duration::ZERO)).await;
    }
    for _ in 0..3 {
        let claim = rig.claim_soon().await;
        assert_eq!(claim.attempt, 4);
        rig.settle(
            &claim,
            Disposition::Release {
                after: Duration::ZERO,
                why: None,
            },
        )
        .await;
    }
    assert_eq!(rig.claim_soon().await.attempt, 4);
}

pub async fn claims_without_an_outcome_are_counted_until_there_is_one(mut rig: Rig) {
    // A worker that dies of its lead: the lease ends, and the lead is claimed again.
    rig.accept(fresh("ann")).await;
    for lost in 0..3 {
        let claim = rig.claim_for(Duration::ZERO).await.remove(0);
        assert_eq!((claim.lost, claim.attempt), (lost, lost + 1));
    }
    rig.crash().await;
    // A worker that did not try has no outcome to tell: nothing is counted, and nothing forgotten.
    for _ in 0..2 {
        let claim = rig.claim_for(Duration::ZERO).await.remove(0);
        assert_eq!(claim.lost, 3);
        let release = Disposition::Release {
            after: Duration::ZERO,
            why: None,
        };
        assert_eq!(rig.settle(&claim, release).await, Settled::Done);
    }
    // An outcome, however late, clears the count,
    let claim = rig.claim_for(Duration::ZERO).await.remove(0);
    assert_eq!(rig.settle(&claim, retry(Duration::ZERO)).await, Settled::Done);
    let claim = rig.claim_for(Duration::ZERO).await.remove(0);
    assert_eq!((claim.lost, claim.in_doubt.is_some()), (0, true));
    // and so does the next lead.
    let claim = rig.claim_for(Duration::ZERO).await.remove(0);
    assert_eq!(claim.lost, 1);
    rig.accept(fresh("ann")).await;
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    assert_eq!(rig.claim_soon().await.lost, 0);
}

pub async fn the_next_lead_starts_with_a_clean_slate(rig: Rig) {
    rig.queue.accept(vec![fresh("ann"), fresh("ann")]).await.unwrap();
    let claim = rig.claim_soon().await;
    rig.settle(
        &claim,
        Disposition::Retry {
            after: Duration::ZERO,
            in_doubt: true,
            why: not_yet(),
        },
    )
    .await;
    let claim = rig.claim_soon().await;
    assert_eq!((claim.attempt, claim.in_doubt.is_some()), (2, true));
    rig.settle(&claim, DELIVERED).await;
    let claim = rig.claim_soon().await;
    assert_eq!((claim.attempt, claim.in_doubt), (1, None));
}

pub async fn a_doubt_is_not_forgotten(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let claim = rig.claim_soon().await;
    assert_eq!(claim.in_doubt, None);
    rig.settle(
        &claim,
        Disposition::Retry {
            after: Duration::ZERO,
            in_doubt: true,
            why: not_yet(),
        },
    )
    .await;
    let claim = rig.claim_soon().await;
    assert!(claim.in_doubt.is_some());
    rig.settle(&claim, retry(Duration::ZERO)).await;
    assert!(
        rig.claim_soon().await.in_doubt.is_some(),
        "a later refusal says nothing about the earlier attempt"
    );
}

/// The wait for a search that lags is counted from the last attempt that may have written, whoever made it.
pub async fn a_doubt_is_as_old_as_the_last_attempt_that_caused_it(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let doubted = || Disposition::Retry {
        after: Duration::ZERO,
        in_doubt: true,
        why: not_yet(),
    };
    let claim = rig.claim_soon().await;
    rig.settle(&claim, doubted()).await;
    tokio::time::sleep(AFTER_SHORT).await;
    // What waits or is refused leaves it,
    let claim = rig.claim_soon().await;
    assert!(claim.in_doubt >= Some(SHORT), "{:?}", claim.in_doubt);
    rig.settle(&claim, retry(Duration::ZERO)).await;
    let claim = rig.claim_soon().await;
    assert!(claim.in_doubt >= Some(SHORT), "{:?}", claim.in_doubt);
    let release = Disposition::Release {
        after: Duration::ZERO,
        why: None,
    };
    rig.settle(&claim, release).await;
    let claim = rig.claim_soon().await;
    assert!(claim.in_doubt >= Some(SHORT), "{:?}", claim.in_doubt);
    // another lost answer begins it anew,
    let before = Instant::now();
    rig.settle(&claim, doubted()).await;
    let claim = rig.claim_for(Duration::ZERO).await.remove(0);
    assert!(
        claim.in_doubt <= Some(before.elapsed() + A_TICK),
        "{:?}",
        claim.in_doubt
    );
    // and so does a worker that was lost.
    tokio::time::sleep(AFTER_SHORT).await;
    let before = Instant::now();
    let claim = rig.claim_soon().await;
    assert!(
        claim.in_doubt <= Some(before.elapsed() + A_TICK),
        "{:?}",
        claim.in_doubt
    );
}

pub async fn a_retry_waits_its_time(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let claim = rig.claim(1).await.remove(0);
    rig.settle(&claim, retry(Duration::from_millis(700))).await;
    let settled = Instant::now();
    rig.claim_soon().await;
    assert!(
        settled.elapsed() > Duration::from_millis(600),
        "came after {:?}",
        settled.elapsed()
    );
}

pub async fn the_crm_record_is_remembered_for_a_while(rig: Rig) {
    rig.queue
        .accept(vec![fresh("ann"), fresh("ann"), fresh("ann")])
        .await
        .unwrap();
    let keep = Duration::from_millis(400);
    let claim = rig.claim_soon().await;
    rig.settle(&claim, Disposition::delivered(Some(("crm-7".into(), LONG))))
        .await;
    let claim = rig.claim_soon().await;
    assert_eq!(claim.record.as_deref(), Some("crm-7"));
    rig.settle(&claim, Disposition::delivered(Some(("crm-8".into(), keep))))
        .await;
    tokio::time::sleep(keep + Duration::from_millis(100)).await;
    assert_eq!(rig.claim_soon().await.record, None);
}

pub async fn leases_stay_in_force_through_a_crash(mut rig: Rig) {
    rig.accept(fresh("ann")).await;
    rig.accept(fresh("bob")).await;
    let claim = rig.claim(1).await.remove(0);
    rig.crash().await;
    let others = rig.claim(10).await;
    assert_eq!(others.len(), 1, "the one not claimed before");
    assert_ne!(others[0].contact, claim.contact);
    assert_eq!(rig.settle(&claim, DELIVERED).await, Settled::Done);
}

pub async fn many_workers_deliver_each_lead_once(rig: Rig) {
    let second = rig.second().await;
    for n in 0..200 {
        rig.accept(fresh(&format!("person {}", n % 40))).await;
    }
    let workers = (0..6).map(|n| {
        let queue = if n % 2 == 0 {
            rig.queue.clone()
        } else {
            second.clone()
        };
        tokio::spawn(async move {
            let mut delivered = Vec::new();
            loop {
                let claims = queue.claim(&crm(), 7, LONG).await.unwrap();
                if claims.claims.is_empty() && claims.next_due.is_none() {
                    return delivered;
                }
                for claim in claims.claims {
                    let settlement = Settlement::of(&claim, DELIVERED);
                    assert_eq!(
                        queue.settle(&crm(), vec![settlement]).await.unwrap(),
                        [Settled::Done]
                    );
                    delivered.push(claim.id);
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let mut delivered = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        delivered.extend(worker.await.unwrap());
    }
    assert_eq!(delivered.len(), 200);
    delivered.sort();
    delivered.dedup();
    assert_eq!(delivered.len(), 200);
}
