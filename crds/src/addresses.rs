//! Addresses that no CRM has: of the machine itself, of its own network segment, and those at which clouds tell a
//! machine its credentials. A manifest that names one makes a receiver talk to itself, to its neighbours in the pod, or
//! to the cloud, with rights that the manifest's author need not have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

/// Where clouds tell a machine its credentials, besides the link-local 169.254.169.254.
const METADATA: [IpAddr; 5] = [
    // Alibaba Cloud, Azure (WireServer), Oracle Cloud.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS, Google Cloud.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether an address is local: loopback, unspecified, link-local, or a cloud's metadata. Private networks are not: CRMs
/// live there.
pub fn is_local(ip: IpAddr) -> bool {
    let ip = match ip {
        IpAddr::V6(v6) => embedded(v6).map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    };
    METADATA.contains(&ip)
        || match ip {
            IpAddr::V4(v4) => {
                v4.is_loopback() || v4.is_link_local() || v4.is_broadcast() || v4.octets().starts_with(&[0])
            }
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
        }
}

/// The IPv4 address in an IPv6 address that leads to it: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn embedded(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))),
        _ => None,
    }
}

/// Whether the host of a URL is local by its text alone: a literal address, or a name of the machine itself. What other
/// names resolve to is not known here.
pub fn is_local_host(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse().map_or(true, |v6| is_local(IpAddr::V6(v6)));
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    if is_number {
        // 127.1, 2130706433 and 0x7f000001 are 127.0.0.1 to a URL parser: who writes so hides something.
        return host.parse().map_or(true, |v4| is_local(IpAddr::V4(v4)));
    }
    last == "localhost"
}

/// Whether the host of a URL is local once it was read as clients read it, which decode and fold it first: `127%2e0.0.1` and
/// `127。0。0。1` are 127.0.0.1.
fn leads_to_local(url: &str) -> bool {
    match url::Url::parse(url).ok().as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(v4)) => is_local(IpAddr::V4(v4)),
        Some(url::Host::Ipv6(v6)) => is_local(IpAddr::V6(v6)),
        Some(url::Host::Domain(name)) => is_local_host(name),
        None => false,
    }
}

/// The fields of a resource's `spec` whose URL has a local host, as `spec.rest.baseUrl`.
pub fn local_urls(spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(spec, "spec", &mut found);
    found
}

fn collect(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let at = format!("{at}.{name}");
                match value {
                    Value::String(url) if name.ends_with("Url") && name != "publicUrl" => {
                        if host(url).is_some_and(is_local_host) || leads_to_local(url) {
                            found.push(at);
                        }
                    }
                    // A sender's own data are described here: nothing is called.
                    _ if name == "schema" => {}
                    value => collect(value, &at, found),
                }
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                collect(item, &format!("{at}[{n}]"), found);
            }
        }
        _ => {}
    }
}

/// The host of a URL as it is written, without its port.
fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    match host.strip_prefix('[') {
        Some(rest) => host.get(..=rest.find(']')? + 1),
        None => host.split(':').next(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_local() {
        for (ip, expected) in [
            ("127.0.0.1", true),
            ("127.255.255.254", true),
            ("0.0.0.0", true),
            ("0.1.2.3", true),
            ("169.254.169.254", true),
            ("169.254.0.1", true),
            ("100.100.100.200", true),
            ("168.63.129.16", true),
            ("192.0.0.192", true),
            ("255.255.255.255", true),
            ("::1", true),
            ("::", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fd00:ec2::254", true),
            ("fd20:ce::254", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:169.254.169.254", true),
            ("64:ff9b::169.254.169.254", true),
            ("2002:7f00:1::", true),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("203.0.113.7", false),
            ("fd00::1", false),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::203.0.113.7", false),
        ] {
            assert_eq!(is_local(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn fields_with_a_local_host_are_named() {
        for (url, expected) in [
            ("http://127.0.0.1:9090", true),
            ("http://localhost/x", true),
            ("https://LOCALHOST.:8443", true),
            ("https://redis.localhost", true),
            ("https://[::1]:1/x", true),
            ("https://[::ffff:127.0.0.1]", true),
            ("https://[fe80::1%25eth0]", true),
            ("https://169.254.169.254/latest", true),
            ("https://127.1", true),
            ("https://2130706433", true),
            ("https://0x7f.0.0.1", true),
            ("https://0x7f000001:1", true),
            ("https://017700000001", true),
            ("https://127.0.0.1.:1", true),
            ("https://127。0。0。1:18443", true),
            ("https://127.0.0.%31", true),
            ("https://127.0.0.１", true),
            ("https://127.0.0.\u{ad}1", true),
            ("https://127%2e0%2e0%2e1", true),
            ("https://169。254。169。254/latest", true),
            ("https://ｌocalhost", true),
            ("https://bücher.example", false),
            ("https://10.0.0.1", false),
            ("https://[2001:db8::1]:8443/x", false),
            ("https://api.hubapi.com", false),
            ("https://localhost.example.com", false),
            ("https://127.0.0.1.example.com", false),
            ("https://crm.internal:8443/127.0.0.1", false),
            ("no url", false),
        ] {
            let spec = json!({"rest": {"auth": {"x": [{"tokenUrl": url}]}}, "publicUrl": url, "schema": {"pageUrl": url}});
            let fields: &[&str] = if expected {
                &["spec.rest.auth.x[0].tokenUrl"]
            } else {
                &[]
            };
            assert_eq!(local_urls(&spec), fields, "{url}");
        }
    }
}
