//! One connection of a node, from its hello to its end: requests one after another, a reply for each.

use std::{sync::Arc, time::Duration};

use swarm_net::{Connection, Protocol, ReadError};
use swarm_proto::{
    announce::{TRACKER_VERSION, TrackerHello, TrackerReply, TrackerRequest},
    id::PeerId,
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tracing::debug;

use super::{Shared, gate::Pass};
use crate::allowance::Allowance;

/// How long the hello may take.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a frame may take to arrive or to leave: the longest is half a megabyte.
const FRAME_TIMEOUT: Duration = Duration::from_secs(60);
/// Silence after which a connection is ended. Longer than the longest interval, so that a node that
/// announces in time needs no new handshake.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// One request in this time, and so many at once, are answered without delay: a node that starts with
/// hundreds of swarms announces them all within seconds. More are left unread.
const REQUEST_PERIOD_MS: u64 = 10;
const REQUEST_BURST: u64 = 500;

/// Why a connection was ended by us.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Connect(#[from] swarm_net::ConnectError),
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{0}")]
    Write(#[from] std::io::Error),
    #[error("no hello")]
    NoHello,
    #[error("it speaks version {0}")]
    Version(u16),
    #[error("its hello names another key than its own")]
    WrongKey,
    #[error("too slow")]
    TooSlow,
    #[error("idle")]
    Idle,
}

/// Serves one connection until it ends, or the server does.
pub(super) async fn run(socket: TcpStream, mut pass: Pass, shared: Arc<Shared>) {
    let greeted = shared.stop.run_until_cancelled(greet(socket, &shared)).await;
    let (mut connection, peer) = match greeted {
        Some(Ok(greeted)) => greeted,
        Some(Err(why)) => return debug!(%why, "refused a connection"),
        None => return,
    };
    pass.greeted();
    let addr = connection.remote_addr();
    match shared.stop.run_until_cancelled(serve(&mut connection, peer, &shared)).await {
        Some(Err(why)) => debug!(peer = %peer.short(), %addr, %why, "ended a connection"),
        Some(Ok(())) => debug!(peer = %peer.short(), %addr, "a connection was ended"),
        None => {}
    }
    connection.close().await;
}

/// The handshake and both hellos.
async fn greet(socket: TcpStream, shared: &Shared) -> Result<(Connection, PeerId), End> {
    let mut connection = shared.security.accept(socket, Protocol::Tracker).await?;
    let hello = timeout(HELLO_TIMEOUT, connection.read::<TrackerHello>());
    let hello = hello.await.map_err(|_| End::NoHello)??.ok_or(End::NoHello)?;
    // Over plain transport the name is what it claims to be.
    if connection.peer().is_some_and(|proven| proven != hello.peer) {
        return Err(End::WrongKey);
    }
    write(&mut connection, &shared.hello).await?;
    if hello.version != TRACKER_VERSION {
        // It has our hello, so it can tell its user which side is older.
        connection.close().await;
        return Err(End::Version(hello.version));
    }
    Ok((connection, hello.peer))
}

async fn serve(connection: &mut Connection, peer: PeerId, shared: &Shared) -> Result<(), End> {
    let from = connection.remote_addr();
    let mut allowance = Allowance::default();
    while let Some(request) = next_request(connection).await? {
        let now_ms = || shared.started.elapsed().as_millis() as u64;
        while let Err(wait_ms) = allowance.take(now_ms(), REQUEST_PERIOD_MS, REQUEST_BURST) {
            sleep(Duration::from_millis(wait_ms)).await;
        }
        let reply = shared.shards.answer(peer, from, request).await;
        if matches!(reply, TrackerReply::Announced(_)) {
            shared.count_announce();
        }
        write(connection, &reply).await?;
    }
    Ok(())
}

/// The next request; `None` when the node has ended the connection.
async fn next_request(connection: &mut Connection) -> Result<Option<TrackerRequest>, End> {
    let idle = Instant::now() + IDLE_TIMEOUT;
    // Looked at once a minute: who is in the middle of a frame then is too slow, or nearly so.
    let mut begun = false;
    loop {
        match timeout(FRAME_TIMEOUT, connection.read()).await {
            Ok(request) => return Ok(request?),
            Err(_) if begun && connection.mid_frame() => return Err(End::TooSlow),
            Err(_) if Instant::now() >= idle => return Err(End::Idle),
            Err(_) => begun = connection.mid_frame(),
        }
    }
}

async fn write<F: swarm_proto::codec::Frame>(
    connection: &mut Connection,
    frame: &F,
) -> Result<(), End> {
    timeout(FRAME_TIMEOUT, connection.write(frame)).await.map_err(|_| End::TooSlow)??;
    Ok(())
}
