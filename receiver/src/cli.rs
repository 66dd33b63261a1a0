//! The command line: every flag has a `LEADGATE_…` variable.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::Folders;
use crate::dry_run::Try;
use crate::nearest::did_you_mean;
use crate::queue::{self, Durability, MAX_SHARDS};

/// What `--log` may be, alone.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Receives leads by webhook, stores them durably, and delivers each one to a CRM once and in order.
///
/// Without a command it runs: `leadgate-receiver --manifests DIR` is `leadgate-receiver run --manifests DIR`.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "leadgate-receiver",
    version,
    about,
    long_about,
    subcommand_required = true
)]
pub struct Program {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Receive leads and deliver them. This is the default command.
    Run(Box<Cli>),
    /// Check the manifests, print every problem, and exit: 0 when there is no error.
    Check(Box<Check>),
    /// Show how a webhook would process a request, without sending or storing anything.
    Try(Try),
    /// List the presets, or print one.
    Presets {
        /// The preset to print.
        name: Option<String>,
    },
}

/// `check`: takes the flags that the receiver will run with.
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// Those flags. Files that only the receiver's machine has (tokens, keys and certificates) are not looked at.
    #[command(flatten)]
    pub receiver: Cli,
    /// How to print what was found: text, or json for editors and pipelines.
    #[arg(short, long, default_value = "text")]
    pub output: OutputFormat,
}

impl Program {
    /// Reads what was typed. Flags alone mean `run`; `--check` among them means `check`, as it did before there were
    /// commands.
    pub fn of(mut words: Vec<OsString>) -> Self {
        let asks = |word: &str| ["-h", "--help", "-V", "--version"].contains(&word);
        let first = words.get(1).map(|word| word.to_string_lossy().into_owned());
        if first.is_none_or(|word| word.starts_with('-') && !asks(&word)) {
            let command = match words.iter().position(|word| word == "--check") {
                Some(place) => {
                    words.remove(place);
                    "check"
                }
                None => "run",
            };
            words.insert(words.len().min(1), command.into());
        }
        Self::parse_from(words)
    }
}

