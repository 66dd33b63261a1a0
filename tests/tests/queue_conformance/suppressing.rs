//! Whose leads are refused ("never again").

use leadgate_receiver::outcomes::Unwanted;
use leadgate_receiver::queue::*;

use crate::rig::*;

const ADA: &str = "ada@example.com";
const NUMBER: &str = "+4930901820";

fn of(people: &[Identity]) -> NewLead {
    NewLead {
        people: people.to_vec(),
        ..fresh("ann")
    }
}

fn ada() -> Identity {
    Identity::email(ADA)
}

async fn suppress(rig: &Rig, namespace: &str, person: &Identity) {
    let hash = rig.queue.hash_of(person).unwrap();
    rig.queue.suppress(namespace, &[hash]).await.unwrap();
}

async fn lift(rig: &Rig, namespace: &str, person: &Identity) -> u64 {
    let hash = rig.queue.hash_of(person).unwrap();
    rig.queue.lift(namespace, &[hash]).await.unwrap()
}

pub async fn leads_of_a_suppressed_person_are_refused_counted_and_not_stored(rig: Rig) {
    // Given a person whose address is suppressed in all namespaces, twice,
    for _ in 0..2 {
        suppress(&rig, "", &ada()).await;
    }
    assert_eq!(rig.queue.suppressed("").await.unwrap(), 1);

    // when leads of theirs and of others come in one request, and one of theirs again,
    let theirs = of(&[ada(), Identity::phone(NUMBER), Identity::submission("s")]);
    let other = of(&[Identity::email("bob@example.com"), Identity::phone(NUMBER)]);
    let unrouted = NewLead {
        sinks: Vec::new().into(),
        ..of(&[ada()])
    };
    let admissions = rig
        .queue
        .accept(vec![theirs.clone(), other.clone(), unrouted])
        .await
        .unwrap();
    let again = NewLead {
        id: LeadId::generate(),
        ..theirs.clone()
    };

    // then only theirs are refused,
    assert_eq!(
        admissions,
        [Admission::Suppressed, Admission::Accepted, Admission::Suppressed]
    );
    // (a repeated call counts once)
    for _ in 0..2 {
        assert_eq!(rig.accept(again.clone()).await, Admission::Suppressed);
    }
    let listed = rig.listed(DeadLetterSet::Pending).await;
    assert_eq!(
        listed.iter().map(|lead| &lead.id).collect::<Vec<_>>(),
        [&other.id]
    );
    assert!(rig.listed(DeadLetterSet::Unrouted).await.is_empty());
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!(
        (
            counted.accepted,
            counted.suppressed,
            counted.duplicates,
            counted.unrouted
        ),
        (1, 3, 0, 0)
    );

    // with an entry that names nobody.
    let entry = rig.queue.entry(&form(), &theirs.id).await.unwrap().unwrap();
    assert_eq!(
        (entry.outcome, entry.reason.as_str()),
        (EntryOutcome::Ignored, "Suppressed")
    );
    assert!(entry.people.is_empty() && entry.sinks.is_empty() && entry.events.is_empty());

    // Once that is lifted, they are taken again.
    assert_eq!(lift(&rig, "", &ada()).await, 1);
    assert_eq!(lift(&rig, "", &ada()).await, 0);
    assert_eq!(rig.queue.suppressed("").await.unwrap(), 0);
    let later = NewLead {
        id: LeadId::generate(),
        ..theirs
    };
    assert_eq!(rig.accept(later).await, Admission::Accepted);
}

pub async fn a_store_is_not_used_with_another_ledger_key_or_without_it(mut rig: Rig) {
    // Given a store that hides its people with a key,
    let hash = rig.queue.hash_of(&ada()).unwrap();
    rig.queue.suppress("", &[hash]).await.unwrap();
    // then a receiver with another key, or without one, takes and gives nothing: it would not know who is suppressed;
    for key in [LedgerKey::new(b"another one, 16 and more"), None] {
        let refused = refused(rig.with_ledger_key(key).await).await;
        assert!(refused.contains("ledger key"), "{refused}");
    }
    // and with the right one it goes on.
    rig.crash().await;
    assert_eq!(rig.accept(of(&[ada()])).await, Admission::Suppressed);
}

