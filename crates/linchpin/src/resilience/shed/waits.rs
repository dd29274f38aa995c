//! How long the threads of this process have waited for a processor.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// What is known of each thread, so that one that ends takes nothing of the sum with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits {
    threads: BTreeMap<String, Duration>,
    total: Duration,
}

const THREADS: &str = "/proc/self/task";

impl Waits {
    /// The time of all threads so far, those that have ended included, up to the reading before their end. Nothing on a
    /// kernel that does not keep it.
    pub(super) fn read(&mut self) -> Duration {
        let before = std::mem::take(&mut self.threads);
        for thread in fs::read_dir(THREADS).into_iter().flatten().flatten() {
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let (Ok(name), Some(waited)) = (thread.file_name().into_string(), waited(&text)) else {
                continue;
            };
            let known = before.get(&name).copied().unwrap_or_default();
            self.total += waited.saturating_sub(known);
            self.threads.insert(name, waited);
        }
        self.total
    }
}

/// `schedstat` is the time it ran and the time it waited, in nanoseconds, and how often it ran.
fn waited(text: &str) -> Option<Duration> {
    text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}
