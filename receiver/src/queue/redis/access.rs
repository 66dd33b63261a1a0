//! From a queue URL to the servers it leads to.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates,
};

use super::cluster::Cluster;
use super::sentinel::{self, Address, Failed};
use crate::queue::slots::slot;
use crate::queue::{OpenError, OpenOptions};

/// Where a sentinel listens unless the URL says otherwise.
const SENTINEL_PORT: u16 = 26379;

/// Where a node of a cluster listens unless the URL says otherwise.
const CLUSTER_PORT: u16 = 6379;

const SENTINEL_FORM: &str = "not of the form redis+sentinel://[user:password@]host[:26379],host…/PRIMARY-NAME[/database]\
                             [?sentinelUsername=…&sentinelPassword=…], with the characters @ : / ? & % of names and \
                             passwords percent-encoded";

const CLUSTER_FORM: &str = "not of the form redis+cluster://[user:password@]host[:6379],host…, with the characters @ : / ? & % \
                            of names and passwords percent-encoded";

/// Where the primary is found, and how one gets in.
#[derive(Clone)]
pub(super) enum Target {
    /// At an address.
    Direct(Box<Client>),
    /// Wherever sentinels say.
    Sentinels(Arc<Watched>),
    /// Wherever the nodes of a cluster say.
    Cluster(Arc<Cluster>),
}

impl Target {
    /// Where the primary is; `None`: at the address.
    pub(super) async fn primary(&self) -> Result<Option<Address>, Failed> {
        match self {
            Self::Direct(_) => Ok(None),
            Self::Sentinels(watched) => sentinel::primary(watched).await.map(Some),
            Self::Cluster(cluster) => cluster.primary().await.map(Some),
        }
    }

    /// The client of another server of the group, which lets us in as the primary does.
    pub(super) fn server(&self, host: &str, port: u16) -> Result<Client, OpenError> {
        match self {
            Self::Sentinels(watched) => watched.data.client(host, port),
            Self::Cluster(cluster) => cluster.data.client(host, port),
            Self::Direct(client) => {
                let info = client.get_connection_info().clone();
                let address = moved(info.addr(), host, port);
                Client::open(info.set_addr(address)).map_err(|_| unusable())
            }
        }
    }
}

fn moved(address: &ConnectionAddr, host: &str, port: u16) -> ConnectionAddr {
    match address {
        ConnectionAddr::TcpTls {
            insecure, tls_params, ..
        } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

/// A primary that sentinels watch.
pub(super) struct Watched {
    /// What they call it.
    pub(super) name: String,
    /// Clients of the sentinels.
    pub(super) sentinels: Vec<Client>,
    data: Entrance,
}

/// How one gets into servers that differ in nothing but their address.
#[derive(Clone)]
pub(super) struct Entrance {
    settings: RedisConnectionInfo,
    pub(super) is_tls: bool,
    authorities: Option<Arc<[u8]>>,
}

impl Entrance {
    pub(super) fn client(&self, host: &str, port: u16) -> Result<Client, OpenError> {
        let address = if self.is_tls {
            ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host.to_owned(), port)
        };
        let info = address.into_connection_info().map_err(|_| unusable())?;
        build(
            info.set_redis_settings(self.settings.clone()),
            self.authorities.as_ref(),
        )
    }
}

fn invalid(why: &str) -> OpenError {
    OpenError::Invalid(why.to_owned())
}

fn unusable() -> OpenError {
    invalid("this Redis address cannot be used")
}

/// The target of a URL. Its errors never repeat the URL, which may hold a password.
pub(super) fn target(url: &str, options: &OpenOptions) -> Result<Target, OpenError> {
    if let Some(rest) = url.strip_prefix("redis+sentinel://") {
        return watched(rest, false, options);
    }
    if let Some(rest) = url.strip_prefix("rediss+sentinel://") {
        return watched(rest, true, options);
    }
    if let Some(rest) = url.strip_prefix("redis+cluster://") {
        return clustered(rest, false, options);
    }
    if let Some(rest) = url.strip_prefix("rediss+cluster://") {
        return clustered(rest, true, options);
    }
    let info = url
        .into_connection_info()
        .map_err(|_| invalid("not of the form redis://[user[:password]@]host[:port][/database]"))?;
    let settings = with_defaults(info.redis_settings().clone(), options);
    let client = build(info.set_redis_settings(settings), options.authorities.as_ref())?;
    Ok(Target::Direct(Box::new(client)))
}

fn with_defaults(mut settings: RedisConnectionInfo, options: &OpenOptions) -> RedisConnectionInfo {
    if let (None, Some(username)) = (settings.username(), &options.username) {
        settings = settings.set_username(username);
    }
    if let (None, Some(password)) = (settings.password(), &options.password) {
        settings = settings.set_password(password);
    }
    settings
}

fn build(info: ConnectionInfo, authorities: Option<&Arc<[u8]>>) -> Result<Client, OpenError> {
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls {
        // Another crate may have chosen one already: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let opened = match authorities.filter(|_| is_tls) {
        Some(authorities) => {
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: Some(authorities.to_vec()),
            };
            Client::build_with_tls(info, certificates)
        }
        None => Client::open(info),
    };
    opened.map_err(|_| unusable())
}

/// `[user:password@]hosts[/path][?parameters]`.
struct Parts<'u> {
    data: RedisConnectionInfo,
    hosts: &'u str,
    path: Option<&'u str>,
    parameters: Vec<(&'u str, String)>,
}

