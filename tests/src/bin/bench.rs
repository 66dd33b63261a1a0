//! `make bench`: how fast leads are taken, on which queue, at what cost.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use leadgate_receiver::runtime;
use leadgate_tests::bench::{
    Line, TARGETS, Target, accept, end_to_end, idle, ledger, many, prepare, serve_without_queue,
};

/// Measures the receiver on this machine, in about two minutes. Load goes to loopback only.
#[derive(Parser)]
struct Arguments {
    /// Seconds measured per case.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Only these connections.
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    connections: Vec<usize>,
    /// Only these sizes of a body, in bytes.
    #[arg(long, value_delimiter = ',', default_value = "512,2048")]
    bodies: Vec<usize>,
    /// Measure only receivers with many webhooks.
    #[arg(long)]
    many: bool,
    /// Measure only the ledger: searches and imports.
    #[arg(long)]
    ledger: bool,
    /// Entries of the ledger that is searched.
    #[arg(long, default_value_t = 100_000)]
    entries: u64,
    /// Leads that are imported.
    #[arg(long, default_value_t = 20_000)]
    import: u64,
    /// Only so many webhooks in one receiver.
    #[arg(long, value_delimiter = ',', default_value = "1,1000")]
    webhooks: Vec<usize>,
    /// Internal: serve the manifests of this folder without a queue.
    #[arg(long, hide = true)]
    serve_without_queue: Option<PathBuf>,
    /// Internal: where.
    #[arg(long, hide = true, default_value = "127.0.0.1:0")]
    listen: String,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.serve_without_queue {
        // With as many threads as a receiver has.
        Some(manifests) => {
            runtime::build()?.block_on(serve_without_queue(manifests.clone(), &arguments.listen))
        }
        None => tokio::runtime::Runtime::new()?.block_on(measure(&arguments)),
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    prepare()?;
    if arguments.many {
        return many_webhooks(arguments).await;
    }
    if arguments.ledger {
        return the_ledger(arguments).await;
    }
    println!(
        "The whole accept of a lead; `ratio` is to the same server without a queue (ceiling). Rates on a shared\n\
         machine vary widely: compare ratios and processor time, within one run.\n"
    );
    println!(
        "{:>6} {:>6}  {:<15} {:>9} {:>6} {:>9} {:>9} {:>12} {:>9}",
        "body", "conns", "queue", "leads/s", "ratio", "p50 ms", "p99 ms", "receiver µs", "Redis µs"
    );
    for &body in &arguments.bodies {
        for &connections in &arguments.connections {
            let mut ceiling = f64::NAN;
            for target in TARGETS {
                let line = accept(target, connections, body, Duration::from_secs(arguments.seconds)).await?;
                if target == Target::Ceiling {
                    ceiling = line.outcome.rate;
                }
                print(&line, ceiling);
            }
        }
    }

    many_webhooks(arguments).await?;
    the_ledger(arguments).await?;

    println!("\nIdle, waiting for leads:");
    for target in [Target::Sqlite, Target::RedisEverySecond] {
        let idle = idle(target, Duration::from_secs(5)).await?;
        println!(
            "  {target:<15} {:>5.1} MB resident, {:.1} % of one processor",
            idle.megabytes, idle.cpu
        );
    }

    println!(
        "\nFrom the webhook to the record, unloaded, with a CRM that answers in 5 ms (a new contact, two calls):"
    );
    for target in [Target::Sqlite, Target::RedisEverySecond, Target::RedisAlways] {
        let latencies = end_to_end(target, 60).await?;
        let at = |share: usize| latencies[(latencies.len() * share / 100).min(latencies.len() - 1)];
        println!("  {target:<15} p50 {:>6.1?}   p99 {:>6.1?}", at(50), at(99));
    }
    Ok(())
}

async fn the_ledger(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { entries, import, .. } = *arguments;
    println!(
        "\nThe slowest of five answers, with {entries} entries in the ledger and as many unrouted leads:"
    );
    for target in [Target::Sqlite, Target::RedisEverySecond] {
        for (question, took) in ledger::searches(target, entries).await? {
            println!(
                "  {target:<15} {question:<32} {:>7.1} ms",
                took.as_secs_f64() * 1e3
            );
        }
    }
    println!("\nAn import of {import} leads beside 200 live leads a second:");
    for target in [Target::Sqlite, Target::RedisEverySecond] {
        let told = ledger::import(target, import).await?;
        println!(
            "  {target:<15} {:>6.0} leads/s; live p99 {:.1?} before, {:.1?} beside it",
            told.rate, told.before, told.beside
        );
    }
    Ok(())
}

async fn many_webhooks(arguments: &Arguments) -> anyhow::Result<()> {
    println!("\nMany webhooks in one receiver:");
    println!(
        "{:>8} {:>9} {:>7} {:>10} {:>10} {:>10} {:>11} {:>11} {:>9} {:>9} {:>8} {:>7}",
        "webhooks",
        "start ms",
        "MB",
        "reload ms",
        "reload CPU",
        "/status ms",
        "/status CPU",
        "/metrics ms",
        "leads/s",
        "p99 ms",
        "µs/lead",
        "MB"
    );
    for &webhooks in &arguments.webhooks {
        let told = many(webhooks, Duration::from_secs(arguments.seconds)).await?;
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
        println!(
            "{webhooks:>8} {:>9} {:>7.1} {:>10} {:>10} {:>10} {:>11} {:>11} {:>9.0} {:>9} {:>8.1} {:>7.1}",
            ms(told.start),
            told.megabytes,
            ms(told.reload),
            ms(told.reload_cpu),
            ms(told.status),
            ms(told.status_cpu),
            ms(told.metrics),
            told.outcome.rate,
            ms(told.outcome.p99),
            told.cpu,
            told.megabytes_after,
        );
    }
    Ok(())
}

fn print(line: &Line, ceiling: f64) {
    println!(
        "{:>6} {:>6}  {:<15} {:>9.0} {:>6.2} {:>9.2} {:>9.2} {:>12.1} {:>9}",
        line.body,
        line.connections,
        line.target,
        line.outcome.rate,
        line.outcome.rate / ceiling,
        line.outcome.p50.as_secs_f64() * 1e3,
        line.outcome.p99.as_secs_f64() * 1e3,
        line.receiver_cpu,
        line.redis_cpu.map_or("-".into(), |cpu| format!("{cpu:.1}"))
    );
}
