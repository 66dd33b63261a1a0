//! Which addresses may post.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::{IpNet, Ipv4Net};

use super::AuthError;

/// A range. One of IPv4 may be written as IPv6 (`::ffff:203.0.113.0/120`): addresses are compared in their own kind.
pub(super) fn range(text: &str) -> Option<IpNet> {
    let range: IpNet = text.parse().ok()?;
    let mapped = match range {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    match mapped {
        Some((address, length)) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        None => Some(range),
    }
}

/// An entry of X-Forwarded-For; some proxies add the port, and brackets to IPv6.
fn entry(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address = text.parse().ok().or_else(bare).or_else(with_port)?;
    Some(address.to_canonical())
}

/// Allowed address ranges; empty: any address.
#[derive(Debug, Default)]
pub struct AddressRule(Vec<IpNet>);

impl AddressRule {
    /// Compiles ranges such as `203.0.113.0/24`.
    pub fn compile(ranges: &[String]) -> Result<Self, String> {
        ranges
            .iter()
            .map(|range| {
                self::range(range).ok_or_else(|| {
                    format!("auth.allowedCidrs: `{range}` is not a range such as 203.0.113.0/24")
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether any address may post.
    pub fn allows_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Accepts or refuses an address; an unknown one is refused.
    pub fn verify(&self, address: Option<IpAddr>) -> Result<(), AuthError> {
        let allowed = self.0.is_empty()
            || address
                .is_some_and(|address| self.0.iter().any(|range| range.contains(&address.to_canonical())));
        if allowed { Ok(()) } else { Err(AuthError::Address) }
    }
}

/// The sender's address: the connection's, or, behind `proxies` trusted ones, the entry of X-Forwarded-For that the
/// outermost of them wrote. `None` where that entry is missing or unreadable.
pub fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let Some(skip) = proxies.checked_sub(1) else {
        return peer.map(|address| address.to_canonical());
    };
    let mut entries: Vec<&str> = Vec::new();
    for line in headers.get_all("x-forwarded-for") {
        entries.extend(line.to_str().ok()?.split(','));
    }
    entry(entries.iter().rev().nth(skip)?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_x_forwarded_for_may_have_a_port_and_brackets() {
        for (text, expected) in [
            ("203.0.113.7", Some("203.0.113.7")),
            ("203.0.113.7:4711", Some("203.0.113.7")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("[::ffff:203.0.113.7]:1", Some("203.0.113.7")),
            ("", None),
            ("unknown", None),
            ("[203.0.113.7", None),
            ("203.0.113.7:", None),
            ("203.0.113.7:99999", None),
            ("2001:db8::1]:1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", format!("192.0.2.1, {text}").parse().unwrap());
            let found = client_address(None, &headers, 1);
            assert_eq!(found.map(|ip| ip.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_ipv4_address_is_in_its_range_however_either_is_written() {
        for (range, address, is_in) in [
            ("203.0.113.0/24", "203.0.113.7", true),
            ("203.0.113.0/24", "::ffff:203.0.113.7", true),
            ("::ffff:203.0.113.0/120", "203.0.113.7", true),
            ("::ffff:203.0.113.0/120", "203.0.114.7", false),
            ("::ffff:0:0/96", "203.0.113.7", true),
            ("::/0", "203.0.113.7", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
        ] {
            let rule = AddressRule::compile(&[range.to_owned()]).unwrap();
            let found = rule.verify(Some(address.parse().unwrap()));
            assert_eq!(found.is_ok(), is_in, "{range} {address}");
        }
    }
}
