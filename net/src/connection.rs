//! Whole frames over a stream.
//!
//! A block's payload is read straight into a buffer of its own size and is handed on as it is. What
//! is sent is queued without copying payloads and goes out many frames to a system call.

use std::{
    fs::File,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use swarm_proto::{
    codec::{CodecError, Frame, HEADER_LEN, Header},
    id::PeerId,
};
use tokio::io::AsyncWriteExt;

use crate::{
    Buffer, Buffers,
    queue::{Queue, Span},
    send_file,
    stream::{Stream, cut},
};

/// How long [`Connection::close`] waits for the other side to take what was sent and to end too.
const LINGER: Duration = Duration::from_secs(1);

/// Payloads up to this long are copied in with their frame, so that many go out in one piece: to
/// handle one as a piece of its own costs more than the copy.
const SMALL: usize = 8 * 1024;

/// A connection that is up. Reads and writes whole frames.
///
/// One task owns it. A task that only asks and waits for the answer uses [`Connection::write`] and
/// [`Connection::read`]; one that does both at once queues frames and calls [`Connection::turn`].
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    peer: Option<PeerId>,
    addr: SocketAddr,
    /// Read, not yet parsed; less than a header, but for what a plain socket gave along with it.
    ahead: BytesMut,
    /// The frame whose body is arriving.
    arriving: Option<(Header, Buffer)>,
    buffers: Buffers,
    /// Encoded frames on their way out.
    queue: Queue,
    /// Encoded frames that are not in the queue yet because the next may be appended.
    tail: BytesMut,
    /// Bytes in `queue`, in `tail` and in TLS's hands.
    queued: usize,
    /// Bytes that have left and were not reported by a turn.
    written: usize,
    /// The last turn reported what was written, so the next one reads first.
    reported: bool,
}

/// What a [`turn`](Connection::turn) brought.
#[derive(Debug)]
pub enum Turn<F> {
    /// A frame came in.
    Frame(F),
    /// So many bytes of queued frames have left for the kernel since this was last said.
    Written(usize),
    /// The other side has ended the connection between two frames.
    End,
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The other side's fault.
    #[error("broken framing: {0}")]
    Codec(#[from] CodecError),
    /// The other side speaks TLS and we do not.
    #[error("the other side uses TLS and this one does not; use the same --transport on both")]
    Tls,
    /// The network's fault.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Connection {
    pub(crate) fn new(
        stream: Stream,
        peer: Option<PeerId>,
        addr: SocketAddr,
        buffers: Buffers,
    ) -> Self {
        Self {
            stream,
            peer,
            addr,
            ahead: BytesMut::new(),
            arriving: None,
            buffers,
            queue: Queue::default(),
            tail: BytesMut::new(),
            queued: 0,
            written: 0,
            reported: false,
        }
    }

    /// The key that the other side proved; `None` over plain transport.
    #[must_use]
    pub const fn peer(&self) -> Option<PeerId> {
        self.peer
    }

    /// The other side's address.
    #[must_use]
    pub const fn remote_addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next frame; `None` when the other side has ended the connection between two frames.
    /// Cancel-safe, as long as the next call asks for the same family of frames.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read<F: Frame>(&mut self) -> Result<Option<F>, ReadError> {
        loop {
            match self.turn(true).await? {
                Turn::Frame(frame) => return Ok(Some(frame)),
                Turn::Written(_) => {}
                Turn::End => return Ok(None),
            }
        }
    }

    /// Whether a frame has begun to arrive and has not ended: a reader that has waited long may be
    /// patient with silence and not with this.
    #[must_use]
    pub fn mid_frame(&self) -> bool {
        self.arriving.is_some() || !self.ahead.is_empty() || self.stream.mid_record()
    }

