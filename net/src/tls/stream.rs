//! A socket and the TLS session on it.
//!
//! Bytes are received and sent 256 KiB at a time, in buffers of the pool that are given back as soon
//! as they are empty: a connection that rests holds none. A whole record is opened straight into the
//! memory of the message that it belongs to, if it lies within it.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    ops::Range,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::record::{CONTENT_MAX, DUE_MAX, Opened, RECORD_MAX, RecordError, Session};
use crate::{
    Buffer, Buffers,
    stream::{self, drop_front, poll_write_tcp},
};

/// Bytes received at once, and sealed before they are sent: fifteen records, one system call. With a
/// quarter of that the two sides wake each other so often that 1 GiB takes a tenth longer.
const BATCH: usize = 256 * 1024;

#[derive(Debug)]
pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: Session,
    buffers: Buffers,
    /// Received and not yet opened is what lies in `sealed` of it.
    received: Buffer,
    sealed: Range<usize>,
    /// Opened and not yet read is what lies here in `received`.
    opened: Range<usize>,
    /// The other side has said that nothing follows.
    ended: bool,
    /// Sealed and not yet sent is what lies in `leaving` of it.
    sending: Buffer,
    leaving: Range<usize>,
    /// Bytes taken from the queue and sealed, of which not all have left.
    sealing: usize,
}

impl TlsStream {
    pub(crate) fn new(tcp: TcpStream, session: Session, buffers: Buffers) -> Self {
        Self {
            tcp,
            session,
            buffers,
            received: Buffer::default(),
            sealed: 0..0,
            opened: 0..0,
            ended: false,
            sending: Buffer::default(),
            leaving: 0..0,
            sealing: 0,
        }
    }

    pub(crate) const fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// Whether the beginning of a record is here and not all of it.
    pub(crate) fn mid_record(&self) -> bool {
        !self.ended && !self.sealed.is_empty()
    }

    /// Says goodbye with the next write. Nothing may be queued any more.
    pub(crate) const fn close(&mut self) {
        self.session.close();
    }

    /// See [`Stream::poll_read`](crate::stream::Stream::poll_read).
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.opened.is_empty() {
                let n = self.opened.len().min(limit);
                let from = self.opened.start;
                into[..n].copy_from_slice(&self.received.as_ref()[from..from + n]);
                self.opened.start += n;
                return Poll::Ready(Ok(n));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            match self.open(into, limit) {
                Ok(Some(n)) if n > 0 => return Poll::Ready(Ok(n)),
                Ok(Some(_)) => {}
                Ok(None) => {
                    if ready!(self.poll_receive(cx))? == 0 {
                        // The socket ended without a goodbye. Frames carry their own length, so a
                        // cut in the middle of one is noticed by whoever reads them.
                        let cut = self.mid_record();
                        return Poll::Ready(if cut { Err(stream::cut()) } else { Ok(0) });
                    }
                }
                Err(error) => {
                    self.complain(&error);
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
            }
        }
    }

    /// Opens the next record, if all of it is here. Returns how many bytes of it went to `into`.
    fn open(&mut self, into: &mut [u8], limit: usize) -> Result<Option<usize>, RecordError> {
        let sealed = &mut self.received.as_mut()[self.sealed.clone()];
        let Some(len) = Session::record_len(sealed)? else { return Ok(None) };
        let Some(record) = sealed.get_mut(..len) else { return Ok(None) };
        let (start, inner) = (self.sealed.start, Session::inner_len(len));
        self.sealed.start += len;
        // What is behind the content, a byte and perhaps padding, needs room for a moment.
        let direct = inner - 1 <= limit && inner <= into.len();
        let opened = if direct {
            self.session.open_into(record, &mut into[..inner])?
        } else {
            self.session.open_in_place(record)?
        };
        match opened {
            Opened::Data(n) if direct => return Ok(Some(n)),
            Opened::Data(n) => {
                let content = start + Session::CONTENT_AT;
                self.opened = content..content + n;
            }
            Opened::Control => {}
            Opened::End => self.ended = true,
        }
        Ok(Some(0))
    }

    /// Receives more behind what is here, of which nothing is opened and unread.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        loop {
            if self.tcp.poll_read_ready(cx)?.is_pending() {
                // Who sends the beginning of a record and no more does not hold a batch's memory.
                if !self.received.room().is_empty() {
                    self.make_room(0);
                }
                return Poll::Pending;
            }
            if self.sealed.is_empty() || self.received.room().len() < RECORD_MAX {
                self.make_room(BATCH - self.sealed.len());
            }
            match self.tcp.try_read(self.received.room()) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    let n = result?;
                    self.received.advance(n);
                    self.sealed.end += n;
                    return Poll::Ready(Ok(n));
                }
            }
        }
    }

    /// Moves what is not opened yet to the front of other memory, with so much room behind it.
    fn make_room(&mut self, room: usize) {
        let (from, sealed) = (mem::take(&mut self.received), mem::take(&mut self.sealed));
        // Given back before more is taken, if it is of no more use: the processor has it in its cache.
        let from = (!sealed.is_empty()).then_some(from);
        let mut next = self.buffers.take(sealed.len() + room);
        if let Some(from) = from {
            next.put(&from.as_ref()[sealed]);
        }
        self.sealed = 0..next.len();
        self.received = next;
    }

    /// Tells the other side what is wrong, as far as that is possible at once.
    fn complain(&mut self, error: &RecordError) {
        self.ended = true;
        self.session.fail(error);
        if self.leaving.is_empty() {
            let mut alert = [0; DUE_MAX];
            if let Ok(n) = self.session.seal_due(&mut alert) {
                let _ = self.tcp.try_write(&alert[..n]);
            }
        }
    }

    /// See [`Stream::poll_write`](crate::stream::Stream::poll_write).
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut VecDeque<Bytes>,
    ) -> Poll<io::Result<usize>> {
        loop {
            while !self.leaving.is_empty() {
                let leaving = IoSlice::new(&self.sending.as_ref()[self.leaving.clone()]);
                self.leaving.start += ready!(poll_write_tcp(&self.tcp, cx, &[leaving], false))?;
            }
            if self.sealing > 0 || (queue.is_empty() && !self.session.is_due()) {
                if queue.is_empty() {
                    self.sending = Buffer::default();
                }
                return Poll::Ready(Ok(mem::take(&mut self.sealing)));
            }
            self.seal(queue)?;
        }
    }

    /// Seals as much of the queue as is sent at once.
    fn seal(&mut self, queue: &mut VecDeque<Bytes>) -> io::Result<()> {
        self.sending = Buffer::default();
        let mut batch = self.buffers.take(BATCH);
        let n = self.session.seal_due(batch.room()).map_err(io::Error::other)?;
        batch.advance(n);
        while let Some(front) = queue.front()
            && batch.room().len() >= RECORD_MAX
        {
            let len = front.len().min(CONTENT_MAX);
            let sealed = self.session.seal(&front[..len], batch.room());
            batch.advance(sealed);
            self.sealing += len;
            drop_front(queue, len);
        }
        self.leaving = 0..batch.len();
        self.sending = batch;
        Ok(())
    }
}
