//! Leads are indexed after they were acknowledged: nothing may depend on when.

use std::{collections::BTreeMap, time::Duration};

use leadgate_receiver::queue::*;

use crate::rig::*;

/// More leads than are indexed at once, for people of whom many come again.
fn a_crowd(round: usize) -> Vec<NewLead> {
    (0..1000)
        .map(|n| fresh(&format!("person {}", (n * 7 + round) % 1600)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_while_the_index_is_written_loses_nothing_and_keeps_the_order() {
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
        // The first 8,192 are indexed from the ninth round on.
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
        let queue = open(&url, options()).await.unwrap();
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
            let settlements = claims
                .iter()
                .map(|claim| Settlement::of(claim, Disposition::delivered(None)));
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
    assert_eq!(rig.accept(resend()).await, known, "while indexed");
    rig.claim(1).await;
    assert_eq!(rig.accept(resend()).await, known, "indexed");
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
            !rig.queue.prune(&LedgerBounds::default()).await.unwrap(),
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
