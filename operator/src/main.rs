//! `leadgate-operator`.

#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::process::ExitCode;

use clap::Parser as _;
use leadgate_operator::cli::{Cli, LogFormat};
use leadgate_operator::{console, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let mut words: Vec<_> = std::env::args_os().collect();
    // Not a subcommand of the parser: the two share no flag, and what the operator requires the console has no use for.
    if words.get(1).is_some_and(|word| word == "console") {
        words.remove(1);
        let cli = console::Cli::parse_from(words);
        let (log, format) = (cli.log.clone(), cli.log_format);
        return start(&log, format, console::run(cli));
    }
    let cli = Cli::parse();
    let (log, format) = (cli.log.clone(), cli.log_format);
    start(&log, format, run::run(cli))
}

fn start(log: &str, format: LogFormat, program: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    if let Err(error) = logging(log, format) {
        eprintln!("leadgate-operator: --log: {error}");
        return ExitCode::FAILURE;
    }
    // It waits for the API server nearly all the time: more threads would only cost memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("leadgate-operator: no async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leadgate-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn logging(log: &str, format: LogFormat) -> Result<(), String> {
    // A name that is no level is the name of a part of the program; errors of all others are logged nonetheless.
    let filter = EnvFilter::try_new(format!("error,{log}")).map_err(|error| error.to_string())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Who reads the log may go; what it tells about goes on.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}
