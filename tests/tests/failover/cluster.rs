//! Redis Cluster: shards follow their primaries, and no acknowledged lead is lost.

use std::time::{Duration, Instant};

use leadgate_receiver::queue::*;
use leadgate_tests::failover::{Plan, lead, run};
use leadgate_tests::redis_cluster::{Fault, RedisCluster};
use leadgate_tests::redis_server::RedisServer;

/// How long recovery may take; the rest is for busy machines.
const RECOVERY: Duration = Duration::from_mins(1);

fn cluster(tls: bool) -> RedisCluster {
    tokio::task::block_in_place(|| RedisCluster::start(tls).unwrap())
}

fn shards(shards: u16) -> OpenOptions {
    OpenOptions {
        shards,
        ..OpenOptions::default()
    }
}

/// `make soak` causes more of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_of_a_node_loses_or_reorders_an_acknowledged_lead() {
    let plan = Plan::new(&Fault::ALL, Fault::ALL.len(), 20_261_128);
    let report = run::<RedisCluster>(plan)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.acknowledged > 500, "hardly any load: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_on_all_primaries_and_one_that_is_away_stops_no_other() {
    let mut cluster = cluster(true);
    let authorities = cluster.tls.as_ref().unwrap().authorities().unwrap();
    let options = OpenOptions {
        authorities: Some(authorities.into_bytes().into()),
        accept_timeout: Duration::from_secs(1),
        acknowledge_replicas: Some(0),
        ..shards(3)
    };
    let queue = open(&cluster.url(), options).await.unwrap();
    let offer = async |from: usize| {
        let mut stored = 0;
        for number in from..from + 30 {
            let lead = lead(&format!("person {number}"), number);
            stored += usize::from(queue.accept(vec![lead]).await.is_ok());
        }
        stored
    };
    assert_eq!(offer(0).await, 30);
    for primary in cluster.primaries().unwrap() {
        let keys: u64 = redis::cmd("DBSIZE")
            .query(&mut cluster.servers[primary].connection().unwrap())
            .unwrap();
        assert!(keys > 3, "{keys} keys on one of the primaries");
    }
    let report = queue.check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());

    // Given a primary that is away, and its replica too
    let away = cluster.primaries().unwrap()[0];
    let replica = cluster.replica_of(away).unwrap();
    for server in [replica, away] {
        cluster.servers[server].kill();
    }
    // When leads come in, then those of the other shards are taken, and the check names the shard
    let stored = offer(30).await;
    assert!((10..30).contains(&stored), "{stored} of 30");
    let problems = queue.check().await.unwrap().problems.join("\n");
    assert!(
        problems.contains("shard ") && problems.contains("unavailable"),
        "{problems}"
    );
    tokio::task::block_in_place(|| cluster.restore().unwrap());
    let began = Instant::now();
    while offer(60).await < 30 {
        assert!(began.elapsed() < RECOVERY);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_url_are_told_with_the_remedy() {
    let cluster = cluster(false);
    let alone = tokio::task::block_in_place(|| RedisServer::start().unwrap());
    let node = |place: usize| format!("127.0.0.1:{}", cluster.servers[place].port());
    // Which node has the queue is chance: one of the two others refuses.
    for (url, remedy) in [
        (
            format!("redis+cluster://127.0.0.1:{}", alone.port()),
            "write redis://",
        ),
        (
            format!("redis+cluster://:wrong@{}", node(0)),
            "refused the user name or password",
        ),
        ("redis+cluster://127.0.0.1:1".to_owned(), "no node of the cluster"),
        (format!("redis://{}", node(0)), "redis+cluster://"),
        (format!("redis://{}", node(1)), "redis+cluster://"),
        (format!("redis://{}", node(5)), "redis+cluster://"),
    ] {
        let options = OpenOptions {
            acknowledge_replicas: Some(0),
            ..OpenOptions::default()
        };
        let queue = open(&url, options).await.unwrap();
        let said = match queue.check().await {
            Ok(report) => report.problems.join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(remedy), "{url}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_shards_stays_what_it_is() {
    let server = tokio::task::block_in_place(|| RedisServer::start().unwrap());
    for (before, after) in [(3, 1), (1, 3), (3, 4)] {
        redis::cmd("FLUSHALL")
            .exec(&mut server.connection().unwrap())
            .unwrap();
        let queue = open(&server.url(), shards(before)).await.unwrap();
        queue.check().await.unwrap();
        let lead = lead("ann", 1);
        queue.accept(vec![lead.clone()]).await.unwrap();
        let other = open(&server.url(), shards(after)).await.unwrap();
        assert!(
            other.check().await.is_err(),
            "a receiver that takes no leads is not ready"
        );
        let error = other.accept(vec![lead.clone()]).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("has {before} shards")) && error.contains("--queue-shards"),
            "{error}"
        );
        let same = open(&server.url(), shards(before)).await.unwrap();
        assert_eq!(same.accept(vec![lead]).await.unwrap(), [Admission::Accepted]);
    }
}
