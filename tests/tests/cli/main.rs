//! `kubectl leadgate` as a person uses it, without a cluster: against a receiver, and against a server that plays one.

mod backfill;
mod console;
mod conventions;
mod leads;
mod processing;
mod receiver;
mod server;
mod signing;
mod story;

use std::path::Path;
use std::process::Stdio;

use leadgate_tests::receiver::program;
use serde_json::Value;
use tokio::process::Command;

/// What a command printed, and how it ended.
#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// Its JSON, with nothing else on stdout.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// Runs a command against the admin port at an address.
async fn leadgate(server: &str, arguments: &[&str]) -> Ran {
    let with_server: Vec<&str> = arguments.iter().copied().chain(["--server", server]).collect();
    run(&with_server).await
}

/// Runs a command without a terminal and without a kubeconfig.
async fn run(arguments: &[&str]) -> Ran {
    let program = tokio::task::spawn_blocking(|| program("kubectl-leadgate", false))
        .await
        .unwrap()
        .unwrap();
    let output = Command::new(program)
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env("HOME", Path::new("/nonexistent"))
        .env("USER", "ada")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}