/// The flags of `run`.
#[derive(Debug, Clone, Args)]
pub struct Cli {
    /// Directory of manifests: LeadWebhook, CrmSink, LeadReceiver (of which only spec.limits applies) and Secret.
    #[arg(long, env = "LEADGATE_MANIFESTS", value_name = "DIR")]
    pub manifests: PathBuf,
    /// Serve only the LeadWebhooks of this LeadReceiver; the leads of all others are delivered too, but their
    /// paths are not served. Default: serve all.
    #[arg(long, env = "LEADGATE_RECEIVER", value_name = "NAME")]
    pub receiver: Option<String>,
    /// Directory of Secrets as mounted by Kubernetes: DIR/<secret name>/<key>.
    #[arg(long, env = "LEADGATE_SECRETS", value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Address of the webhook listener; [::]:8080 is port 8080 on all addresses, IPv4 and IPv6.
    #[arg(
        long,
        env = "LEADGATE_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: String,
    /// Address of the admin listener: health, metrics, status and dead letters.
    #[arg(
        long,
        env = "LEADGATE_ADMIN_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9090"
    )]
    pub admin_listen: String,
    /// File with the bearer token for status and dead letters. Without a token, only this machine has access.
    #[arg(long, env = "LEADGATE_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
    /// Queue URL: sqlite:FILE, redis://, redis+sentinel:// or redis+cluster://; with TLS, rediss://, rediss+sentinel:// or
    /// rediss+cluster://.
    #[arg(
        long,
        env = "LEADGATE_QUEUE",
        value_name = "URL",
        default_value = "sqlite:leadgate.db",
        hide_env_values = true
    )]
    pub queue: String,
    /// File with the queue URL, instead of --queue. When the user name or password in it changes, it applies without
    /// a restart.
    #[arg(
        long,
        env = "LEADGATE_QUEUE_FILE",
        value_name = "FILE",
        conflicts_with = "queue"
    )]
    pub queue_file: Option<PathBuf>,
    /// CA bundle (PEM) to trust for rediss://, rediss+sentinel:// and rediss+cluster://, and nothing else for these: neither the public
    /// authorities nor --outbound-ca. Changes apply without a restart.
    #[arg(long, env = "LEADGATE_QUEUE_CA", value_name = "FILE")]
    pub queue_ca: Option<PathBuf>,
    /// Prefix of the queue's keys in Redis. Receivers with different prefixes never see each other's leads.
    /// The operator sets leadgate-NAMESPACE.
    #[arg(
        long,
        env = "LEADGATE_QUEUE_PREFIX",
        value_name = "PREFIX",
        default_value = "leadgate",
        value_parser = queue_prefix
    )]
    pub queue_prefix: String,
    /// File with the keys that hide whom the entries of the ledger are about: a key on each line, each at least 16 random
    /// characters, the same for all receivers of a queue. New entries have the last one, people are found with all of them, and
    /// the first one must stay. Changes apply without a restart. Default: for sqlite:FILE, FILE.ledger-key, which is created; otherwise none, and leads cannot
    /// be searched by e-mail address and phone number.
    #[arg(long, env = "LEADGATE_LEDGER_KEY_FILE", value_name = "FILE")]
    pub ledger_key_file: Option<PathBuf>,
    /// The keys that seal leads in the queue: a file with a key on each line, or a directory with a key in each file; each
    /// at least 32 random characters, the same for all receivers of a queue. The last one seals, all of them open. Changes
    /// apply without a restart. Default: leads are not sealed. Keep a copy: without its key, a lead cannot be delivered.
    #[arg(long, env = "LEADGATE_ENCRYPTION_KEY_FILE", value_name = "PATH")]
    pub encryption_key_file: Option<PathBuf>,
    /// Shards over which leads are spread, so that several primaries of a Redis Cluster share the work. It cannot change
    /// once the queue holds leads.
    #[arg(
        long,
        env = "LEADGATE_QUEUE_SHARDS",
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SHARDS))
    )]
    pub queue_shards: u16,
    /// Replicas of Redis that must have a lead before it is acknowledged. Default: 1 with Sentinel and in a cluster, else 0.
    #[arg(long, env = "LEADGATE_QUEUE_ACKNOWLEDGE_REPLICAS", value_name = "N")]
    pub queue_acknowledge_replicas: Option<u32>,
    /// Who answers for what Redis keeps: measured (its settings are checked) or provider (of a service whose servers do
    /// not tell their settings).
    #[arg(
        long,
        env = "LEADGATE_QUEUE_DURABILITY",
        value_name = "WHO",
        default_value = "measured"
    )]
    pub queue_durability: Durability,
    /// How long a request waits for Redis to store its leads before it is answered with 503, from 1s to 15s. A failover
    /// or a restart that takes less is not noticed by senders.
    #[arg(
        long,
        env = "LEADGATE_ACCEPT_TIMEOUT",
        value_name = "TIME",
        default_value = "4s",
        value_parser = accept_timeout
    )]
    pub accept_timeout: Duration,
    /// Certificate chain (PEM) for serving HTTPS.
    #[arg(long, env = "LEADGATE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate.
    #[arg(long, env = "LEADGATE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// CA bundle (PEM) that client certificates are verified against. With it, client certificates are
    /// requested from all clients, and checked for webhooks with auth.clientCertificate.
    #[arg(
        long,
        env = "LEADGATE_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_client_ca: Option<PathBuf>,
    /// CA bundle (PEM) to trust for CRMs and, without --queue-ca, connections to Redis, besides the public
    /// authorities.
    #[arg(long, env = "LEADGATE_OUTBOUND_CA", value_name = "FILE")]
    pub outbound_ca: Option<PathBuf>,
    /// A proxy terminates TLS: require X-Forwarded-Proto: https on every request.
    #[arg(long, env = "LEADGATE_BEHIND_TLS_PROXY")]
    pub behind_tls_proxy: bool,
    /// Allow loopback and link-local addresses in manifests, for example for simulators. Not required if only
    /// this machine can post: plain HTTP on loopback, without a proxy.
    #[arg(long, env = "LEADGATE_ALLOW_LOCAL_ADDRESSES")]
    pub allow_local_addresses: bool,
    /// Log format.
    #[arg(long, env = "LEADGATE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug, or directives such as leadgate_receiver=debug.
    #[arg(long, env = "LEADGATE_LOG", default_value = "info", value_parser = log_filter)]
    pub log: String,
    /// Memory for in-flight request bodies, in MiB.
    #[arg(long, env = "LEADGATE_BODY_MEMORY", value_name = "MIB", default_value_t = 128)]
    pub body_memory: usize,
}

