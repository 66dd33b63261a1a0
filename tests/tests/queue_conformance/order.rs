//! Leads stand by their time of acceptance, whatever happened to them in between.

use std::time::Duration;

use leadgate_receiver::queue::*;

use crate::{
    dead_lettering::{dead_letter, seven_dead_letters},
    rig::*,
    waiting::{accepted, ids, requeue},
};

pub async fn replayed_leads_stand_by_their_time_of_acceptance(mut rig: Rig) {
    // Given one, two and three dead, and four and five waiting,
    let mut dead = Vec::new();
    for _ in 0..3 {
        dead.push(dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let waiting = accepted(&rig, &["ann", "ann"]).await;
    // when the dead ones are replayed in any order,
    for n in [1, 2, 0] {
        assert!(rig.replay(DeadLetterSet::Dead, &crm(), &dead[n], None).await);
    }
    rig.crash().await;
    // then they go in the order in which they were accepted, and what comes later comes last.
    let late = accepted(&rig, &["ann"]).await;
    let expected: Vec<_> = dead.into_iter().chain(waiting).chain(late).collect();
    let mut delivered = Vec::new();
    while delivered.len() < expected.len() {
        let claim = rig.claim_soon().await;
        assert!(!claim.overtaken, "{}", delivered.len());
        rig.settle(&claim, DELIVERED).await;
        delivered.push(claim.id);
    }
    assert_eq!(delivered, expected);
}

pub async fn dead_letters_are_listed_in_the_order_of_acceptance(rig: Rig) {
    let expected = seven_dead_letters(&rig).await;
    for (limit, reason, matches) in [
        (1, None, 7),
        (3, None, 7),
        (7, Some("Refused"), 7),
        (9, Some("Other"), 0),
    ] {
        let mut filter = ListFilter {
            limit,
            reason: reason.map(str::to_owned),
            by_acceptance: true,
            ..ListFilter::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = rig.queue.list(DeadLetterSet::Dead, &filter).await.unwrap();
            seen.extend(ids(&page.items));
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected[..matches], "{limit}");
    }
}

pub async fn a_lead_that_a_newer_one_overtook_is_told_apart(rig: Rig) {
    let dead = dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id;
    let held = dead_letter(&rig, "ann", DeadLetterSet::Held).await.id;
    let of_bob = dead_letter(&rig, "bob", DeadLetterSet::Dead).await.id;
    tokio::time::sleep(Duration::from_millis(5)).await;
    accepted(&rig, &["ann"]).await;
    assert!(
        rig.listed(DeadLetterSet::Dead)
            .await
            .iter()
            .all(|lead| !lead.overtaken)
    );
    rig.deliver_all().await;
    for (id, overtaken) in [(&dead, true), (&held, true), (&of_bob, false)] {
        assert_eq!(rig.queue.show(id).await.unwrap()[0].overtaken, overtaken);
    }
    // Replayed, it says so, also after it was set aside again;
    for _ in 0..2 {
        assert!(rig.replay(DeadLetterSet::Dead, &crm(), &dead, None).await);
        let claim = rig.claim_soon().await;
        assert_eq!((&claim.id, claim.overtaken), (&dead, true));
        rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    }
    // unless a person wants it so.
    let how = Requeue {
        record: None,
        force: true,
        ..Requeue::default()
    };
    assert!(
        rig.queue
            .requeue(DeadLetterSet::Dead, Some(&crm()), &dead, &[crm()], how)
            .await
            .unwrap()
            .is_done()
    );
    assert!(!rig.claim_soon().await.overtaken);
    // Another sink has not delivered a newer one.
    assert!(requeue(&rig, DeadLetterSet::Held, Some(&crm()), &held, &[other_crm()]).await);
    let claim = rig
        .queue
        .claim(&other_crm(), 1, LONG)
        .await
        .unwrap()
        .claims
        .remove(0);
    assert!(!claim.overtaken);
}

pub async fn an_older_lead_does_not_follow_a_newer_one_to_another_sink(mut rig: Rig) {
    // Given an older and a newer lead of a person, both dead, of which another sink has got the newer one,
    let older = dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let newer = dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id;
    let to = [other_crm()];
    let requeue = async |rig: &Rig, id: &LeadId, force: bool| {
        let how = Requeue {
            force,
            copy: true,
            ..Requeue::default()
        };
        let (set, from) = (DeadLetterSet::Dead, crm());
        rig.queue.requeue(set, Some(&from), id, &to, how).await.unwrap()
    };
    assert_eq!(requeue(&rig, &newer, false).await, Requeued::Done);
    let claim = rig.queue.claim(&to[0], 1, LONG).await.unwrap().claims.remove(0);
    let settled = rig
        .queue
        .settle(&to[0], vec![Settlement::of(&claim, DELIVERED)])
        .await;
    assert_eq!(settled.unwrap(), [Settled::Done]);
    // then the older one does not follow it, whatever happens to the store, unless a person wants it so.
    rig.crash().await;
    assert_eq!(requeue(&rig, &older, false).await, Requeued::Overtaken);
    assert_eq!(rig.queue.claim(&to[0], 1, LONG).await.unwrap().claims.len(), 0);
    assert_eq!(requeue(&rig, &older, true).await, Requeued::Done);
    let claim = rig.queue.claim(&to[0], 1, LONG).await.unwrap().claims.remove(0);
    assert_eq!((claim.id, claim.overtaken), (older, false));
}

pub async fn a_sink_gets_a_lead_once(rig: Rig) {
    // Given a lead that is dead in one sink and waits in another,
    let mut lead = fresh("ann");
    lead.sinks = vec![crm(), other_crm()].into();
    rig.accept(lead.clone()).await;
    rig.dead_letter(&rig.claim_soon().await, DeadLetterSet::Dead)
        .await;
    let to = [other_crm()];
    let refused = async || {
        for copy in [false, true] {
            let how = Requeue {
                copy,
                force: true,
                ..Requeue::default()
            };
            let (set, from) = (DeadLetterSet::Dead, crm());
            let done = rig.queue.requeue(set, Some(&from), &lead.id, &to, how).await;
            assert_eq!(done.unwrap(), Requeued::Known, "copy {copy}");
        }
        assert_eq!(
            rig.listed(DeadLetterSet::Dead).await[0].sink,
            Some(crm()),
            "it stays"
        );
    };
    // then it goes there neither while it waits, nor when it is dead there, nor after it was delivered.
    refused().await;
    let claim = async || rig.queue.claim(&to[0], 1, LONG).await.unwrap().claims.remove(0);
    let settle = async |outcome: Disposition| {
        let settlement = Settlement::of(&claim().await, outcome);
        rig.queue.settle(&to[0], vec![settlement]).await.unwrap()
    };
    let held = Disposition::DeadLetter {
        set: DeadLetterSet::Held,
        why: why("Refused"),
        keep: LONG,
    };
    settle(held).await;
    refused().await;
    assert!(rig.replay(DeadLetterSet::Held, &to[0], &lead.id, None).await);
    settle(DELIVERED).await;
    refused().await;
    let stats = rig.queue.sink_stats(&to).await.unwrap().remove(0);
    assert_eq!((stats.pending, stats.delivered), (0, 1));
}

pub async fn a_lead_goes_back_to_the_sink_that_it_came_from(rig: Rig) {
    let lead = dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id;
    assert!(requeue(&rig, DeadLetterSet::Dead, Some(&crm()), &lead, &[other_crm()]).await);
    assert!(requeue(&rig, DeadLetterSet::Pending, Some(&other_crm()), &lead, &[crm()]).await);
    // And to one from which it was discarded.
    let gone = rig
        .queue
        .discard(DeadLetterSet::Pending, Some(&crm()), &lead, "ops")
        .await;
    assert!(gone.unwrap());
    let again = dead_letter(&rig, "bob", DeadLetterSet::Dead).await.id;
    assert!(requeue(&rig, DeadLetterSet::Dead, Some(&crm()), &again, &[other_crm()]).await);
    let gone = rig
        .queue
        .discard(DeadLetterSet::Pending, Some(&other_crm()), &again, "ops")
        .await;
    assert!(gone.unwrap());
}

pub async fn overtaking_is_remembered_behind_what_failed(rig: Rig) {
    // Given an old lead that is replayed behind two newer ones of which the first is under way,
    let old = dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let newer = accepted(&rig, &["ann"]).await;
    let first = rig.claim_soon().await;
    assert_eq!(first.id, newer[0]);
    assert!(rig.replay(DeadLetterSet::Dead, &crm(), &old, None).await);
    accepted(&rig, &["ann"]).await;
    // when the first is delivered, then the old one is overtaken,
    rig.settle(&first, DELIVERED).await;
    let claim = rig.claim_soon().await;
    assert_eq!((&claim.id, claim.overtaken), (&old, true));
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    // the newest one is not.
    let last = rig.claim_soon().await;
    assert!(!last.overtaken);
    rig.dead_letter(&last, DeadLetterSet::Dead).await;
    assert!(rig.queue.show(&old).await.unwrap()[0].overtaken);
    assert!(!rig.queue.show(&last.id).await.unwrap()[0].overtaken);
}
