//! `kubectl leadgate`: what a person does with Leadgate from a terminal.
//!
//! A command is a file of [`commands`]. What it needs is one of two things: the objects in Kubernetes ([`cluster`]), or a
//! receiver's API ([`receiver`]), which is reached through the API server or by its URL. What it prints goes through
//! [`output`], and the rights that it needs are the table in [`permissions`].

// Tests have dependencies of their own.
#![cfg_attr(not(test), warn(unused_crate_dependencies))]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod args;
mod cluster;
mod commands;
mod filter;
mod objects;
mod output;
pub mod permissions;
mod pods;
mod preset;
mod receiver;
mod redact;
pub mod sign;
mod text;
mod transport;

use std::io::ErrorKind;

use args::Cli;
use output::NotPrinted;

/// What a command found, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All is well.
    Fine,
    /// It did what was asked for, and something is wrong.
    Wrong,
}

/// The arguments cannot be what was meant.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs a command. The exit code: 0, 1 failed, 2 the arguments are wrong, 3 something was found to be wrong.
pub async fn run(cli: Cli) -> u8 {
    // Tests run several in one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match commands::run(cli).await {
        Ok(Verdict::Fine) => 0,
        Ok(Verdict::Wrong) => 3,
        Err(error) if is_closed_pipe(&error) => 0,
        Err(error) => {
            eprintln!("error: {}", text::plain(&format!("{error:#}")));
            if error.is::<Usage>() { 2 } else { 1 }
        }
    }
}

/// Whoever read the output has seen enough, as with `| head`. A connection that breaks is something else.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<NotPrinted>()
        .is_some_and(|NotPrinted(error)| error.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use anyhow::Context as _;

    use super::*;

    #[test]
    fn only_a_reader_that_went_away_has_seen_enough() {
        let broken = || Error::from(ErrorKind::BrokenPipe);
        let of_connection: Result<(), _> = Err(broken()).context("the receiver does not answer");
        assert!(!is_closed_pipe(&of_connection.unwrap_err()));
        assert!(!is_closed_pipe(
            &NotPrinted(Error::from(ErrorKind::StorageFull)).into()
        ));
        let of_output: Result<(), _> = Err(NotPrinted(broken())).context("lines 1 to 500");
        assert!(is_closed_pipe(&of_output.unwrap_err()));
    }
}
