//! Nothing silent: each lead is in exactly one figure.

use std::time::Duration;

use leadgate_receiver::queue::*;

use crate::rig::*;

pub async fn unknown_names_have_empty_figures(rig: Rig) {
    let stats = rig.stats().await;
    assert!(stats.now > 0);
    assert_eq!(SinkStats { now: 0, ..stats }, SinkStats::default());
    assert_eq!(
        rig.queue.webhook_stats(&[form()]).await.unwrap(),
        [WebhookStats::default()]
    );
    assert!(rig.queue.sink_stats(&[]).await.unwrap().is_empty());
    assert!(rig.queue.webhook_stats(&[]).await.unwrap().is_empty());
}

pub async fn the_figures_add_up(rig: Rig) {
    let webhooks = ["shop/a", "shop/b", "shop/c"].map(WebhookId::from);
    let mut sent = 0;
    for n in 0..90 {
        let mut lead = lead(&format!("person {}", n % 13), &format!("key {}", n % 80));
        lead.webhook = webhooks[n % 3].clone();
        lead.sinks = if n % 2 == 0 {
            vec![crm(), other_crm()].into()
        } else {
            vec![crm()].into()
        };
        rig.accept(lead).await;
        sent += 1;
    }
    // Every kind of end, and some that have none yet.
    for round in 0..6 {
        for (n, claim) in rig.claim(8).await.into_iter().enumerate() {
            let outcome = match (n + round) % 5 {
                0 => DELIVERED,
                1 => retry(Duration::ZERO),
                2 => Disposition::DeadLetter {
                    set: DeadLetterSet::Dead,
                    why: why("Refused"),
                    keep: LONG,
                },
                3 => Disposition::DeadLetter {
                    set: DeadLetterSet::Held,
                    why: why("Ambiguous"),
                    keep: LONG,
                },
                _ => Disposition::Release {
                    after: Duration::ZERO,
                    why: None,
                },
            };
            rig.settle(&claim, outcome).await;
        }
    }
    let dead = rig.listed(DeadLetterSet::Dead).await;
    rig.replay(DeadLetterSet::Dead, &crm(), &dead[0].id, None).await;
    rig.queue
        .discard(DeadLetterSet::Dead, Some(&crm()), &dead[1].id, "ops")
        .await
        .unwrap();
    rig.erase("person 3").await;

    let by_webhook = rig.queue.webhook_stats(&webhooks).await.unwrap();
    let accepted: u64 = by_webhook.iter().map(|webhook| webhook.accepted).sum();
    let duplicates: u64 = by_webhook.iter().map(|webhook| webhook.duplicates).sum();
    assert_eq!((accepted, duplicates), (80, 10));
    assert_eq!(accepted + duplicates, sent);
    assert!(
        by_webhook
            .iter()
            .all(|webhook| webhook.last_accepted_at.is_some())
    );

    let stats = rig.queue.sink_stats(&[crm(), other_crm()]).await.unwrap();
    let all = |stats: &SinkStats| stats.pending + stats.held + stats.dead + stats.delivered + stats.discarded;
    assert_eq!((all(&stats[0]), all(&stats[1])), (80, 40));
    assert!(stats[0].delivered > 0 && stats[0].discarded > 0 && stats[0].pending > 0);
    assert_eq!(stats[0].held, held(&rig, DeadLetterSet::Held).await);
    assert_eq!(stats[0].dead, held(&rig, DeadLetterSet::Dead).await);
    for sink in &stats {
        let sum = |figure: fn(&SinkShare) -> u64| {
            sink.by_webhook
                .iter()
                .map(|(_, share)| figure(share))
                .sum::<u64>()
        };
        assert_eq!(sink.pending, sum(|share| share.pending));
        assert_eq!(sink.held, sum(|share| share.held));
        assert_eq!(sink.dead, sum(|share| share.dead));
        assert_eq!(sink.delivered, sum(|share| share.delivered));
        assert_eq!(sink.discarded, sum(|share| share.discarded));
    }
    // What a limit of pending deliveries asks for is the same.
    let routes: Vec<_> = webhooks
        .iter()
        .flat_map(|webhook| [(crm(), webhook.clone()), (other_crm(), webhook.clone())])
        .chain([(crm(), WebhookId::from("shop/none"))])
        .collect();
    let told: Vec<u64> = routes
        .iter()
        .map(|(sink, webhook)| {
            let of = if *sink == crm() { &stats[0] } else { &stats[1] };
            let share = of.by_webhook.iter().find(|(id, _)| id == webhook);
            share.map_or(0, |(_, share)| share.pending)
        })
        .collect();
    assert_eq!(rig.queue.pending(&routes).await.unwrap(), told);
    assert_eq!(rig.queue.pending(&[]).await.unwrap(), Vec::<u64>::new());
    let waiting = drained(&rig).await;
    assert_eq!(waiting, stats[0].pending, "as many come out as were said to wait");
    assert_eq!(rig.stats().await.pending, 0);
}

