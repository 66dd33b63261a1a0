//! A HubSpot to try things against: stateful, forgetful, and faulty on demand.

use std::{net::SocketAddr, time::Duration};

use clap::{Parser, ValueEnum};
use leadgate_tests::hubspot::{Config, Fault, FaultPlan, HubSpot, Limits, Millis, Odds, PropertySpec};

/// A simulated HubSpot. Contacts: GET /_sim/contacts; counts: GET /_sim/stats; faults: POST /_sim/faults.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8787", env = "HUBSPOT_SIM_LISTEN")]
    listen: SocketAddr,
    /// The token that may read and write.
    #[arg(long, default_value = "pat-sim-token", env = "HUBSPOT_SIM_TOKEN")]
    token: String,
    /// Which account's request limits apply.
    #[arg(long, value_enum, default_value = "none")]
    limits: Plan,
    /// Text properties beyond the standard ones; `name!` is unique.
    #[arg(long = "property", value_name = "NAME[!]")]
    properties: Vec<String>,
    /// Milliseconds until the search sees a write.
    #[arg(long, default_value_t = 0)]
    search_lag: u64,
    /// Milliseconds until an answer, at least.
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// Milliseconds until an answer, at most.
    #[arg(long, default_value_t = 0)]
    latency_max: u64,
    /// Share of requests answered 503.
    #[arg(long, default_value_t = 0.0)]
    unavailable: f64,
    /// Share of requests answered 429.
    #[arg(long, default_value_t = 0.0)]
    rate_limited: f64,
    /// Share of requests carried out whose connection is then cut.
    #[arg(long, default_value_t = 0.0)]
    lose_answer: f64,
    /// Seed of everything left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Plan {
    None,
    Starter,
    Professional,
    Enterprise,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config {
        listen: arguments.listen,
        token: arguments.token,
        custom: arguments
            .properties
            .iter()
            .map(|name| match name.strip_suffix('!') {
                Some(name) => PropertySpec::unique_text(name),
                None => PropertySpec::text(name),
            })
            .collect(),
        limits: match arguments.limits {
            Plan::None => Limits::NONE,
            Plan::Starter => Limits::STARTER,
            Plan::Professional => Limits::PROFESSIONAL,
            Plan::Enterprise => Limits::ENTERPRISE,
        },
        search_lag: Duration::from_millis(arguments.search_lag),
        seed: arguments.seed,
        faults: FaultPlan {
            latency: Millis::range(arguments.latency, arguments.latency_max.max(arguments.latency)),
            odds: vec![
                Odds::status(arguments.unavailable, 503),
                Odds::status(arguments.rate_limited, 429),
                Odds::new(arguments.lose_answer, Fault::LoseAnswer),
            ],
            ..FaultPlan::default()
        },
        ..Config::default()
    };
    let hubspot = HubSpot::start(config).await?;
    println!("simulated HubSpot on {}", hubspot.base_url());
    hubspot.serve_forever().await;
    Ok(())
}
