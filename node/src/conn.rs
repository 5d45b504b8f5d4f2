//! One connection: frames to the driver, the driver's messages to frames.
//!
//! One task owns the connection. Towards the driver it has a bounded channel, and reads no further
//! while that is full, so that a busy driver slows peers down through TCP. From the driver it has a
//! queue that the driver bounds in bytes; the driver never waits for a connection.

use std::{io, net::SocketAddr};

use futures::FutureExt;
use swarm_engine::{ConnId, Input, Side};
use swarm_net::{Connection, ReadError, Turn};
use swarm_proto::{
    codec::{BLOCK_FRAME_HEAD, Frame as _, block_frame_head},
    geometry::BlockRun,
    id::PeerId,
    message::{Hello, Message},
};
use tokio::sync::mpsc;

use crate::store::InFile;

/// Messages taken from the driver's queue at once.
const SEND_BATCH: usize = 64;
/// Frames that are handed to the driver together, if they are here already...
const PASS_FRAMES: usize = 64;
/// ...and as long as their payloads are this short: a block of this length is worth a turn of the
/// driver by itself, and what waits for the driver is bounded by the number of arrivals.
const PASS_BYTES: usize = 64 * 1024;
/// Bytes handed to the connection ahead of the socket: enough for a system call or two. The rest
/// waits in the driver's queue.
const SEND_AHEAD: usize = 256 * 1024;

/// What connections tell the driver.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A connection is ready. `queue` is where the driver puts what is to be sent; when it is
    /// dropped the connection is closed, after what is in the queue was sent.
    Up { input: Input, conn: ConnId, queue: mpsc::UnboundedSender<Outgoing> },
    /// This happened on a connection that is up, in order.
    On { conn: ConnId, inputs: Vec<Input> },
}

/// What the driver has a connection send.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message(Message),
    /// A [`Message::Block`] whose bytes go from their file to the network by themselves.
    FromFile {
        run: BlockRun,
        place: InFile,
    },
}

impl Outgoing {
    /// Bytes of the whole frame.
    pub(crate) fn encoded_len(&self) -> u64 {
        match self {
            Self::Message(message) => message.encoded_len() as u64,
            Self::FromFile { place, .. } => BLOCK_FRAME_HEAD as u64 + u64::from(place.len),
        }
    }
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
    sending: mpsc::UnboundedReceiver<Outgoing>,
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
                    let queue = |outgoing| queue(&mut self.conn, outgoing);
                    if let Err(error) = batch.drain(..).try_for_each(queue) {
                        return End::Broken(error.into());
                    }
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
            if let Some(end) = self.take(turn) {
                return end;
            }
        }
    }

    /// Hands on what a turn brought, if there was one, together with what else is here already.
    /// Returns how the connection ends, if it does.
    fn take(&mut self, turn: Option<Result<Turn<Message>, ReadError>>) -> Option<End> {
        let (mut inputs, mut bytes, mut next, mut end) = (Vec::new(), 0, turn, None);
        while let Some(turn) = next.take() {
            match turn {
                Ok(Turn::Frame(message)) => {
                    bytes += message.encoded_len();
                    inputs.push(Input::Received { conn: self.id, message });
                }
                Ok(Turn::Written(n)) => self.flushed += n as u64,
                Ok(Turn::End) => end = Some(End::Theirs),
                Err(error) => end = Some(End::Broken(error)),
            }
            let full = inputs.len() >= PASS_FRAMES || bytes >= PASS_BYTES;
            if end.is_none() && self.held.is_none() && !full {
                next = self.conn.turn(true).now_or_never();
            }
        }
        self.pass(inputs);
        end
    }

    /// Hands something to the driver, or holds it until there is room.
    fn pass(&mut self, mut inputs: Vec<Input>) {
        if self.held.is_some() {
            return;
        }
        if self.flushed > 0 {
            let bytes = std::mem::take(&mut self.flushed);
            inputs.push(Input::Flushed { conn: self.id, bytes });
        }
        if inputs.is_empty() {
            return;
        }
        let arrival = Arrival::On { conn: self.id, inputs };
        if let Err(mpsc::error::TrySendError::Full(arrival)) = self.driver.try_send(arrival) {
            self.held = Some(arrival);
        }
    }

    /// Hands something to the driver, after what is held. A driver that is gone needs nothing.
    async fn tell(&mut self, input: Input) {
        let last = Arrival::On { conn: self.id, inputs: vec![input] };
        for arrival in self.held.take().into_iter().chain([last]) {
            let _ = self.driver.send(arrival).await;
        }
    }
}

/// Queues what the driver has for the other side. It fails if the disk does.
fn queue(conn: &mut Connection, outgoing: Outgoing) -> io::Result<()> {
    match outgoing {
        Outgoing::Message(message) => conn.queue(&message),
        Outgoing::FromFile { run, place: InFile { file, offset, len } } => {
            let head = block_frame_head(run.piece().get(), run.first(), len);
            conn.queue_from_file(&head, file, offset, len as usize)?;
        }
    }
    Ok(())
}
