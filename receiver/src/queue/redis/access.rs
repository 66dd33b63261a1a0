//! From a queue URL to the servers it leads to.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    TlsCertificates,
};

use crate::queue::{OpenError, OpenOptions};

/// Where a sentinel listens unless the URL says otherwise.
const SENTINEL_PORT: u16 = 26379;

const SENTINEL_FORM: &str = "not of the form redis+sentinel://[user:password@]host[:26379],host…/PRIMARY-NAME[/database]\
                             [?sentinelUsername=…&sentinelPassword=…], with the characters @ : / ? & % of names and \
                             passwords percent-encoded";

/// Where the primary is found, and how one gets in.
#[derive(Clone)]
pub(super) enum Target {
    /// At an address.
    Direct(Box<Client>),
    /// Wherever sentinels say.
    Sentinels(Arc<Watched>),
}

impl Target {
    /// The client of another server of the group, which lets us in as the primary does.
    pub(super) fn server(&self, host: &str, port: u16) -> Result<Client, OpenError> {
        match self {
            Self::Sentinels(watched) => watched.server(host, port),
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
struct Entrance {
    settings: RedisConnectionInfo,
    is_tls: bool,
    authorities: Option<Arc<[u8]>>,
}

impl Watched {
    /// The client of a server that holds data.
    pub(super) fn server(&self, host: &str, port: u16) -> Result<Client, OpenError> {
        self.data.client(host, port)
    }
}

impl Entrance {
    fn client(&self, host: &str, port: u16) -> Result<Client, OpenError> {
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

/// `[user:password@]hosts/name[/database][?parameters]`.
fn watched(rest: &str, is_tls: bool, options: &OpenOptions) -> Result<Target, OpenError> {
    let form = || invalid(SENTINEL_FORM);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').ok_or_else(form)?;
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    let name = decode(name).ok_or_else(form)?;
    if name.is_empty() {
        return Err(invalid(
            "it does not name the primary: write the name that the sentinels know it by behind the hosts, as in \
             redis+sentinel://host/mymaster",
        ));
    }
    let (username, password) = user.split_once(':').unwrap_or((user, ""));
    let mut data = credentials(
        &decode(username).ok_or_else(form)?,
        &decode(password).ok_or_else(form)?,
    );
    if !database.is_empty() {
        data = data.set_db(
            database
                .parse()
                .map_err(|_| invalid("the database behind the primary's name is not a number"))?,
        );
    }
    let (mut sentinel_user, mut sentinel_password) = (String::new(), String::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').ok_or_else(form)?;
        let value = decode(value).ok_or_else(form)?;
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
    let sentinels = hosts.split(',').map(|host| {
        let (host, port) = host_and_port(host).ok_or_else(form)?;
        sentinel.client(host, port)
    });
    Ok(Target::Sentinels(Arc::new(Watched {
        name,
        sentinels: sentinels.collect::<Result<_, _>>()?,
        data: entrance(with_defaults(data, options)),
    })))
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

fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = if port.is_empty() {
        SENTINEL_PORT
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
                && addresses(one) == addresses(other)
        }
        _ => false,
    }
}

/// The sentinels' addresses with their schemes, in order.
fn addresses(watched: &Watched) -> Vec<String> {
    let mut all: Vec<String> = watched
        .sentinels
        .iter()
        .map(|client| client.get_connection_info().addr())
        .map(|addr| format!("{} {addr}", matches!(addr, ConnectionAddr::TcpTls { .. })))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Target {
        target(url, &OpenOptions::default()).unwrap()
    }

    fn sentinels(url: &str) -> Arc<Watched> {
        match parse(url) {
            Target::Sentinels(watched) => watched,
            Target::Direct(_) => panic!("{url}"),
        }
    }

    #[test]
    fn another_server_is_told_from_another_password() {
        let known = parse("redis://default:a@redis.example:6379/0");
        for (url, same) in [
            ("redis://default:b@redis.example:6379/0", true),
            ("redis://someone:b@redis.example:6379", true),
            ("redis://redis.example", true),
            ("redis://default:a@redis.example:6380/0", false),
            ("redis://default:a@other.example:6379/0", false),
            ("redis://default:a@redis.example:6379/1", false),
            ("rediss://default:a@redis.example:6379/0", false),
            ("redis://default:a@redis.example:6379/0?protocol=resp3", false),
            ("redis+sentinel://redis.example:6379/main", false),
        ] {
            assert_eq!(is_same_store(&known, &parse(url)), same, "{url}");
        }
    }

    #[test]
    fn another_primary_or_other_sentinels_are_told_from_another_password() {
        let known = parse("redis+sentinel://u:a@one,two:26379/main?sentinelPassword=s");
        for (url, same) in [
            ("redis+sentinel://u:b@one,two/main?sentinelPassword=t", true),
            ("redis+sentinel://two,one/main/0", true),
            ("redis+sentinel://one/main", false),
            ("redis+sentinel://one,two,three/main", false),
            ("redis+sentinel://one,two:1/main", false),
            ("redis+sentinel://one,two/other", false),
            ("redis+sentinel://one,two/main/1", false),
            ("redis+sentinel://one,two/main?protocol=resp3", false),
            ("rediss+sentinel://one,two/main", false),
        ] {
            assert_eq!(is_same_store(&known, &parse(url)), same, "{url}");
        }
    }

    #[test]
    fn a_host_may_be_an_ipv6_address() {
        let Target::Direct(client) = parse("redis://:p@[fd00::1]:6380/2") else {
            panic!("a plain URL");
        };
        let info = client.get_connection_info();
        assert_eq!(info.addr(), &ConnectionAddr::Tcp("fd00::1".into(), 6380));
        assert_eq!(info.redis_settings().db(), 2);
        let watched = sentinels("redis+sentinel://[fd00::1],[fd00::2]:1/main");
        let addresses: Vec<_> = watched
            .sentinels
            .iter()
            .map(|client| client.get_connection_info().addr().clone())
            .collect();
        let expected = [("fd00::1", 26379), ("fd00::2", 1)];
        assert_eq!(
            addresses,
            expected.map(|(host, port)| ConnectionAddr::Tcp(host.into(), port))
        );
    }

    #[test]
    fn sentinels_and_servers_have_their_own_credentials_which_may_be_encoded() {
        let watched = sentinels(
            "rediss+sentinel://us%40er:p%2Fw@h/ma%20in/3?sentinelUsername=s%26u&sentinelPassword=%3F",
        );
        assert_eq!(watched.name, "ma in");
        let client = watched.server("data", 6379).unwrap();
        let info = client.get_connection_info();
        assert!(matches!(info.addr(), ConnectionAddr::TcpTls { host, port: 6379, .. } if host == "data"));
        let data = info.redis_settings();
        assert_eq!(
            (data.username(), data.password(), data.db()),
            (Some("us@er"), Some("p/w"), 3)
        );
        let sentinel = watched.sentinels[0].get_connection_info();
        assert!(matches!(sentinel.addr(), ConnectionAddr::TcpTls { host, port: 26379, .. } if host == "h"));
        let own = sentinel.redis_settings();
        assert_eq!(
            (own.username(), own.password(), own.db()),
            (Some("s&u"), Some("?"), 0)
        );
    }

    #[test]
    fn a_bad_url_is_refused_with_a_remedy_and_not_repeated() {
        for (url, remedy) in [
            ("redis+sentinel://u:s3cret@h", "redis+sentinel://["),
            ("redis+sentinel://u:s3cret@h/", "does not name the primary"),
            ("redis+sentinel://u:s3cret@/main", "redis+sentinel://["),
            ("redis+sentinel://u:s3cret@h,/main", "redis+sentinel://["),
            ("redis+sentinel://u:s3cret@h:port/main", "redis+sentinel://["),
            ("redis+sentinel://u:s3cret@h:99999/main", "redis+sentinel://["),
            ("redis+sentinel://u:s3cret@[fd00::1/main", "redis+sentinel://["),
            ("redis+sentinel://u:s3cret@h/main/x", "not a number"),
            (
                "redis+sentinel://u:s3cret@h/main?sentinelPasword=s3cret",
                "unknown parameter",
            ),
            ("redis+sentinel://u:s3cret@h/main?s3cret", "redis+sentinel://["),
            (
                "redis+sentinel://h/main?sentinelUsername=s3cret",
                "sentinelPassword",
            ),
            ("redis+sentinel://u:s3cret%ff@h/main", "percent-encoded"),
            ("redis://u:s3cret@a,b/main", "redis://["),
        ] {
            let error = target(url, &OpenOptions::default())
                .err()
                .map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert!(
                error.contains(remedy) && !error.contains("s3cret"),
                "{url}: {error}"
            );
        }
    }
}
