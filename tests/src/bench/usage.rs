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

/// The time all cores have spent on the threads that the process has now, in themselves and in the kernel. To the
/// nanosecond: the ticks of `/proc/PID/stat` are as long as what an idle minute takes.
pub fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?;
    let mut spent = Duration::ZERO;
    for task in tasks {
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else {
            continue;
        };
        spent += on_cpu(&stat).with_context(|| format!("{path} does not say how long it ran"))?;
    }
    Ok(spent)
}

/// The first field: nanoseconds on a processor.
fn on_cpu(schedstat: &str) -> Option<Duration> {
    let nanos = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// The machine, for whoever reads the figures elsewhere: processor, cores, kernel.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!(
        "{cores} cores of {}, Linux {}",
        model.as_deref().unwrap_or("an unnamed processor"),
        read("/proc/sys/kernel/osrelease").trim()
    )
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
        assert_eq!(on_cpu("1500 70 3\n"), Some(Duration::from_nanos(1500)));
    }

    #[test]
    fn this_process_has_memory_and_has_run() {
        let own = std::process::id();
        assert!(memory(own).unwrap().peak > 1.0);
        let spent = cpu(own).unwrap();
        assert!(Duration::ZERO < spent && spent < Duration::from_hours(1));
        assert!(machine().contains("Linux"));
    }
}
