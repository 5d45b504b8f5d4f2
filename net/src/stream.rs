//! Bytes to and from a socket, sealed by TLS or not.
//!
//! One task owns a stream and drives both directions, so there is no lock between them.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;

use crate::{
    Buffers,
    tls::{record::Session, stream::TlsStream},
};

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

impl Stream {
    pub(crate) fn tls(tcp: TcpStream, session: Session, buffers: Buffers) -> Self {
        Self::Tls(Box::new(TlsStream::new(tcp, session, buffers)))
    }

    pub(crate) const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.tcp(),
        }
    }

    /// How many bytes to ask for when `missing` are needed and what follows is not known. With TLS
    /// what was received is here already, so nothing is gained by taking more than needed.
    pub(crate) fn read_ahead(&self, missing: usize) -> usize {
        if self.is_plain() { missing.max(READ_AHEAD) } else { missing }
    }

    /// Whether more was received than can be read yet, because the rest of a TLS record is missing.
    pub(crate) fn mid_record(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.mid_record(),
        }
    }

    /// Reads up to `limit` bytes to the front of `into`, which is at least as long; what lies
    /// behind them may be overwritten too. 0 means that the other side has ended the stream.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => poll_read_tcp(tcp, cx, &mut into[..limit]),
            Self::Tls(tls) => tls.poll_read(cx, into, limit),
        }
    }

    /// Moves bytes from the front of the queue to the socket and says how many have left for the
    /// kernel; 0 if there is nothing to do. With `more` something follows at once that is not in the
    /// queue, and a packet may wait for it.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
        more: bool,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => poll_write_queue(tcp, cx, queue, more),
            Self::Tls(tls) => tls.poll_write(cx, queue),
        }
    }

    /// Says TLS's own goodbye with the next write, so that the other side can tell our end from a
    /// cut. Nothing may be queued any more.
    pub(crate) const fn close(&mut self) {
        if let Self::Tls(tls) = self {
            tls.close();
        }
    }
}

/// The stream ended in the middle of a message.
pub(crate) fn cut() -> io::Error {
    let why = "the connection was cut in the middle of a message";
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

fn poll_read_tcp(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    into: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(tcp.poll_read_ready(cx))?;
        match tcp.try_read(into) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

/// Writes some of the bytes, at least one. With `more` a packet may wait for what follows at once.
pub(crate) fn poll_write_tcp(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
    more: bool,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let written =
            if more { try_write_more(tcp, slices) } else { tcp.try_write_vectored(slices) };
        match written {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

#[cfg(target_os = "linux")]
fn try_write_more(tcp: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

    let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
    tcp.try_io(tokio::io::Interest::WRITABLE, || {
        Ok(sendmsg(tcp, slices, &mut SendAncillaryBuffer::default(), flags)?)
    })
}

#[cfg(not(target_os = "linux"))]
fn try_write_more(tcp: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    tcp.try_write_vectored(slices)
}

fn poll_write_queue(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    queue: &mut VecDeque<Bytes>,
    more: bool,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let n = gather(queue, &mut slices);
    if n == 0 {
        return Poll::Ready(Ok(0));
    }
    let more = more && n == queue.len();
    let written = ready!(poll_write_tcp(tcp, cx, &slices[..n], more))?;
    drop_front(queue, written);
    Poll::Ready(Ok(written))
}

/// Fills `slices` from the front of the queue and says how many there are.
fn gather<'a>(queue: &'a VecDeque<Bytes>, slices: &mut [IoSlice<'a>]) -> usize {
    let filled = slices.iter_mut().zip(queue).map(|(slice, bytes)| *slice = IoSlice::new(bytes));
    filled.count()
}

/// Takes `n` bytes off the front of the queue.
pub(crate) fn drop_front(queue: &mut VecDeque<Bytes>, mut n: usize) {
    while let Some(front) = queue.front_mut() {
        if front.len() > n {
            front.advance(n);
            return;
        }
        n -= front.len();
        queue.pop_front();
    }
}
