//! A Salesforce to try things against: stateful, and faulty on demand.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use leadgate_tests::salesforce::{Config, DuplicateRule, Fault, FaultPlan, FieldSpec, Odds, Salesforce};

/// A simulated Salesforce. Leads: GET /_sim/leads; counts: GET /_sim/stats; faults: POST /_sim/faults.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8788", env = "SALESFORCE_SIM_LISTEN")]
    listen: SocketAddr,
    /// The connected app's consumer key.
    #[arg(long, default_value = "3MVG9sim", env = "SALESFORCE_SIM_CLIENT_ID")]
    client_id: String,
    /// Its consumer secret.
    #[arg(
        long,
        default_value = "sim-consumer-secret",
        env = "SALESFORCE_SIM_CLIENT_SECRET"
    )]
    client_secret: String,
    /// Text fields of Lead beyond the standard ones; `Name__c!` is an external id and unique.
    #[arg(long = "field", value_name = "NAME[!]")]
    fields: Vec<String>,
    /// What the duplicate rule does.
    #[arg(long, value_enum)]
    duplicate_rule: Option<Rule>,
    /// API requests of the organisation.
    #[arg(long, default_value_t = 10_000_000)]
    daily_limit: u64,
    /// Milliseconds until an answer, at least.
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// Milliseconds until an answer, at most.
    #[arg(long, default_value_t = 0)]
    latency_max: u64,
    /// Share of requests answered 503.
    #[arg(long, default_value_t = 0.0)]
    unavailable: f64,
    /// Share of requests answered UNABLE_TO_LOCK_ROW.
    #[arg(long, default_value_t = 0.0)]
    locked: f64,
    /// Share of requests carried out whose connection is then cut.
    #[arg(long, default_value_t = 0.0)]
    lose_answer: f64,
    /// Seed of everything left to chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rule {
    Alert,
    Block,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut config = Config {
        listen: arguments.listen,
        client_id: arguments.client_id,
        client_secret: arguments.client_secret,
        duplicate_rule: arguments.duplicate_rule.map(|rule| match rule {
            Rule::Alert => DuplicateRule::Alert,
            Rule::Block => DuplicateRule::Block,
        }),
        daily_limit: arguments.daily_limit,
        seed: arguments.seed,
        faults: FaultPlan {
            latency: (arguments.latency, arguments.latency_max.max(arguments.latency)),
            odds: [
                (arguments.unavailable, Fault::error(503, "SERVER_UNAVAILABLE")),
                (arguments.locked, Fault::error(400, "UNABLE_TO_LOCK_ROW")),
                (arguments.lose_answer, Fault::LoseAnswer),
            ]
            .into_iter()
            .map(|(probability, fault)| Odds { fault, probability })
            .collect(),
            ..FaultPlan::default()
        },
        ..Config::default()
    };
    config
        .custom
        .extend(arguments.fields.iter().map(|name| match name.strip_suffix('!') {
            Some(name) => FieldSpec::text(name).external(true),
            None => FieldSpec::text(name),
        }));
    let salesforce = Salesforce::start(config).await?;
    println!("simulated Salesforce on {}", salesforce.base_url());
    salesforce.serve_forever().await;
    Ok(())
}
