//! The full crash test.

use clap::{Parser, ValueEnum};
use leadgate_tests::failover;
use leadgate_tests::fleet::{self, Crm, TOKEN};
use leadgate_tests::hubspot::{self, HubSpot};
use leadgate_tests::managed_redis::{self, ManagedRedis};
use leadgate_tests::redis_cluster::{self, RedisCluster};
use leadgate_tests::rest_crms;
use leadgate_tests::salesforce::{self, Salesforce};
use leadgate_tests::sentinel::Sentinel;
use leadgate_tests::soak::{Plan, QueueKind, run};

/// Kills the receiver (and Redis) again and again under load, and checks that no lead was lost, doubled or
/// reordered.
#[derive(Parser)]
struct Arguments {
    /// Kills a queue kind; 0: none, and no load.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// On which queue.
    #[arg(long, value_enum, default_value = "both")]
    queue: Which,
    /// Seed; a failed run prints its own.
    #[arg(long, default_value_t = 20_261_123)]
    seed: u64,
    /// Senders, each of one contact.
    #[arg(long, default_value_t = 24)]
    contacts: usize,
    /// Test an optimised receiver.
    #[arg(long)]
    release: bool,
    /// Faults of the servers of a Redis with Sentinel afterwards; 0: none.
    #[arg(long, default_value_t = 200)]
    sentinel: usize,
    /// Faults of the pods of the managed Redis afterwards; 0: none.
    #[arg(long, default_value_t = 40)]
    managed: usize,
    /// Faults of the nodes of a Redis Cluster with three shards afterwards; 0: none.
    #[arg(long, default_value_t = 60)]
    cluster: usize,
    /// Leads that four receivers deliver to each kind of CRM afterwards; 0: none.
    #[arg(long, default_value_t = 20_000)]
    fleet: usize,
    /// Say nothing between start and end.
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Sqlite,
    Redis,
    Both,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let kinds: &[QueueKind] = match arguments.queue {
        Which::Sqlite => &[QueueKind::Sqlite],
        Which::Redis => &[QueueKind::Redis],
        Which::Both => &[QueueKind::Sqlite, QueueKind::Redis],
    };
    for &queue in kinds.iter().filter(|_| arguments.rounds > 0) {
        let plan = Plan {
            contacts: arguments.contacts,
            release: arguments.release,
            verbose: !arguments.quiet,
            ..Plan::new(queue, arguments.rounds, arguments.seed)
        };
        let report = run(plan).await?;
        println!(
            "soak {queue}, seed {}: every promise kept. {report}",
            arguments.seed
        );
    }
    if arguments.sentinel > 0 {
        failovers::<Sentinel>(&arguments, "sentinel", &failover::Fault::ALL, arguments.sentinel).await?;
    }
    if arguments.managed > 0 {
        let all = managed_redis::Fault::ALL;
        failovers::<ManagedRedis>(&arguments, "managed redis", &all, arguments.managed).await?;
    }
    if arguments.cluster > 0 {
        let all = redis_cluster::Fault::ALL;
        failovers::<RedisCluster>(&arguments, "redis cluster", &all, arguments.cluster).await?;
    }
    if arguments.fleet > 0 {
        fleets(arguments.fleet, arguments.release).await?;
    }
    Ok(())
}

/// Faults of servers of which others take the place.
async fn failovers<G: failover::Group>(
    arguments: &Arguments,
    name: &str,
    all: &[G::Fault],
    faults: usize,
) -> anyhow::Result<()> {
    let seed = arguments.seed;
    let plan = failover::Plan {
        verbose: !arguments.quiet,
        ..failover::Plan::new(all, faults, seed)
    };
    let report = failover::run::<G>(plan).await?;
    println!("soak {name}, seed {seed}: every promise kept. {report}");
    Ok(())
}

/// Four receivers, one CRM, for each kind of it.
async fn fleets(leads: usize, release: bool) -> anyhow::Result<()> {
    let hubspot = HubSpot::start(hubspot::Config::default()).await?;
    let salesforce = Salesforce::start(salesforce::Config::default()).await?;
    let rest = rest_crms::Crm::start(Box::new(rest_crms::Pipedrive::new(TOKEN))).await;
    let crms: [(&str, &dyn Crm); 3] = [
        ("HubSpot", &hubspot),
        ("Salesforce", &salesforce),
        ("REST", &rest),
    ];
    for (name, crm) in crms {
        let report = fleet::run(crm, leads, release).await?;
        println!(
            "fleet on {name}: one record a person, the last lead in it. {} leads and {} copies in {:?}; {}",
            report.leads, report.copies, report.took, report.crm
        );
    }
    Ok(())
}
