//! The machine that a benchmark ran on, so that a comparison knows what differs.

use std::{fs, thread};

use serde::{Deserialize, Serialize};

use crate::{text::inert, units::Bytes};

/// What matters of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name, or its architecture where the system tells no name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: u32,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// The system's name and release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let uname = rustix::system::uname();
        let word = |text: &std::ffi::CStr| inert(&text.to_string_lossy());
        let cpu = fs::read_to_string("/proc/cpuinfo").ok();
        let memory = fs::read_to_string("/proc/meminfo").ok();
        Self {
            cpu: cpu.and_then(|text| cpu_name(&text)).unwrap_or_else(|| word(uname.machine())),
            cores: cores(),
            memory: memory.and_then(|text| meminfo(&text, "MemTotal")),
            kernel: format!("{} {}", word(uname.sysname()), word(uname.release())),
        }
    }

    /// `AMD EPYC, 2 cores, 23.5 GiB of memory, Linux 6.1.0`.
    pub fn describe(&self) -> String {
        let cores = crate::text::counted(u64::from(self.cores), "core");
        let memory = self.memory.map_or_else(String::new, |m| format!("{} of memory, ", Bytes(m)));
        format!("{}, {cores}, {memory}{}", inert(&self.cpu), inert(&self.kernel))
    }

    /// In what the other machine is different, in words.
    pub fn differences(&self, old: &Self) -> Vec<String> {
        let mut all = Vec::new();
        let mut check = |what: &str, old: &str, new: &str| {
            if old != new {
                all.push(format!("{what}: {} then, {} now", inert(old), inert(new)));
            }
        };
        check("processor", &old.cpu, &self.cpu);
        check("cores", &old.cores.to_string(), &self.cores.to_string());
        check("kernel", &old.kernel, &self.kernel);
        all
    }
}

/// Cores that this process may use.
pub fn cores() -> u32 {
    thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}

/// Seconds that all cores together have worked since the machine was started, and the sum of their
/// working and idle seconds; `None` if the system does not say.
pub fn work_and_time() -> Option<(f64, f64)> {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let (work, time) = cpu_ticks(&fs::read_to_string("/proc/stat").ok()?)?;
    Some((work as f64 / ticks, time as f64 / ticks))
}

/// The first line of `/proc/stat` (proc_stat(5)): user, nice, system, idle, iowait, irq, softirq,
/// steal. What the host stole is no time that was ours to use, so it counts as work.
fn cpu_ticks(stat: &str) -> Option<(u64, u64)> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
    let ticks = fields.map(|field| field.parse().ok()).collect::<Option<Vec<u64>>>()?;
    let (idle, time) = (*ticks.get(3)? + *ticks.get(4)?, ticks.iter().sum());
    Some((time - idle, time))
}

/// Bytes of memory that can be used without swapping; `None` if the system does not say.
pub fn memory_available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = meminfo(&text, "MemAvailable")?;
    Some(group_available().map_or(machine, |group| group.min(machine)))
}

/// What the control group leaves, where one limits us: a container is killed beyond it.
fn group_available() -> Option<u64> {
    let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let number = |text: String| text.trim().parse::<u64>().ok();
    // Without a limit the file says `max`, which is no number.
    Some(
        read("memory.max")
            .and_then(number)?
            .saturating_sub(read("memory.current").and_then(number)?),
    )
}

fn cpu_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let name = line.split_once(':')?.1.split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then(|| inert(&name))
}

fn meminfo(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some  CPU @ 2.5GHz\nmodel name\t: other\n";
        assert_eq!(cpu_name(cpuinfo).as_deref(), Some("Some CPU @ 2.5GHz"));
        assert_eq!(cpu_name("processor : 0\n"), None);
        let info = "MemTotal:       100 kB\nMemAvailable:    50 kB\n";
        assert_eq!(meminfo(info, "MemAvailable"), Some(51200));
        assert_eq!(meminfo(info, "Mem"), None);
        assert_eq!(cpu_ticks("cpu  5 1 2 80 10 1 0 1 0 0\ncpu0 1\n"), Some((10, 100)));
        assert_eq!(cpu_ticks("intr 5\n"), None);
    }

    #[test]
    fn what_differs_between_machines_is_said() {
        let old = Machine { cpu: "a".into(), cores: 2, memory: None, kernel: "Linux 6.1".into() };
        let new = Machine { cores: 4, memory: Some(1), ..old.clone() };
        assert_eq!(new.differences(&old), ["cores: 2 then, 4 now"]);
        assert_eq!(old.differences(&old), [""; 0]);
    }
}
