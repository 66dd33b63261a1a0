//! What may happen to a file, and what must not follow from it.

use std::time::Duration;

use bytes::Bytes;
use leadgate_receiver::queue::*;

use crate::rig::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_is_refused_and_told_which_file() {
    let rig = Rig::sqlite().await;
    let url = format!("sqlite:{}", rig.path().display());
    let error = open(&url, OpenOptions::default()).await.err().unwrap();
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("queue.db"), "{error}");
    assert_eq!(
        rig.accept(fresh("ann")).await,
        Admission::Accepted,
        "the first is not disturbed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    let url = format!("sqlite:{}", path.display());
    std::fs::write(&path, "this is a letter, and a long one at that. ".repeat(200)).unwrap();
    let error = open(&url, OpenOptions::default())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("other.db"), "{error}");
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .starts_with("this is a letter")
    );

    let url = format!("sqlite:{}/missing/queue.db", directory.path().display());
    let error = open(&url, OpenOptions::default())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("folder exists"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_in_the_files_at_that_moment() {
    let rig = Rig::sqlite().await;
    let mut copies = Vec::new();
    for n in 0..5 {
        rig.accept(fresh(&format!("person {n}"))).await;
        // What a power cut at this moment would leave.
        let directory = tempfile::tempdir().unwrap();
        for name in ["queue.db", "queue.db-wal"] {
            std::fs::copy(rig.path().with_file_name(name), directory.path().join(name)).unwrap();
        }
        copies.push(directory);
    }
    for (n, copy) in copies.iter().enumerate() {
        let url = format!("sqlite:{}", copy.path().join("queue.db").display());
        let queue = open(&url, options()).await.unwrap();
        assert_eq!(queue.claim(&crm(), 100, LONG).await.unwrap().claims.len(), n + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_wait_is_refused() {
    let narrow = OpenOptions {
        max_waiting_bytes: 10_000,
        ..OpenOptions::default()
    };
    let rig = Rig::sqlite_with(narrow).await;
    let senders: Vec<_> = (0..50)
        .map(|_| {
            let queue = rig.queue.clone();
            tokio::spawn(async move {
                let mut lead = fresh("ann");
                lead.body = Bytes::from(vec![b'x'; 6_000]);
                queue.accept(vec![lead]).await
            })
        })
        .collect();
    let mut accepted = 0;
    for sender in senders {
        match sender.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(QueueError::Full { waiting }) => assert!(waiting > 0),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(accepted > 0);
    assert_eq!(
        rig.deliver_all().await.len(),
        accepted,
        "what was refused was not stored"
    );
}

/// How many contacts a queue has leads of that is opened on what a power cut would leave now.
async fn left_by_a_power_cut(rig: &Rig) -> usize {
    let copy = tempfile::tempdir().unwrap();
    for name in ["queue.db", "queue.db-wal"] {
        std::fs::copy(rig.path().with_file_name(name), copy.path().join(name)).unwrap();
    }
    let url = format!("sqlite:{}", copy.path().join("queue.db").display());
    let queue = open(&url, options()).await.unwrap();
    queue.claim(&crm(), 100, LONG).await.unwrap().claims.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_files_are_written_again_with_all_that_they_held_before_a_lead_is_acknowledged() {
    let (file, log, reserve) = ("queue.db", "queue.db-wal", "queue.db-reserve");
    for removed in [&[file][..], &[log], &[file, log], &[file, log, reserve]] {
        let rig = Rig::sqlite().await;
        let claim = {
            rig.accept(fresh("ann")).await;
            rig.accept(fresh("bob")).await;
            rig.claim(1).await.remove(0)
        };
        for name in removed {
            std::fs::remove_file(rig.path().with_file_name(name)).unwrap();
        }
        let cem = fresh("cem");
        eventually("a lead is acknowledged", || async {
            rig.queue.accept(vec![cem.clone()]).await.is_ok()
        })
        .await;
        assert_eq!(left_by_a_power_cut(&rig).await, 2, "without {removed:?}");
        assert_eq!(rig.queue.check().await.unwrap().problems, Vec::<String>::new());
        assert_eq!(rig.settle(&claim, DELIVERED).await, Settled::Done);
        assert_eq!(rig.deliver_all().await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_removed_last_thing_is_written_again_when_the_queue_closes() {
    let rig = Rig::sqlite().await;
    rig.accept(fresh("ann")).await;
    std::fs::remove_file(rig.path()).unwrap();
    rig.queue.close().await;
    let url = format!("sqlite:{}", rig.path().display());
    let queue = open(&url, options()).await.unwrap();
    assert_eq!(queue.claim(&crm(), 100, LONG).await.unwrap().claims.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_file_cannot_be_written_again_no_lead_is_acknowledged() {
    let rig = Rig::sqlite().await;
    rig.accept(fresh("ann")).await;
    let folder = rig.path().parent().unwrap().to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(rig.queue.accept(vec![fresh("bob")]).await.is_err());
    let error = rig.queue.check().await.unwrap_err();
    assert!(error.to_string().contains("removed"), "{error}");
    std::fs::create_dir(&folder).unwrap();
    let bob = fresh("bob");
    eventually("leads are accepted again", || async {
        rig.queue.accept(vec![bob.clone()]).await.is_ok()
    })
    .await;
    assert_eq!(left_by_a_power_cut(&rig).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_took_the_queues_place_is_left_alone_and_nothing_is_lost() {
    // Given a queue whose file somebody replaces,
    let rig = Rig::sqlite().await;
    for person in ["ann", "bob"] {
        rig.accept(fresh(person)).await;
    }
    let other = rig.path().with_file_name("other");
    std::fs::write(&other, "a letter").unwrap();
    std::fs::rename(&other, rig.path()).unwrap();
    // when a lead is offered, then it is refused, and the store is not ready;
    eventually("the store says so", || async {
        let error = rig.queue.check().await.err();
        error.is_some_and(|error| error.to_string().contains("replaced"))
    })
    .await;
    assert!(rig.queue.accept(vec![fresh("cem")]).await.is_err());
    // what waits is delivered, and the rest is found beside the other file, which is as it was.
    let claim = rig.claim(1).await.remove(0);
    assert_eq!(rig.settle(&claim, DELIVERED).await, Settled::Done);
    rig.queue.close().await;
    assert_eq!(std::fs::read(rig.path()).unwrap(), b"a letter");
    let rescued: Vec<_> = std::fs::read_dir(rig.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("-rescued-"))
        .collect();
    assert_eq!(rescued.len(), 1, "{rescued:?}");
    let url = format!("sqlite:{}", rescued[0].display());
    let queue = open(&url, options()).await.unwrap();
    assert_eq!(queue.claim(&crm(), 100, LONG).await.unwrap().claims.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_queue_says_so() {
    let rig = Rig::sqlite().await;
    rig.accept(fresh("ann")).await;
    rig.queue.close().await;
    rig.queue.close().await;
    let error = rig.queue.accept(vec![fresh("bob")]).await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_file_is_used_again_and_shrinks() {
    let rig = Rig::sqlite().await;
    for _ in 0..20 {
        let group: Vec<_> = (0..100)
            .map(|n| {
                let mut lead = fresh(&format!("person {n}"));
                lead.window = Duration::from_millis(1);
                lead.body = Bytes::from(vec![b'x'; 8_000]);
                lead
            })
            .collect();
        rig.queue.accept(group).await.unwrap();
    }
    rig.deliver_all().await;
    while rig.queue.prune(&LedgerBounds::default()).await.unwrap() {}
    rig.queue.close().await;
    let size = std::fs::metadata(rig.path()).unwrap().len();
    assert!(size < 12_000_000, "{size} bytes remain of 16 million");
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_told_without_its_secrets() {
    let cases = [
        ("leadgate.db", "scheme"),
        ("postgres://user:s3cret@host/", "scheme"),
        ("s3cret:s3cret@host", "scheme"),
        ("sqlite:", "file"),
        ("redis+sentinel://:s3cret@host/", "name the primary"),
        ("redis+cluster://:s3cret@host/1", "one database"),
        ("redis://:s3cret@host:notaport/", "form"),
        ("rediss://", "form"),
    ];
    for (url, expected) in cases {
        let error = open(url, OpenOptions::default()).await.err().unwrap().to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    assert!(
        open("mysql:x", OpenOptions::default())
            .await
            .err()
            .unwrap()
            .to_string()
            .contains("rediss://")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_left_the_queue_is_not_in_its_files() {
    // Given leads that were delivered and discarded, small ones and large ones,
    let rig = Rig::sqlite().await;
    for (person, size) in [("ann", 10), ("bob", 50_000)] {
        for _ in 0..2 {
            let mut lead = fresh(person);
            lead.body = format!("Ada-Lovelace{}", "x".repeat(size)).into();
            rig.accept(lead).await;
        }
    }
    for (n, claim) in rig.claim(2).await.into_iter().enumerate() {
        if n == 0 {
            rig.settle(&claim, DELIVERED).await;
        } else {
            rig.dead_letter(&claim, DeadLetterSet::Dead).await;
            assert!(
                rig.queue
                    .discard(DeadLetterSet::Dead, Some(&crm()), &claim.id, "ops")
                    .await
                    .unwrap()
            );
        }
    }
    rig.deliver_all().await;
    // when the store is tidied up, or closed,
    let told = || {
        let mut found = Vec::new();
        for name in ["queue.db", "queue.db-wal"] {
            let bytes = std::fs::read(rig.path().with_file_name(name)).unwrap_or_default();
            if bytes.windows(12).any(|part| part == b"Ada-Lovelace") {
                found.push(name);
            }
        }
        found
    };
    rig.queue.prune(&LedgerBounds::default()).await.unwrap();
    // then no file holds them any more.
    eventually("the files hold nothing of it", || async { told().is_empty() }).await;
    rig.queue.close().await;
    assert!(told().is_empty());
}
