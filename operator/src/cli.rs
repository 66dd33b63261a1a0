//! The command line: every flag has a `LEADGATE_…` variable.

use clap::{Parser, ValueEnum};

use crate::rules::Rules;

/// Makes receivers of LeadWebhooks and CrmSinks, and says in their status what became of them.
#[derive(Clone, Debug, Parser)]
#[command(name = "leadgate-operator", version, about)]
pub struct Cli {
    /// The image of the receivers.
    #[arg(long, env = "LEADGATE_RECEIVER_IMAGE", value_name = "IMAGE")]
    pub receiver_image: String,
    /// The image of the managed Redis, 7.0 or newer.
    #[arg(
        long,
        env = "LEADGATE_REDIS_IMAGE",
        value_name = "IMAGE",
        default_value = "docker.io/library/redis:8.2"
    )]
    pub redis_image: String,
    /// The namespaces to watch, separated by commas; empty: all of them.
    #[arg(
        long,
        env = "LEADGATE_WATCH_NAMESPACES",
        value_name = "NAMES",
        default_value = ""
    )]
    pub watch_namespaces: String,
    /// The namespace of the Lease by which several operators choose a leader; empty: there is only this one.
    #[arg(
        long,
        env = "LEADGATE_LEADER_ELECTION_NAMESPACE",
        value_name = "NAME",
        default_value = ""
    )]
    pub leader_election_namespace: String,
    /// This operator's name in the Lease. Absent: the host's name and a random number.
    #[arg(long, env = "LEADGATE_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,
    /// Where /livez, /readyz and /metrics are.
    #[arg(
        long,
        env = "LEADGATE_HEALTH_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8080"
    )]
    pub health_listen: String,
    /// Only Secrets with the label leadgate.dev/use: "true" may be named by LeadWebhooks and CrmSinks.
    #[arg(long, env = "LEADGATE_REQUIRE_SECRET_LABEL")]
    pub require_secret_label: bool,
    /// The hosts for which Ingresses and HTTPRoutes are made, separated by commas; empty: any. `sales/` in front of a host
    /// gives it to one namespace; `*.example.com` is every host below example.com.
    #[arg(
        long,
        env = "LEADGATE_ALLOWED_HOSTS",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,
    /// Beginnings of the annotations that are copied to Ingresses, separated by commas; empty: none is copied.
    #[arg(
        long,
        env = "LEADGATE_ALLOWED_INGRESS_ANNOTATIONS",
        value_name = "PREFIXES",
        value_delimiter = ','
    )]
    pub allowed_ingress_annotations: Vec<String>,
    /// How many objects of a kind are reconciled at once.
    #[arg(long, env = "LEADGATE_CONCURRENCY", default_value_t = 8)]
    pub concurrency: u16,
    /// How log lines are written.
    #[arg(long, env = "LEADGATE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug, or directives such as leadgate_operator=debug.
    #[arg(long, env = "LEADGATE_LOG", default_value = "info")]
    pub log: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
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

    /// One scope for each named namespace, or all namespaces.
    pub fn scopes(&self) -> Vec<Scope> {
        let mut names: Vec<&str> = self
            .watch_namespaces
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
