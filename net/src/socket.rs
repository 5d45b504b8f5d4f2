//! Sockets with the options that every connection here wants.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that the kernel holds for us until we accept them: the usual ceiling of Linux
/// (`somaxconn`), enough that a swarm's start does not lose any.
const BACKLOG: i32 = 4096;
/// Silence after which the kernel asks whether the other machine is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// How often it asks again.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged before the connection is given up. Without it a
/// cut link is noticed after 15 minutes or so.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that may wait in the kernel beyond what the path takes at the moment. The kernel's own limit
/// is some megabytes, seconds of a slow line, which every later message would have to wait for and
/// no cancel could take back.
const UNSENT_MAX: u32 = 128 * 1024;

/// Listens. `[::]` accepts IPv4 as well, and becomes `0.0.0.0` on a machine without IPv6. A port
/// whose last owner died is taken over at once.
///
/// # Errors
/// If the address is not ours or the port is taken.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    match bind(addr) {
        Err(e) if no_ipv6(&e) && addr.is_ipv6() && addr.ip().is_unspecified() => {
            bind((Ipv4Addr::UNSPECIFIED, addr.port()).into())
        }
        result => result,
    }
}

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    // Elsewhere the option means that two programs may share a port, which nobody wants.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether this machine has no IPv6 at all.
fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
}

/// An address as people write it: IPv4 that came in through an IPv6 socket is IPv4.
#[must_use]
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Sets what every connection wants: no delay for small messages, a dead other side is noticed, and
/// little waits unsent. Buffers are left to the kernel, which sizes them by the path.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_tcp_notsent_lowat(UNSENT_MAX)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_an_ipv4_address() {
        let mapped = Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped();
        assert_eq!(canonical((mapped, 80).into()), "10.1.2.3:80".parse().unwrap());
        let plain = "[2001:db8::1]:80".parse().unwrap();
        assert_eq!(canonical(plain), plain);
    }

    #[tokio::test]
    async fn one_listener_accepts_both_families() {
        let listener = listen((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(canonical(from), stream.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let error = listen(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
