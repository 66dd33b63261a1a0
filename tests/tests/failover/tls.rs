//! Servers and sentinels that speak TLS only: their certificate and its authority change under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use leadgate_receiver::queue::*;
use leadgate_tests::failover::lead;
use leadgate_tests::sentinel::{Sentinel, Setup};

use crate::replicas::{group, queue_with};

fn secured() -> Sentinel {
    group(Setup {
        password: Some("d4ta-s3cret"),
        sentinel_password: Some("sent1nel-s3cret"),
        tls: true,
        ..Setup::default()
    })
}

fn authorities(group: &Sentinel) -> Arc<[u8]> {
    let pem = group.tls.as_ref().unwrap().authorities().unwrap();
    pem.into_bytes().into()
}

async fn queue_of(group: &Sentinel) -> Arc<dyn Queue> {
    let options = OpenOptions {
        authorities: Some(authorities(group)),
        // However long a failover takes on a busy machine.
        accept_timeout: Duration::from_secs(30),
        ..OpenOptions::default()
    };
    queue_with(group, options).await
}

/// Leads that come in all the while: how many were acknowledged.
struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    sender: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Ends with the first lead that is refused.
    fn start(queue: Arc<dyn Queue>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (ends, counts) = (Arc::clone(&stop), Arc::clone(&count));
        let sender = tokio::spawn(async move {
            while !ends.load(Ordering::Acquire) {
                let number = counts.load(Ordering::Acquire);
                queue.accept(vec![lead("ann", number)]).await.unwrap();
                counts.fetch_add(1, Ordering::AcqRel);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        Self { stop, count, sender }
    }

    /// Waits until more leads were acknowledged.
    async fn goes_on(&self) {
        let before = self.count.load(Ordering::Acquire);
        while self.count.load(Ordering::Acquire) < before + 50 {
            assert!(!self.sender.is_finished(), "a lead was refused");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Release);
        self.sender.await.unwrap();
        self.count.load(Ordering::Acquire)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn certificate_and_authority_change_and_the_primary_fails_over_without_a_refused_lead() {
    let mut group = secured();
    let queue = queue_of(&group).await;
    let load = Load::start(Arc::clone(&queue));
    load.goes_on().await;

    // The same authority signs another certificate: nobody has to be told.
    group.tls.as_ref().unwrap().renew().unwrap();
    tokio::task::block_in_place(|| group.take_certificates().unwrap());
    load.goes_on().await;
    tokio::task::block_in_place(|| {
        group.settled().unwrap();
        group.fail_over().unwrap();
        group.settled().unwrap();
    });
    load.goes_on().await;

    // Another authority: trusted by all before it signs.
    group.tls.as_mut().unwrap().succeed("its successor").unwrap();
    tokio::task::block_in_place(|| group.take_certificates().unwrap());
    let access = Access {
        url: group.url(),
        authorities: Some(authorities(&group)),
    };
    queue.renew_access(&access).unwrap();
    load.goes_on().await;
    group.tls.as_ref().unwrap().renew().unwrap();
    tokio::task::block_in_place(|| group.take_certificates().unwrap());
    load.goes_on().await;

    // The primary dies: all connections are made anew, with the new certificate.
    tokio::task::block_in_place(|| {
        group.settled().unwrap();
        let before = group.primary().unwrap();
        group.servers[before].kill();
        group.replaced(before).unwrap();
        group.restore().unwrap();
    });
    load.goes_on().await;
    let accepted = load.end().await;
    let stats = queue
        .sink_stats(&[leadgate_tests::failover::crm()])
        .await
        .unwrap();
    assert_eq!(stats[0].pending, u64::try_from(accepted).unwrap());
    println!("{accepted} leads acknowledged, none refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_another_authority_are_refused_with_the_remedy() {
    let (group, other) = (secured(), leadgate_tests::redis_tls::RedisTls::new().unwrap());
    let options = OpenOptions {
        authorities: Some(other.authorities().unwrap().into_bytes().into()),
        accept_timeout: Duration::from_secs(1),
        ..OpenOptions::default()
    };
    let queue = queue_with(&group, options).await;
    let error = queue.accept(vec![lead("ann", 0)]).await.unwrap_err().to_string();
    assert!(error.contains("--queue-ca"), "{error}");
    let plain = group.url().replace("rediss+", "redis+");
    let queue = open(&plain, OpenOptions::default()).await.unwrap();
    assert!(
        queue.accept(vec![lead("ann", 0)]).await.is_err(),
        "no server listens without TLS"
    );
}
