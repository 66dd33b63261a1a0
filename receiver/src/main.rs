//! `leadgate-receiver`.

#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::alloc::System;
use std::process::ExitCode;

use anyhow::Context as _;
use leadgate_receiver::cli::{Check, Cli, Command, LogFormat, Program};
use leadgate_receiver::source::preset;
use leadgate_receiver::{check, config, dry_run, run, runtime, shown};
use tracing_subscriber::EnvFilter;
use zeroizing_alloc::ZeroAlloc;

/// Whatever is freed is overwritten: nobody who was erased is found in the memory of an idle process.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// Errors are always logged. What strangers do wrong is at most a warning of the HTTP/2 library, which knows no limit. `--log`
/// may say otherwise.
const QUIET: &str = "error,h2=error";

fn main() -> ExitCode {
    let (command, result) = match Program::of(std::env::args_os().collect()).command {
        Command::Run(cli) => ("", receive(*cli)),
        Command::Check(cli) => ("", check(&cli)),
        Command::Try(cli) => (" try", dry_run::run(&cli)),
        Command::Presets { name } => (" presets", presets(name.as_deref())),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            shown::complain(&format!("leadgate-receiver{command}: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn receive(cli: Cli) -> anyhow::Result<bool> {
    logging(&cli).context("--log")?;
    let runtime = runtime::build().context("no async runtime")?;
    runtime.block_on(run::run(cli))?;
    Ok(true)
}

fn check(cli: &Check) -> anyhow::Result<bool> {
    cli.receiver.validate().map_err(anyhow::Error::msg)?;
    let (report, fine) = check::report(&config::load(&cli.receiver.folders(), None), cli.output);
    shown::print(&report)?;
    Ok(fine)
}

/// Lists the presets, or prints one as it is shipped.
fn presets(name: Option<&str>) -> anyhow::Result<bool> {
    let text = match name {
        Some(name) => preset::source(name)
            .ok_or_else(|| anyhow::anyhow!(preset::unknown(name)))?
            .to_owned(),
        None => preset::names()
            .map(|name| {
                let title = preset::find(name).map_or("", |preset| preset.title.as_str());
                format!("{name:<18}{title}\n")
            })
            .collect(),
    };
    shown::print(&text)?;
    Ok(true)
}

fn logging(cli: &Cli) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", cli.log))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Who reads the log may go; what it tells about goes on.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match cli.log_format {
        LogFormat::Text => lines
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}
