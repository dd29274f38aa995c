//! How much of the processors is used: where it is read, and how it is averaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::waits::Waits;
use crate::time::Instant;

/// Tells how much of the processors has been used. The default reads what the kernel says of this process's group; for a
/// test, or for another measure of load, something else.
pub trait Source: Send + 'static {
    /// What was used up to now. Called four times a second, on a task: it must be quick.
    ///
    /// # Errors
    ///
    /// If it cannot be read. Then nothing counts as used until it can.
    fn read(&mut self) -> io::Result<Usage>;
}

/// What has been used since whenever; only differences count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Time of processors.
    pub used: Duration,
    /// For how long the kernel held the process back since its quota was used up. If it grows there is too much to do,
    /// whatever the average.
    pub throttled: Duration,
    /// How many processors there are: the quota, if there is one.
    pub processors: f64,
}

/// The control group of this process (cgroup v2), or this process alone where there is none.
///
/// Of a process alone counts what its threads have used of the processors, and for how long they were ready and waited for
/// one: on a machine that others use too, a process that gets half of what it needs is as overloaded as one that has all.
///
/// Never the load average, which in a container is that of its host.
#[derive(Clone, Debug)]
pub struct Process {
    group: Option<PathBuf>,
    processors: f64,
    waits: Waits,
}

/// What is made of it.
#[derive(Debug, Default)]
pub(super) struct Average {
    last: Option<(Instant, Usage)>,
    share: f64,
}

/// The share of the processors that is used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) share: f64,
    pub(super) throttled: bool,
}

const MOUNTED: &str = "/sys/fs/cgroup";
/// What a reading keeps of the average so far: go-zero's. With four readings a second half of a change is seen after
/// three seconds and a half.
const KEPT: f64 = 0.95;

impl Process {
    /// Looks for the group of this process.
    #[must_use]
    pub fn new() -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        // The line of version 2 has neither a number nor controllers.
        let path = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let group = path.map(|path| Path::new(MOUNTED).join(path));
        Self::at(group.filter(|group| group.join("cpu.stat").is_file()), Path::new(MOUNTED))
    }

    /// A group of cgroup v2 by its folder, which has a `cpu.stat` and, if there is a quota, a `cpu.max`.
    #[must_use]
    pub fn group(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let top = folder.clone();
        Self::at(Some(folder), &top)
    }

    /// This process alone, whatever group it is in.
    #[must_use]
    pub fn alone() -> Self {
        Self::at(None, Path::new(MOUNTED))
    }

    /// The least quota of the group and of those around it holds.
    fn at(group: Option<PathBuf>, top: &Path) -> Self {
        let all = thread::available_parallelism().map_or(1.0, |all| all.get() as f64);
        let quotas = group.iter().flat_map(|group| group.ancestors());
        let quotas = quotas.take_while(|folder| folder.starts_with(top)).filter_map(quota);
        Self { processors: quotas.fold(all, f64::min), group, waits: Waits::default() }
    }
}

impl Default for Process {
    fn default() -> Self {
        Self::new()
    }
}

impl Source for Process {
    fn read(&mut self) -> io::Result<Usage> {
        let (used, throttled) = match &self.group {
            Some(group) => stat(&fs::read_to_string(group.join("cpu.stat"))?)?,
            None => {
                let time = clock_gettime(ClockId::ProcessCPUTime);
                let used = Duration::new(time.tv_sec as u64, time.tv_nsec as u32);
                (used + self.waits.read(), Duration::ZERO)
            }
        };
        Ok(Usage { used, throttled, processors: self.processors })
    }
}

impl<F: FnMut() -> io::Result<Usage> + Send + 'static> Source for F {
    fn read(&mut self) -> io::Result<Usage> {
        self()
    }
}

/// `cpu.max` is `QUOTA PERIOD` in microseconds, or `max PERIOD`.
fn quota(folder: &Path) -> Option<f64> {
    let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
    let mut words = text.split_ascii_whitespace().map(str::parse::<f64>);
    let (quota, period) = (words.next()?.ok()?, words.next()?.ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

/// `cpu.stat` is a number a line. Without a quota nothing says for how long it held back.
fn stat(text: &str) -> io::Result<(Duration, Duration)> {
    let micros = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, number) = lines.find(|(key, _)| *key == name)?;
        number.trim().parse().ok().map(Duration::from_micros)
    };
    let used = micros("usage_usec")
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no usage in cpu.stat"))?;
    Ok((used, micros("throttled_usec").unwrap_or_default()))
}

impl Average {
    /// Takes a reading in. The first gives nothing to compare with, and start-up is no load: the average begins at zero.
    pub(super) fn feed(&mut self, now: Instant, usage: Usage) -> Reading {
        let Some((then, before)) = self.last.replace((now, usage)) else {
            return Reading::default();
        };
        let there_was = (now - then).as_secs_f64() * usage.processors;
        if there_was > 0.0 {
            let used = usage.used.saturating_sub(before.used).as_secs_f64();
            let share = (used / there_was).min(1.0);
            self.share = self.share * KEPT + share * (1.0 - KEPT);
        }
        Reading { share: self.share, throttled: usage.throttled > before.throttled }
    }

    /// Nothing is known any more.
    pub(super) fn forget(&mut self) -> Reading {
        *self = Self::default();
        Reading::default()
    }
}
