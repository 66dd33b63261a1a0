//! `kubectl leadgate`.

#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::process::ExitCode;

use clap::Parser as _;
use leadgate_cli::args::Cli;

fn main() -> ExitCode {
    // A mistake in the arguments ends here, with 2.
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(leadgate_cli::run(cli))),
        Err(error) => {
            eprintln!("error: no async runtime: {error}");
            ExitCode::FAILURE
        }
    }
}
