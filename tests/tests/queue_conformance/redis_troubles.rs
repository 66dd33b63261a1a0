//! What may happen to a Redis, and what must not follow from it.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use leadgate_receiver::queue::*;
use leadgate_tests::redis_server::RedisServer;

use crate::rig::*;

/// An error must come within about a second; the rest is for busy machines.
const ERROR_WITHIN: Duration = Duration::from_millis(2500);
/// An accept waits 4 s for a Redis that restarts.
const REFUSED_WITHIN: Duration = Duration::from_millis(5500);

fn server(rig: &mut Rig) -> &mut RedisServer {
    rig.redis.as_mut().unwrap()
}

fn command<T: redis::FromRedisValue>(rig: &Rig, command: &str) -> T {
    let mut connection = rig.redis.as_ref().unwrap().connection().unwrap();
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.query(&mut connection).unwrap()
}

fn info(rig: &Rig, figure: &str) -> u64 {
    let info: redis::InfoDict = command(rig, "INFO all");
    info.get(figure).unwrap()
}

async fn every_method_fails_soon(queue: &dyn Queue) {
    let began = Instant::now();
    let error = queue.accept(vec![fresh("ann")]).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable(_)), "{error}");
    assert!(began.elapsed() < REFUSED_WITHIN, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(queue.claim(&crm(), 1, LONG).await.is_err());
    assert!(began.elapsed() < ERROR_WITHIN, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(queue.sink_stats(&[crm()]).await.is_err());
    assert!(began.elapsed() < ERROR_WITHIN, "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(queue.check().await.is_err());
    assert!(began.elapsed() < ERROR_WITHIN, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_means_errors_soon_and_recovery_by_itself() {
    let mut rig = Rig::redis().await;
    for round in 0..3 {
        rig.accept(fresh(&format!("before {round}"))).await;
        server(&mut rig).kill();
        every_method_fails_soon(&*rig.queue).await;
        server(&mut rig).restart().unwrap();
        let began = Instant::now();
        eventually("leads are accepted again", || async {
            rig.queue
                .accept(vec![fresh(&format!("after {round}"))])
                .await
                .is_ok()
        })
        .await;
        assert!(began.elapsed() < RECOVERY);
    }
    assert_eq!(rig.deliver_all().await.len(), 6, "nothing acknowledged is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_soon_is_not_noticed_by_senders() {
    let mut rig = Rig::redis().await;
    rig.accept(fresh("before")).await;
    server(&mut rig).kill();
    let queue = rig.queue.clone();
    let waiting = tokio::spawn(async move { queue.accept(vec![fresh("meanwhile")]).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokio::task::block_in_place(|| server(&mut rig).restart().unwrap());
    assert_eq!(waiting.await.unwrap().unwrap(), [Admission::Accepted]);
    assert_eq!(rig.deliver_all().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_redis_means_errors_soon_and_no_second_lead() {
    let rig = Rig::redis().await;
    let pid = rig.redis.as_ref().unwrap().pid().unwrap().to_string();
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    };
    let lead = fresh("ann");
    rig.accept(fresh("bob")).await;
    signal("-STOP");
    let began = Instant::now();
    assert!(
        rig.queue.accept(vec![lead.clone()]).await.is_err(),
        "unknown whether it landed"
    );
    assert!(began.elapsed() < REFUSED_WITHIN, "{:?}", began.elapsed());
    every_method_fails_soon(&*rig.queue).await;
    signal("-CONT");
    eventually("the same lead is accepted", || async {
        matches!(
            rig.queue.accept(vec![lead.clone()]).await.as_deref(),
            Ok([Admission::Accepted])
        )
    })
    .await;
    let delivered = rig.deliver_all().await;
    assert_eq!(delivered.iter().filter(|id| **id == lead.id).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepts_under_a_kill_are_kept_if_they_were_acknowledged() {
    let mut rig = Rig::redis().await;
    let queue = rig.queue.clone();
    let senders: Vec<_> = (0..16)
        .map(|sender| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..60 {
                    let lead = fresh(&format!("person {sender}.{n}"));
                    if queue.accept(vec![lead.clone()]).await.is_ok() {
                        acknowledged.push(lead.id);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server(&mut rig).kill();
    tokio::task::block_in_place(|| server(&mut rig).restart().unwrap());
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    eventually("it works again", || async { rig.queue.check().await.is_ok() }).await;
    let delivered = rig.deliver_all().await;
    for id in &acknowledged {
        assert_eq!(
            delivered.iter().filter(|delivered| *delivered == id).count(),
            1,
            "acknowledged lead {id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_down_at_the_start_is_no_error_of_opening() {
    let mut server = RedisServer::start().unwrap();
    server.kill();
    let mut rig = Rig::redis_with(server).await;
    every_method_fails_soon(&*rig.queue).await;
    rig.redis.as_mut().unwrap().restart().unwrap();
    eventually("it is connected to", || async { rig.queue.check().await.is_ok() }).await;
    assert_eq!(rig.accept(fresh("ann")).await, Admission::Accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_scripts_are_loaded_again() {
    let rig = Rig::redis().await;
    rig.accept(fresh("ann")).await;
    let _: () = command(&rig, "SCRIPT FLUSH");
    rig.accept(fresh("bob")).await;
    assert_eq!(rig.deliver_all().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_out_of_memory_takes_nothing_in_but_lets_leads_out() {
    let rig = Rig::redis().await;
    rig.accept(fresh("ann")).await;
    rig.accept(fresh("bob")).await;
    let _: () = command(&rig, "CONFIG SET maxmemory 1");
    let group = vec![fresh("cid"), fresh("dan")];
    let error = rig.queue.accept(group.clone()).await.unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
    let report = rig.queue.check().await.unwrap();
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.contains("out of memory")),
        "{report:?}"
    );
    let claims = rig.claim(10).await;
    assert_eq!(claims.len(), 2);
    assert_eq!(
        rig.dead_letter(&claims[0], DeadLetterSet::Dead).await,
        Settled::Done
    );
    assert_eq!(rig.settle(&claims[1], DELIVERED).await, Settled::Done);
    let _: () = command(&rig, "CONFIG SET maxmemory 0");
    assert_eq!(
        rig.queue.accept(group).await.unwrap(),
        vec![Admission::Accepted; 2],
        "nothing was half done"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_redis_says_so_and_is_used_again_once_promoted() {
    let rig = Rig::redis().await;
    let _: () = command(&rig, "REPLICAOF 127.0.0.1 1");
    let error = rig.queue.accept(vec![fresh("ann")]).await.unwrap_err();
    assert!(error.to_string().contains("replica"), "{error}");
    let problems = rig.queue.check().await.unwrap().problems;
    assert!(
        problems.iter().any(|problem| problem.contains("replica")),
        "{problems:?}"
    );
    let _: () = command(&rig, "REPLICAOF NO ONE");
    eventually("it takes leads", || async {
        rig.queue.accept(vec![fresh("ann")]).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_finds_what_would_lose_leads() {
    let rig = Rig::redis().await;
    let report = rig.queue.check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.durability.contains("always"), "{}", report.durability);
    assert!(report.write_latency > Duration::ZERO);
    let _: () = command(&rig, "CONFIG SET appendfsync everysec");
    let report = rig.queue.check().await.unwrap();
    assert!(
        report.problems.is_empty() && report.durability.contains("everysec"),
        "{report:?}"
    );
    let _: () = command(&rig, "CONFIG SET appendfsync no");
    assert!(rig.queue.check().await.unwrap().problems[0].contains("appendfsync"));

    let careless = RedisServer::start_with(&["--maxmemory-policy", "allkeys-lru"]).unwrap();
    let rig = Rig::redis_with(careless).await;
    eventually("it is connected to", || async { rig.queue.check().await.is_ok() }).await;
    let problems = rig.queue.check().await.unwrap().problems.join("\n");
    assert!(
        problems.contains("noeviction") && problems.contains("appendonly"),
        "{problems}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_comes_from_the_url_or_beside_it_and_is_never_told() {
    let server = RedisServer::start_with(&["--appendonly", "yes"]).unwrap();
    let mut connection = server.connection().unwrap();
    let _: () = redis::cmd("CONFIG")
        .arg("SET")
        .arg("requirepass")
        .arg("s3cret")
        .query(&mut connection)
        .unwrap();
    let with = server.url().replace("redis://", "redis://:s3cret@");
    let beside = OpenOptions {
        password: Some("s3cret".into()),
        ..OpenOptions::default()
    };
    assert!(!format!("{beside:?}").contains("s3cret"));
    for (url, options) in [(with, OpenOptions::default()), (server.url(), beside)] {
        let queue = open(&url, options).await.unwrap();
        assert_eq!(
            queue.accept(vec![fresh("ann")]).await.unwrap(),
            [Admission::Accepted]
        );
    }
    let wrong = OpenOptions {
        password: Some("wr0ng".into()),
        ..OpenOptions::default()
    };
    let queue = open(&server.url(), wrong).await.unwrap();
    let error = queue.accept(vec![fresh("ann")]).await.unwrap_err().to_string();
    assert!(error.contains("password") && !error.contains("wr0ng"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prefixes_keep_queues_apart() {
    let server = RedisServer::start().unwrap();
    let queue = async |prefix: &str| {
        open(
            &server.url(),
            OpenOptions {
                prefix: prefix.into(),
                ..OpenOptions::default()
            },
        )
        .await
        .unwrap()
    };
    let (one, two) = (queue("one").await, queue("two").await);
    for queue in [&one, &two] {
        assert_eq!(
            queue.accept(vec![lead("ann", "key")]).await.unwrap(),
            [Admission::Accepted]
        );
    }
    let mut connection = server.connection().unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert!(
        keys.iter()
            .all(|key| key.starts_with("{one}:") || key.starts_with("{two}:")),
        "{keys:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_version_wrote_is_left_alone() {
    // Given leads in a Redis, whose format is noted there,
    let rig = Rig::redis().await;
    rig.accept(fresh("ann")).await;
    let key = format!("{{{}}}:format", options().prefix);
    assert_eq!(command::<String>(&rig, &format!("GET {key}")), "2");
    // when it is another one,
    command::<()>(&rig, &format!("SET {key} 3"));
    let other = rig.second().await;
    // then a receiver that does not know it takes nothing in or out, and says what to do,
    let error = other.accept(vec![fresh("bea")]).await.unwrap_err().to_string();
    assert!(
        error.contains("another version") && error.contains("format 3"),
        "{error}"
    );
    assert!(other.claim(&crm(), 1, LONG).await.is_err());
    // and goes on by itself once it may.
    command::<()>(&rig, &format!("SET {key} 2"));
    eventually("leads are accepted", || async {
        other.accept(vec![fresh("cleo")]).await.is_ok()
    })
    .await;
    assert_eq!(rig.deliver_all().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_makes_no_calls() {
    let rig = Rig::redis().await;
    rig.accept(fresh("ann")).await;
    rig.deliver_all().await;
    eventually("the subscription stands", || async {
        rig.claim(1).await;
        let began = Instant::now();
        rig.queue.wait(&crm(), Duration::from_millis(1500)).await;
        began.elapsed() >= Duration::from_millis(1400)
    })
    .await;
    rig.claim(1).await;
    let before = info(&rig, "total_commands_processed");
    let seconds = 4;
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        rig.queue.wait(&crm(), until - Instant::now()).await;
    }
    let calls = info(&rig, "total_commands_processed") - before;
    // Our own look takes some: a connection's greeting and INFO.
    assert!(calls <= 6, "{calls} calls in {seconds} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settled_leads_leave_nothing_behind() {
    let rig = Rig::redis().await;
    let settle_some = async |rounds: usize| {
        for round in 0..rounds {
            let leads: Vec<_> = (0..500)
                .map(|n| {
                    let mut lead = fresh(&format!("person {round}.{n}"));
                    lead.window = Duration::from_millis(1);
                    lead
                })
                .collect();
            rig.queue.accept(leads).await.unwrap();
            loop {
                let claims = rig.claim(500).await;
                if claims.is_empty() {
                    break;
                }
                let outcome = Disposition::delivered(Some(("crm-1".into(), Duration::from_millis(1))));
                let settle = |claim: Claim| Settlement::of(&claim, outcome.clone());
                rig.queue
                    .settle(&crm(), claims.into_iter().map(settle).collect())
                    .await
                    .unwrap();
            }
        }
        // What became of them is not of interest here.
        let bound = LedgerBound {
            keep: Duration::ZERO,
            bytes: 0,
        };
        let bounds = LedgerBounds {
            webhooks: [(form(), bound)].into(),
        };
        while rig.queue.prune(&bounds).await.unwrap() {}
    };
    // Buffers and caches of the server grow at first.
    settle_some(4).await;
    let base: u64 = command(&rig, "DBSIZE");
    let _: () = command(&rig, "MEMORY PURGE");
    let memory = info(&rig, "used_memory");
    settle_some(20).await;
    eventually("expired keys go", || async {
        command::<u64>(&rig, "DBSIZE") <= base.min(20)
    })
    .await;
    let _: () = command(&rig, "MEMORY PURGE");
    eventually("memory returns", || async {
        info(&rig, "used_memory") < memory + 2_000_000
    })
    .await;
    assert_eq!(rig.stats().await.delivered, 12_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_a_delivered_lead_takes_at_most_300_bytes() {
    const LEADS: usize = 5000;
    let rig = Rig::redis().await;
    // Given leads with an e-mail address and a phone number, of a webhook and for a sink whose names have usual lengths.
    let (webhook, sink) = (
        WebhookId::from("marketing/contact-form"),
        SinkId::from("marketing/hubspot"),
    );
    for round in 0..LEADS / 250 {
        let leads = (0..250).map(|n| NewLead {
            webhook: webhook.clone(),
            sinks: vec![sink.clone()].into(),
            people: vec![
                Identity::email(&format!("person{round}.{n}@example.com")),
                Identity::phone(&format!("+49301234{round:03}{n:03}")),
            ],
            ..fresh(&format!("person {round}.{n}"))
        });
        rig.queue.accept(leads.collect()).await.unwrap();
        let claims = rig.queue.claim(&sink, 1000, LONG).await.unwrap().claims;
        let delivered = |claim: &Claim| {
            let mut settlement = Settlement::of(
                claim,
                Disposition::Delivered {
                    record: Some("35128761234".into()),
                    remember: None,
                    keep: Duration::ZERO,
                },
            );
            settlement.attempt.took = Duration::from_millis(230);
            settlement
        };
        rig.queue
            .settle(&sink, claims.iter().map(delivered).collect())
            .await
            .unwrap();
    }
    // When they are delivered, then their entries take no more than they may.
    let mut connection = rig.redis.as_ref().unwrap().connection().unwrap();
    let mut bytes = 0;
    for key in [
        "{leadgate}:ledger:marketing/contact-form",
        "{leadgate}:ledger:marketing/contact-form:order",
    ] {
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        bytes += usage.query::<usize>(&mut connection).unwrap();
    }
    let each = bytes / LEADS;
    println!("{each} bytes an entry");
    assert!((100..=300).contains(&each), "{each}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_prefixes_on_one_redis_never_see_each_other() {
    // Given two namespaces on one Redis, whose webhooks and sinks have the same names,
    let sales = Rig::redis().await;
    let url = sales.redis.as_ref().unwrap().url();
    let options = OpenOptions {
        prefix: "leadgate-evil".into(),
        ..OpenOptions::default()
    };
    let evil = open(&url, options).await.unwrap();
    let dead = crate::dead_lettering::dead_letter(&sales, "ann", DeadLetterSet::Dead).await;
    let waiting = lead("ann", "key");
    sales.accept(waiting.clone()).await;
    // then nothing of the one is seen, counted, recognised or taken by the other.
    for id in [&dead.id, &waiting.id] {
        assert!(evil.show(id).await.unwrap().is_empty());
        for set in [DeadLetterSet::Dead, DeadLetterSet::Pending] {
            assert!(!evil.discard(set, Some(&crm()), id, "ops").await.unwrap());
            assert!(
                !evil
                    .requeue(set, Some(&crm()), id, &[crm()], Requeue::default())
                    .await
                    .unwrap()
                    .is_done()
            );
        }
    }
    for set in [DeadLetterSet::Dead, DeadLetterSet::Pending] {
        let filter = ListFilter {
            limit: 10,
            ..ListFilter::default()
        };
        assert!(evil.list(set, &filter).await.unwrap().items.is_empty());
    }
    assert!(evil.occupied_sinks().await.unwrap().is_empty());
    assert_eq!(
        evil.accept(vec![lead("ann", "key")]).await.unwrap(),
        [Admission::Accepted]
    );
    evil.forget(&Contact::from("ann"), &[crm()]).await.unwrap();
    evil.suppress("", &["hash".to_owned()]).await.unwrap();
    assert_eq!(sales.queue.suppressed("").await.unwrap(), 0);
    assert_eq!((sales.stats().await.pending, sales.stats().await.dead), (1, 1));
    assert_eq!(sales.claim_soon().await.id, waiting.id);
}
