//! The command line of the console: every flag has a `LEADGATE_…` variable.

use axum::http::HeaderName;
use clap::Parser;
use ipnet::IpNet;

use super::who::Proxies;
use crate::cli::{LogFormat, Scope, scopes};

/// Serves the console of all namespaces: what became of leads, and what needs a person. Visitors have the rights that
/// Kubernetes gives them.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "leadgate-operator console",
    bin_name = "leadgate-operator console",
    version
)]
pub struct Cli {
    /// Address of the pages, /livez and /readyz. `[::]` stands for all addresses, IPv4 and IPv6.
    #[arg(
        long,
        env = "LEADGATE_CONSOLE_LISTEN",
        value_name = "ADDRESS",
        default_value = "[::]:8080"
    )]
    pub listen: String,
    /// Namespaces to show, separated by commas; empty for all namespaces.
    #[arg(
        long,
        env = "LEADGATE_WATCH_NAMESPACES",
        value_name = "NAMES",
        default_value = ""
    )]
    pub watch_namespaces: String,
    /// Addresses of proxies that sign visitors in, separated by commas: 10.1.2.3/32. They may say in headers who a visitor
    /// is. Empty: no header is believed.
    #[arg(
        long,
        env = "LEADGATE_CONSOLE_TRUSTED_PROXIES",
        value_name = "CIDRS",
        value_delimiter = ','
    )]
    pub trusted_proxies: Vec<IpNet>,
    /// Header in which such a proxy names the user.
    #[arg(
        long,
        env = "LEADGATE_CONSOLE_USER_HEADER",
        value_name = "NAME",
        default_value = "x-forwarded-user"
    )]
    pub user_header: HeaderName,
    /// Header in which it names the groups, separated by commas.
    #[arg(
        long,
        env = "LEADGATE_CONSOLE_GROUPS_HEADER",
        value_name = "NAME",
        default_value = "x-forwarded-groups"
    )]
    pub groups_header: HeaderName,
    /// Text before the names of users and groups that proxies tell, as in the API server's own settings: `oidc:`.
    #[arg(
        long,
        env = "LEADGATE_CONSOLE_IDENTITY_PREFIX",
        value_name = "TEXT",
        default_value = ""
    )]
    pub identity_prefix: String,
    /// Log format.
    #[arg(long, env = "LEADGATE_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug, or directives such as leadgate_operator=debug.
    #[arg(long, env = "LEADGATE_LOG", default_value = "info")]
    pub log: String,
}

impl Cli {
    pub(super) fn proxies(&self) -> Proxies {
        Proxies {
            addresses: self.trusted_proxies.clone(),
            user: self.user_header.clone(),
            groups: self.groups_header.clone(),
            prefix: self.identity_prefix.clone(),
        }
    }

    /// The namespaces that are shown.
    pub fn scopes(&self) -> Vec<Scope> {
        scopes(&self.watch_namespaces)
    }
}
