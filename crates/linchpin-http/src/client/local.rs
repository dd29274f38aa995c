//! What this side of the network lacks, which says nothing of the other side.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustix::io::Errno;

/// A call that did not leave this machine, for want of something here. Nobody knows how the other side is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalFault {
    pub(super) lack: Lack,
    pub(super) text: String,
}

/// What there is not enough of, or none.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Lack {
    /// Memory of the kernel for a connection.
    Buffers,
    /// Files that may be open, of this process or of the system.
    Files,
    /// Ports or addresses of our own to call from.
    Ports,
    /// An answer from a name server: that a name is not there would be one.
    Resolver,
    /// A route: the kernel has refused before anything was sent.
    Route,
}

// ===== impl LocalFault =====

impl LocalFault {
    /// What was lacking.
    #[must_use]
    pub fn lack(&self) -> Lack {
        self.lack
    }
}

impl fmt::Display for LocalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for LocalFault {}

// ===== impl Lack =====

impl Lack {
    /// All there are.
    pub const ALL: [Self; 5] =
        [Self::Buffers, Self::Files, Self::Ports, Self::Resolver, Self::Route];

    /// A word for it, as a label of a metric has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buffers => "buffers",
            Self::Files => "files",
            Self::Ports => "ports",
            Self::Resolver => "resolver",
            Self::Route => "route",
        }
    }

    /// What was lacking for a connection that came to nothing, `at_once` or after a packet was sent: a router may say that it has
    /// no route, too, and that is one of the other side.
    pub(super) fn for_dial(fault: &io::Error, at_once: bool) -> Option<Self> {
        match Errno::from_io_error(fault)? {
            Errno::MFILE | Errno::NFILE => Some(Self::Files),
            Errno::NOBUFS | Errno::NOMEM => Some(Self::Buffers),
            Errno::ADDRNOTAVAIL => Some(Self::Ports),
            Errno::NETDOWN | Errno::NETUNREACH | Errno::HOSTUNREACH if at_once => Some(Self::Route),
            _ => None,
        }
    }

    /// The same for a name that was looked up.
    pub(super) fn for_look_up(fault: &io::Error) -> Option<Self> {
        let is_unanswered = fault.kind() == io::ErrorKind::NetworkDown;
        let lack = Self::for_dial(fault, true);
        // Whatever keeps us from a name server, it is none of the name's.
        let lack = lack.map(|lack| if lack == Self::Route { Self::Resolver } else { lack });
        lack.or(is_unanswered.then_some(Self::Resolver))
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the system says when no name server has answered, or none would: glibc's words, and musl's. Its code is lost on the
/// way through the standard library.
const UNANSWERED: [&str; 4] = [
    "Temporary failure in name resolution",
    "Non-recoverable failure in name resolution",
    "Try again",
    "Non-recoverable error",
];

/// Has a fault of the system's resolver say by its kind what it is.
pub(super) fn told_apart(fault: io::Error) -> io::Error {
    let text = fault.to_string();
    if UNANSWERED.iter().any(|words| text.ends_with(words)) {
        return io::Error::new(io::ErrorKind::NetworkDown, text);
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[linchpin_testing::test]
    fn what_is_lacking_here_is_told_from_what_the_other_side_says() {
        for (errno, at_once, later) in [
            (Errno::MFILE, Some(Lack::Files), Some(Lack::Files)),
            (Errno::NFILE, Some(Lack::Files), Some(Lack::Files)),
            (Errno::NOBUFS, Some(Lack::Buffers), Some(Lack::Buffers)),
            (Errno::NOMEM, Some(Lack::Buffers), Some(Lack::Buffers)),
            (Errno::ADDRNOTAVAIL, Some(Lack::Ports), Some(Lack::Ports)),
            (Errno::NETUNREACH, Some(Lack::Route), None),
            (Errno::HOSTUNREACH, Some(Lack::Route), None),
            (Errno::NETDOWN, Some(Lack::Route), None),
            (Errno::CONNREFUSED, None, None),
            (Errno::CONNRESET, None, None),
            (Errno::TIMEDOUT, None, None),
            (Errno::ACCESS, None, None),
        ] {
            let fault = io::Error::from(errno);
            assert_eq!(Lack::for_dial(&fault, true), at_once, "{fault}");
            assert_eq!(Lack::for_dial(&fault, false), later, "{fault}");
        }
        assert_eq!(Lack::for_dial(&io::Error::other("bad"), true), None);
    }

    #[linchpin_testing::test]
    fn a_name_that_is_not_there_is_no_fault_of_ours() {
        let said = |words: &str| {
            let fault = format!("failed to lookup address information: {words}");
            Lack::for_look_up(&told_apart(io::Error::other(fault)))
        };
        assert_eq!(said("Temporary failure in name resolution"), Some(Lack::Resolver));
        assert_eq!(said("Try again"), Some(Lack::Resolver));
        assert_eq!(said("Name or service not known"), None);
        assert_eq!(said("No address associated with hostname"), None);
        for (errno, lack) in [
            (Errno::MFILE, Some(Lack::Files)),
            (Errno::NETUNREACH, Some(Lack::Resolver)),
            (Errno::CONNREFUSED, None),
        ] {
            assert_eq!(Lack::for_look_up(&io::Error::from(errno)), lack, "{errno}");
        }
    }
}
