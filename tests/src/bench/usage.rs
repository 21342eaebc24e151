//! What a process takes of the machine, as Linux counts it in `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Bytes in the megabyte that figures are told in.
const MEGABYTE: f64 = 1_000_000.0;

/// Memory of a process, in megabytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// Of that, what no file backs: the heap and stacks. The rest is the program itself, which the kernel can drop.
    pub anonymous: f64,
    /// The most it ever had resident.
    pub peak: f64,
}

/// What the process has resident.
pub fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    memory_of(&status).with_context(|| format!("{path} does not say how much is resident"))
}

/// Has the most that was ever resident counted anew from now on.
pub fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
}

fn memory_of(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1024.0 / MEGABYTE)
    };
    Some(Memory {
        resident: field("VmRSS:")?,
        anonymous: field("RssAnon:")?,
        peak: field("VmHWM:")?,
    })
}

/// The time all cores have spent on the process since it started, in itself and in the kernel.
pub fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks_of(&stat).with_context(|| format!("{path} does not say how long it ran"))?;
    Ok(Duration::from_secs_f64(
        ticks / rustix::param::clock_ticks_per_second() as f64,
    ))
}

/// Fields 14 and 15. The second is the program's name in parentheses, which may hold blanks itself.
fn ticks_of(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(str::parse::<f64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        let status = "Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\nRssAnon:\t     500 kB\nThreads:\t3\n";
        let memory = memory_of(status).unwrap();
        assert_eq!(
            (memory.resident, memory.anonymous, memory.peak),
            (1.024, 0.512, 2.048)
        );
        let stat = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0";
        assert_eq!(ticks_of(stat), Some(300.0));
    }

    #[test]
    fn this_process_has_memory_and_has_run() {
        let own = std::process::id();
        assert!(memory(own).unwrap().peak > 1.0);
        assert!(cpu(own).unwrap() < Duration::from_hours(1));
    }
}