    /// Writes one frame and flushes it.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn write<F: Frame>(&mut self, frame: &F) -> io::Result<()> {
        self.queue(frame);
        self.flush().await
    }

    /// Queues a frame. Never waits; how much is queued is for the caller to limit.
    pub fn queue<F: Frame>(&mut self, frame: &F) {
        let before = self.tail.len();
        let payload = frame.encode(&mut self.tail);
        self.queued += self.tail.len() - before;
        if let Some(payload) = payload {
            self.queued += payload.len();
            if payload.len() <= SMALL {
                self.tail.extend_from_slice(&payload);
            } else {
                self.queue.push(self.tail.split().freeze());
                self.queue.push(payload);
            }
        }
    }

    /// Queues a frame whose payload goes from a file to the network by itself: what comes before the
    /// payload, and where the payload lies. Over plain transport on Linux it does; elsewhere it is read now,
    /// which may wait for the disk. As [`Connection::queue`] otherwise.
    ///
    /// # Errors
    /// The disk's. Nothing is queued then.
    pub fn queue_from_file(
        &mut self,
        head: &[u8],
        file: Arc<File>,
        offset: u64,
        len: usize,
    ) -> io::Result<()> {
        let span = Span { file, offset, len };
        let read = (!self.stream.is_plain()).then(|| send_file::read(&span, &self.buffers));
        let read = read.transpose()?;
        self.tail.extend_from_slice(head);
        self.queue.push(self.tail.split().freeze());
        self.queued += head.len() + len;
        match read {
            Some(bytes) => self.queue.push(bytes),
            None => self.queue.push_file(span),
        }
        Ok(())
    }

    /// Bytes that are queued and have not left for the kernel.
    #[must_use]
    pub const fn queued(&self) -> usize {
        self.queued
    }

    /// Writes until nothing is queued.
    ///
    /// # Errors
    /// If the connection is gone.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            while self.queued > 0 {
                ready!(self.poll_write(cx))?;
            }
            // TLS may have something to say of its own.
            self.poll_write(cx).map_ok(|_| ())
        })
        .await
    }

    /// Writes what is queued and, if `read`, reads, until there is something to report. Both
    /// directions get their turns, however busy the other one is. Cancel-safe, as
    /// [`Connection::read`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn turn<F: Frame>(&mut self, read: bool) -> Result<Turn<F>, ReadError> {
        poll_fn(|cx| self.poll_turn(cx, read)).await
    }

    /// Sends what is queued, says that this is the end, and waits a little for the other side, so
    /// that the last message is not lost to a reset.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(LINGER, async {
            self.flush().await?;
            // Nothing can be sealed after TLS's goodbye.
            self.stream.close();
            self.flush().await?;
            self.stream.tcp().shutdown().await?;
            let mut rest = [0; 4096];
            while poll_fn(|cx| self.stream.poll_read(cx, &mut rest, 4096)).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }

    fn poll_turn<F: Frame>(
        &mut self,
        cx: &mut Context<'_>,
        read: bool,
    ) -> Poll<Result<Turn<F>, ReadError>> {
        loop {
            if let Poll::Ready(n) = self.poll_write(cx)? {
                self.written += n;
            }
            if self.written > 0 && !self.reported {
                self.reported = true;
                return Poll::Ready(Ok(Turn::Written(std::mem::take(&mut self.written))));
            }
            self.reported = false;
            if read && let Poll::Ready(frame) = self.poll_frame(cx)? {
                return Poll::Ready(Ok(frame.map_or(Turn::End, Turn::Frame)));
            }
            if self.written == 0 {
                return Poll::Pending;
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.tail.is_empty() {
            self.queue.push(self.tail.split().freeze());
        }
        let mut n = 0;
        if !self.queue.next_is_file() {
            let more = self.queue.file().is_some();
            n = ready!(self.stream.poll_write(cx, self.queue.bytes(), more))?;
            self.queued -= n;
        }
        // The payload of the frame whose beginning has just left goes in the same turn.
        if self.queue.next_is_file() {
            match self.poll_send_file(cx)? {
                Poll::Ready(sent) => n += sent,
                Poll::Pending if n == 0 => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        Poll::Ready(Ok(n))
    }

    /// Sends some of the part of a file that is next.
    fn poll_send_file(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(span) = self.queue.file() else { return Poll::Ready(Ok(0)) };
        match ready!(send_file::poll_send(self.stream.tcp(), cx, span)) {
            Err(error) if send_file::is_unsupported(&error) => {
                let bytes = send_file::read(span, &self.buffers)?;
                self.queue.replace_file(bytes);
                let n = ready!(self.stream.poll_write(cx, self.queue.bytes(), false))?;
                self.queued -= n;
                Poll::Ready(Ok(n))
            }
            sent => {
                let n = sent?;
                self.queue.file_sent(n);
                self.queued -= n;
                Poll::Ready(Ok(n))
            }
        }
    }

    fn poll_frame<F: Frame>(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<F>, ReadError>> {
        loop {
            if let Some((header, body)) = &mut self.arriving {
                let here = self.ahead.len().min(header.body_len() - body.len());
                body.put(&self.ahead[..here]);
                self.ahead.advance(here);
                let missing = header.body_len() - body.len();
                if missing == 0 {
                    let (header, body) = (*header, std::mem::take(body).freeze());
                    self.arriving = None;
                    return Poll::Ready(Ok(Some(F::decode(header, body)?)));
                }
                // The end of a frame comes with what follows it, which may be many small ones.
                let ahead = self.stream.read_ahead(missing);
                let n = if ahead > missing {
                    ready!(poll_read_ahead(&mut self.stream, cx, &mut self.ahead, ahead))?
                } else {
                    let n = ready!(self.stream.poll_read(cx, body.room(), missing))?;
                    body.advance(n);
                    n
                };
                if n == 0 {
                    return Poll::Ready(Err(cut().into()));
                }
            } else if let Some(bytes) = self.ahead.first_chunk::<HEADER_LEN>() {
                let header = F::header(*bytes).map_err(|e| self.explain(*bytes, e))?;
                self.ahead.advance(HEADER_LEN);
                self.arriving = Some((header, self.buffers.take(header.body_len())));
            } else {
                let want = self.stream.read_ahead(HEADER_LEN - self.ahead.len());
                if ready!(poll_read_ahead(&mut self.stream, cx, &mut self.ahead, want))? == 0 {
                    let end = if self.ahead.is_empty() { Ok(None) } else { Err(cut().into()) };
                    return Poll::Ready(end);
                }
            }
        }
    }

    /// A header that is none may be the start of a TLS record: then the user has mixed transports.
    fn explain(&self, bytes: [u8; HEADER_LEN], error: CodecError) -> ReadError {
        match bytes {
            [0x14..=0x17, 3, 0..=4, ..] if self.stream.is_plain() => ReadError::Tls,
            _ => error.into(),
        }
    }
}

/// Reads up to `limit` bytes behind what is in `ahead`.
fn poll_read_ahead(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    ahead: &mut BytesMut,
    limit: usize,
) -> Poll<io::Result<usize>> {
    let here = ahead.len();
    ahead.resize(here + limit, 0);
    let read = stream.poll_read(cx, &mut ahead[here..], limit);
    let n = if let Poll::Ready(Ok(n)) = read { n } else { 0 };
    ahead.truncate(here + n);
    read
}
