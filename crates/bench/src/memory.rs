//! How much memory a process holds.

use std::fs;

use linchpin::error::ResultExt as _;
use linchpin::{Error, Kind, Result};

/// Resident memory of a process in bytes.
///
/// # Errors
///
/// Where there is no such process, or no `/proc` as Linux has it.
pub fn resident(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).kind(Kind::Unavailable).context(format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let kib = kib.ok_or_else(|| Error::new(Kind::Internal, format!("{path} looks different")))?;
    Ok(kib * 1024)
}
