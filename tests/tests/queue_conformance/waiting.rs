//! Leads that wait, one by one: seen, found, taken out, put elsewhere.

use std::time::Duration;

use leadgate_receiver::queue::*;

use crate::{dead_lettering::dead_letter, rig::*};

async fn pending(rig: &Rig, filter: ListFilter) -> Vec<DeadLetter> {
    let mut filter = ListFilter {
        limit: filter.limit.max(1),
        ..filter
    };
    let mut items = Vec::new();
    loop {
        let page = rig.queue.list(DeadLetterSet::Pending, &filter).await.unwrap();
        assert!(page.items.len() <= filter.limit);
        items.extend(page.items);
        filter.after = page.next;
        if filter.after.is_none() {
            return items;
        }
    }
}

pub fn ids(leads: &[DeadLetter]) -> Vec<LeadId> {
    leads.iter().map(|lead| lead.id.clone()).collect()
}

pub async fn accepted(rig: &Rig, people: &[&str]) -> Vec<LeadId> {
    let mut ids = Vec::new();
    for person in people {
        let lead = fresh(person);
        ids.push(lead.id.clone());
        rig.accept(lead).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    ids
}

/// Moves or replays a lead.
pub async fn requeue(
    rig: &Rig,
    set: DeadLetterSet,
    from: Option<&SinkId>,
    id: &LeadId,
    to: &[SinkId],
) -> bool {
    rig.queue
        .requeue(set, from, id, to, Requeue::default())
        .await
        .unwrap()
        .is_done()
}

pub async fn pending_leads_are_listed_in_full_and_paged(rig: Rig) {
    let mut expected = accepted(&rig, &["ann", "bob", "ann", "cid", "ann", "bob"]).await;
    let mut elsewhere = fresh("ann");
    elsewhere.sinks = vec![other_crm()].into();
    elsewhere.webhook = WebhookId::from("shop/chat");
    rig.accept(elsewhere.clone()).await;
    rig.claim(1).await;
    expected.push(elsewhere.id.clone());
    expected.sort();
    for limit in [1, 2, 3, 100] {
        let filter = ListFilter {
            limit,
            ..ListFilter::default()
        };
        let mut listed = ids(&pending(&rig, filter).await);
        listed.sort();
        assert_eq!(listed, expected, "{limit} a page");
    }
    // A contact's leads come in its order, each knowing how many are before it.
    let filter = ListFilter {
        sink: Some(crm()),
        limit: 4,
        ..ListFilter::default()
    };
    let listed = pending(&rig, filter).await;
    let behind: Vec<_> = listed
        .iter()
        .filter(|lead| lead.contact == Some(Contact::from("ann")))
        .map(|lead| lead.due.unwrap().behind)
        .collect();
    assert_eq!(behind, [0, 1, 2]);
    let claimed = |lead: &&DeadLetter| lead.due.unwrap().claimed;
    assert_eq!(listed.iter().filter(claimed).count(), 1);
    assert!(
        listed
            .iter()
            .all(|lead| lead.body.is_empty() && lead.expires_at.is_none())
    );
    let filter = ListFilter {
        webhook: Some(WebhookId::from("shop/chat")),
        limit: 10,
        ..ListFilter::default()
    };
    assert_eq!(ids(&pending(&rig, filter).await), [elsewhere.id]);
    assert!(
        ids(&pending(
            &rig,
            ListFilter {
                after: Some("x y z".into()),
                ..ListFilter::default()
            }
        )
        .await)
        .len()
            == 7
    );
}

pub async fn a_pending_lead_tells_why_it_waits(mut rig: Rig) {
    let id = accepted(&rig, &["ann"]).await.remove(0);
    let lead = |leads: Vec<DeadLetter>| leads.into_iter().next().unwrap();
    assert_eq!(lead(rig.queue.show(&id).await.unwrap()).why.reason, "");
    let claim = rig.claim_soon().await;
    rig.settle(&claim, retry(LONG)).await;
    rig.crash().await;
    for shown in [
        lead(rig.queue.show(&id).await.unwrap()),
        lead(
            pending(
                &rig,
                ListFilter {
                    reason: Some("Unavailable".into()),
                    ..ListFilter::default()
                },
            )
            .await,
        ),
    ] {
        assert_eq!(
            (&shown.why.reason, &shown.why.message),
            (&not_yet().reason, &not_yet().message)
        );
        assert_eq!((shown.attempts, shown.sink), (1, Some(crm())));
        let due = shown.due.unwrap();
        assert!(!due.claimed && due.at > shown.accepted_at + 60_000);
    }
    // A release without a reason keeps it, one with a reason replaces it, a long one is cut.
    rig.queue.expedite(&crm(), &id).await.unwrap();
    let claim = rig.claim_soon().await;
    let release = |why| Disposition::Release {
        after: Duration::ZERO,
        why,
    };
    rig.settle(&claim, release(None)).await;
    assert_eq!(lead(rig.queue.show(&id).await.unwrap()).why.reason, "Unavailable");
    let claim = rig.claim_soon().await;
    rig.settle(&claim, release(Some(LastError::new("Paused", &"ä".repeat(5000)))))
        .await;
    let shown = lead(rig.queue.show(&id).await.unwrap());
    assert_eq!((shown.why.reason.as_str(), shown.attempts), ("Paused", 1));
    assert!(shown.why.message.ends_with('…') && shown.why.message.len() <= 1100);
}

pub async fn a_pending_lead_is_found_by_its_id_in_each_sink(rig: Rig) {
    let mut lead = fresh("ann");
    lead.sinks = vec![crm(), other_crm()].into();
    accepted(&rig, &["ann", "bob"]).await;
    rig.accept(lead.clone()).await;
    let shown = rig.queue.show(&lead.id).await.unwrap();
    let places: Vec<_> = shown
        .iter()
        .map(|place| (place.sink.clone().unwrap(), place.due.unwrap().behind))
        .collect();
    assert_eq!(places, [(crm(), 1), (other_crm(), 0)]);
    assert!(
        shown
            .iter()
            .all(|place| place.body == lead.body && place.set == DeadLetterSet::Pending)
    );
}

pub async fn a_pending_lead_is_taken_out_of_the_middle_the_end_and_the_front(mut rig: Rig) {
    let leads = accepted(&rig, &["ann", "ann", "ann", "ann", "ann"]).await;
    for gone in [2, 4, 0] {
        assert!(
            rig.queue
                .discard(DeadLetterSet::Pending, Some(&crm()), &leads[gone], "ops")
                .await
                .unwrap()
        );
        assert!(
            !rig.queue
                .discard(DeadLetterSet::Pending, Some(&crm()), &leads[gone], "ops")
                .await
                .unwrap()
        );
    }
    assert!(
        !rig.queue
            .discard(DeadLetterSet::Pending, None, &leads[1], "ops")
            .await
            .unwrap()
    );
    assert!(
        !rig.queue
            .discard(DeadLetterSet::Pending, Some(&other_crm()), &leads[1], "ops")
            .await
            .unwrap()
    );
    rig.crash().await;
    // What comes later still stands behind what is left.
    let late = accepted(&rig, &["ann"]).await;
    assert_eq!(
        rig.deliver_all().await,
        [leads[1].clone(), leads[3].clone(), late[0].clone()]
    );
    let stats = rig.stats().await;
    assert_eq!((stats.pending, stats.discarded, stats.delivered), (0, 3, 3));
    // The last one of a contact leaves nothing behind.
    let last = accepted(&rig, &["bob"]).await;
    assert!(
        rig.queue
            .discard(DeadLetterSet::Pending, Some(&crm()), &last[0], "ops")
            .await
            .unwrap()
    );
    assert_eq!(rig.queue.claim(&crm(), 10, LONG).await.unwrap().next_due, None);
}

pub async fn a_lead_that_is_being_delivered_is_left_alone(rig: Rig) {
    let leads = accepted(&rig, &["ann", "ann"]).await;
    let claim = rig.claim_soon().await;
    assert!(
        !rig.queue
            .discard(DeadLetterSet::Pending, Some(&crm()), &leads[0], "ops")
            .await
            .unwrap()
    );
    assert!(!rig.queue.expedite(&crm(), &leads[0]).await.unwrap());
    assert!(
        !requeue(
            &rig,
            DeadLetterSet::Pending,
            Some(&crm()),
            &leads[0],
            &[other_crm()]
        )
        .await
    );
    // What stands behind it is not.
    assert!(
        rig.queue
            .discard(DeadLetterSet::Pending, Some(&crm()), &leads[1], "ops")
            .await
            .unwrap()
    );
    assert_eq!(rig.settle(&claim, DELIVERED).await, Settled::Done);
    // And it is not when its worker is gone.
    let left = accepted(&rig, &["ann"]).await;
    let lost = rig.claim_for(Duration::ZERO).await.remove(0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(
        rig.queue
            .discard(DeadLetterSet::Pending, Some(&crm()), &left[0], "ops")
            .await
            .unwrap()
    );
    assert_eq!(rig.settle(&lost, DELIVERED).await, Settled::Stale);
}

pub async fn an_expedited_line_is_due_now(rig: Rig) {
    let leads = accepted(&rig, &["ann", "ann"]).await;
    let claim = rig.claim_soon().await;
    rig.settle(&claim, retry(LONG)).await;
    assert!(rig.claim(10).await.is_empty());
    assert!(
        rig.queue.expedite(&crm(), &leads[1]).await.unwrap(),
        "by any lead of the line"
    );
    let again = rig.claim(10).await.remove(0);
    assert_eq!((&again.id, again.attempt), (&leads[0], 2));
    assert!(!rig.queue.expedite(&crm(), &LeadId::generate()).await.unwrap());
    assert!(!rig.queue.expedite(&other_crm(), &leads[1]).await.unwrap());
}

pub async fn a_lead_is_moved_to_another_sink(mut rig: Rig) {
    let dead = dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id;
    let waits = accepted(&rig, &["ann", "bob"]).await;
    assert!(requeue(&rig, DeadLetterSet::Dead, Some(&crm()), &dead, &[other_crm()]).await);
    assert!(
        requeue(
            &rig,
            DeadLetterSet::Pending,
            Some(&crm()),
            &waits[0],
            &[other_crm()]
        )
        .await
    );
    assert!(
        !requeue(
            &rig,
            DeadLetterSet::Pending,
            Some(&crm()),
            &waits[0],
            &[other_crm()]
        )
        .await
    );
    rig.crash().await;
    let stats = rig.queue.sink_stats(&[crm(), other_crm()]).await.unwrap();
    let figures = |stats: &SinkStats| (stats.pending, stats.dead, stats.discarded);
    assert_eq!((figures(&stats[0]), figures(&stats[1])), ((1, 0, 0), (2, 0, 0)));
    for expected in [&dead, &waits[0]] {
        let claim = rig
            .queue
            .claim(&other_crm(), 10, LONG)
            .await
            .unwrap()
            .claims
            .remove(0);
        assert_eq!((&claim.id, claim.attempt), (expected, 1));
        let settlement = Settlement::of(&claim, DELIVERED);
        rig.queue.settle(&other_crm(), vec![settlement]).await.unwrap();
    }
    assert_eq!(rig.deliver_all().await, [waits[1].clone()]);
}

pub async fn an_unrouted_lead_goes_where_it_is_sent(rig: Rig) {
    let lead = NewLead {
        sinks: Vec::new().into(),
        ..fresh("ann")
    };
    rig.accept(lead.clone()).await;
    assert!(
        !requeue(&rig, DeadLetterSet::Unrouted, Some(&crm()), &lead.id, &[crm()]).await,
        "it has no sink"
    );
    assert!(
        requeue(
            &rig,
            DeadLetterSet::Unrouted,
            None,
            &lead.id,
            &[crm(), other_crm()]
        )
        .await
    );
    assert!(
        !requeue(&rig, DeadLetterSet::Unrouted, None, &lead.id, &[crm()]).await,
        "once"
    );
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!((counted.accepted, counted.unrouted, counted.discarded), (1, 0, 0));
    for sink in [crm(), other_crm()] {
        let claim = rig.queue.claim(&sink, 10, LONG).await.unwrap().claims.remove(0);
        assert_eq!((claim.id, claim.body), (lead.id.clone(), lead.body.clone()));
    }
}

pub async fn sinks_with_leads_are_told_whoever_names_them(mut rig: Rig) {
    assert!(rig.queue.occupied_sinks().await.unwrap().is_empty());
    accepted(&rig, &["ann"]).await;
    let mut elsewhere = fresh("bob");
    elsewhere.sinks = vec![other_crm()].into();
    rig.accept(elsewhere).await;
    rig.crash().await;
    assert_eq!(rig.queue.occupied_sinks().await.unwrap(), [crm(), other_crm()]);
    rig.deliver_all().await;
    assert_eq!(rig.queue.occupied_sinks().await.unwrap(), [other_crm()]);
    // What is set aside is not forgotten either.
    dead_letter(&rig, "cid", DeadLetterSet::Held).await;
    assert_eq!(rig.queue.occupied_sinks().await.unwrap(), [crm(), other_crm()]);
}

pub async fn what_was_put_in_survives_a_crash(mut rig: Rig) {
    for round in 0..3 {
        let dead = dead_letter(&rig, "ann", DeadLetterSet::Dead).await.id;
        tokio::time::sleep(Duration::from_millis(3)).await;
        let waiting = accepted(&rig, &["ann", "ann"]).await;
        assert!(rig.replay(DeadLetterSet::Dead, &crm(), &dead, None).await);
        rig.crash().await;
        let expected: Vec<_> = [dead].into_iter().chain(waiting).collect();
        assert_eq!(rig.deliver_all().await, expected, "round {round}");
    }
    assert_eq!(rig.stats().await.pending, 0);
}
