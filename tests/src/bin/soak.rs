//! The full crash test.

use clap::{Parser, ValueEnum};
use leadgate_tests::soak::{Plan, QueueKind, run};

/// Kills the receiver (and Redis) again and again under load, and checks that no lead was lost, doubled or
/// reordered.
#[derive(Parser)]
struct Arguments {
    /// Kills a queue kind.
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
    for &queue in kinds {
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
    Ok(())
}
