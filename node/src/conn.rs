//! One connection: frames to the driver, the driver's messages to frames.
//!
//! One task owns the connection. Towards the driver it has a bounded channel, and reads no further
//! while that is full, so that a busy driver slows peers down through TCP. From the driver it has a
//! queue that the driver bounds in bytes; the driver never waits for a connection.

use std::net::SocketAddr;

use swarm_engine::{ConnId, Input, Side};
use swarm_net::{Connection, ReadError, Turn};
use swarm_proto::{
    id::PeerId,
    message::{Hello, Message},
};
use tokio::sync::mpsc;

/// Messages taken from the driver's queue at once.
const SEND_BATCH: usize = 64;
/// Bytes handed to the connection ahead of the socket: enough for a system call or two. The rest
/// waits in the driver's queue.
const SEND_AHEAD: usize = 256 * 1024;

/// What connections tell the driver.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A connection is ready. `queue` is where the driver puts what is to be sent; when it is
    /// dropped the connection is closed, after what is in the queue was sent.
    Up { input: Input, conn: ConnId, queue: mpsc::UnboundedSender<Message> },
    /// Something happened on a connection that is up.
    On { conn: ConnId, input: Input },
}

/// Who is at the other end of a connection, and how it came about.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: ConnId,
    pub(crate) side: Side,
    pub(crate) hello: Hello,
    pub(crate) conn: Connection,
}

/// Serves a connection until either side ends it. The last that the driver hears of it is
/// [`Input::Closed`].
pub(crate) async fn run(opened: Opened, driver: mpsc::Sender<Arrival>) {
    let Opened { id, side, hello, conn } = opened;
    let (queue, sending) = mpsc::unbounded_channel();
    let peer: PeerId = conn.peer().unwrap_or(hello.peer);
    let addr: SocketAddr = conn.remote_addr();
    let input = Input::Connected { conn: id, peer, addr, side, hello };
    if driver.send(Arrival::Up { input, conn: id, queue }).await.is_err() {
        return;
    }
    let mut task = Task { id, conn, driver, sending, held: None, flushed: 0 };
    let end = task.serve().await;
    let misbehaved = matches!(end, End::Broken(ReadError::Codec(_)));
    match end {
        End::Broken(error) => tracing::debug!(conn = id.0, %addr, %error, "connection broke"),
        End::Ours | End::Theirs => tracing::trace!(conn = id.0, %addr, "connection ends"),
    }
    task.tell(Input::Closed { conn: id, misbehaved }).await;
    task.conn.close().await;
}

struct Task {
    id: ConnId,
    conn: Connection,
    driver: mpsc::Sender<Arrival>,
    sending: mpsc::UnboundedReceiver<Message>,
    /// Found no room in the driver's channel. Nothing is read while this waits.
    held: Option<Arrival>,
    /// Bytes that have left and that the driver was not told of.
    flushed: u64,
}

/// Why a connection ends.
enum End {
    /// The driver let go of it.
    Ours,
    /// The other side ended it.
    Theirs,
    /// The network or the other side broke it.
    Broken(ReadError),
}

impl Task {
    async fn serve(&mut self) -> End {
        let mut batch = Vec::with_capacity(SEND_BATCH);
        loop {
            let reading = self.held.is_none();
            let turn = tokio::select! {
                biased;
                n = self.sending.recv_many(&mut batch, SEND_BATCH),
                    if self.conn.queued() < SEND_AHEAD =>
                {
                    if n == 0 {
                        return End::Ours;
                    }
                    batch.drain(..).for_each(|message| self.conn.queue(&message));
                    continue;
                }
                Ok(place) = self.driver.reserve(), if !reading => {
                    if let Some(arrival) = self.held.take() {
                        place.send(arrival);
                    }
                    None
                }
                turn = self.conn.turn::<Message>(reading) => Some(turn),
            };
            match turn {
                Some(Ok(Turn::Frame(message))) => {
                    self.pass(Input::Received { conn: self.id, message });
                }
                Some(Ok(Turn::Written(n))) => self.flushed += n as u64,
                Some(Ok(Turn::End)) => return End::Theirs,
                Some(Err(error)) => return End::Broken(error),
                None => {}
            }
            if self.flushed > 0 && self.held.is_none() {
                let bytes = std::mem::take(&mut self.flushed);
                self.pass(Input::Flushed { conn: self.id, bytes });
            }
        }
    }

    /// Hands something to the driver, or holds it until there is room.
    fn pass(&mut self, input: Input) {
        let arrival = Arrival::On { conn: self.id, input };
        if let Err(mpsc::error::TrySendError::Full(arrival)) = self.driver.try_send(arrival) {
            self.held = Some(arrival);
        }
    }

    /// Hands something to the driver, after what is held. A driver that is gone needs nothing.
    async fn tell(&mut self, input: Input) {
        let last = Arrival::On { conn: self.id, input };
        for arrival in self.held.take().into_iter().chain([last]) {
            let _ = self.driver.send(arrival).await;
        }
    }
}
