//! `leadgate-receiver`.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser as _;
use leadgate_receiver::cli::{Cli, LogFormat};
use leadgate_receiver::dry_run::{self, Try};
use leadgate_receiver::source::preset;
use leadgate_receiver::{check, config, run, runtime};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let command = arguments.next();
    match command.as_deref().and_then(OsStr::to_str) {
        Some("try") => return try_out(&Try::parse_from(std::iter::once(program).chain(arguments))),
        Some("presets") => return presets(arguments.next().as_deref().and_then(OsStr::to_str)),
        _ => {}
    }
    let cli = Cli::parse();
    if cli.check {
        let (report, fine) = check::report(&config::load(&cli.folders(), None), cli.output);
        print!("{report}");
        return if fine {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    if let Err(error) = logging(&cli) {
        eprintln!("leadgate-receiver: --log: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = match runtime::build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("leadgate-receiver: no async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leadgate-receiver: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn try_out(cli: &Try) -> ExitCode {
    match dry_run::run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("leadgate-receiver try: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Lists the presets, or prints one as it is shipped.
fn presets(name: Option<&str>) -> ExitCode {
    let Some(name) = name else {
        for name in preset::names() {
            let title = preset::find(name).map_or("", |preset| preset.title.as_str());
            println!("{name:<18}{title}");
        }
        return ExitCode::SUCCESS;
    };
    let Some(text) = preset::source(name) else {
        eprintln!(
            "leadgate-receiver presets: no preset is named {name}; `leadgate-receiver presets` lists them"
        );
        return ExitCode::FAILURE;
    };
    print!("{text}");
    ExitCode::SUCCESS
}

fn logging(cli: &Cli) -> Result<(), String> {
    let filter = EnvFilter::try_new(&cli.log).map_err(|error| error.to_string())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
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
