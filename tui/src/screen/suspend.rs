//! Stopping for a while, as Ctrl-Z and SIGTSTP ask for. The terminal is given back first, and taken
//! again when the process goes on.

use std::{fmt::Display, fs, io, sync::Once};

use rustix::process::{Signal, getpid, kill_current_process_group, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::output::Console;

/// More parents than any shell script has between itself and the shell with jobs.
const PARENTS_MAX: usize = 64;

/// Listens for SIGTSTP, for as long as the process lives: once it is listened for, the system stops
/// nobody by itself, also when no screen is up any more. Must be called in a runtime.
///
/// # Errors
/// If the signal cannot be handled.
pub fn listen(console: &Console) -> io::Result<()> {
    static ONCE: Once = Once::new();
    let mut stops = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    ONCE.call_once(|| {
        let console = console.clone();
        tokio::spawn(async move {
            while stops.recv().await.is_some() {
                if !console.suspend() {
                    // We may stop ourselves.
                    let _ = stop();
                }
            }
        });
    });
    Ok(())
}

/// Asks all processes of the job to stop, as a terminal does after Ctrl-Z. Ours hears of it by
/// [`listen`].
///
/// # Errors
/// If one of them may not be signalled.
pub fn ask() -> io::Result<()> {
    Ok(kill_current_process_group(Signal::TSTP)?)
}

/// Stops this process until SIGCONT.
///
/// # Errors
/// Never, as every process may do that.
pub fn stop() -> io::Result<()> {
    Ok(kill_process(getpid(), Signal::STOP)?)
}

/// Whether there is a shell with jobs that can let this process go on. Where it was started by
/// something else, such as a window of its own, nothing on that terminal could bring it back.
///
/// Only `/proc` is asked, since the system's own calls say 0 of whoever is outside of our PID
/// namespace, which is no number of a process. A system without `/proc` counts as one with a shell.
pub fn has_shell() -> bool {
    Process::read("self").is_none_or(|own| own.is_under_shell(Process::read))
}

/// What `/proc/PID/stat` says of who belongs to whom.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: i32,
    group: i32,
    session: i32,
}

impl Process {
    /// Whether one of its parents is in its session, but not in its job: those of its own job would be
    /// stopped with it, so it is up to who has started the first of them.
    fn is_under_shell(&self, read: impl Fn(i32) -> Option<Self>) -> bool {
        let mut pid = self.parent;
        for _ in 0..PARENTS_MAX {
            // Its parent is outside of the PID namespace.
            if pid == 0 {
                return false;
            }
            let Some(process) = read(pid) else { return true };
            if process.session != self.session {
                return false;
            }
            if process.group != self.group {
                return true;
            }
            pid = process.parent;
        }
        true
    }

    fn read(pid: impl Display) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// `1 (name) state parent group session …`. The name may have spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let mut numbers = rest.split_ascii_whitespace().skip(1).map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { parent: next()?, group: next()?, session: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_in_the_session_but_not_in_the_job() {
        let shell = |pid| match pid {
            // A shell with jobs, a script, and what the script runs; and a terminal's window.
            20 => Process::parse("20 (bash) S 10 20 20"),
            30 => Process::parse("30 (sh) S 20 30 20"),
            10 => Process::parse("10 (window) S 1 10 10"),
            // One in whose PID namespace we are not.
            40 => Process::parse("40 (outside) S 0 0 0"),
            _ => None,
        };
        let of = |stat| Process::parse(stat).unwrap().is_under_shell(shell);
        assert!(of("31 (swarm) R 20 31 20"), "from the shell");
        assert!(of("31 (swarm) R 30 30 20"), "from a script of that shell");
        assert!(of("31 (swarm) R 99 31 20"), "whose parent cannot be asked");
        assert!(!of("31 (swarm) R 10 31 31"), "in a window of its own");
        assert!(!of("31 (swarm) R 40 31 31"), "its parent's session is in another namespace");
        assert!(!of("31 (swarm) R 0 0 0"), "all of its parents are in another namespace");
    }

    #[test]
    fn a_name_does_not_confuse_who_belongs_to_whom() {
        let process = Process::parse("12 (a) b (c) S 3 4 5 34816 12 0");
        assert_eq!(process, Some(Process { parent: 3, group: 4, session: 5 }));
        assert_eq!(Process::parse("12 (sh) S 3 4"), None);
        assert_eq!(Process::parse(""), None);
    }
}
