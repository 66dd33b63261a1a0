//! What a store holds is sealed: nobody reads it, and no lead is lost with a key.

use std::time::Duration;

use bytes::Bytes;
use leadgate_receiver::queue::*;

use crate::rig::*;

const SECRET: &str = "zoë.müller@example.com";

fn key(letter: u8) -> SealKey {
    SealKey::new(&[letter; 32]).unwrap()
}

fn keys(letters: &[u8]) -> KeyRing {
    KeyRing::new(letters.iter().map(|letter| key(*letter)).collect())
}

fn secret(person: &str) -> NewLead {
    NewLead {
        body: Bytes::from(format!("{{\"lead\":{{\"email\":\"{SECRET}\"}}}}")),
        ..fresh(person)
    }
}

fn quoting(reason: &str) -> DeadLetterReason {
    DeadLetterReason {
        reason: reason.into(),
        message: format!("{SECRET} is taken"),
        answer: format!("{{\"email\":\"{SECRET}\"}}"),
    }
}

/// One in every set, each quoting the address in all that it has.
async fn everywhere(rig: &Rig) -> Vec<LeadId> {
    let mut ids = Vec::new();
    for set in [DeadLetterSet::Held, DeadLetterSet::Dead, DeadLetterSet::Delivered] {
        let lead = secret(set.as_str());
        rig.accept(lead.clone()).await;
        let claim = rig.claim_soon().await;
        let outcome = match set {
            DeadLetterSet::Delivered => Disposition::Delivered {
                record: None,
                remember: None,
                keep: LONG,
            },
            set => Disposition::DeadLetter {
                set,
                why: quoting("Refused"),
                keep: LONG,
            },
        };
        assert_eq!(rig.settle(&claim, outcome).await, Settled::Done);
        ids.push(lead.id);
    }
    let unrouted = NewLead {
        sinks: Vec::new().into(),
        ..secret("unrouted")
    };
    ids.push(unrouted.id.clone());
    rig.accept(unrouted).await;
    let rejected = NewRejected {
        people: Vec::new(),
        id: LeadId::generate(),
        webhook: form(),
        why: quoting("Invalid"),
        body: Bytes::from(SECRET),
        room: 64 << 20,
    };
    ids.push(rejected.id.clone());
    rig.queue.reject(rejected, LONG).await.unwrap();
    let waiting = secret("waiting");
    rig.accept(waiting.clone()).await;
    let claim = rig.claim_soon().await;
    let outcome = Disposition::Retry {
        after: LONG,
        in_doubt: false,
        why: LastError::new("Unavailable", &format!("{SECRET} was not found")),
    };
    rig.settle(&claim, outcome).await;
    ids.push(waiting.id);
    let job = StoredJob {
        id: "job".into(),
        version: 1,
        body: SECRET.into(),
    };
    assert!(rig.queue.put_job(&job).await.unwrap());
    ids
}

/// What all of it says to whoever has the keys.
async fn told(rig: &Rig, ids: &[LeadId]) -> String {
    let mut told = String::new();
    for id in ids {
        let found = rig.queue.show(id).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        for lead in found {
            told += &format!("{}{}", lead.why.message, lead.why.answer);
            told += &String::from_utf8_lossy(&lead.body);
        }
    }
    told
}

fn times(haystack: &[u8], needle: &str) -> usize {
    haystack
        .windows(needle.len())
        .filter(|part| *part == needle.as_bytes())
        .count()
}

pub async fn a_store_holds_nothing_readable(rig: Rig) {
    let ids = everywhere(&rig).await;

    assert_eq!(times(told(&rig, &ids).await.as_bytes(), SECRET), 13);
    assert_eq!(rig.queue.jobs().await.unwrap()[0].body, SECRET.as_bytes());
    let bytes = rig.on_disk();
    assert_eq!(times(&bytes, "zoë"), 0);
    // It was the right place to look.
    assert!(ids.iter().all(|id| times(&bytes, id.as_str()) > 0));
}

pub async fn without_a_key_a_store_can_be_read(rig: Rig) {
    rig.seals.renew(KeyRing::default());
    let ids = everywhere(&rig).await;
    assert!(times(&rig.on_disk(), SECRET) >= 13);

    // Once there is a key, what is there is read as before.
    rig.seals.renew(keys(b"a"));
    assert_eq!(times(told(&rig, &ids).await.as_bytes(), SECRET), 13);
}

