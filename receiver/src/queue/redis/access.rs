//! From a URL to a client.

use redis::{Client, ConnectionAddr, IntoConnectionInfo, TlsCertificates};

use crate::queue::{OpenError, OpenOptions};

/// The client for a URL. Its errors never repeat the URL, which may hold a password.
pub(super) fn client(url: &str, options: &OpenOptions) -> Result<Client, OpenError> {
    let invalid = |why: &str| OpenError::Invalid(why.to_owned());
    let info = url
        .into_connection_info()
        .map_err(|_| invalid("not of the form redis://[user[:password]@]host[:port][/database]"))?;
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls {
        // Another crate may have chosen one already: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut settings = info.redis_settings().clone();
    if let (None, Some(username)) = (settings.username(), &options.username) {
        settings = settings.set_username(username);
    }
    if let (None, Some(password)) = (settings.password(), &options.password) {
        settings = settings.set_password(password);
    }
    let info = info.set_redis_settings(settings);
    let opened = match options.authorities.as_ref().filter(|_| is_tls) {
        Some(authorities) => {
            let certificates = TlsCertificates {
                client_tls: None,
                root_cert: Some(authorities.to_vec()),
            };
            Client::build_with_tls(info, certificates)
        }
        None => Client::open(info),
    };
    opened.map_err(|_| invalid("this Redis address cannot be used"))
}

/// Whether two clients lead to the same leads.
pub(super) fn is_same_store(one: &Client, other: &Client) -> bool {
    let (one, other) = (one.get_connection_info(), other.get_connection_info());
    let (settings, others) = (one.redis_settings(), other.redis_settings());
    one.addr() == other.addr() && settings.db() == others.db() && settings.protocol() == others.protocol()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_is_told_from_another_password() {
        let client = |url: &str| client(url, &OpenOptions::default()).unwrap();
        let known = client("redis://default:a@redis.example:6379/0");
        for (url, same) in [
            ("redis://default:b@redis.example:6379/0", true),
            ("redis://someone:b@redis.example:6379", true),
            ("redis://redis.example", true),
            ("redis://default:a@redis.example:6380/0", false),
            ("redis://default:a@other.example:6379/0", false),
            ("redis://default:a@redis.example:6379/1", false),
            ("rediss://default:a@redis.example:6379/0", false),
            ("redis://default:a@redis.example:6379/0?protocol=resp3", false),
        ] {
            assert_eq!(is_same_store(&known, &client(url)), same, "{url}");
        }
    }

    #[test]
    fn a_host_may_be_an_ipv6_address() {
        let client = client("redis://:p@[fd00::1]:6380/2", &OpenOptions::default()).unwrap();
        let info = client.get_connection_info();
        assert_eq!(info.addr(), &ConnectionAddr::Tcp("fd00::1".into(), 6380));
        assert_eq!(info.redis_settings().db(), 2);
    }
}
