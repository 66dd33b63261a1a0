//! `make race`: Leadgate beside the webhook receivers that tutorials teach.

use std::time::Duration;

use clap::Parser;
use leadgate_tests::bench::prepare;
use leadgate_tests::race::{RACERS, race};

/// Races Leadgate against an Express and a FastAPI receiver on this machine: 64 connections, bodies of 512 bytes.
#[derive(Parser)]
struct Arguments {
    /// Seconds measured for each.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds = Duration::from_secs(Arguments::parse().seconds);
    prepare()?;
    println!(
        "{:<20} {:>9} {:>8} {:>8} {:>8} {:>7} {:>16} {:>12} {:>9}",
        "", "leads/s", "p50 ms", "p99 ms", "µs/lead", "MB", "acknowledged and", "killed: lost", "doubled"
    );
    println!("{:>72} {:>9}", "", "not stored");
    for racer in RACERS {
        let told = race(racer, seconds).await?;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        println!(
            "{racer:<20} {:>9.0} {:>8.1} {:>8.1} {:>8.0} {:>7.0} {:>16} {:>12} {:>9}",
            told.outcome.rate,
            ms(told.outcome.p50),
            ms(told.outcome.p99),
            told.cpu,
            told.megabytes,
            told.lost_under_load,
            told.lost,
            told.doubled
        );
    }
    Ok(())
}