/// Log format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// One line per problem.
    Text,
    /// One JSON object.
    Json,
}

/// A bare word would be the name of a part of the program, all of which it logs, and nothing of the others.
fn log_filter(text: &str) -> Result<String, String> {
    let unknown = text
        .split(',')
        .map(str::trim)
        .find(|part| !part.contains(['=', '[']) && part.parse::<LevelFilter>().is_err());
    if let Some(word) = unknown {
        let hint = did_you_mean(word, LEVELS).unwrap_or_default();
        let levels = LEVELS.join(", ");
        return Err(format!(
            "`{word}` is no level; write one of {levels}, or a directive such as leadgate_receiver=debug{hint}"
        ));
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// An address and a port, whoever has them.
fn address(flag: &str, text: &str) -> Result<(), String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let hint = match port.parse::<u16>() {
        Ok(_) if !host.is_empty() => return Ok(()),
        Ok(port) => format!("127.0.0.1:{port} for this machine only, or [::]:{port} for all addresses"),
        Err(_) => "an address and a port, as in 127.0.0.1:8080".to_owned(),
    };
    Err(format!(
        "{flag} {text}: this is no address to listen on; write {hint}"
    ))
}

/// A prefix is a hash tag, and stands in patterns of permissions.
fn queue_prefix(text: &str) -> Result<String, String> {
    let fine = !text.is_empty()
        && text.len() <= 100
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fine {
        Ok(text.to_owned())
    } else {
        Err("must consist of 1 to 100 letters, digits, hyphens, underscores and dots".to_owned())
    }
}

/// Long enough for a slow disk; shorter than a request may take in all, and than a shutdown waits for requests.
fn accept_timeout(text: &str) -> Result<Duration, String> {
    let bounds = Duration::from_secs(1)..=Duration::from_secs(15);
    let parsed = text
        .parse::<leadgate_crds::common::Duration>()
        .map_err(|error| error.to_string())?;
    let time = Duration::from(&parsed);
    if bounds.contains(&time) {
        Ok(time)
    } else {
        Err("must be a time from 1s to 15s".to_owned())
    }
}

impl Cli {
    /// Where manifests and Secrets are.
    pub fn folders(&self) -> Folders {
        Folders {
            manifests: self.manifests.clone(),
            secrets: self.secrets.clone(),
            local_addresses: self.may_call_this_machine(),
            receiver: self.receiver.clone(),
        }
    }

    /// Whether CRMs may have addresses of this machine: for simulators, where only this machine can post anyway.
    pub fn may_call_this_machine(&self) -> bool {
        // `validate` sees to it that plain HTTP without a proxy is served on loopback only.
        self.allow_local_addresses || (self.tls_cert.is_none() && !self.behind_tls_proxy)
    }

    /// What clap cannot check: addresses and the queue's URL, as far as they are text; that the directory of Secrets is
    /// there; and that plain HTTP is served on loopback addresses only.
    pub fn validate(&self) -> Result<(), String> {
        address("--listen", &self.listen)?;
        address("--admin-listen", &self.admin_listen)?;
        if self.queue_file.is_none() {
            queue::recognises(&self.queue).map_err(|error| format!("--queue: {error}"))?;
        }
        if let Some(secrets) = &self.secrets {
            folder_exists("--secrets", secrets)?;
        }
        if self.tls_cert.is_none() && !self.behind_tls_proxy && !is_loopback(&self.listen) {
            return Err(format!(
                "--listen {}: refusing to serve plain HTTP on a non-loopback address. Set --tls-cert and --tls-key, or --behind-tls-proxy if a \
                 proxy terminates TLS, or listen on 127.0.0.1",
                self.listen
            ));
        }
        if self.tls_cert.is_some() && self.behind_tls_proxy {
            return Err("--behind-tls-proxy and --tls-cert cannot be combined: either the proxy or the receiver terminates TLS".to_owned());
        }
        Ok(())
    }
}

/// A folder that is not there at the start is a typing error, not a configuration that is still to come.
pub fn folder_exists(flag: &str, folder: &Path) -> Result<(), String> {
    if folder.is_dir() {
        Ok(())
    } else {
        Err(format!("{flag} {}: there is no such directory", folder.display()))
    }
}

fn is_loopback(address: &str) -> bool {
    if let Ok(address) = address.parse::<SocketAddr>() {
        return address.ip().to_canonical().is_loopback();
    }
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
