//! The commands, each in its file.

pub(crate) mod backfill;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod console;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod leads;
pub(crate) mod privacy;
pub(crate) mod processing;
pub(crate) mod report;
pub(crate) mod send;
pub(crate) mod sinks;
pub(crate) mod status;
pub(crate) mod trace;
pub(crate) mod try_;
pub(crate) mod version;

use crate::args::{Cli, Command};
use crate::output::{Format, Output};
use crate::{Usage, Verdict};

pub(crate) async fn run(cli: Cli) -> anyhow::Result<Verdict> {
    let global = &cli.global;
    let output = Output::new(global.output);
    if global.output == Format::Short && !matches!(cli.command, Command::Check(_)) {
        return Err(Usage("-o short is an output format of check only".to_owned()).into());
    }
    match cli.command {
        Command::Status(command) => status::run(global, output, &command).await,
        Command::Check(command) => check::run(global, output, &command).await,
        Command::Leads(command) => leads::run(global, output, command).await,
        Command::Trace(command) => trace::run(global, output, &command).await,
        Command::Sinks(command) => sinks::run(global, output, &command).await,
        Command::Try(command) => try_::run(global, output, &command).await,
        Command::Send(command) => send::run(global, output, &command).await,
        Command::Jobs(command) => jobs::run(global, output, &command).await,
        Command::Backfill(command) => backfill::run(global, output, &command).await,
        Command::Diff(command) => diff::run(global, output, &command).await,
        Command::Erase(command) => privacy::erase(global, output, &command).await,
        Command::Export(command) => privacy::export(global, output, &command).await,
        Command::Processing(command) => processing::run(global, output, &command).await,
        Command::Console(command) => console::run(global, output, &command).await,
        Command::Events(command) => events::run(global, output, &command).await,
        Command::Report(command) => report::run(global, &command).await,
        Command::Completion(command) => completion::print(output, &command),
        Command::Complete(command) => completion::complete(output, &command),
        Command::Version(command) => version::run(global, output, &command).await,
    }
}
