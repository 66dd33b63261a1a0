//! The managed Redis: what its pods run keeps every acknowledged lead.

use std::time::{Duration, Instant};

use leadgate_tests::failover::{Plan, run};
use leadgate_tests::managed_redis::{Fault, ManagedRedis};

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Kubernetes starts another pod on the volume of one that was deleted by force while that one still runs.
#[test]
fn a_server_reads_its_volume_when_the_one_before_it_has_ended() {
    let mut redis = ManagedRedis::start(1).unwrap();
    let mut former = redis.connection(0).unwrap();
    let mut acknowledge = |leads: u64| {
        let mut count = 0;
        for _ in 0..leads {
            count = redis::cmd("INCR").arg("leads").query::<u64>(&mut former).unwrap();
        }
        count
    };
    acknowledge(50);
    let (successor, client) = redis.successor(0).unwrap();
    let began = Instant::now();
    let answers = || client.get_connection().is_ok();
    while !successor.log().contains("waiting for the lock") && !answers() {
        assert!(began.elapsed() < PATIENCE, "{}", successor.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let acknowledged = acknowledge(50);
    redis.kill_server(0);
    let began = Instant::now();
    while !answers() {
        assert!(began.elapsed() < PATIENCE, "{}", successor.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut connection = client.get_connection().unwrap();
    let kept: u64 = redis::cmd("GET").arg("leads").query(&mut connection).unwrap();
    assert_eq!(kept, acknowledged);
}

/// `make soak` causes all faults there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_fault_of_a_pod_loses_or_reorders_an_acknowledged_lead() {
    let faults = [
        Fault::ReplacePod,
        Fault::Partition,
        Fault::KillAll,
        Fault::FillPrimary,
    ];
    let plan = Plan::new(&faults, faults.len(), 20_261_127);
    let report = run::<ManagedRedis>(plan)
        .await
        .unwrap_or_else(|error| panic!("{error:#}"));
    println!("{report}");
    assert!(report.acknowledged > 500, "hardly any load: {report}");
}
