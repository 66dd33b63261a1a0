//! What an erasure is made of: leads that go, entries that no longer tell, and files that forget.

use std::time::Duration;

use leadgate_receiver::queue::*;
use leadgate_tests::redis_server::RedisServer;

use crate::dead_lettering::dead_letter;
use crate::rig::*;

const SECRET: &str = "ada.byron@example.com";

fn readable(person: &str) -> NewLead {
    NewLead {
        body: format!("{{\"email\":\"{SECRET}\"}}").into(),
        people: vec![Identity::email(SECRET), Identity::submission("s-1")],
        ..fresh(person)
    }
}

async fn remove(rig: &Rig, set: DeadLetterSet, id: &LeadId) -> bool {
    let sink = crm();
    rig.queue
        .remove(set, Some(&sink), id, Removal::Erased, "dpo")
        .await
        .unwrap()
}

pub async fn pending_leads_are_listed_with_their_bodies_if_asked(rig: Rig) {
    let leads: Vec<NewLead> = (0..5).map(|_| readable("ann")).collect();
    rig.queue.accept(leads.clone()).await.unwrap();
    let mut filter = ListFilter {
        limit: 2,
        ..ListFilter::default()
    };
    for bodies in [false, true] {
        (filter.bodies, filter.after) = (bodies, None);
        let mut found = Vec::new();
        loop {
            let page = rig.queue.list(DeadLetterSet::Pending, &filter).await.unwrap();
            found.extend(page.items);
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), 5);
        for (lead, found) in leads.iter().zip(&found) {
            assert_eq!(found.id, lead.id);
            assert_eq!(found.body, if bodies { lead.body.clone() } else { "".into() });
        }
    }
}

pub async fn a_lead_under_delivery_is_erased_after_its_call(rig: Rig) {
    let lead = readable("ann");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    assert!(!remove(&rig, DeadLetterSet::Pending, &lead.id).await);
    rig.settle(&claim, retry(LONG)).await;
    assert!(remove(&rig, DeadLetterSet::Pending, &lead.id).await);
    assert!(!remove(&rig, DeadLetterSet::Pending, &lead.id).await);
    let entry = rig.queue.entry(&form(), &lead.id).await.unwrap().unwrap();
    let last = entry.events.last().unwrap();
    assert_eq!((last.what, last.by.as_str()), (LedgerEventKind::Erased, "dpo"));

    // A resend stays known: the person does not come back by it.
    let again = NewLead {
        id: LeadId::generate(),
        ..lead.clone()
    };
    assert_eq!(rig.accept(again).await, Admission::Duplicate(lead.id));
    assert_eq!((rig.stats().await.pending, rig.stats().await.discarded), (0, 1));
}

pub async fn what_sinks_remember_of_a_contact_is_forgotten_and_its_leads_stay(rig: Rig) {
    rig.queue
        .accept(vec![fresh("ann"), fresh("ann"), fresh("ann")])
        .await
        .unwrap();
    let claim = rig.claim_soon().await;
    let contact = claim.contact.clone();
    rig.settle(&claim, Disposition::delivered(Some(("crm-7".into(), LONG))))
        .await;

    rig.queue
        .forget(&contact, &[SinkId::from("default/other")])
        .await
        .unwrap();
    let claim = rig.claim_soon().await;
    assert_eq!(claim.record.as_deref(), Some("crm-7"));
    rig.settle(&claim, Disposition::delivered(None)).await;

    rig.queue.forget(&contact, &[]).await.unwrap();
    rig.queue.forget(&contact, &[crm()]).await.unwrap();
    assert_eq!(rig.claim_soon().await.record, None);
}

pub async fn a_cleared_entry_says_nothing_of_a_person(rig: Rig) {
    let lead = readable("ann");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    let delivered = Disposition::Delivered {
        record: Some("crm-4711".into()),
        remember: None,
        keep: LONG,
    };
    rig.settle(&claim, delivered).await;
    let other = dead_letter(&rig, "bob", DeadLetterSet::Dead).await;
    let before = rig.queue.entry(&form(), &lead.id).await.unwrap().unwrap();
    assert_eq!(
        (before.people.len(), before.events[0].record.as_str()),
        (2, "crm-4711")
    );

    for times in 1..=2 {
        assert!(rig.queue.clear_entry(&form(), &lead.id, "dpo").await.unwrap());
        let entry = rig.queue.entry(&form(), &lead.id).await.unwrap().unwrap();
        assert_eq!((entry.people.len(), entry.at), (0, before.at));
        assert_eq!(entry.sinks, before.sinks);
        assert_eq!(entry.events.len(), 1 + times);
        let event = &entry.events[0];
        assert_eq!(
            (event.what, event.record.as_str()),
            (LedgerEventKind::Delivered, "")
        );
        assert_eq!(event.at, before.events[0].at);
    }
    let filter = EntryFilter {
        people: vec![vec![Identity::email(SECRET)]],
        ..EntryFilter::default()
    };
    let found = rig
        .queue
        .entries(&form(), &Before::Time(1 << 47), &filter, 10)
        .await
        .unwrap();
    assert!(found.items.is_empty());
    assert!(rig.queue.entry(&form(), &other.id).await.unwrap().is_some());
    assert!(
        !rig.queue
            .clear_entry(&form(), &LeadId::generate(), "dpo")
            .await
            .unwrap()
    );
}

pub async fn what_is_removed_leaves_the_files(rig: Rig) {
    rig.seals.renew(KeyRing::default());
    let lead = readable("ann");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    let count = |bytes: Vec<u8>| {
        bytes
            .windows(SECRET.len())
            .filter(|part| *part == SECRET.as_bytes())
            .count()
    };
    assert!(count(rig.on_disk()) > 0);

    assert!(remove(&rig, DeadLetterSet::Dead, &lead.id).await);
    let remains = rig.queue.scrub().await.unwrap();
    // What replicas write is theirs: whoever erases is told, and does it.
    assert_eq!(
        remains.iter().any(|what| what.contains("1 replicas")),
        rig.sentinel.is_some() || rig.cluster.is_some(),
        "{remains:?}"
    );
    let rewrite = |server: &RedisServer| {
        let rewrite = redis::cmd("BGREWRITEAOF");
        // One that is under way may have begun too early.
        while rewrite.exec(&mut server.connection().unwrap()).is_err() {
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    tokio::task::block_in_place(|| {
        rig.sentinel
            .iter()
            .flat_map(|group| &group.servers)
            .for_each(rewrite);
        if let Some(cluster) = &rig.cluster {
            cluster.lock().unwrap().servers.iter().for_each(rewrite);
        }
    });
    eventually("the files do not hold it any more", || async {
        count(rig.on_disk()) == 0
    })
    .await;
}
