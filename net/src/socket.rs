//! Sockets with the options that every connection here wants.

use std::{
    io, mem,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Connections that the kernel holds for us until we accept them: the usual ceiling of Linux
/// (`somaxconn`), enough that a swarm's start does not lose any.
const BACKLOG: i32 = 4096;
/// How long accepting rests when the system has no more descriptors or memory for sockets: trying
/// again at once would only burn the processor that could end other connections.
const ACCEPT_REST: Duration = Duration::from_millis(100);
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

/// Accepts connections, whatever happens to some of them.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    patience: Patience,
}

impl Acceptor {
    /// Of this listener.
    #[must_use]
    pub const fn new(listener: TcpListener) -> Self {
        Self { listener, patience: Patience { spent: false } }
    }

    /// The next connection and where it comes from. Cancel-safe.
    ///
    /// # Errors
    /// If none can be accepted now. This is said once, and then it is tried now and then until it
    /// works again; call it again either way.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            if self.patience.spent {
                sleep(ACCEPT_REST).await;
            }
            if let Some(told) = self.patience.judge(self.listener.accept().await) {
                return told.map(|(socket, from)| (socket, canonical(from)));
            }
        }
    }
}

/// What to do about errors of accepting.
#[derive(Debug)]
struct Patience {
    /// The last attempt failed, and that was said.
    spent: bool,
}

impl Patience {
    /// What is said about an attempt; `None` if it is just made again.
    fn judge<T>(&mut self, attempt: io::Result<T>) -> Option<io::Result<T>> {
        match attempt {
            Err(error) if is_of_one_connection(&error) => None,
            Err(error) => (!mem::replace(&mut self.spent, true)).then_some(Err(error)),
            accepted => {
                self.spent = false;
                Some(accepted)
            }
        }
    }
}

/// Whether the connection that was to be accepted is gone, and the next may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
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
        let (_, from) = Acceptor::new(listener).accept().await.unwrap();
        assert_eq!(from, stream.local_addr().unwrap());
    }

    #[test]
    fn a_lack_of_descriptors_is_told_once_until_it_is_over() {
        // A lack has no kind of its own.
        let [gone, lack] = [io::ErrorKind::ConnectionAborted, io::ErrorKind::Other];
        let mut patience = Patience { spent: false };
        let mut judge = |attempt: Result<u8, io::ErrorKind>| {
            let told = patience.judge(attempt.map_err(io::Error::from));
            (told.map(|told| told.map_err(|error| error.kind())), patience.spent)
        };
        assert_eq!(judge(Err(gone)), (None, false));
        assert_eq!(judge(Ok(1)), (Some(Ok(1)), false));
        assert_eq!(judge(Err(lack)), (Some(Err(lack)), true));
        assert_eq!(judge(Err(lack)), (None, true));
        assert_eq!(judge(Err(gone)), (None, true));
        assert_eq!(judge(Ok(2)), (Some(Ok(2)), false));
        assert_eq!(judge(Err(lack)), (Some(Err(lack)), true));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let error = listen(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
