//! From a file to the network without memory of ours in between.

use std::{
    io,
    os::unix::fs::FileExt as _,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::net::TcpStream;

use crate::{Buffers, queue::Span};

/// Sends some of a part of a file, at least a byte. Does not wait for the other side, but for the
/// disk if the part is not in the page cache.
///
/// # Errors
/// [`is_unsupported`] ones if this file cannot be sent so; the network's, the disk's, or that the file has
/// become shorter.
#[cfg(target_os = "linux")]
pub(crate) fn poll_send(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    span: &Span,
) -> Poll<io::Result<usize>> {
    use std::task::ready;

    use rustix::{fs::sendfile, io::retry_on_intr};
    use tokio::io::Interest;

    loop {
        ready!(tcp.poll_write_ready(cx))?;
        let send =
            || retry_on_intr(|| sendfile(tcp, &span.file, Some(&mut { span.offset }), span.len));
        match tcp.try_io(Interest::WRITABLE, || Ok(send()?)) {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

/// Other systems have other ways, with other arguments.
#[cfg(not(target_os = "linux"))]
pub(crate) fn poll_send(_: &TcpStream, _: &mut Context<'_>, _: &Span) -> Poll<io::Result<usize>> {
    Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
}

/// Whether the file, or its file system, is not one to be sent from: its bytes are to be read.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

/// Reads a part of a file. Waits for the disk.
///
/// # Errors
/// The disk's, or that the file has become shorter.
pub(crate) fn read(span: &Span, buffers: &Buffers) -> io::Result<Bytes> {
    let mut bytes = buffers.take(span.len);
    span.file.read_exact_at(&mut bytes.room()[..span.len], span.offset)?;
    bytes.advance(span.len);
    Ok(bytes.freeze())
}
