//! From the names in a link to connections.

use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use swarm_net::{ConnectError, Connection, Protocol, Security, Transport, socket};
use swarm_proto::link::Endpoint;
use tokio::time::{sleep, timeout};

/// How long a name server may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Head start of each address of a host before the next is tried (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// Why an endpoint cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    /// The host name leads nowhere.
    #[error("cannot find the host: {0}")]
    Resolve(io::Error),
    /// The link says one transport and the node another.
    #[error("{}", mismatch(*.0))]
    Transport(Transport),
    /// Nobody answers, or not the right one.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl EndpointError {
    /// Whether trying again cannot help.
    pub(crate) const fn is_final(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Connect(why) => matches!(
                why,
                ConnectError::WrongKey | ConnectError::NoKey | ConnectError::WrongProtocol
            ),
            Self::Resolve(_) => false,
        }
    }
}

const fn mismatch(ours: Transport) -> &'static str {
    match ours {
        Transport::Tls => {
            "it is a plain one, without a key, and this node uses TLS; use --transport plain on \
             both sides, or a link with keys"
        }
        Transport::Plain => {
            "it has a key, so it uses TLS, and this node uses --transport plain; use the same on \
             both sides"
        }
    }
}

/// Whether this node can talk to the endpoint at all.
pub(crate) const fn check_transport(
    endpoint: &Endpoint,
    ours: Transport,
) -> Result<(), EndpointError> {
    match (ours, &endpoint.key) {
        (Transport::Tls, Some(_)) | (Transport::Plain, None) => Ok(()),
        _ => Err(EndpointError::Transport(ours)),
    }
}

/// The addresses of an endpoint, at most eight, IPv6 and IPv4 in turns.
pub(crate) async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, EndpointError> {
    let lookup = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port));
    let found = timeout(RESOLVE_TIMEOUT, lookup)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(EndpointError::Resolve)?;
    let addrs = in_turns(found.map(socket::canonical));
    if addrs.is_empty() {
        return Err(EndpointError::Resolve(io::ErrorKind::NotFound.into()));
    }
    Ok(addrs)
}

/// Connects to the first address of an endpoint that answers as it must. Addresses are tried one
/// after the other, each with a head start.
pub(crate) async fn connect(
    security: &Security,
    transport: Transport,
    endpoint: &Endpoint,
    protocol: Protocol,
) -> Result<Connection, EndpointError> {
    check_transport(endpoint, transport)?;
    let mut waiting = VecDeque::from(resolve(endpoint).await?);
    let mut dials = FuturesUnordered::new();
    let mut failure = None;
    loop {
        if let Some(addr) = waiting.pop_front() {
            dials.push(security.dial(addr, endpoint.key, protocol));
        }
        let more = !waiting.is_empty();
        tokio::select! {
            result = dials.next() => match result {
                Some(Ok(conn)) => return Ok(conn),
                // That another key answers says more than that some address is dead.
                Some(Err(e)) => failure = match failure {
                    Some(ConnectError::WrongKey) => failure,
                    _ => Some(e),
                },
                None => return Err(failure.unwrap_or(ConnectError::TimedOut).into()),
            },
            () = sleep(ATTEMPT_DELAY), if more => {}
        }
    }
}

/// Mixes the families, the first one's first, without repeats.
fn in_turns(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addrs = Vec::new();
    for addr in found {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    let first_is_v6 = addrs.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addrs.into_iter().partition(|addr| addr.is_ipv6() == first_is_v6);
    let mut mixed = Vec::new();
    while mixed.len() < ADDRESSES_MAX && !(first.is_empty() && second.is_empty()) {
        mixed.extend(first.pop_front());
        mixed.extend(second.pop_front());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|addr| addr.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let found = addrs("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 [::1]:1 1.1.1.2:1");
        let tried = addrs("[::1]:1 1.1.1.1:1 [::2]:1 1.1.1.2:1 [::3]:1");
        assert_eq!(in_turns(found.into_iter()), tried);
        assert_eq!(in_turns(addrs("1.1.1.1:1 [::1]:1").into_iter()), addrs("1.1.1.1:1 [::1]:1"));
    }

    #[tokio::test]
    async fn a_host_that_does_not_exist_is_said_to() {
        let endpoint = Endpoint { key: None, host: "no-such-host.invalid".into(), port: 1 };
        let error = resolve(&endpoint).await.unwrap_err();
        assert!(error.to_string().starts_with("cannot find the host"), "{error}");
    }

    #[test]
    fn a_plain_endpoint_is_nothing_for_a_tls_node() {
        let plain = Endpoint { key: None, host: "h".into(), port: 1 };
        let error = check_transport(&plain, Transport::Tls).unwrap_err();
        assert!(error.to_string().contains("--transport plain on both sides"), "{error}");
        assert!(check_transport(&plain, Transport::Plain).is_ok());
    }
}
