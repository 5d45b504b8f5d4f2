//! Shares a file or folder and fetches it into another folder, from one node to another:
//! `cargo run -p swarm-node --example seed_and_get -- ./weights ./copies`

use std::{env, error::Error, path::PathBuf, sync::Arc};

use swarm_node::{
    CreateOptions, GetOptions, Identity, Node, NodeConfig, SeedOptions, Source, create,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let (Some(path), Some(output)) = (args.next(), args.next()) else {
        return Err("usage: seed_and_get SHARE FOLDER".into());
    };

    // One node hashes the share, seeds it and makes a link that names itself as a peer.
    let manifest = Arc::new(create(&path, CreateOptions::default(), &mut |_| true)?);
    let seeder = Node::start(Identity::generate(), NodeConfig::default()).await?;
    let seed = SeedOptions { path, trackers: vec![], peers: vec![], verify: false };
    let link = seeder.seed(manifest, seed).await?.link("localhost", vec![]);
    println!("{link}");

    // Another one, here or on any machine that can reach the first, needs only the link.
    let getter = Node::start(Identity::generate(), NodeConfig::default()).await?;
    let get = GetOptions { output, ..GetOptions::default() };
    let transfer = getter.get(Source::Link(link), get).await?;
    transfer.completed().await?;
    println!("verified: {}", transfer.path().display());

    getter.shutdown().await;
    seeder.shutdown().await;
    Ok(())
}
