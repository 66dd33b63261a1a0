//! What may happen to a file, and what must not follow from it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

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
        let queue = open(&url, OpenOptions::default()).await.unwrap();
        assert_eq!(queue.claim(&crm(), 100, LONG).await.unwrap().claims.len(), n + 1);
    }
}

/// More leads than are filed at once, for people of whom many come again.
fn a_crowd(round: usize) -> Vec<NewLead> {
    (0..1000)
        .map(|n| fresh(&format!("person {}", (n * 7 + round) % 1600)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_at_any_moment_of_the_filing_loses_nothing_and_keeps_the_order() {
    // Given leads that come in faster than they go out, and what a power cut would leave at many moments.
    let rig = Rig::sqlite().await;
    let mut offered = Vec::new();
    let mut copies = Vec::new();
    for round in 0..16 {
        for group in a_crowd(round).chunks(125) {
            offered.extend(group.iter().map(|lead| (lead.contact.clone(), lead.id.clone())));
            rig.queue.accept(group.to_vec()).await.unwrap();
        }
        // Some leads leave in between, which files the others.
        if round == 12 {
            rig.claim(50).await;
        }
        // The first 8,192 are filed from the ninth round on.
        if (1..8).contains(&round) {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        for name in ["queue.db", "queue.db-wal"] {
            std::fs::copy(rig.path().with_file_name(name), directory.path().join(name)).unwrap();
        }
        copies.push((directory, offered.len()));
    }

    for (copy, acknowledged) in copies {
        // When the copy is opened,
        let url = format!("sqlite:{}", copy.path().join("queue.db").display());
        let queue = open(&url, OpenOptions::default()).await.unwrap();
        let known = offered.get(..acknowledged).unwrap();

        // Then each lead waits,
        assert_eq!(
            queue.sink_stats(&[crm()]).await.unwrap()[0].pending,
            acknowledged as u64
        );

        // and comes once, in its contact's order.
        let mut expected: BTreeMap<&Contact, Vec<&LeadId>> = BTreeMap::new();
        for (contact, id) in known {
            expected.entry(contact).or_default().push(id);
        }
        let mut delivered: BTreeMap<Contact, Vec<LeadId>> = BTreeMap::new();
        loop {
            let claims = queue.claim(&crm(), 200, LONG).await.unwrap().claims;
            if claims.is_empty() {
                break;
            }
            let settlements = claims.iter().map(|claim| Settlement {
                contact: claim.contact.clone(),
                token: claim.token,
                outcome: Outcome::Delivered { remember: None },
            });
            queue.settle(&crm(), settlements.collect()).await.unwrap();
            for claim in claims {
                delivered.entry(claim.contact).or_default().push(claim.id);
            }
        }
        // The 50 that were claimed before the copy are leased.
        for (contact, ids) in &delivered {
            let expected: Vec<LeadId> = expected[contact].iter().map(|&id| id.clone()).collect();
            assert_eq!(ids, &expected);
        }
        let leased = if acknowledged > 12_000 { 50 } else { 0 };
        assert_eq!(delivered.len(), expected.len() - leased);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resend_is_recognised_before_and_after_its_lead_is_filed() {
    let mut rig = Rig::sqlite().await;
    let first = fresh("ann");
    rig.accept(first.clone()).await;
    let resend = || NewLead {
        id: LeadId::generate(),
        ..first.clone()
    };
    let known = Admission::Duplicate(first.id.clone());
    assert_eq!(rig.accept(resend()).await, known, "still in memory");
    rig.crash().await;
    assert_eq!(rig.accept(resend()).await, known, "read again after a crash");
    for round in 0..10 {
        rig.queue.accept(a_crowd(round)).await.unwrap();
    }
    assert_eq!(rig.accept(resend()).await, known, "while filed");
    rig.claim(1).await;
    assert_eq!(rig.accept(resend()).await, known, "filed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_first_version_is_taken_over() {
    // Given a file as the first version wrote it: two leads of ann, the first tried twice, and one of bob.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("queue.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!(
        "../../../receiver/src/queue/sqlite/migrations/1.sql"
    ))
    .unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x4C646751; PRAGMA user_version = 1;
         INSERT INTO line VALUES (3, 'shop/crm', 'ann', 'a1', 'shop/form', 1000, 1000, x'01'),
             (4, 'shop/crm', 'bob', 'b1', 'shop/form', 1000, 1000, x'02'),
             (7, 'shop/crm', 'ann', 'a2', 'shop/form', 2000, 2000, x'03');
         INSERT INTO head VALUES ('shop/crm', 'ann', 1500, 1000, 0, 2, 1, 1), ('shop/crm', 'bob', 1000, 1000, 0, 0, 0, 0);
         INSERT INTO dedupe VALUES ('key', 'a1', 99999999999999);
         INSERT INTO sink_count VALUES ('shop/crm', 'shop/form', 3, 0, 0, 0, 0, 0);",
    )
    .unwrap();
    drop(old);

    // When this version opens it,
    let queue = open(&format!("sqlite:{}", path.display()), OpenOptions::default())
        .await
        .unwrap();

    // Then everything goes on where it stood.
    let sink = SinkId::from("shop/crm");
    let resend = NewLead {
        dedupe: DedupeKey::from("key"),
        ..fresh("ann")
    };
    assert_eq!(
        queue.accept(vec![resend]).await.unwrap(),
        [Admission::Duplicate(LeadId::from("a1"))]
    );
    let mut late = fresh("ann");
    (late.contact, late.sinks) = (Contact::from("ann"), [sink.clone()].into());
    queue.accept(vec![late.clone()]).await.unwrap();
    let mut order = Vec::new();
    loop {
        let claims = queue.claim(&sink, 10, LONG).await.unwrap().claims;
        if claims.is_empty() {
            break;
        }
        for claim in claims {
            order.push((claim.id.to_string(), claim.attempt, claim.unknown));
            let delivered = Settlement {
                contact: claim.contact,
                token: claim.token,
                outcome: Outcome::Delivered { remember: None },
            };
            queue.settle(&sink, vec![delivered]).await.unwrap();
        }
    }
    let expected = [
        ("b1", 1, false),
        ("a1", 3, true),
        ("a2", 1, false),
        (late.id.as_str(), 1, false),
    ];
    assert_eq!(
        order,
        expected.map(|(id, attempt, unknown)| (id.to_owned(), attempt, unknown))
    );
    assert_eq!(queue.sink_stats(&[sink]).await.unwrap()[0].delivered, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_file_has_not_filed_leaves_it_all_the_same() {
    let limited = OpenOptions {
        max_file_bytes: Some(1 << 20),
        ..OpenOptions::default()
    };
    let rig = Rig::sqlite_with(limited).await;
    let mut accepted = 0;
    while rig
        .queue
        .accept(vec![fresh(&format!("person {accepted}"))])
        .await
        .is_ok()
    {
        accepted += 1;
        assert!(accepted < 20_000);
    }
    assert_eq!(rig.deliver_all().await.len(), accepted);
    rig.accept(fresh("ann")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_leads_and_takes_them_again_once_there_is_room() {
    let limited = OpenOptions {
        max_file_bytes: Some(600_000),
        ..OpenOptions::default()
    };
    let rig = Rig::sqlite_with(limited).await;
    let big = || {
        let mut lead = fresh("ann");
        lead.body = Bytes::from(vec![b'x'; 20_000]);
        lead
    };
    let mut accepted = 0;
    let error = loop {
        match rig.queue.accept(vec![big()]).await {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 1000);
    };
    assert!(
        matches!(&error, QueueError::Unavailable(why) if why.contains("full")),
        "{error}"
    );
    // Leads go out, which makes room.
    assert_eq!(rig.deliver_all().await.len(), accepted);
    let began = Instant::now();
    eventually("there is room", || async {
        rig.queue.accept(vec![big()]).await.is_ok()
    })
    .await;
    assert!(began.elapsed() < RECOVERY);
    assert_eq!(rig.stats().await.pending, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_leave_a_full_file_while_senders_keep_offering_more() {
    // Given a full file, and senders that do not give up,
    let limited = OpenOptions {
        max_file_bytes: Some(600_000),
        ..OpenOptions::default()
    };
    let rig = Rig::sqlite_with(limited).await;
    let big = |person: &str| {
        let mut lead = fresh(person);
        lead.body = Bytes::from(vec![b'x'; 20_000]);
        lead
    };
    let mut accepted = 0;
    while rig
        .queue
        .accept(vec![big(&format!("person {accepted}"))])
        .await
        .is_ok()
    {
        accepted += 1;
    }
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
            rig.settle(&claim, Outcome::Delivered { remember: None }).await;
            delivered += 1;
        }
    }
    senders.iter().for_each(tokio::task::JoinHandle::abort);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_file_is_reported() {
    let rig = Rig::sqlite().await;
    let report = rig.queue.check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.write_latency > Duration::ZERO);
    std::fs::remove_file(rig.path()).unwrap();
    let problems = rig.queue.check().await.unwrap().problems;
    assert!(problems[0].contains("removed"), "{problems:?}");
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
    while rig.queue.prune().await.unwrap() {}
    rig.queue.close().await;
    let size = std::fs::metadata(rig.path()).unwrap().len();
    assert!(size < 12_000_000, "{size} bytes remain of 16 million");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_keys_are_removed_wherever_they_stand_and_the_others_stay() {
    // Given more keys than are looked at in one go, of which each fourth has expired.
    let rig = Rig::sqlite().await;
    let leads: Vec<_> = (0..12_000)
        .map(|n| {
            let mut lead = fresh(&format!("person {n}"));
            lead.window = if n % 4 == 0 {
                Duration::from_millis(1)
            } else {
                LONG
            };
            lead
        })
        .collect();
    for group in leads.chunks(1000) {
        rig.queue.accept(group.to_vec()).await.unwrap();
    }
    rig.claim(1).await; // files them
    tokio::time::sleep(Duration::from_millis(5)).await;

    // When prune has gone round,
    for _ in 0..3 {
        assert!(
            !rig.queue.prune().await.unwrap(),
            "a fourth is not worth hurrying"
        );
    }

    // Then those keys are gone, and a resend of another lead is still known.
    let resend = NewLead {
        id: LeadId::generate(),
        ..leads[1].clone()
    };
    let known = Admission::Duplicate(leads[1].id.clone());
    assert_eq!(rig.accept(resend).await, known);
    rig.queue.close().await;
    let file = rusqlite::Connection::open(rig.path()).unwrap();
    let keys: i64 = file
        .query_row("SELECT count(*) FROM dedupe", [], |row| row.get(0))
        .unwrap();
    assert_eq!(keys, 9_000);
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_told_without_its_secrets() {
    let cases = [
        ("leadgate.db", "scheme"),
        ("postgres://user:s3cret@host/", "scheme"),
        ("s3cret:s3cret@host", "scheme"),
        ("sqlite:", "file"),
        ("redis+sentinel://:s3cret@host/", "not supported yet"),
        ("redis+cluster://:s3cret@host/", "not supported yet"),
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
