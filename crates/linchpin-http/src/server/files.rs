//! How many files may be open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have as many files open as the system allows it, and says how many: connections are files, and the
/// number that a shell or a unit starts with, often 1,024, is one for programs that still use `select`.
///
/// # Errors
///
/// Those of the system. The limit is what it was then.
pub fn raise_open_files() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit.
    let most = maximum.unwrap_or(u64::MAX);
    if current.unwrap_or(u64::MAX) < most {
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(most)
}