impl<'u> Parts<'u> {
    fn of(rest: &'u str, form: &str) -> Result<Self, OpenError> {
        let form = || invalid(form);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, Some(path)),
            None => (rest, None),
        };
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (username, password) = user.split_once(':').unwrap_or((user, ""));
        let data = credentials(
            &decode(username).ok_or_else(form)?,
            &decode(password).ok_or_else(form)?,
        );
        let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
        let parameters = parameters.map(|parameter| {
            let (key, value) = parameter.split_once('=').ok_or_else(form)?;
            Ok((key, decode(value).ok_or_else(form)?))
        });
        Ok(Self {
            data,
            hosts,
            path,
            parameters: parameters.collect::<Result<_, OpenError>>()?,
        })
    }

    /// The client of each host.
    fn clients(&self, entrance: &Entrance, port: u16, form: &str) -> Result<Vec<Client>, OpenError> {
        let each = self.hosts.split(',').map(|host| {
            let (host, port) = host_and_port(host, port).ok_or_else(|| invalid(form))?;
            entrance.client(host, port)
        });
        each.collect()
    }
}

/// `[user:password@]hosts/name[/database][?parameters]`.
fn watched(rest: &str, is_tls: bool, options: &OpenOptions) -> Result<Target, OpenError> {
    let mut parts = Parts::of(rest, SENTINEL_FORM)?;
    let path = parts.path.ok_or_else(|| invalid(SENTINEL_FORM))?;
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    let name = decode(name).ok_or_else(|| invalid(SENTINEL_FORM))?;
    if name.is_empty() {
        return Err(invalid(
            "it does not name the primary: write the name that the sentinels know it by behind the hosts, as in \
             redis+sentinel://host/mymaster",
        ));
    }
    let mut data = parts.data.clone();
    if !database.is_empty() {
        data = data.set_db(
            database
                .parse()
                .map_err(|_| invalid("the database behind the primary's name is not a number"))?,
        );
    }
    let (mut sentinel_user, mut sentinel_password) = (String::new(), String::new());
    for (key, value) in std::mem::take(&mut parts.parameters) {
        match key {
            "sentinelUsername" => sentinel_user = value,
            "sentinelPassword" => sentinel_password = value,
            "protocol" if value == "resp3" => data = data.set_protocol(ProtocolVersion::RESP3),
            _ => {
                return Err(invalid(
                    "it has an unknown parameter: sentinelUsername, sentinelPassword and protocol=resp3 are known",
                ));
            }
        }
    }
    if sentinel_password.is_empty() && !sentinel_user.is_empty() {
        return Err(invalid("sentinelUsername needs a sentinelPassword"));
    }
    let entrance = |settings| Entrance {
        settings,
        is_tls,
        authorities: options.authorities.clone(),
    };
    let sentinel = entrance(credentials(&sentinel_user, &sentinel_password));
    Ok(Target::Sentinels(Arc::new(Watched {
        name,
        sentinels: parts.clients(&sentinel, SENTINEL_PORT, SENTINEL_FORM)?,
        data: entrance(with_defaults(data, options)),
    })))
}

/// `[user:password@]hosts[/0][?parameters]`.
fn clustered(rest: &str, is_tls: bool, options: &OpenOptions) -> Result<Target, OpenError> {
    let parts = Parts::of(rest, CLUSTER_FORM)?;
    if !matches!(parts.path, None | Some("" | "0")) {
        return Err(invalid(
            "a Redis Cluster has one database: remove what stands behind the hosts",
        ));
    }
    let mut data = parts.data.clone();
    for (key, value) in &parts.parameters {
        match (*key, value.as_str()) {
            ("protocol", "resp3") => data = data.set_protocol(ProtocolVersion::RESP3),
            _ => return Err(invalid("it has an unknown parameter: protocol=resp3 is known")),
        }
    }
    let data = Entrance {
        settings: with_defaults(data, options),
        is_tls,
        authorities: options.authorities.clone(),
    };
    let seeds = parts.clients(&data, CLUSTER_PORT, CLUSTER_FORM)?;
    Ok(Target::Cluster(Arc::new(Cluster::new(
        slot(&options.prefix),
        seeds,
        data,
    ))))
}

fn credentials(username: &str, password: &str) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default();
    if !username.is_empty() {
        settings = settings.set_username(username);
    }
    if !password.is_empty() {
        settings = settings.set_password(password);
    }
    settings
}

fn decode(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

fn host_and_port(text: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = if port.is_empty() {
        default
    } else {
        port.parse().ok()?
    };
    (!host.is_empty()).then_some((host, port))
}

/// Whether two targets lead to the same leads.
pub(super) fn is_same_store(one: &Target, other: &Target) -> bool {
    let is_same_database = |one: &RedisConnectionInfo, other: &RedisConnectionInfo| {
        one.db() == other.db() && one.protocol() == other.protocol()
    };
    match (one, other) {
        (Target::Direct(one), Target::Direct(other)) => {
            let (one, other) = (one.get_connection_info(), other.get_connection_info());
            one.addr() == other.addr() && is_same_database(one.redis_settings(), other.redis_settings())
        }
        (Target::Sentinels(one), Target::Sentinels(other)) => {
            one.name == other.name
                && is_same_database(&one.data.settings, &other.data.settings)
                && addresses(&one.sentinels) == addresses(&other.sentinels)
        }
        (Target::Cluster(one), Target::Cluster(other)) => {
            is_same_database(&one.data.settings, &other.data.settings)
                && addresses(one.seeds()) == addresses(other.seeds())
        }
        _ => false,
    }
}

/// The addresses of servers with their schemes, in order.
fn addresses<'c>(servers: impl IntoIterator<Item = &'c Client>) -> Vec<String> {
    let mut all: Vec<String> = servers
        .into_iter()
        .map(|client| client.get_connection_info().addr())
        .map(|addr| format!("{} {addr}", matches!(addr, ConnectionAddr::TcpTls { .. })))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
