//! A full file refuses what comes in, and lets leads out.

use std::time::Instant;

use bytes::Bytes;
use leadgate_receiver::queue::*;

use crate::rig::*;

/// A queue whose file may become so large.
async fn limited(bytes: u64) -> Rig {
    Rig::sqlite_with(OpenOptions {
        max_file_bytes: Some(bytes),
        ..OpenOptions::default()
    })
    .await
}

fn big(person: &str) -> NewLead {
    let mut lead = fresh(person);
    lead.body = Bytes::from(vec![b'x'; 20_000]);
    lead
}

/// Offers leads, fewer than `most`, until one is refused: how many were taken, and why that one was not.
async fn fill(rig: &Rig, most: usize, lead: impl Fn(usize) -> NewLead) -> (usize, QueueError) {
    let mut accepted = 0;
    loop {
        if let Err(error) = rig.queue.accept(vec![lead(accepted)]).await {
            return (accepted, error);
        }
        accepted += 1;
        assert!(accepted < most);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_file_has_not_filed_leaves_it_all_the_same() {
    let rig = limited(1 << 20).await;
    let (accepted, _) = fill(&rig, 20_000, |n| fresh(&format!("person {n}"))).await;
    assert_eq!(rig.deliver_all().await.len(), accepted);
    rig.accept(fresh("ann")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_leads_and_takes_them_again_once_there_is_room() {
    let rig = limited(600_000).await;
    let (accepted, error) = fill(&rig, 1000, |_| big("ann")).await;
    assert!(
        matches!(&error, QueueError::Unavailable(why) if why.contains("full")),
        "{error}"
    );
    // Leads go out, which makes room.
    assert_eq!(rig.deliver_all().await.len(), accepted);
    let began = Instant::now();
    eventually("there is room", || async {
        rig.queue.accept(vec![big("ann")]).await.is_ok()
    })
    .await;
    assert!(began.elapsed() < RECOVERY);
    assert_eq!(rig.stats().await.pending, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_leave_a_full_file_while_senders_keep_offering_more() {
    // Given a full file, and senders that do not give up,
    let rig = limited(600_000).await;
    let (accepted, _) = fill(&rig, 1000, |n| big(&format!("person {n}"))).await;
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let queue = rig.queue.clone();
            tokio::spawn(async move {
                loop {
                    let _ = queue.accept(vec![big("somebody")]).await;
                }
            })
        })
        .collect();

    // When leads are claimed and delivered in the same transactions, then none of that fails.
    let mut delivered = 0;
    while delivered < accepted {
        let claims = rig.queue.claim(&crm(), 5, LONG).await.unwrap().claims;
        for claim in claims {
            rig.settle(&claim, Disposition::delivered(None)).await;
            delivered += 1;
        }
    }
    senders.iter().for_each(tokio::task::JoinHandle::abort);
}
