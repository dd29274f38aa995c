//! A stream that fails when its peer does not read, and tells what goes through it.
//!
//! Closed with something unread, the kernel resets the connection, and throws away what the peer has not read yet: its answer. So
//! where more comes than anybody wants, the end is told first, and what still comes is read for a moment.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use linchpin::task::Timer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::closed::Reason;
use super::pace::{Pace, Patience};
use super::seat::Seat;

/// A stream whose peer must read what is written.
pub(super) struct BoundedIo {
    stream: TcpStream,
    patience: Patience,
    seat: Arc<Seat>,
    /// Nothing more is written.
    is_shut: bool,
    /// What may still be read that nobody wants, in bytes and until then.
    unwanted: usize,
    until: Timer,
}

/// So much is read of what nobody wants, and for so long, after the answer.
const UNWANTED: usize = 16 << 20;
const LINGER: Duration = Duration::from_secs(1);
/// So much at a time.
const PIECE: usize = 8 << 10;

impl BoundedIo {
    pub(super) fn new(stream: TcpStream, pace: Pace, seat: Arc<Seat>) -> Self {
        Self {
            stream,
            patience: Patience::new(pace),
            seat,
            is_shut: false,
            unwanted: UNWANTED,
            until: Timer::stopped(),
        }
    }

    /// Reads what still comes, until its end, or until it is enough.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.until.moment().is_none() {
            self.until.reset(LINGER);
        }
        let mut piece = [0; PIECE];
        while self.unwanted > 0 {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.unwanted = self.unwanted.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.until.poll_fire(cx).map(drop),
            }
        }
        Poll::Ready(())
    }

    /// Passes progress on, of so many bytes, and turns a wait that is too long into an error.
    fn bounded<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        bytes: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = polled {
            self.patience.moved(done.as_ref().map_or(0, bytes));
            return Poll::Ready(done);
        }
        ready!(self.patience.poll_end(cx));
        self.seat.too_slow(Reason::Write);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")))
    }
}

impl AsyncRead for BoundedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.seat.read();
        }
        polled
    }
}

impl AsyncWrite for BoundedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, polled, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bounded(cx, polled, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        let polled = self.bounded(cx, polled, |()| 0);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.seat.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.bounded(cx, polled, |()| 0))?;
            self.is_shut = true;
        }
        if self.seat.lingers() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
