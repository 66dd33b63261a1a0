//! What it means that replicas acknowledge a lead, and what not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use leadgate_receiver::queue::*;
use leadgate_tests::failover::{crm, lead};
use leadgate_tests::redis_server::RedisServer;
use leadgate_tests::sentinel::{Sentinel, Setup};

/// How long recovery may take; the rest is for busy machines.
const RECOVERY: Duration = Duration::from_mins(1);

pub(crate) fn group(setup: Setup) -> Sentinel {
    tokio::task::block_in_place(|| Sentinel::start(setup).unwrap())
}

pub(crate) async fn queue_with(group: &Sentinel, options: OpenOptions) -> Arc<dyn Queue> {
    open(&group.url(), options).await.unwrap()
}

fn replicas(replicas: u32) -> OpenOptions {
    OpenOptions {
        acknowledge_replicas: Some(replicas),
        accept_timeout: Duration::from_secs(2),
        ..OpenOptions::default()
    }
}

/// Claims and settles until nothing is left.
async fn delivered(queue: &dyn Queue) -> Vec<LeadId> {
    let mut all = Vec::new();
    let began = Instant::now();
    loop {
        let claims = queue.claim(&crm(), 100, Duration::from_mins(1)).await;
        let claims = claims.map(|claims| claims.claims);
        match claims {
            Ok(claims) if claims.is_empty() => return all,
            Ok(claims) => {
                for claim in claims {
                    let settlement = Settlement::of(&claim, Disposition::delivered(None));
                    assert_eq!(
                        queue.settle(&crm(), vec![settlement]).await.unwrap(),
                        [Settled::Done]
                    );
                    all.push(claim.id);
                }
            }
            Err(error) => assert!(began.elapsed() < RECOVERY, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The replicas are away while leads come in; then the primary dies, and only they return. Tells how many leads were
/// acknowledged, and how many of these are there afterwards.
async fn the_primary_dies_ahead_of_its_replicas(acknowledge: u32) -> (usize, usize) {
    let mut group = group(Setup::default());
    let queue = queue_with(&group, replicas(acknowledge)).await;
    let mut acknowledged = Vec::new();
    let before = lead("before", 0);
    assert!(queue.accept(vec![before.clone()]).await.is_ok());
    acknowledged.push(before.id);
    // Without acknowledgement, this one is not on its way to them yet.
    tokio::task::block_in_place(|| group.in_step(&mut group.connection().unwrap()).unwrap());
    let primary = group.primary().unwrap();
    let others: Vec<usize> = (0..group.servers.len())
        .filter(|server| *server != primary)
        .collect();
    for &other in &others {
        group.servers[other].kill();
    }
    for number in 0..3 {
        let lead = lead(&format!("person {number}"), number);
        if queue.accept(vec![lead.clone()]).await.is_ok() {
            acknowledged.push(lead.id);
        }
    }
    group.servers[primary].kill();
    tokio::task::block_in_place(|| {
        for &other in &others {
            group.servers[other].restart().unwrap();
        }
        group.replaced(primary).unwrap();
        // The old primary returns, ahead of the new one: it must follow.
        group.restore().unwrap();
    });
    let there = delivered(&*queue).await;
    let kept = acknowledged.iter().filter(|id| there.contains(id)).count();
    (acknowledged.len(), kept)
}

/// The control: if this loses nothing, the tests of this file prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn without_acknowledgement_a_failover_loses_what_replicas_had_not() {
    let (acknowledged, kept) = the_primary_dies_ahead_of_its_replicas(0).await;
    assert_eq!((acknowledged, kept), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_replica_has_is_not_acknowledged() {
    let (acknowledged, kept) = the_primary_dies_ahead_of_its_replicas(1).await;
    assert_eq!((acknowledged, kept), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_replicas_are_told_and_a_repeat_is_not_let_through() {
    let group = group(Setup::default());
    let queue = queue_with(&group, replicas(2)).await;
    let lead = lead("ann", 0);
    assert_eq!(
        queue.accept(vec![lead.clone()]).await.unwrap(),
        [Admission::Accepted]
    );
    let primary = group.primary().unwrap();
    let lagging = &group.servers[(primary + 1) % group.servers.len()];
    lagging.stop().unwrap();
    // A repeat and a duplicate write nothing of their own; they wait all the same.
    let duplicate = NewLead {
        id: LeadId::generate(),
        ..lead.clone()
    };
    for again in [&lead, &duplicate] {
        let error = queue.accept(vec![again.clone()]).await.unwrap_err();
        assert!(
            matches!(&error, QueueError::Unavailable(why) if why.contains("of the 2 replicas")),
            "{error}"
        );
    }
    let report = queue.check().await.unwrap();
    lagging.resume().unwrap();
    let mut caught_up = queue.accept(vec![lead.clone()]).await;
    for _ in 0..60 {
        if caught_up.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        caught_up = queue.accept(vec![lead.clone()]).await;
    }
    assert_eq!(caught_up.unwrap(), [Admission::Accepted]);
    assert_eq!(
        queue.accept(vec![duplicate]).await.unwrap(),
        [Admission::Duplicate(lead.id)]
    );
    assert!(report.durability.contains("3 of 3 disks"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_tells_how_many_disks_have_a_lead() {
    let mut group = group(Setup::default());
    let queue = queue_with(&group, OpenOptions::default()).await;
    let report = queue.check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(
        report.durability,
        "every acknowledged lead is on 2 of 3 disks (appendfsync always)"
    );
    let primary = group.primary().unwrap();
    let set = |server: &RedisServer, value: &str| {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("appendfsync").arg(value);
        set.exec(&mut server.connection().unwrap()).unwrap();
    };
    let replica = (primary + 1) % 3;
    set(&group.servers[replica], "everysec");
    let report = queue.check().await.unwrap();
    assert!(report.durability.contains("only 2 of them"), "{report:?}");
    assert!(report.durability.contains("appendfsync everysec"), "{report:?}");
    set(&group.servers[replica], "always");
    for other in [replica, (primary + 2) % 3] {
        group.servers[other].kill();
    }
    let began = Instant::now();
    while queue.check().await.unwrap().problems.is_empty() {
        assert!(began.elapsed() < RECOVERY);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let problems = queue.check().await.unwrap().problems.join("\n");
    assert!(problems.contains("0 of the 1 replicas"), "{problems}");
}

/// Nobody but a sender that watches the clock notices.
#[tokio::test(flavor = "multi_thread")]
async fn an_accept_waits_for_the_new_primary() {
    let mut group = group(Setup::default());
    let options = OpenOptions {
        // The promise is 4 s. On a busy machine sentinels may miss a replica, which then follows after another 10 s.
        accept_timeout: RECOVERY,
        ..OpenOptions::default()
    };
    let queue = queue_with(&group, options).await;
    assert!(queue.accept(vec![lead("ann", 0)]).await.is_ok());
    let before = group.primary().unwrap();
    group.servers[before].kill();
    let began = Instant::now();
    assert_eq!(
        queue.accept(vec![lead("bob", 0)]).await.unwrap(),
        [Admission::Accepted]
    );
    println!("accepted {:?} after the primary was killed", began.elapsed());
    assert_ne!(group.primary().unwrap(), before);
    assert_eq!(delivered(&*queue).await.len(), 2);
}

/// A claim of the old primary is worth nothing at the new one, whatever its clock or counters say.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_a_failover_forgot_cannot_be_settled() {
    let mut group = group(Setup::default());
    let queue = queue_with(&group, replicas(0)).await;
    let lead = lead("ann", 0);
    queue.accept(vec![lead.clone()]).await.unwrap();
    let primary = group.primary().unwrap();
    let others: Vec<usize> = (0..3).filter(|server| *server != primary).collect();
    for &other in &others {
        group.servers[other].kill();
    }
    let forgotten = queue
        .claim(&crm(), 1, Duration::from_mins(5))
        .await
        .unwrap()
        .claims
        .remove(0);
    group.servers[primary].kill();
    tokio::task::block_in_place(|| {
        for &other in &others {
            group.servers[other].restart().unwrap();
        }
        group.replaced(primary).unwrap();
    });
    let began = Instant::now();
    let again = loop {
        let claims = queue.claim(&crm(), 1, Duration::from_mins(5)).await;
        if let Some(claim) = claims.ok().and_then(|mut claims| claims.claims.pop()) {
            break claim;
        }
        assert!(began.elapsed() < RECOVERY);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let settle = |claim: &Claim| vec![Settlement::of(claim, Disposition::delivered(None))];
    assert_eq!(
        queue.settle(&crm(), settle(&forgotten)).await.unwrap(),
        [Settled::Stale]
    );
    assert_eq!(
        queue.settle(&crm(), settle(&again)).await.unwrap(),
        [Settled::Done]
    );
}
