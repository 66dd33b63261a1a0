//! Which addresses may post.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use super::AuthError;

/// Allowed address ranges; empty: any address.
#[derive(Debug, Default)]
pub struct AddressRule(Vec<IpNet>);

impl AddressRule {
    /// Compiles ranges such as `203.0.113.0/24`.
    pub fn compile(ranges: &[String]) -> Result<Self, String> {
        ranges
            .iter()
            .map(|range| {
                range.parse::<IpNet>().map_err(|_| {
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
    let entry = entries.iter().rev().nth(skip)?.trim();
    entry.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
