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