/// What is told of a queue that cannot be used.
async fn refused(opened: Result<std::sync::Arc<dyn Queue>, OpenError>) -> String {
    match opened {
        Ok(queue) => {
            let refused = queue.accept(vec![of(&[ada()])]).await.unwrap_err().to_string();
            queue.close().await;
            refused
        }
        Err(error) => error.to_string(),
    }
}

pub async fn a_newer_ledger_key_hides_new_people_and_finds_all(rig: Rig) {
    const NEW: &[u8] = b"the newer one, 16 and more";
    let eve = Identity::email("eve@example.com");
    let keyed = |keys: &[&[u8]]| Some(LedgerKey::of(keys).unwrap());
    // Given a store with a lead and a suppressed person, hidden with a key,
    let before = of(&[Identity::email("bob@example.com"), Identity::phone(NUMBER)]);
    rig.accept(before.clone()).await;
    suppress(&rig, "", &ada()).await;
    let old = rig.queue.hashes_of(&ada());

    // when receivers get a newer one besides,
    let queue = rig.with_ledger_key(keyed(&[LEDGER_KEY, NEW])).await.unwrap();

    // then the suppressed person is known by the former key, however their leads come,
    assert_eq!(queue.hashes_of(&ada()).len(), 2);
    assert_eq!(queue.hashes_of(&ada())[1..], old[..]);
    let theirs = of(&[ada()]);
    assert_eq!(
        queue.preview(vec![theirs.clone()]).await.unwrap(),
        [Admission::Suppressed]
    );
    assert_eq!(queue.accept(vec![theirs]).await.unwrap(), [Admission::Suppressed]);
    let rejected = NewRejected {
        people: vec![ada()],
        id: LeadId::generate(),
        webhook: form(),
        why: why("InvalidLead"),
        body: ADA.into(),
        room: 64 << 20,
    };
    assert!(!queue.reject(rejected, LONG).await.unwrap());

    // a new entry tells of its people with the newer key alone,
    let after = of(&[eve.clone(), Identity::phone(NUMBER).besides()]);
    assert_eq!(
        queue.accept(vec![after.clone()]).await.unwrap(),
        [Admission::Accepted]
    );
    assert!(
        !queue
            .identify(&form(), &after.id, std::slice::from_ref(&eve))
            .await
            .unwrap()
    );
    assert!(queue.identify(&form(), &before.id, &[ada()]).await.unwrap());
    let entry = queue.entry(&form(), &after.id).await.unwrap().unwrap();
    let newest = |person: &Identity| queue.hashes_of(person).remove(0);
    assert_eq!(entry.people, [newest(&eve), newest(&Identity::phone(NUMBER))]);
    assert_eq!(entry.besides, [newest(&Identity::phone(NUMBER))]);

    // and people are found by both.
    let found = async |person: &Identity| {
        let filter = EntryFilter {
            people: vec![vec![person.clone()]],
            ..EntryFilter::default()
        };
        let page = queue
            .entries(&form(), &Before::Time(1 << 47), &filter, 10)
            .await
            .unwrap();
        page.items.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(
        found(&Identity::phone(NUMBER)).await,
        [after.id.clone(), before.id.clone()]
    );
    assert_eq!(found(&eve).await, std::slice::from_ref(&after.id));
    assert_eq!(queue.lift("", &queue.hashes_of(&ada())).await.unwrap(), 1);

    // The store takes no receiver that lacks the newer key by now, or whose oldest one is another.
    queue.prune(&LedgerBounds::default()).await.unwrap();
    queue.close().await;
    for keys in [&[LEDGER_KEY][..], &[NEW][..], &[NEW, LEDGER_KEY][..]] {
        let refused = refused(rig.with_ledger_key(keyed(keys)).await).await;
        assert!(refused.contains("ledger key"), "{refused}");
    }
    let queue = rig.with_ledger_key(keyed(&[LEDGER_KEY, NEW])).await.unwrap();
    assert_eq!(
        queue.accept(vec![of(&[ada()])]).await.unwrap(),
        [Admission::Accepted]
    );
    queue.close().await;
}

pub async fn a_number_besides_the_persons_own_is_told_apart_and_counts(rig: Rig) {
    let (bob, mobile) = (Identity::email("bob@example.com"), Identity::phone(NUMBER));
    let lead = of(&[bob, mobile.clone().besides()]);
    rig.accept(lead.clone()).await;
    let entry = rig.queue.entry(&form(), &lead.id).await.unwrap().unwrap();
    let hash = rig.queue.hash_of(&mobile).unwrap();
    assert_eq!((entry.people.len(), &entry.besides), (2, &vec![hash.clone()]));
    assert!(entry.people.contains(&hash));
    rig.queue.suppress("", &[hash]).await.unwrap();
    let again = of(&[Identity::email("eve@example.com"), mobile.besides()]);
    assert_eq!(rig.accept(again).await, Admission::Suppressed);
}

pub async fn a_suppression_holds_in_its_namespace(rig: Rig) {
    suppress(&rig, "shop", &Identity::phone(NUMBER)).await;
    suppress(&rig, "shop2", &ada()).await;
    let theirs = of(&[Identity::phone(NUMBER)]);
    assert_eq!(rig.accept(theirs.clone()).await, Admission::Suppressed);
    let elsewhere = NewLead {
        webhook: WebhookId::from("marketing/form"),
        id: LeadId::generate(),
        ..theirs
    };
    assert_eq!(rig.accept(elsewhere).await, Admission::Accepted);
    assert_eq!(rig.accept(of(&[ada()])).await, Admission::Accepted);
    for (namespace, count) in [("", 0), ("shop", 1), ("shop2", 1), ("sho", 0)] {
        assert_eq!(
            rig.queue.suppressed(namespace).await.unwrap(),
            count,
            "{namespace}"
        );
    }
    assert_eq!(lift(&rig, "", &ada()).await, 0);
    assert_eq!(lift(&rig, "shop", &Identity::phone(NUMBER)).await, 1);
    assert_eq!(
        rig.accept(of(&[Identity::phone(NUMBER)])).await,
        Admission::Accepted
    );
}

pub async fn a_rejected_request_of_a_suppressed_person_is_not_kept(rig: Rig) {
    suppress(&rig, "", &ada()).await;
    let rejected = |people: Vec<Identity>| NewRejected {
        people,
        id: LeadId::generate(),
        webhook: form(),
        why: why("InvalidLead"),
        body: ADA.into(),
        room: 64 << 20,
    };
    let (theirs, other) = (
        rejected(vec![ada()]),
        rejected(vec![Identity::email("bob@example.com")]),
    );
    assert!(!rig.queue.reject(theirs.clone(), LONG).await.unwrap());
    assert!(rig.queue.reject(other.clone(), LONG).await.unwrap());

    let kept = rig.listed(DeadLetterSet::Rejected).await;
    assert_eq!(kept.iter().map(|lead| &lead.id).collect::<Vec<_>>(), [&other.id]);
    let entry = rig.queue.entry(&form(), &theirs.id).await.unwrap().unwrap();
    assert_eq!(
        (entry.outcome, entry.reason.as_str(), entry.people.len()),
        (EntryOutcome::Rejected, "Suppressed", 0)
    );
    let counted = rig.queue.webhook_stats(&[form()]).await.unwrap().remove(0);
    assert_eq!(counted.rejected, 2);
}

pub async fn suppressions_survive_a_crash(mut rig: Rig) {
    suppress(&rig, "shop", &ada()).await;
    // What a failover may lose is asked for again by the erasure that wants it; here it has reached the replica.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    rig.crash().await;
    assert_eq!(rig.queue.suppressed("shop").await.unwrap(), 1);
    assert_eq!(rig.accept(of(&[ada()])).await, Admission::Suppressed);
}

pub async fn a_lead_whose_person_is_known_later_is_found_and_removed(rig: Rig) {
    // Given a thin lead, of which only its submission is known,
    let lead = of(&[Identity::submission("s-1")]);
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;

    // when its fields are fetched, twice,
    let people = [ada(), Identity::phone(NUMBER)];
    for _ in 0..2 {
        assert!(!rig.queue.identify(&form(), &lead.id, &people).await.unwrap());
    }

    // then its entry is found by whom it is about,
    for person in people.clone().into_iter().chain([Identity::submission("s-1")]) {
        let filter = EntryFilter {
            people: vec![vec![Identity::email("nobody@example.com"), person]],
            ..EntryFilter::default()
        };
        let found = rig
            .queue
            .entries(&form(), &Before::Time(1 << 47), &filter, 10)
            .await
            .unwrap();
        assert_eq!(found.items.len(), 1);
        assert_eq!((&found.items[0].id, found.items[0].people.len()), (&lead.id, 3));
    }

    // and when the person is suppressed, it is removed and counted as discarded.
    suppress(&rig, "", &ada()).await;
    assert!(rig.queue.identify(&form(), &lead.id, &people).await.unwrap());
    assert_eq!(
        rig.settle(&claim, Disposition::Unwanted(Unwanted::Suppressed))
            .await,
        Settled::Done
    );
    let stats = rig.stats().await;
    assert_eq!((stats.pending, stats.dead, stats.discarded), (0, 0, 1));
    let entry = rig.queue.entry(&form(), &lead.id).await.unwrap().unwrap();
    let last = entry.events.last().unwrap();
    assert_eq!(
        (last.what, last.reason.as_str()),
        (LedgerEventKind::Discarded, "Suppressed")
    );
    assert!(
        !rig.queue
            .identify(&form(), &LeadId::generate(), &[])
            .await
            .unwrap()
    );
}

pub async fn a_preview_tells_what_an_accept_would_answer_and_changes_nothing(rig: Rig) {
    // Given a submission that is known, one that has taken over its key, and a person who is suppressed,
    let known = lead("ann", "one");
    let other = NewLead {
        content: content(77),
        ..lead("ann", "one")
    };
    assert_eq!(rig.accept(known.clone()).await, Admission::Accepted);
    assert_eq!(rig.accept(other.clone()).await, Admission::KeyConflict);
    suppress(&rig, "", &ada()).await;

    // when leads are looked at that repeat them, are like none of them, are new, and are the person's,
    let again = |first: &NewLead| NewLead {
        id: LeadId::generate(),
        ..first.clone()
    };
    let third = NewLead {
        content: content(78),
        ..again(&known)
    };
    let asked = vec![again(&known), again(&other), third, fresh("bob"), of(&[ada()])];
    let figures = async || {
        (
            rig.stats().await.pending,
            rig.queue.webhook_stats(&[form()]).await.unwrap(),
        )
    };
    let before = figures().await;
    let told = rig.queue.preview(asked.clone()).await.unwrap();

    // then each is told as it would be taken, twice the same, and nothing has changed;
    let expected = [
        Admission::Duplicate(known.id),
        Admission::Duplicate(other.id),
        Admission::KeyConflict,
        Admission::Accepted,
        Admission::Suppressed,
    ];
    assert_eq!(told, expected);
    assert_eq!(rig.queue.preview(asked.clone()).await.unwrap(), expected);
    assert_eq!(before, figures().await);
    // and an accept answers that.
    for (lead, expected) in asked.into_iter().zip(expected) {
        assert_eq!(rig.accept(lead).await, expected);
    }
}
