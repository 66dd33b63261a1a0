//! Work wakes on push; who waits asks nothing.

use std::time::{Duration, Instant};

use leadgate_receiver::queue::*;

use crate::rig::*;

pub async fn a_push_wakes_whoever_waits(rig: Rig) {
    rig.claim(1).await;
    let queue = rig.queue.clone();
    let waiter = tokio::spawn(async move { queue.wait(&crm(), LONG).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.accept(fresh("ann")).await;
    tokio::time::timeout(RECOVERY, waiter).await.unwrap().unwrap();
}

pub async fn a_push_wakes_across_processes(rig: Rig) {
    let other = rig.second().await;
    // Until the subscription stands, a wait returns early.
    eventually("the other listens", || async {
        other.claim(&crm(), 1, LONG).await.unwrap();
        let began = Instant::now();
        other.wait(&crm(), Duration::from_millis(1500)).await;
        began.elapsed() >= Duration::from_millis(1400)
    })
    .await;
    let waiting = other.clone();
    let waiter = tokio::spawn(async move { waiting.wait(&crm(), LONG).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    rig.accept(fresh("ann")).await;
    tokio::time::timeout(RECOVERY, waiter).await.unwrap().unwrap();
    assert_eq!(other.claim(&crm(), 1, LONG).await.unwrap().claims.len(), 1);
}

pub async fn a_push_before_the_wait_is_not_missed(rig: Rig) {
    for _ in 0..20 {
        assert!(rig.claim(10).await.is_empty());
        rig.accept(fresh("ann")).await;
        let sink = crm();
        let waited = tokio::time::timeout(RECOVERY, rig.queue.wait(&sink, LONG));
        waited.await.expect("the push came after the claim");
        rig.deliver_all().await;
    }
}

pub async fn a_wait_ends_when_its_time_is_over(rig: Rig) {
    rig.claim(1).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(200) {
        rig.queue.wait(&crm(), Duration::from_millis(250)).await;
    }
}

pub async fn the_next_lead_of_a_contact_wakes_when_the_first_is_settled(rig: Rig) {
    rig.queue.accept(vec![fresh("ann"), fresh("ann")]).await.unwrap();
    let claim = rig.claim(10).await.remove(0);
    assert!(rig.claim(10).await.is_empty());
    let queue = rig.queue.clone();
    let waiter = tokio::spawn(async move { queue.wait(&crm(), LONG).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.settle(&claim, DELIVERED).await;
    tokio::time::timeout(RECOVERY, waiter).await.unwrap().unwrap();
    assert_eq!(rig.claim(10).await.len(), 1);
}

pub async fn a_replay_wakes(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let claim = rig.claim(1).await.remove(0);
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    rig.claim(1).await;
    let queue = rig.queue.clone();
    let waiter = tokio::spawn(async move { queue.wait(&crm(), LONG).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    rig.replay(DeadLetterSet::Dead, &crm(), &claim.id, None).await;
    tokio::time::timeout(RECOVERY, waiter).await.unwrap().unwrap();
}
