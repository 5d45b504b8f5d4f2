//! Stopping for a while, as Ctrl-Z and SIGTSTP ask for. The terminal is given back first, and taken
//! again when the process goes on.

use std::{fs, io, sync::Once};

use rustix::process::{
    Pid, Signal, getpid, getppid, getsid, kill_current_process_group, kill_process,
};
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
pub fn has_shell() -> bool {
    let (Ok(session), Some(parent)) = (getsid(None), getppid()) else { return true };
    if getsid(Some(parent)).ok() != Some(session) {
        return false;
    }
    // Those of our own job would be stopped with us; it is up to who has started the first of them.
    let group = rustix::process::getpgrp();
    let mut pid = parent;
    for _ in 0..PARENTS_MAX {
        // A system without `/proc` cannot be asked.
        let Some(process) = Process::read(pid) else { return true };
        if process.session != session.as_raw_nonzero().get() {
            return false;
        }
        if process.group != group.as_raw_nonzero().get() {
            return true;
        }
        let Some(next) = Pid::from_raw(process.parent) else { return false };
        pid = next;
    }
    true
}

/// What `/proc/PID/stat` says of who belongs to whom.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: i32,
    group: i32,
    session: i32,
}

impl Process {
    fn read(pid: Pid) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?)
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
    fn a_name_does_not_confuse_who_belongs_to_whom() {
        let process = Process::parse("12 (a) b (c) S 3 4 5 34816 12 0");
        assert_eq!(process, Some(Process { parent: 3, group: 4, session: 5 }));
        assert_eq!(Process::parse("12 (sh) S 3 4"), None);
        assert_eq!(Process::parse(""), None);
    }
}
