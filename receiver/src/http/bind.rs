//! From an address to a socket that listens.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

/// Connections that the operating system keeps until they are accepted; it may have a lower limit of its own. The
/// standard library's 128 are gone in a wave of connections; who is left out then tries again a second later.
const BACKLOG: i32 = 4096;

/// A bound socket.
pub struct Listening {
    pub(super) listener: TcpListener,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Binds a socket; the error says which address, and why not. `[::]` means all addresses of both kinds, and those of IPv4
/// on a machine without IPv6.
pub fn bind(address: &str) -> io::Result<Listening> {
    let explain = |e: io::Error| io::Error::new(e.kind(), format!("cannot listen on {address}: {e}"));
    let listener = listen_on_any(address).map_err(explain)?;
    listener.set_nonblocking(true).map_err(explain)?;
    let address = listener.local_addr().map_err(explain)?;
    Ok(Listening { listener, address })
}

fn listen_on_any(address: &str) -> io::Result<TcpListener> {
    let mut last = io::Error::new(
        io::ErrorKind::InvalidInput,
        "the name has no address; write it as 127.0.0.1:8080 or [::]:8080",
    );
    for address in address.to_socket_addrs()? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => match instead(address, &error) {
                Some(address) => {
                    tracing::info!(%address, "this machine has no IPv6: listening on IPv4 only");
                    return listen_on(address);
                }
                None => last = error,
            },
        }
    }
    Err(last)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        // What the system makes of it otherwise is its own setting (bindv6only).
        socket.set_only_v6(false)?;
    }
    // As the standard library does: after a restart, connections of the one before may still be ending.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What to listen on where there is no IPv6.
fn instead(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let is_missing = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    (is_missing && address.ip() == Ipv6Addr::UNSPECIFIED)
        .then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn all_addresses_are_those_of_both_kinds() {
        let listening = match bind("[::]:0") {
            Ok(listening) if listening.address.is_ipv6() => listening,
            other => {
                let address = other.unwrap().address;
                assert_eq!(address.ip(), Ipv4Addr::UNSPECIFIED);
                return;
            }
        };
        assert!(!socket2::SockRef::from(&listening.listener).only_v6().unwrap());
        let port = listening.address.port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    }

    #[test]
    fn without_ipv6_all_addresses_are_those_of_ipv4() {
        let error = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        for (address, errno, expected) in [
            ("[::]:80", Errno::AFNOSUPPORT, Some("0.0.0.0:80")),
            ("[::]:80", Errno::ADDRNOTAVAIL, Some("0.0.0.0:80")),
            ("[::]:80", Errno::ADDRINUSE, None),
            ("[::1]:80", Errno::ADDRNOTAVAIL, None),
            ("0.0.0.0:80", Errno::ADDRNOTAVAIL, None),
        ] {
            let found = instead(address.parse().unwrap(), &error(errno));
            assert_eq!(
                found.map(|a| a.to_string()).as_deref(),
                expected,
                "{address} {errno}"
            );
        }
    }

    #[test]
    fn what_cannot_be_bound_is_named() {
        for address in ["", "8080", "[::]", "192.0.2.1:8080", "localhost:99999"] {
            let error = bind(address).err().unwrap().to_string();
            assert!(
                error.contains(&format!("cannot listen on {address}: ")),
                "{error}"
            );
        }
    }
}
