//! What a process has used, as the system counts it.

use std::fs;

use serde::{Deserialize, Serialize};

/// What a process has used since it began. `None` where the system does not say it: without
/// `/proc`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub cpu_user_s: Option<f64>,
    pub cpu_system_s: Option<f64>,
    /// The most memory that was resident at a time.
    pub peak_bytes: Option<u64>,
}

impl Usage {
    /// Of this process, until now.
    pub fn now() -> Self {
        // Linux counts in ticks of this many a second, whatever the kernel's own clock.
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let cpu = fs::read_to_string("/proc/self/stat").ok().and_then(|text| cpu_ticks(&text));
        let peak = fs::read_to_string("/proc/self/status").ok();
        Self {
            cpu_user_s: cpu.map(|(user, _)| user as f64 / ticks),
            cpu_system_s: cpu.map(|(_, system)| system as f64 / ticks),
            peak_bytes: peak.and_then(|text| peak_bytes(&text)),
        }
    }

    /// User and system time.
    pub fn cpu_s(&self) -> Option<f64> {
        Some(self.cpu_user_s? + self.cpu_system_s?)
    }

    /// The most memory that was resident at a time, in bytes.
    pub fn peak(&self) -> Option<f64> {
        self.peak_bytes.map(|bytes| bytes as f64)
    }
}

/// User and system ticks in `/proc/PID/stat` (proc_pid_stat(5)): fields 14 and 15. The second field
/// is the program's name in parentheses and may hold anything, so counting begins behind it.
fn cpu_ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The high-water mark in `/proc/PID/status` (proc_pid_status(5)). Not `getrusage`: that one starts
/// with the size of the process that started this one.
fn peak_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_whatever_the_program_is_called() {
        let stat = "42 (a) R (b) S 1 42 42 0 -1 4194304 190 0 0 0 123 45 6 7 20 0 1 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some((123, 45)));
        assert_eq!(cpu_ticks("42 (swarm"), None);
        let status = "Name:\tswarm\nVmPeak:\t  99999 kB\nVmHWM:\t   51200 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(peak_bytes(status), Some(50 << 20));
        assert_eq!(peak_bytes("Name:\tkthreadd\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something() {
        assert!(Usage::now().peak_bytes.unwrap() > 1 << 20);
        assert!(Usage::now().cpu_s().is_some());
    }
}
