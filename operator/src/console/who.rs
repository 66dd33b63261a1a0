//! Who a visitor is: by the headers of a proxy that is trusted, by a bearer token, or by a session that a token opened.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use ipnet::IpNet;
use k8s_openapi::api::authentication::v1::UserInfo;
use leadgate_console::Sessions;
use sha2::{Digest as _, Sha256};

use super::cache::Cache;

/// The group that everybody is in whom the API server knows.
const AUTHENTICATED: &str = "system:authenticated";

/// Of these, Kubernetes makes users and groups itself. Nobody becomes one by a proxy.
const RESERVED: &str = "system:";

/// Sessions at once.
const MOST_SESSIONS: usize = 4096;

/// A person, as Kubernetes knows people.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Person {
    pub(super) info: UserInfo,
    /// What tells this person, in these groups, from others.
    pub(super) key: String,
}

impl Person {
    pub(super) fn new(info: UserInfo) -> Self {
        let text = serde_json::to_vec(&info).unwrap_or_default();
        Self {
            key: hex::encode(Sha256::digest(text)),
            info,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.info.username.as_deref().unwrap_or_default()
    }
}

/// Which headers are believed, and from whom.
#[derive(Clone, Debug)]
pub(super) struct Proxies {
    pub(super) addresses: Vec<IpNet>,
    pub(super) user: HeaderName,
    pub(super) groups: HeaderName,
    /// Stands before each name, as the API server's own OIDC settings put it.
    pub(super) prefix: String,
}

impl Proxies {
    /// Whom a trusted proxy names. A name that comes twice was not written by the proxy alone, and is not believed.
    pub(super) fn named(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Person> {
        let peer = peer.to_canonical();
        if !self.addresses.iter().any(|trusted| trusted.contains(&peer)) {
            return None;
        }
        let mut names = headers.get_all(&self.user).iter();
        let (Some(name), None) = (names.next(), names.next()) else {
            return None;
        };
        let name = self.known(text(name)?)?;
        let given = headers.get_all(&self.groups).iter().filter_map(text);
        let mut groups: Vec<String> = given
            .flat_map(|groups| groups.split(','))
            .filter_map(|group| self.known(group))
            .collect();
        groups.push(AUTHENTICATED.to_owned());
        Some(Person::new(UserInfo {
            username: Some(name),
            groups: Some(groups),
            ..UserInfo::default()
        }))
    }

    fn known(&self, name: &str) -> Option<String> {
        let name = name.trim();
        let whole = format!("{}{name}", self.prefix);
        (!name.is_empty() && !whole.starts_with(RESERVED)).then_some(whole)
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// The token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The tokens of those who signed in. They stay in this process: a cookie holds a signed number only.
pub(super) struct SignedIn {
    cookies: Sessions,
    tokens: Cache<String, String>,
}

impl SignedIn {
    /// Sessions end with the process.
    pub(super) fn new() -> Option<Self> {
        Some(Self {
            cookies: Sessions::new(&rand::random::<[u8; 32]>())?,
            tokens: Cache::new(Sessions::LIFE, MOST_SESSIONS),
        })
    }

    /// The cookie of a new session.
    pub(super) fn open(&self, token: &str, now: u64, secure: bool) -> Option<HeaderValue> {
        let id = hex::encode(rand::random::<[u8; 32]>());
        let cookie = self.cookies.open(&id, now, secure)?;
        self.tokens.put(id, token.to_owned());
        Some(cookie)
    }

    /// The token of a request's session.
    pub(super) fn token(&self, headers: &HeaderMap, now: u64) -> Option<String> {
        self.tokens.get(&self.cookies.subject(headers, now)?)
    }

    /// Ends a session: its cookie is worth nothing any more, whoever has a copy.
    pub(super) fn close(&self, headers: &HeaderMap, now: u64, secure: bool) -> Option<HeaderValue> {
        if let Some(id) = self.cookies.subject(headers, now) {
            self.tokens.forget(&id);
        }
        Sessions::close(secure)
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_a_listed_proxy_names_people_and_nobody_of_the_systems() {
        let proxies = |prefix: &str| Proxies {
            addresses: vec!["10.1.0.0/16".parse().unwrap(), "fd00::7/128".parse().unwrap()],
            user: HeaderName::from_static("x-forwarded-user"),
            groups: HeaderName::from_static("x-forwarded-groups"),
            prefix: prefix.to_owned(),
        };
        let vera = &[
            ("x-forwarded-user", "vera@example.com"),
            ("x-forwarded-groups", "sales, crm"),
        ][..];
        let table = [
            (
                "10.1.2.3",
                "",
                vera,
                "vera@example.com sales,crm,system:authenticated",
            ),
            (
                "::ffff:10.1.2.3",
                "",
                vera,
                "vera@example.com sales,crm,system:authenticated",
            ),
            (
                "fd00::7",
                "oidc:",
                vera,
                "oidc:vera@example.com oidc:sales,oidc:crm,system:authenticated",
            ),
            ("10.2.0.1", "", vera, ""),
            ("127.0.0.1", "", vera, ""),
            ("10.1.2.3", "", &[("x-forwarded-groups", "sales")], ""),
            ("10.1.2.3", "", &[("x-forwarded-user", " ")], ""),
            (
                "10.1.2.3",
                "",
                &[("x-forwarded-user", "a"), ("x-forwarded-user", "b")],
                "",
            ),
            ("10.1.2.3", "", &[("x-forwarded-user", "system:admin")], ""),
            (
                "10.1.2.3",
                "",
                &[
                    ("x-forwarded-user", "eve"),
                    ("x-forwarded-groups", "system:masters,x"),
                    ("x-forwarded-groups", "y"),
                ],
                "eve x,y,system:authenticated",
            ),
            ("10.1.2.3", "sys", &[("x-forwarded-user", "tem:admin")], ""),
        ];
        for (peer, prefix, given, expected) in table {
            let mut map = HeaderMap::new();
            for (name, value) in given {
                map.append(*name, value.parse().unwrap());
            }
            let found = proxies(prefix).named(peer.parse().unwrap(), &map);
            let told = found.map(|person| {
                format!(
                    "{} {}",
                    person.name(),
                    person.info.groups.clone().unwrap().join(",")
                )
            });
            assert_eq!(told.unwrap_or_default(), expected, "{peer} {prefix} {given:?}");
        }
    }

    #[test]
    fn tokens_are_read_as_clients_write_them() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("Bearer ", None),
            ("abc", None),
        ] {
            assert_eq!(bearer(&headers(&[("authorization", value)])), token, "{value}");
        }
    }

    #[test]
    fn a_session_ends_when_its_owner_signs_out() {
        let signed_in = SignedIn::new().unwrap();
        let cookie = signed_in.open("the-token", 1000, true).unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(
            !cookie.contains("the-token") && cookie.contains("; Secure"),
            "{cookie}"
        );
        let sent = HeaderMap::from_iter([(COOKIE, cookie.split(';').next().unwrap().parse().unwrap())]);
        assert_eq!(signed_in.token(&sent, 1001).as_deref(), Some("the-token"));
        assert_eq!(signed_in.token(&sent, 1000 + Sessions::LIFE.as_secs()), None);
        assert_eq!(signed_in.token(&HeaderMap::new(), 1001), None);
        signed_in.close(&sent, 1001, true).unwrap();
        assert_eq!(signed_in.token(&sent, 1001), None);
    }
}
