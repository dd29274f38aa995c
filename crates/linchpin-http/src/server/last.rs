//! The connections that wait in the queue of a listener when it is closed.

use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use linchpin::context::Context;
use tokio::net::{TcpListener, TcpStream};

/// What the handshakes that have begun take to end, on this host or near it.
const SETTLES: Duration = Duration::from_millis(5);

/// Closes a listener, and serves all that came before: the kernel resets those whom nobody took.
pub(super) async fn connections(
    listener: TcpListener,
    hard: &Context,
    serve: impl Fn((TcpStream, SocketAddr)),
) {
    // From here on no more than one waits: to others the kernel does not answer, and when they try again, a second later,
    // nobody listens.
    let shrunk = rustix::net::listen(&listener, 0).map_err(io::Error::from);
    let taken = match shrunk.and_then(|()| listener.into_std()) {
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
