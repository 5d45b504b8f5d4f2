//! Shares, nodes and trackers to tell stories with.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use swarm_node::{
    CreateOptions, GetOptions, Identity, Node, NodeConfig, NodeError, SeedOptions, Source,
    Transfer, Transport, create,
};
use swarm_proto::{
    id::PeerId,
    link::{Endpoint, Link},
    manifest::Manifest,
};
use swarm_tracker::{Server, ServerConfig};
use tempfile::TempDir;
use tokio::time::timeout;

/// Nothing here takes more than a second or two; a test that hangs fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to share.
#[derive(Clone)]
pub(crate) struct Share {
    dir: Arc<TempDir>,
    pub(crate) manifest: Arc<Manifest>,
}

impl Share {
    pub(crate) fn new(len: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("share");
        fs::create_dir_all(folder.join("deep/er")).unwrap();
        fs::write(folder.join("big"), noise(len)).unwrap();
        fs::write(folder.join("deep/er/small"), b"hello\n").unwrap();
        fs::write(folder.join("empty"), b"").unwrap();
        let manifest = create(&folder, CreateOptions::default(), &mut |_| true).unwrap();
        Self { dir: Arc::new(dir), manifest: Arc::new(manifest) }
    }

    /// Seeds it from a node of its own, without a tracker. The link names that node.
    pub(crate) async fn seeded(&self, transport: Transport) -> (Node, Link) {
        let seeder = node(transport).await;
        let seeding = seeder.seed(self.manifest.clone(), self.seeding(vec![])).await.unwrap();
        (seeder, seeding.link("127.0.0.1", vec![]))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    pub(crate) fn seeding(&self, trackers: Vec<Endpoint>) -> SeedOptions {
        SeedOptions { path: self.path(), trackers, peers: vec![], verify: false }
    }

    pub(crate) fn assert_copied_to(&self, output: &Path) {
        for file in ["big", "deep/er/small", "empty"] {
            let copy = fs::read(output.join("share").join(file)).unwrap();
            assert!(copy == fs::read(self.path().join(file)).unwrap(), "{file} differs");
        }
    }
}

/// Bytes that do not repeat.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

pub(crate) fn config(transport: Transport) -> NodeConfig {
    NodeConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), transport, ..NodeConfig::default() }
}

pub(crate) async fn node(transport: Transport) -> Node {
    Node::start(Identity::generate(), config(transport)).await.unwrap()
}

pub(crate) fn endpoint(key: PeerId, addr: SocketAddr) -> Endpoint {
    Endpoint { key: Some(key), host: addr.ip().to_string(), port: addr.port() }
}

pub(crate) async fn tracker(identity: &Identity, port: u16) -> (Server, Endpoint) {
    let config = ServerConfig::new((Ipv4Addr::LOCALHOST, port).into(), Transport::Tls);
    let server = Server::start(identity, config).await.unwrap();
    let at = endpoint(server.peer_id(), server.listen_addr());
    (server, at)
}

/// A link that names nobody yet.
pub(crate) fn link(share: &Share) -> Link {
    Link { id: share.manifest.id(), name: None, trackers: vec![], peers: vec![] }
}

pub(crate) async fn get(node: &Node, link: &Link, output: &TempDir) -> Result<Transfer, NodeError> {
    let options = GetOptions { output: output.path().to_owned(), ..GetOptions::default() };
    node.get(Source::Link(link.clone()), options).await
}

pub(crate) async fn completed(transfer: &Transfer) {
    timeout(PATIENCE, transfer.completed()).await.expect("no end in sight").unwrap();
}

pub(crate) async fn shut_down(nodes: impl IntoIterator<Item = Node>) {
    let all = nodes.into_iter().map(|node| tokio::spawn(node.shutdown()));
    for one in all.collect::<Vec<_>>() {
        timeout(Duration::from_secs(5), one).await.expect("shutdown takes too long").unwrap();
    }
}
