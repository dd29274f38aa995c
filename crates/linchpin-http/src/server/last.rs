//! The connections that wait in the queue of a listener when it is closed.
//!
//! The kernel resets whom nobody has taken by then, and it may have answered one while nobody looked: between the last look and the
//! close lies little time, or a lot, if others have the processor. So it is told first to answer no more, the handshakes that
//! have begun come to their end, and what waits then is all.

use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use linchpin::context::Context;
use tokio::net::{TcpListener, TcpStream};

/// What the handshakes that have begun take to end, on this host or near it.
const SETTLES: Duration = Duration::from_millis(5);

/// Closes a listener, and serves all that came before.
pub(super) async fn connections(
    listener: TcpListener,
    hard: &Context,
    serve: impl Fn((TcpStream, SocketAddr)),
) {
    let taken = match deaf(&listener).and_then(|()| listener.into_std()) {
        Ok(listener) => {
            let first = take(&listener, &serve);
            drop(hard.sleep(SETTLES).await);
            // Nothing is awaited from the last look to the close.
            first.and(take(&listener, &serve))
        }
        Err(fault) => Err(fault),
    };
    if let Err(fault) = taken {
        tracing::warn!(%fault, "cannot take the last connections");
    }
}

/// From here on the kernel answers nobody who wants to connect. They try again, a second later, and find that nobody listens.
#[cfg(target_os = "linux")]
fn deaf(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // In the words of BPF, of what comes to a listener, which begins with its TCP header: is this a SYN? Then nothing of it
    // is kept, else all.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const NO_SYN: [SockFilter; 4] = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    // Some sandboxes have no filters.
    SockRef::from(listener).attach_filter(&NO_SYN).or_else(|_| narrow(listener))
}

#[cfg(not(target_os = "linux"))]
fn deaf(listener: &TcpListener) -> io::Result<()> {
    narrow(listener)
}

/// From here on no more than one waits, which is the best where there are no filters.
fn narrow(listener: &TcpListener) -> io::Result<()> {
    rustix::net::listen(listener, 0).map_err(io::Error::from)
}

fn take(listener: &net::TcpListener, serve: &impl Fn((TcpStream, SocketAddr))) -> io::Result<()> {
    loop {
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => continue,
            // Gone again before it was taken.
            Err(fault) if fault.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(fault) => return Err(fault),
        };
        stream.set_nonblocking(true)?;
        serve((TcpStream::from_std(stream)?, peer));
    }
}
