//! Telling a service manager where the service stands, by the protocol of systemd's `sd_notify`.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

/// Where a service manager listens. Clones share it.
///
/// Give it to [`lifecycle::Options::notify`](crate::lifecycle::Options::notify), which knows when to tell what.
#[derive(Clone)]
pub struct Notifier {
    socket: Arc<UnixDatagram>,
}

// ===== impl Notifier =====

impl Notifier {
    /// For what `NOTIFY_SOCKET` names: a path, or on Linux `@` and an abstract name.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn connect(address: &OsStr) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        match address.as_encoded_bytes() {
            [b'@', name @ ..] => connect_abstract(&socket, name)?,
            _ => socket.connect(address)?,
        }
        // A manager that does not read must not hold the service up.
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Arc::new(socket) })
    }

    /// Tells a state, such as `READY=1`; several stand on lines of their own. What cannot be told is logged, and no more.
    pub fn tell(&self, state: &str) {
        if let Err(error) = self.socket.send(state.as_bytes()) {
            tracing::warn!(%error, state, "cannot tell the service manager");
        }
    }
}

#[cfg(target_os = "linux")]
fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    socket.connect_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(not(target_os = "linux"))]
fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "abstract names are Linux's"))
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}
