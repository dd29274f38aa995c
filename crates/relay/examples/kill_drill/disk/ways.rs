//! The ways in which a disk fails, as strace makes them up.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use tokio::process::Command;

/// Calls that fail, which they are and when.
pub(super) struct Way {
    kind: &'static Kind,
    when: String,
}

struct Kind {
    calls: &'static str,
    error: &'static str,
    file: Which,
    /// The first call of a thread that fails.
    first: Range<u32>,
    /// Those after it.
    then: Then,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Which {
    Log,
    /// Written at checkpoints alone.
    Database,
}

#[derive(Clone, Copy)]
enum Then {
    /// One in so many.
    Often(u32),
    /// So many in a row.
    While(u32),
    All,
}

const SYNCS: &str = "fsync,fdatasync";
const WRITES: &str = "pwrite64";
const BOTH: &str = "pwrite64,ftruncate,fsync,fdatasync";

/// Taken by turns. A commit is one sync and some dozens of writes, a checkpoint two syncs and some hundreds of writes.
const KINDS: [Kind; 10] = [
    Kind { calls: SYNCS, error: "EIO", file: Which::Log, first: 8..30, then: Then::Often(5) },
    Kind {
        calls: WRITES,
        error: "ENOSPC",
        file: Which::Log,
        first: 200..900,
        then: Then::Often(350),
    },
    Kind { calls: BOTH, error: "EIO", file: Which::Database, first: 1..50, then: Then::Often(3) },
    Kind { calls: WRITES, error: "EIO", file: Which::Log, first: 200..900, then: Then::Often(450) },
    Kind { calls: BOTH, error: "ENOSPC", file: Which::Log, first: 200..900, then: Then::All },
    Kind { calls: SYNCS, error: "EIO", file: Which::Database, first: 1..3, then: Then::Often(2) },
    Kind { calls: SYNCS, error: "ENOSPC", file: Which::Log, first: 8..30, then: Then::While(4) },
    Kind {
        calls: WRITES,
        error: "ENOSPC",
        file: Which::Log,
        first: 200..900,
        then: Then::While(12),
    },
    Kind { calls: BOTH, error: "ENOSPC", file: Which::Database, first: 1..20, then: Then::All },
    Kind { calls: SYNCS, error: "EIO", file: Which::Log, first: 8..30, then: Then::All },
];

impl Way {
    pub(super) fn of_round(round: u32, random: &mut fastrand::Rng) -> Self {
        let kind = &KINDS[(round as usize - 1) % KINDS.len()];
        let first = random.u32(kind.first.clone());
        let when = match kind.then {
            Then::Often(step) => format!("{first}+{step}"),
            Then::While(count) => format!("{first}..{}", first + count),
            Then::All => format!("{first}+"),
        };
        Self { kind, when }
    }

    /// strace, to be given the binary. It runs as a grandchild: the process that is started, signalled and waited for is
    /// Relay. What fails is written to `trace`.
    pub(super) fn command(&self, database: &Path, trace: &Path) -> Command {
        let Kind { calls, error, file, .. } = self.kind;
        let path = match file {
            Which::Log => format!("{}-wal", database.display()),
            Which::Database => database.display().to_string(),
        };
        let inject = format!("inject={calls}:error={error}:when={}", self.when);
        let mut strace = Command::new("strace");
        strace
            .args(["--seccomp-bpf", "-D", "-f", "-qq", "-s", "0", "-P", &path])
            .args(["-e", &format!("trace={calls}"), "-e", &inject, "-o"])
            .arg(trace);
        strace
    }

    /// Whether all is well again after a time.
    pub(super) fn heals(&self) -> bool {
        !matches!((self.kind.then, self.kind.file), (Then::All, Which::Log))
    }

    pub(super) fn is_at_checkpoints(&self) -> bool {
        self.kind.file == Which::Database
    }
}

/// What the log should have said and has not.
pub(super) fn unsaid(refused: usize, log: &str) -> Option<String> {
    let told = ["disk I/O error", "database or disk is full"].iter().any(|why| log.contains(why));
    (refused > 0 && !told).then(|| format!("the log does not say why it refused: {log}"))
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kind { calls, error, file, .. } = self.kind;
        let file = match file {
            Which::Log => "log",
            Which::Database => "file",
        };
        write!(f, "{error} from {calls} of the {file}, {}", self.when)
    }
}
