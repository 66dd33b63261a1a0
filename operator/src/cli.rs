//! The command line: every flag has a `LEADGATE_…` variable.

use clap::{Parser, ValueEnum};

use crate::context::Tracing;
use crate::rules::Rules;

/// Runs receivers for LeadWebhooks and CrmSinks, and reports their state.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "leadgate-operator",
    version,
    about,
    after_help = "`leadgate-operator console --help` tells of the console."
)]
pub struct Cli {
    /// Image of the receivers.
    #[arg(long, env = "LEADGATE_RECEIVER_IMAGE", value_name = "IMAGE")]
    pub receiver_image: String,
    /// Image of the managed Redis: Valkey, or Redis 7.0 or newer, with redis-server and redis-cli, both built with TLS, and a shell.
    #[arg(
        long,
        env = "LEADGATE_REDIS_IMAGE",
        value_name = "IMAGE",
        default_value = "docker.io/valkey/valkey:8.1"
    )]
    pub redis_image: String,
    /// Namespaces to watch, separated by commas; empty for all namespaces.
    #[arg(
        long,
        env = "LEADGATE_WATCH_NAMESPACES",
        value_name = "NAMES",
        default_value = ""
    )]
    pub watch_namespaces: String,
    /// Namespace of the leader election Lease; empty to run a single operator without leader election.
    #[arg(
        long,
        env = "LEADGATE_LEADER_ELECTION_NAMESPACE",
        value_name = "NAME",
        default_value = ""
    )]
    pub leader_election_namespace: String,
    /// Identity of this operator in the Lease. Default: the host name and a random number.
    #[arg(long, env = "LEADGATE_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,
    /// Name of this installation, which its objects carry. In a namespace that another installation works in,
    /// the operator does nothing. The chart sets NAMESPACE/RELEASE.
    #[arg(
        long,
        env = "LEADGATE_INSTALLATION",
        value_name = "NAME",
        default_value = "leadgate"
    )]
    pub installation: String,
    /// Secrets with which all pods pull their images, separated by commas, besides those of spec.podTemplate.
    /// They must exist in each namespace.
    #[arg(
        long = "image-pull-secrets",
        env = "LEADGATE_IMAGE_PULL_SECRETS",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub image_pull_secrets: Vec<String>,
    /// Address of /livez, /readyz and /metrics. `[::]` stands for all addresses, IPv4 and IPv6.
    #[arg(
        long,
        env = "LEADGATE_HEALTH_LISTEN",
        value_name = "ADDRESS",
        default_value = "[::]:8080"
    )]
    pub health_listen: String,
    /// Require the label leadgate.dev/use: "true" on Secrets that LeadWebhooks and CrmSinks reference.
    #[arg(long, env = "LEADGATE_REQUIRE_SECRET_LABEL")]
    pub require_secret_label: bool,
    /// Hosts that Ingresses and HTTPRoutes may be created for, separated by commas; empty for any host.
    /// `sales/` before a host restricts it to one namespace; `*.example.com` matches every host below
    /// example.com.
    #[arg(
        long,
        env = "LEADGATE_ALLOWED_HOSTS",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,
    /// Prefixes of the annotations that are copied to Ingresses, separated by commas; empty to copy none.
    #[arg(
        long,
        env = "LEADGATE_ALLOWED_INGRESS_ANNOTATIONS",
        value_name = "PREFIXES",
        value_delimiter = ','
    )]
    pub allowed_ingress_annotations: Vec<String>,
    /// Base URL of an OTLP/HTTP collector that receivers export traces to, such as
    /// http://collector.observability.svc:4318; empty for no traces.
    #[arg(
        long,
        env = "LEADGATE_TRACING_ENDPOINT",
        value_name = "URL",
        default_value = ""
    )]
    pub tracing_endpoint: String,
    /// Share of requests that are traced, from 0 to 1.
    #[arg(
        long,
        env = "LEADGATE_TRACING_SAMPLING_RATIO",
        value_name = "RATIO",
        default_value_t = 1.0
    )]
    pub tracing_sampling_ratio: f64,
    /// Secret in the namespace of each LeadReceiver whose key `headers` holds headers for the collector
    /// (NAME=VALUE, separated by commas); empty for none.
    #[arg(
        long,
        env = "LEADGATE_TRACING_HEADERS_SECRET",
        value_name = "NAME",
        default_value = ""
    )]
    pub tracing_headers_secret: String,
    /// Number of concurrent reconciliations for each kind.
    #[arg(long, env = "LEADGATE_CONCURRENCY", default_value_t = 8)]
    pub concurrency: u16,
    /// Log format.
    #[arg(long, env = "LEADGATE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug, or directives such as leadgate_operator=debug.
    #[arg(long, env = "LEADGATE_LOG", default_value = "info")]
    pub log: String,
}

/// Log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Which namespaces one set of controllers watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// One.
    Namespace(String),
}

impl Cli {
    /// What is allowed to those who write resources.
    pub fn rules(&self) -> Rules {
        // An empty variable is one empty text, which would be the beginning of every annotation.
        let given = |texts: &[String]| -> Vec<String> {
            texts.iter().filter(|text| !text.is_empty()).cloned().collect()
        };
        Rules {
            secret_label: self.require_secret_label,
            hosts: given(&self.allowed_hosts)
                .iter()
                .map(|host| host.as_str().into())
                .collect(),
            annotations: given(&self.allowed_ingress_annotations),
        }
    }

    /// How receivers export traces, if they do.
    pub fn tracing(&self) -> Option<Tracing> {
        (!self.tracing_endpoint.is_empty()).then(|| Tracing {
            endpoint: self.tracing_endpoint.clone(),
            sampling_ratio: self.tracing_sampling_ratio,
            headers_secret: self.tracing_headers_secret.clone(),
        })
    }

    /// One scope for each named namespace, or all namespaces.
    pub fn scopes(&self) -> Vec<Scope> {
        scopes(&self.watch_namespaces)
    }
}

/// The scopes of `--watch-namespaces`.
pub(crate) fn scopes(names: &str) -> Vec<Scope> {
    let mut names: Vec<&str> = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return vec![Scope::All];
    }
    names
        .into_iter()
        .map(|name| Scope::Namespace(name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let scopes = |names: &str| {
            Cli::try_parse_from(["x", "--receiver-image", "r", "--watch-namespaces", names])
                .unwrap()
                .scopes()
        };
        assert_eq!(scopes(""), [Scope::All]);
        assert_eq!(scopes(" , "), [Scope::All]);
        assert_eq!(
            scopes("b, a,b"),
            [Scope::Namespace("a".to_owned()), Scope::Namespace("b".to_owned())]
        );
    }
}