async fn held(rig: &Rig, set: DeadLetterSet) -> u64 {
    rig.listed(set)
        .await
        .iter()
        .filter(|dead_letter| dead_letter.sink == Some(crm()))
        .count() as u64
}

async fn drained(rig: &Rig) -> u64 {
    let mut delivered = 0;
    while rig.stats().await.pending > 0 {
        delivered += rig.deliver_all().await.len() as u64;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    delivered
}

pub async fn the_last_delivery_is_told(rig: Rig) {
    rig.accept(fresh("ann")).await;
    assert_eq!(rig.stats().await.by_webhook[0].1.last_delivered_at, None);
    rig.deliver_all().await;
    let stats = rig.stats().await;
    let at = stats.by_webhook[0].1.last_delivered_at.unwrap();
    assert!(at <= stats.now && stats.now - at < 60_000);
}

pub async fn the_oldest_is_exact_whatever_its_state(rig: Rig) {
    let pause = || tokio::time::sleep(Duration::from_millis(5));
    for person in ["ann", "bob", "cid"] {
        rig.accept(fresh(person)).await;
        pause().await;
    }
    let claims = rig.claim(3).await;
    let at: Vec<_> = claims.iter().map(|claim| Some(claim.accepted_at)).collect();
    assert_eq!(rig.stats().await.oldest_accepted_at, at[0], "claimed");
    rig.settle(&claims[0], retry(LONG)).await;
    assert_eq!(rig.stats().await.oldest_accepted_at, at[0], "to be retried later");
    rig.settle(&claims[1], DELIVERED).await;
    rig.erase("ann").await;
    assert_eq!(rig.stats().await.oldest_accepted_at, at[2]);
    rig.accept(fresh("dan")).await;
    rig.settle(
        &claims[2],
        Disposition::Release {
            after: Duration::ZERO,
            why: None,
        },
    )
    .await;
    assert_eq!(rig.stats().await.oldest_accepted_at, at[2], "released");
    rig.deliver_all().await;
    assert_eq!(rig.stats().await.oldest_accepted_at, None);
}

pub async fn a_replayed_lead_counts_from_its_replay(rig: Rig) {
    rig.accept(fresh("ann")).await;
    let claim = rig.claim(1).await.remove(0);
    rig.dead_letter(&claim, DeadLetterSet::Dead).await;
    assert_eq!(rig.stats().await.oldest_accepted_at, None);
    tokio::time::sleep(Duration::from_millis(50)).await;
    rig.replay(DeadLetterSet::Dead, &crm(), &claim.id, None).await;
    let oldest = rig.stats().await.oldest_accepted_at.unwrap();
    assert!(oldest >= claim.accepted_at + 40);
    assert_eq!(rig.claim_soon().await.queued_at, oldest);
}
