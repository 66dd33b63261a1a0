//! Proxies on the way to CRMs, named by the environment as for curl: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
//! `NO_PROXY`, in either case. reqwest obeys them; here is what messages and the guard against local addresses need.

use std::error::Error;

use anyhow::bail;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::causes::causes;

const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The hosts of all proxies. What cannot be used is an error: calls would go out without a proxy.
pub(super) fn hosts() -> anyhow::Result<Vec<String>> {
    let mut hosts = Vec::new();
    for name in VARIABLES {
        let value = std::env::var(name).unwrap_or_default();
        if value.is_empty() {
            continue;
        }
        match address(&value) {
            Some(host) => hosts.push(host),
            None => bail!(
                "{name}: it is not the address of an HTTP proxy; write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with \
                 special characters of the password percent-encoded"
            ),
        }
    }
    Ok(hosts)
}

/// The host of a proxy that can be used.
fn address(value: &str) -> Option<String> {
    let proxy = Matcher::builder().all(value.to_owned()).build();
    let found = proxy.intercept(&Uri::from_static("https://crm.invalid/"))?;
    let uri = found.uri();
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    uri.host().filter(|_| is_http).map(str::to_owned)
}

/// The proxy that a URL is called through, as `host:port`.
pub(super) fn of(url: &Url) -> Option<String> {
    let found = Matcher::from_env().intercept(&url.as_str().parse().ok()?)?;
    let uri = found.uri();
    let usual = if uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    Some(format!("{}:{}", uri.host()?, uri.port_u16().unwrap_or(usual)))
}

/// Why a proxy let nothing through.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble {
    /// It refuses the user name or password.
    Credentials,
    /// It refuses, or cannot make, the connection.
    Refused,
    /// It cannot be reached.
    Other,
}

impl Trouble {
    /// What is wrong, from an error to connect. The library's own type cannot be named, its words can.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        let tunnel = causes(error).find_map(|cause| {
            let words = cause.to_string();
            words.strip_prefix("tunnel error: ").map(str::to_owned)
        });
        match tunnel.as_deref() {
            Some("proxy authorization required") => Self::Credentials,
            Some("unsuccessful") => Self::Refused,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_proxy() {
        for (value, host) in [
            ("http://proxy.example:3128", Some("proxy.example")),
            ("https://proxy.example", Some("proxy.example")),
            ("proxy.example:3128", Some("proxy.example")),
            ("http://user:p%40ss@10.0.0.1:3128", Some("10.0.0.1")),
            ("http://[fd00::1]:3128", Some("[fd00::1]")),
            ("socks5://proxy.example:1080", None),
            ("http://", None),
            ("http://user:pa ss@proxy.example:3128", None),
            (" ", None),
        ] {
            assert_eq!(address(value).as_deref(), host, "{value}");
        }
    }
}
