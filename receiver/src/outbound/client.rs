//! The HTTPS client for CRMs and senders' APIs.
//!
//! It follows no redirect, and it calls no local address ([`is_local`]), whatever a name resolves to: a manifest's
//! author must not reach through the receiver what only the receiver can reach. Addresses written as such in manifests
//! are refused when those are read (`config`). Through a proxy, names are resolved there: what they lead to is up to the
//! proxy's rules.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use leadgate_crds::addresses::is_local;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{IntoUrl, Method, RequestBuilder};

use super::authorities::Authorities;
use super::proxy;
use crate::causes::causes;

/// A name has local addresses only.
#[derive(Debug)]
struct Local;

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name resolves to an address of this machine or its network segment only")
    }
}

impl Error for Local {}

/// Leaves local addresses out.
struct Resolver {
    /// A proxy beside the receiver is the operator's choice, not that of a manifest's author.
    proxies: Vec<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxies.iter().any(|proxy| proxy == name.as_str());
        Box::pin(async move {
            let all = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Addrs = if is_proxy {
                Box::new(all.collect::<Vec<_>>().into_iter())
            } else {
                not_local(all)?
            };
            Ok(addresses)
        })
    }
}

fn not_local(all: impl Iterator<Item = SocketAddr>) -> Result<Addrs, Local> {
    let (local, others): (Vec<_>, Vec<_>) = all.partition(|address| is_local(address.ip()));
    if others.is_empty() && !local.is_empty() {
        return Err(Local);
    }
    Ok(Box::new(others.into_iter()))
}

/// The client, which all callers share. With other authorities it is replaced for all of them; requests under way are
/// finished by the one that they began with.
#[derive(Debug, Clone)]
pub struct Client {
    current: Arc<ArcSwap<reqwest::Client>>,
    allow_local: bool,
}

/// One that somebody else has made, such as a test of one CRM.
impl From<reqwest::Client> for Client {
    fn from(client: reqwest::Client) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(client)),
            allow_local: false,
        }
    }
}

impl Client {
    /// Makes the client. `allow_local`: it may call local addresses too; `authorities`: trusted besides the public ones.
    pub(crate) fn new(allow_local: bool, authorities: Option<&Authorities>) -> anyhow::Result<Self> {
        let current = build(allow_local, authorities)?;
        Ok(Self {
            current: Arc::new(ArcSwap::from_pointee(current)),
            allow_local,
        })
    }

    /// Trusts these from now on, besides the public ones.
    pub(crate) fn trust(&self, authorities: &Authorities) -> anyhow::Result<()> {
        let renewed = build(self.allow_local, Some(authorities))?;
        self.current.store(Arc::new(renewed));
        Ok(())
    }

    /// Whether it may call this machine and its network segment.
    pub(crate) fn may_call_local(&self) -> bool {
        self.allow_local
    }

    pub(crate) fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.current.load().request(method, url)
    }

    pub(crate) fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    pub(crate) fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }
}

fn build(allow_local: bool, authorities: Option<&Authorities>) -> anyhow::Result<reqwest::Client> {
    let proxies = proxy::hosts()?;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("leadgate/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(50));
    if !allow_local {
        builder = builder.dns_resolver(Arc::new(Resolver { proxies }));
    }
    if let Some(authorities) = authorities {
        builder = builder.tls_certs_merge(authorities.certificates());
    }
    builder.build().context(
        "failed to create an HTTPS client for CRMs; install CA certificates (package ca-certificates, or SSL_CERT_FILE)",
    )
}

/// Whether a call was not made because its host is local.
pub(crate) fn is_refused(error: &reqwest::Error) -> bool {
    causes(error).any(<dyn Error>::is::<Local>)
}

/// Whether a path that an expression made of a sender's words stays below the base address. URL parsers drop tabs and line breaks, read `\` as `/`, and resolve
/// `..` even when it is written `%2e%2e`.
pub(crate) fn stays_below(path: &str) -> Result<(), &'static str> {
    let (segments, _) = path.split_once('?').unwrap_or((path, ""));
    if !path.starts_with('/') {
        return Err("a path must start with /");
    }
    if path.starts_with("//") {
        return Err("a path must not start with //, which would refer to another host");
    }
    if path
        .bytes()
        .any(|b| !(0x21..=0x7e).contains(&b) || matches!(b, b'\\' | b'#'))
    {
        return Err(
            "a path must not contain spaces, control characters, non-ASCII letters, \\ or #; use urlencode()",
        );
    }
    let is_dots = |segment: &str| {
        matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    };
    if segments.split('/').any(is_dots) {
        return Err("a path must not contain the segments . and ..");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter()
            .map(|ip| SocketAddr::new(ip.parse().unwrap(), 0))
            .collect()
    }

    #[test]
    fn local_addresses_of_a_name_are_left_out() {
        let mixed = addresses(&["127.0.0.1", "203.0.113.7", "::1", "10.0.0.1"]);
        let left: Vec<_> = not_local(mixed.into_iter()).unwrap().collect();
        assert_eq!(left, addresses(&["203.0.113.7", "10.0.0.1"]));
        for local in [&["127.0.0.1", "::1"][..], &["169.254.169.254"]] {
            assert!(not_local(addresses(local).into_iter()).is_err(), "{local:?}");
        }
        assert_eq!(not_local(std::iter::empty()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_proxy_may_be_beside_the_receiver() {
        let resolve = async |proxies: &[&str]| {
            let proxies = proxies.iter().map(|&host| host.to_owned()).collect();
            let name = "localhost".parse().unwrap();
            Resolver { proxies }.resolve(name).await.is_ok()
        };
        assert!(resolve(&["localhost"]).await);
        assert!(!resolve(&["proxy.example"]).await);
    }

    #[test]
    fn a_path_stays_below_its_base_address() {
        for path in [
            "/",
            "/a/b",
            "/a?x=../y",
            "/a/..b/c.",
            "/%2e%2e%2fx",
            "/a//b",
            "/...",
            "/a?b=c%2e%2e/&d",
        ] {
            assert_eq!(stays_below(path), Ok(()), "{path}");
            let url = reqwest::Url::parse(&format!("https://api.example.com/v1{path}")).unwrap();
            assert_eq!(url.host_str(), Some("api.example.com"), "{path}");
            assert!(url.path().starts_with("/v1/"), "{path}: {url}");
        }
        for path in [
            "",
            "a",
            "@evil.example/",
            "//evil.example/x",
            "/..",
            "/../x",
            "/a/../../x",
            "/a/%2e%2e/x",
            "/a/%2E%2e/x",
            "/a/.%2e/x",
            "/a/%2E./x",
            "/./x",
            "/a/%2e",
            "/a/..?x",
            "/\\evil.example",
            "/a\\..\\..\\x",
            "/a\tb",
            "/.\t./x",
            "/a\r\nHost: evil.example",
            "/a b",
            "/a#b",
            "/a/..#",
            "/ä",
        ] {
            assert!(stays_below(path).is_err(), "{path}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_called_only_where_that_is_allowed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await });
        let url = format!("http://localhost:{}", address.port());
        let error = Client::new(false, None)
            .unwrap()
            .get(&url)
            .send()
            .await
            .unwrap_err();
        assert!(error.is_connect() && is_refused(&error), "{error:?}");
        assert_eq!(
            Client::new(true, None)
                .unwrap()
                .get(&url)
                .send()
                .await
                .unwrap()
                .status(),
            404
        );
    }
}
