//! What listens while something is shared: a node, and a tracker if nobody named one.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::OnceLock,
};

use rustix::process::{Resource, getrlimit};
use swarm_node::{Identity, Node, NodeConfig, NodeError, Transport};
use swarm_proto::link::Endpoint;
use swarm_tracker::{Server, ServerConfig};

use crate::{
    config::Origin,
    context::Context,
    exit::Failure,
    paths::Key,
    reach::{link_host, local_ip, usual_port},
};

/// What listens.
#[derive(Debug)]
pub struct Services {
    pub node: Node,
    tracker: OnceLock<OwnTracker>,
    /// Where a tracker is to listen.
    beside: SocketAddr,
    /// The node as a link names it.
    pub peer: Endpoint,
}

/// A tracker in this process.
#[derive(Debug)]
pub struct OwnTracker {
    server: Server,
    /// As others dial it.
    pub public: Endpoint,
    /// As we dial it: the way back from a public address may be closed.
    pub local: Endpoint,
}

impl Services {
    /// Starts the node. `shared`: what it is there to share, if that is one file or folder.
    /// `advertise`: a tracker in this process will see us come from an address that
    /// is of no use to others, so that it has to be told another one.
    pub async fn start(
        cx: &Context,
        identity: Identity,
        shared: Option<&Path>,
        advertise: bool,
    ) -> Result<Self, Failure> {
        let settings = &cx.settings;
        let host = link_host(settings.listen.value, settings.advertise.value.as_deref());
        let mut config = settings.node();
        if advertise {
            config.advertise = routable(&host).await;
        }
        let mut beside = next_port(config.listen);
        let mut node = None;
        if settings.listen.origin == Origin::Default {
            // Whichever way leads to it, it is the same.
            let shared = shared.and_then(|path| path.canonicalize().ok()).unwrap_or_default();
            let port = usual_port(identity.peer_id(), &shared);
            let listen = SocketAddr::new(config.listen.ip(), port);
            match Node::start(identity.clone(), NodeConfig { listen, ..config.clone() }).await {
                Ok(started) => {
                    beside = next_port(listen);
                    node = Some(started);
                }
                Err(NodeError::Listen { .. }) => cx.console.note(format_args!(
                    "port {port} is taken: the link is not that of an earlier run"
                )),
                Err(error) => return Err(error.into()),
            }
        }
        let node = match node {
            Some(node) => node,
            None => Node::start(identity, config).await?,
        };
        let tls = Transport::from(settings.transport.value) == Transport::Tls;
        let key = tls.then(|| node.peer_id());
        let peer = Endpoint { key, host, port: node.listen_addr().port() };
        Ok(Self { node, tracker: OnceLock::new(), beside, peer })
    }

    /// Starts a tracker on this address, if none is given on the port after the node's. One that
    /// runs already is enough.
    pub async fn start_tracker(&self, cx: &Context, at: Option<SocketAddr>) -> Result<(), Failure> {
        if self.tracker.get().is_none() {
            let by_default = cx.settings.listen.origin == Origin::Default && at.is_none();
            let started = match OwnTracker::start(cx, at.unwrap_or(self.beside)).await {
                // Nobody asked for that port.
                Err(_) if by_default => OwnTracker::start(cx, cx.settings.listen.value).await,
                started => started,
            };
            // Nobody else starts one: whoever does is whoever owns the transfers.
            let _ = self.tracker.set(started?);
        }
        Ok(())
    }

    /// The tracker of this process, if there is one.
    pub fn tracker(&self) -> Option<&OwnTracker> {
        self.tracker.get()
    }

    /// The address that others can use for us, if it is not only ours.
    pub async fn routable(&self) -> Option<IpAddr> {
        routable(&self.peer.host).await
    }

    /// The trackers that a link names: those of the manifest, those of the user, and our own.
    pub fn trackers(&self, cx: &Context, named: &[Endpoint]) -> Vec<Endpoint> {
        let own = self.tracker().into_iter().map(|tracker| &tracker.public);
        let mut all: Vec<Endpoint> = Vec::new();
        for tracker in named.iter().chain(&cx.settings.trackers.value).chain(own) {
            if !all.contains(tracker) {
                all.push(tracker.clone());
            }
        }
        all
    }

    /// Stops everything.
    pub async fn shutdown(self) {
        // The node first: it says goodbye to the tracker.
        self.node.shutdown().await;
        if let Some(tracker) = self.tracker.into_inner() {
            tracker.server.shutdown().await;
        }
    }
}

impl OwnTracker {
    async fn start(cx: &Context, at: SocketAddr) -> Result<Self, Failure> {
        let transport = cx.settings.transport.value.into();
        let identity = cx.paths.identity(Key::Tracker, None)?;
        let server = start_tracker(&identity, at, transport).await?;
        let advertise = cx.settings.advertise.value.as_deref();
        let public = tracker_endpoint(&server, transport, link_host(at, advertise));
        let local = tracker_endpoint(&server, transport, local_ip(at.ip()).to_string());
        Ok(Self { server, public, local })
    }
}

/// Runs a tracker on this address.
pub async fn start_tracker(
    identity: &Identity,
    listen: SocketAddr,
    transport: Transport,
) -> Result<Server, Failure> {
    let mut config = ServerConfig::new(listen, transport);
    // The other half is for peers and files.
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let half = u32::try_from(descriptors / 2).unwrap_or(u32::MAX);
    config.connections_max = config.connections_max.min(half);
    let started = Server::start(identity, config).await;
    started.map_err(|error| Failure::listen("for the tracker", listen, &error))
}

/// How a tracker is named to others.
pub fn tracker_endpoint(server: &Server, transport: Transport, host: String) -> Endpoint {
    let key = (transport == Transport::Tls).then(|| server.peer_id());
    Endpoint { key, host, port: server.listen_addr().port() }
}

/// The address that others can use for a host, if it is not only ours.
async fn routable(host: &str) -> Option<IpAddr> {
    let ip = match host.parse() {
        Ok(ip) => ip,
        Err(_) => tokio::net::lookup_host((host, 0)).await.ok()?.next()?.ip(),
    };
    (!ip.is_loopback()).then_some(ip)
}

/// The tracker's address beside the node's: predictable where the node's is.
fn next_port(listen: SocketAddr) -> SocketAddr {
    let port = if listen.port() == 0 { 0 } else { listen.port().checked_add(1).unwrap_or(0) };
    SocketAddr::new(listen.ip(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tracker_takes_the_next_port_if_the_node_has_a_fixed_one() {
        let next = |text: &str| next_port(text.parse().unwrap()).to_string();
        assert_eq!(next("10.0.0.7:6000"), "10.0.0.7:6001");
        assert_eq!(next("[::]:0"), "[::]:0");
        assert_eq!(next("10.0.0.7:65535"), "10.0.0.7:0");
    }

    #[tokio::test]
    async fn only_an_address_that_others_can_use_is_announced() {
        assert_eq!(routable("10.0.0.7").await, Some([10, 0, 0, 7].into()));
        assert_eq!(routable("127.0.0.1").await, None);
    }
}