pub async fn a_lead_whose_key_is_missing_waits_and_loses_nothing(rig: Rig) {
    rig.seals.renew(keys(b"a"));
    let (first, second) = (secret("ann"), secret("ann"));
    rig.accept(first.clone()).await;
    rig.seals.renew(keys(b"b"));
    rig.accept(second.clone()).await;
    let other = secret("bob");
    rig.accept(other.clone()).await;

    // The others are not kept waiting; her second lead is, because it comes after the first.
    assert_eq!(rig.claim_soon().await.id, other.id);
    assert!(rig.claim(10).await.is_empty());
    let waiting = rig.listed(DeadLetterSet::Pending).await;
    let stuck = waiting.iter().find(|lead| lead.id == first.id).unwrap();
    assert_eq!((stuck.why.reason.as_str(), stuck.attempts), (KEY_MISSING, 0));
    assert!(
        stuck.why.message.contains(&key(b'a').id().to_string()),
        "{stuck:?}"
    );
    assert!(rig.queue.show(&first.id).await.unwrap()[0].key_missing);

    rig.seals.renew(keys(b"ab"));
    assert!(rig.queue.expedite(&crm(), &first.id).await.unwrap());
    let claim = rig.claim_soon().await;
    assert_eq!(
        (&claim.id, &claim.body, claim.attempt),
        (&first.id, &first.body, 1)
    );
    rig.settle(&claim, DELIVERED).await;
    assert_eq!(rig.claim_soon().await.body, second.body);
}

pub async fn keys_rotate_while_leads_come_and_go(rig: Rig) {
    let mut accepted = Vec::new();
    let mut delivered = Vec::new();
    for (round, letters) in [&b"a"[..], b"ab", b"abc", b"bc", b"cd"].iter().enumerate() {
        // The oldest key goes when nothing is left that it sealed.
        if *letters == b"bc" {
            delivered.extend(rig.deliver_all().await);
        }
        rig.seals.renew(keys(letters));
        for n in 0..20 {
            let lead = secret(&format!("person {}", (round * 7 + n) % 11));
            accepted.push(lead.id.clone());
            assert_eq!(rig.accept(lead).await, Admission::Accepted);
        }
        for claim in rig.claim(3).await {
            delivered.push(claim.id.clone());
            assert_eq!(rig.settle(&claim, DELIVERED).await, Settled::Done);
        }
        if *letters == b"bc" {
            delivered.extend(rig.deliver_all().await);
        }
    }
    delivered.extend(rig.deliver_all().await);
    accepted.sort();
    delivered.sort();
    assert_eq!(delivered, accepted);
}

pub async fn a_moved_or_replaced_lead_stays_sealed(rig: Rig) {
    let lead = secret("ann");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    let (from, to) = (crm(), other_crm());
    let requeue = async |set, sink: &SinkId, to: &SinkId, how: Requeue<'_>| {
        rig.queue
            .requeue(set, Some(sink), &lead.id, std::slice::from_ref(to), how)
            .await
            .unwrap()
            .is_done()
    };
    assert!(requeue(DeadLetterSet::Dead, &from, &to, Requeue::default()).await);
    let moved = rig.queue.claim(&to, 1, LONG).await.unwrap().claims.remove(0);
    assert_eq!(moved.body, lead.body);
    let kept = Disposition::Delivered {
        record: None,
        remember: None,
        keep: LONG,
    };
    let settled = rig.queue.settle(&to, vec![Settlement::of(&moved, kept)]).await;
    assert_eq!(settled.unwrap(), [Settled::Done]);

    let instead = Instead {
        contact: &Contact::from("ann again"),
        webhook: &form(),
        body: SECRET.as_bytes(),
    };
    let how = Requeue {
        instead: Some(instead),
        ..Requeue::default()
    };
    assert!(requeue(DeadLetterSet::Delivered, &to, &to, how).await);
    let again = rig.queue.claim(&to, 1, LONG).await.unwrap().claims.remove(0);
    assert_eq!(again.body, SECRET.as_bytes());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(times(&rig.on_disk(), "zoë"), 0);
}
