//! The command line.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    backfill, check, completion, console, diff, events, jobs, leads, privacy, processing, report, send,
    sinks, status, trace, try_, version,
};
use crate::output::Format;

/// Shows what Leadgate does with leads, and lets a person step in.
///
/// It talks to the cluster of your kubeconfig, or with --server to a receiver that runs without Kubernetes. Exit codes: 0,
/// 1 the command failed, 2 the arguments are wrong, 3 the command worked and found something wrong.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-leadgate",
    bin_name = "kubectl leadgate",
    version,
    about,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Namespace. Default: that of the context.
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub(crate) namespace: Option<String>,
    /// All namespaces (status, check, sinks list, events, processing, report).
    #[arg(
        short = 'A',
        long,
        global = true,
        conflicts_with = "namespace",
        help_heading = "Global options"
    )]
    pub(crate) all_namespaces: bool,
    /// Context of the kubeconfig.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) context: Option<String>,
    /// Path of the kubeconfig. Default: KUBECONFIG, else ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) kubeconfig: Option<std::path::PathBuf>,
    /// URL of the admin port of a receiver without Kubernetes. Default without a kubeconfig: http://127.0.0.1:9090.
    #[arg(long, global = true, value_name = "URL", conflicts_with_all = ["context", "kubeconfig"], help_heading = "Global options")]
    pub(crate) server: Option<String>,
    /// File with the admin token of --server.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) token_file: Option<std::path::PathBuf>,
    /// LeadReceiver whose pods are asked. Default: `default`, else the only one of the namespace.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub(crate) receiver: Option<String>,
    /// Namespace of the operator.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "leadgate-system",
        help_heading = "Global options"
    )]
    pub(crate) operator_namespace: String,
    /// Output format.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show receivers, webhooks and sinks as a tree, with what is wrong first.
    Status(status::Status),
    /// Check an installation, for example after an upgrade; the exit code is 3 if something is wrong.
    Check(check::Check),
    /// List leads, show one, or decide what becomes of them.
    #[command(subcommand)]
    Leads(leads::Leads),
    /// Show the story of a lead, or of all leads of a person, in order.
    Trace(trace::Trace),
    /// List CrmSinks, or pause and resume delivery to one.
    #[command(subcommand)]
    Sinks(sinks::Sinks),
    /// Show what a webhook would make of a payload; nothing is stored.
    Try(try_::Try),
    /// Send a test lead to a webhook, signed as its sender would sign it.
    Send(send::Send),
    /// List, show, follow or cancel jobs that work on many leads.
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// Send leads of the past through a webhook's mapping.
    Backfill(backfill::BackfillArgs),
    /// Show how a changed LeadWebhook would change the leads that are kept.
    Diff(diff::DiffArgs),
    /// Erase everything that is held about a person, and tell which CRM records their leads became.
    Erase(privacy::Erase),
    /// Export everything that is held about a person.
    Export(privacy::ExportArgs),
    /// Print a record of processing activities (GDPR, article 30) as Markdown, from the cluster or from manifests.
    Processing(processing::Processing),
    /// Show the console in a browser on this machine, with your rights in the cluster.
    Console(console::Console),
    /// Show the Events of LeadReceivers, LeadWebhooks and CrmSinks.
    Events(events::Events),
    /// Write a zip file for a bug report, without Secrets and personal data.
    Report(report::ReportArgs),
    /// Print the completion script of a shell.
    Completion(completion::Completion),
    /// Complete a word for kubectl.
    #[command(name = "__complete", hide = true)]
    Complete(completion::Complete),
    /// Show the versions of this program and of the operator.
    Version(version::Version),
}
