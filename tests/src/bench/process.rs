//! What the kernel knows about a process.

use std::time::Duration;

use anyhow::{Context, Result};

/// Processor time of a process and its threads so far, to a hundredth of a second.
pub fn cpu(pid: u32) -> Result<Duration> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("no process {pid}"))?;
    // The command stands in parentheses and may contain anything; utime and stime are fields 14 and 15.
    let fields: Vec<&str> = text
        .rsplit_once(") ")
        .context("/proc/PID/stat")?
        .1
        .split(' ')
        .collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // Linux reports in hundredths on every architecture it runs a container on.
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("no process {pid}"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
