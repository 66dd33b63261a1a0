//! Dead letters in pages: newest first, none left out.

use leadgate_receiver::queue::*;

use crate::{
    dead_lettering::{dead_letter, seven_dead_letters},
    rig::*,
};

pub async fn lists_are_newest_first_and_paged(rig: Rig) {
    let mut expected = seven_dead_letters(&rig).await;
    expected.reverse();
    let mut filter = ListFilter {
        limit: 3,
        ..ListFilter::default()
    };
    let mut seen = Vec::new();
    for expected_length in [3, 3, 1] {
        let page = rig.queue.list(DeadLetterSet::Dead, &filter).await.unwrap();
        assert_eq!(page.items.len(), expected_length);
        seen.extend(page.items.into_iter().map(|item| item.id));
        filter.after = page.next;
    }
    assert_eq!(filter.after, None, "the last page says so");
    assert_eq!(seen, expected);
}

pub async fn pages_of_leads_set_aside_together_leave_none_out(rig: Rig) {
    let leads: Vec<_> = (0..25).map(|n| fresh(&format!("person {n}"))).collect();
    rig.queue.accept(leads).await.unwrap();
    let claims = rig.claim(100).await;
    let dead_letter = |claim: &Claim| {
        Settlement::of(
            claim,
            Disposition::DeadLetter {
                set: DeadLetterSet::Held,
                why: why("Ambiguous"),
                keep: LONG,
            },
        )
    };
    rig.queue
        .settle(&crm(), claims.iter().map(dead_letter).collect())
        .await
        .unwrap();
    let mut filter = ListFilter {
        limit: 5,
        ..ListFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = rig.queue.list(DeadLetterSet::Held, &filter).await.unwrap();
        seen.extend(page.items.into_iter().map(|item| item.id));
        // The lead a page ended with may go before the next is asked for.
        if seen.len() == 10 {
            rig.queue
                .discard(DeadLetterSet::Held, Some(&crm()), &seen[9], "ops")
                .await
                .unwrap();
        }
        filter.after = page.next;
        if filter.after.is_none() {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
}

pub async fn lists_are_filtered_by_sink_and_webhook(rig: Rig) {
    dead_letter(&rig, "ann", DeadLetterSet::Dead).await;
    let mut lead = fresh("bob");
    lead.webhook = WebhookId::from("shop/chat");
    rig.accept(lead.clone()).await;
    let claim = rig.claim_soon().await;
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;

    let count = async |sink: Option<SinkId>, webhook: Option<&str>| {
        let webhook = webhook.map(WebhookId::from);
        let filter = ListFilter {
            sink,
            webhook,
            limit: 10,
            ..ListFilter::default()
        };
        rig.queue
            .list(DeadLetterSet::Dead, &filter)
            .await
            .unwrap()
            .items
            .len()
    };
    assert_eq!(count(None, None).await, 2);
    assert_eq!(count(Some(crm()), None).await, 2);
    assert_eq!(count(Some(other_crm()), None).await, 0);
    assert_eq!(count(None, Some("shop/chat")).await, 1);
    assert_eq!(count(Some(crm()), Some("shop/form")).await, 1);
    assert_eq!(count(None, Some("shop")).await, 0);
}

pub async fn a_strange_cursor_or_limit_is_no_error(rig: Rig) {
    dead_letter(&rig, "ann", DeadLetterSet::Dead).await;
    for after in ["", "x", "1 2 3", "99999999999999999999 a|b|c"] {
        let filter = ListFilter {
            after: Some(after.into()),
            limit: 0,
            ..ListFilter::default()
        };
        rig.queue.list(DeadLetterSet::Dead, &filter).await.unwrap();
    }
    let filter = ListFilter {
        limit: usize::MAX,
        ..ListFilter::default()
    };
    assert_eq!(
        rig.queue
            .list(DeadLetterSet::Dead, &filter)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}
