//! Accepting peers: from a socket to the swarm that it is for.

mod gate;

use std::sync::Arc;

use gate::Gate;
use rustix::process::{Resource, getrlimit};
use swarm_engine::Side;
use swarm_net::{Protocol, socket::Acceptor};
use swarm_proto::{
    geometry::RUN_BLOCKS_MAX,
    message::{Goodbye, Hello, PROTOCOL_VERSION},
};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    conn::{self, Opened},
    hello::{self, HelloError},
    shared::Shared,
};

/// Handshakes under way at a time, if there are descriptors enough. An honest one takes a tenth of a
/// second, so this is room for a thousand newcomers a second.
const HANDSHAKES_MAX: u64 = 128;
/// The part of all descriptors that handshakes may take, one in so many. The rest is for connections
/// that are up, and for files.
const HANDSHAKES_SHARE: u64 = 8;

/// Accepts until the task is ended.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let mut gate = Gate::new((descriptors / HANDSHAKES_SHARE).clamp(2, HANDSHAKES_MAX) as usize);
    let mut acceptor = Acceptor::new(listener);
    loop {
        let (socket, from) = match acceptor.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections now; trying again");
                continue;
            }
        };
        let shared_too = Arc::clone(&shared);
        let handshake = shared.spawn(async move {
            if let Err(error) = serve(&shared_too, socket).await {
                tracing::debug!(%from, %error, "no connection");
            }
        });
        gate.enter(from.ip(), handshake);
    }
}

/// The handshake, and whom it is for.
async fn serve(shared: &Shared, socket: TcpStream) -> Result<(), HelloError> {
    let mut conn = shared.security.accept(socket, Protocol::Peer).await?;
    let hello = hello::read(&mut conn).await?;
    let entry = shared.swarms.find(hello.swarm);
    let ours =
        entry.as_ref().map_or_else(|| stranger(shared, &hello), |entry| entry.scope.hello.clone());
    conn.write(&ours).await?;
    if let Err(error) = hello::check(&conn, &hello) {
        hello::part(conn, error.goodbye()).await;
        return Err(error);
    }
    let Some(entry) = entry else {
        hello::part(conn, Goodbye::UnknownSwarm).await;
        return Err(HelloError::WrongSwarm);
    };
    let id = entry.scope.next_conn();
    let opened = Opened { id, side: Side::Accepted, hello, conn };
    // From here on it is the swarm's, which says goodbye before it ends.
    entry.scope.spawn(conn::run(opened, entry.arrivals));
    Ok(())
}

/// What we say to somebody who asks for a swarm that we do not have.
fn stranger(shared: &Shared, theirs: &Hello) -> Hello {
    Hello {
        version: PROTOCOL_VERSION,
        swarm: theirs.swarm,
        peer: shared.identity.peer_id(),
        features: 0,
        client: shared.config.engine.client.clone(),
        listen_port: 0,
        request_bytes_max: 0,
        run_blocks_max: RUN_BLOCKS_MAX,
    }
}
