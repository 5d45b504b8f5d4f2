//! Bytes to and from a socket, sealed by TLS or not.
//!
//! One task owns a stream and drives both directions, so there is no lock between them. After the
//! handshake we drive the TLS session ourselves: reads of 256 KiB instead of rustls's own 4 KiB, and
//! full records gathered straight from the queue of what is to be sent.

use std::{
    collections::VecDeque,
    io::{self, BufRead, IoSlice, Write},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::net::TcpStream;

/// Bytes of sealed records read at once: sixteen full ones. A quarter of that, and the two sides wake
/// each other so often that 1 GiB takes a tenth longer.
const SEALED_READ: usize = 256 * 1024;
/// Bytes that are sealed before they go to the socket: sixteen full records, one system call.
const SEAL_BATCH: usize = 256 * 1024;
/// Pieces of the queue that one write gathers.
const SLICES: usize = 32;
/// Bytes read ahead where they come straight from the socket: enough for hundreds of control
/// messages, little beside a block, whose rest then goes straight into its own buffer.
const READ_AHEAD: usize = 16 * 1024;

/// A connected socket, with or without TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

/// A socket and the TLS session on it.
#[derive(Debug)]
pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: rustls::Connection,
    /// Read from the socket, not yet taken by the session.
    sealed: BytesMut,
    /// Bytes taken from the queue and sealed, of which not all have reached the socket.
    sealing: usize,
}

impl Stream {
    pub(crate) fn tls(tcp: TcpStream, mut session: rustls::Connection) -> Self {
        session.set_buffer_limit(Some(SEAL_BATCH));
        Self::Tls(Box::new(TlsStream { tcp, session, sealed: BytesMut::new(), sealing: 0 }))
    }

    pub(crate) const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut tls.tcp,
        }
    }

    /// How many bytes to ask for when `missing` are needed and what follows is not known. A TLS
    /// session holds what was read already, so nothing is gained by taking more than needed.
    pub(crate) fn read_ahead(&self, missing: usize) -> usize {
        if self.is_plain() { missing.max(READ_AHEAD) } else { missing }
    }

    /// Appends up to `limit` bytes; 0 means that the other side has ended the stream.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut impl BufMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => poll_read_tcp(tcp, cx, into, limit),
            Self::Tls(tls) => tls.poll_read(cx, into, limit),
        }
    }

    /// Moves bytes from the front of the queue to the socket and says how many have left for the
    /// kernel; 0 if there is nothing to do.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => poll_write_tcp(tcp, cx, queue),
            Self::Tls(tls) => tls.poll_write(cx, queue),
        }
    }

    /// Queues TLS's own goodbye, so that the other side can tell our end from a cut.
    pub(crate) fn queue_close(&mut self) {
        if let Self::Tls(tls) = self {
            tls.session.send_close_notify();
        }
    }
}

impl TlsStream {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut impl BufMut,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.session.reader().fill_buf() {
                Ok(opened) => {
                    let n = opened.len().min(limit);
                    into.put_slice(&opened[..n]);
                    self.session.reader().consume(n);
                    return Poll::Ready(Ok(n));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                // The socket ended without TLS's goodbye. Frames carry their own length, so a cut
                // in the middle of one is noticed by whoever reads them.
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                Err(e) => return Poll::Ready(Err(e)),
            }
            if self.sealed.is_empty() {
                self.sealed.reserve(SEALED_READ);
                let n = ready!(poll_read_tcp(&self.tcp, cx, &mut self.sealed, SEALED_READ))?;
                if n == 0 {
                    return Poll::Ready(Ok(0));
                }
            }
            let n = self.session.read_tls(&mut &self.sealed[..])?;
            if n == 0 {
                // After TLS's goodbye the session takes no more.
                return Poll::Ready(Ok(0));
            }
            self.sealed.advance(n);
            if let Err(e) = self.session.process_new_packets() {
                // Tell the other side what is wrong, as far as that is possible at once.
                let _ = self.session.write_tls(&mut Socket(&self.tcp));
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, e)));
            }
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        loop {
            while self.session.wants_write() {
                ready!(self.tcp.poll_write_ready(cx))?;
                match self.session.write_tls(&mut Socket(&self.tcp)) {
                    Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => return Poll::Ready(Err(e)),
                }
            }
            if self.sealing > 0 || queue.is_empty() {
                return Poll::Ready(Ok(std::mem::take(&mut self.sealing)));
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let n = gather(queue, &mut slices);
            self.sealing = self.session.writer().write_vectored(&slices[..n])?;
            drop_front(queue, self.sealing);
        }
    }
}

/// A socket as rustls writes to it.
struct Socket<'a>(&'a TcpStream);

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn poll_read_tcp(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    into: &mut impl BufMut,
    limit: usize,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(tcp.poll_read_ready(cx))?;
        match tcp.try_read_buf(&mut into.limit(limit)) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

fn poll_write_tcp(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    queue: &mut VecDeque<Bytes>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let n = gather(queue, &mut slices);
    if n == 0 {
        return Poll::Ready(Ok(0));
    }
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        match tcp.try_write_vectored(&slices[..n]) {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(written) => {
                drop_front(queue, written);
                return Poll::Ready(Ok(written));
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Poll::Ready(Err(e)),
        }
    }
}

/// Fills `slices` from the front of the queue and says how many there are.
fn gather<'a>(queue: &'a VecDeque<Bytes>, slices: &mut [IoSlice<'a>]) -> usize {
    let filled = slices.iter_mut().zip(queue).map(|(slice, bytes)| *slice = IoSlice::new(bytes));
    filled.count()
}

/// Takes `n` bytes off the front of the queue.
fn drop_front(queue: &mut VecDeque<Bytes>, mut n: usize) {
    while let Some(front) = queue.front_mut() {
        if front.len() > n {
            front.advance(n);
            return;
        }
        n -= front.len();
        queue.pop_front();
    }
}
