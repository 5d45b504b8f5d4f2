//! Whole nodes over real sockets on loopback: what a user sees of them.

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
use swarm_tracker::{Server, ServerConfig, registry};
use tempfile::TempDir;
use tokio::time::timeout;

/// Nothing here takes more than a second or two; a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to share.
struct Share {
    dir: TempDir,
    manifest: Arc<Manifest>,
}

impl Share {
    fn new(len: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("share");
        fs::create_dir_all(folder.join("deep/er")).unwrap();
        fs::write(folder.join("big"), noise(len)).unwrap();
        fs::write(folder.join("deep/er/small"), b"hello\n").unwrap();
        fs::write(folder.join("empty"), b"").unwrap();
        let manifest = create(&folder, CreateOptions::default(), &mut |_| true).unwrap();
        Self { dir, manifest: Arc::new(manifest) }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("share")
    }

    fn seeding(&self, trackers: Vec<Endpoint>) -> SeedOptions {
        SeedOptions { path: self.path(), trackers, peers: vec![], verify: false }
    }

    fn assert_copied_to(&self, output: &Path) {
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

fn config(transport: Transport) -> NodeConfig {
    NodeConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), transport, ..NodeConfig::default() }
}

async fn node(transport: Transport) -> Node {
    Node::start(Identity::generate(), config(transport)).await.unwrap()
}

fn endpoint(key: PeerId, addr: SocketAddr) -> Endpoint {
    Endpoint { key: Some(key), host: addr.ip().to_string(), port: addr.port() }
}

async fn tracker(identity: &Identity, port: u16) -> (Server, Endpoint) {
    let config = ServerConfig {
        listen: (Ipv4Addr::LOCALHOST, port).into(),
        transport: Transport::Tls,
        registry: registry::Config::default(),
    };
    let server = Server::start(identity, config).await.unwrap();
    let at = endpoint(server.peer_id(), server.listen_addr());
    (server, at)
}

async fn get(node: &Node, link: &Link, output: &TempDir) -> Result<Transfer, NodeError> {
    let options =
        GetOptions { output: output.path().to_owned(), trackers: vec![], peers: vec![] };
    node.get(Source::Link(link.clone()), options).await
}

async fn completed(transfer: &Transfer) {
    timeout(PATIENCE, transfer.completed()).await.expect("no end in sight").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_alone_is_enough_without_a_tracker() {
    for transport in [Transport::Tls, Transport::Plain] {
        let share = Share::new(3_000_000);
        let (seeder, getter) = (node(transport).await, node(transport).await);
        let seeding = seeder.seed(share.manifest.clone(), share.seeding(vec![])).await.unwrap();
        completed(&seeding).await;
        let output = tempfile::tempdir().unwrap();
        let link = seeding.link("127.0.0.1", vec![]).to_string().parse().unwrap();
        let getting = get(&getter, &link, &output).await.unwrap();
        completed(&getting).await;
        share.assert_copied_to(output.path());
        timeout(PATIENCE, async { tokio::join!(seeder.shutdown(), getter.shutdown()) })
            .await
            .expect("shutdown hangs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn downloaders_meet_through_a_tracker_and_serve_each_other() {
    let share = Share::new(20_000_000);
    let (server, at) = tracker(&Identity::generate(), 0).await;
    let seeder = node(Transport::Tls).await;
    seeder.seed(share.manifest.clone(), share.seeding(vec![at.clone()])).await.unwrap();
    let link =
        Link { id: share.manifest.id(), name: None, trackers: vec![at.clone()], peers: vec![] };
    let mut gets = Vec::new();
    for _ in 0..4 {
        let (node, output) = (node(Transport::Tls).await, tempfile::tempdir().unwrap());
        let transfer = get(&node, &link, &output).await.unwrap();
        gets.push((node, output, transfer));
    }
    for (_, output, transfer) in &gets {
        completed(transfer).await;
        share.assert_copied_to(output.path());
    }
    for (node, ..) in gets {
        node.shutdown().await;
    }
    seeder.shutdown().await;
    server.shutdown().await;
}
