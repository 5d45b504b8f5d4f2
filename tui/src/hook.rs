//! A program of the user's that is run when a download is complete.
//!
//! It is run directly and not by a shell, and told what happened by its environment: whatever a share
//! is called, nothing of it is ever taken for a command.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::{
    fs::{Access, access},
    process::{Pid, Signal, kill_process_group},
};
use swarm_proto::id::SwarmId;
use tokio::{
    process::{Child, Command},
    task::JoinHandle,
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    exit::{Code, Failure},
    output::Console,
    text::inert,
    units::Span,
};

/// How long it may run: a program that hangs must not keep a download from ending. Long enough to
/// unpack or to copy what was fetched.
const RUN_MAX: Duration = Duration::from_secs(3600);
/// How long it may take to end when it is asked to: less than our own end may take.
const END_MAX: Duration = Duration::from_secs(2);

/// The groups that run. A forced end waits for no task: it has to find them here.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// What it is told.
#[derive(Debug)]
pub struct Facts<'a> {
    /// `SWARM_PATH`: where the share is, from the root.
    pub path: &'a Path,
    /// `SWARM_NAME`: what the share is called. Somebody else's word.
    pub name: &'a str,
    /// `SWARM_ID`.
    pub id: SwarmId,
    /// `SWARM_LINK`: what others fetch it with.
    pub link: &'a str,
    /// `SWARM_BYTES`: bytes that are there.
    pub bytes: u64,
    /// `SWARM_SECONDS`: how long it took.
    pub took: Duration,
}

/// A program that runs, while everything else goes on.
#[derive(Debug)]
pub struct Hook {
    task: JoinHandle<Result<(), Failure>>,
    program: String,
    console: Console,
    /// Somebody waits for its end and will say how it was.
    awaited: CancellationToken,
}

impl Hook {
    /// Runs the first word as a program with the others as its arguments; nothing, if there is none.
    /// It ends with `stop`, if not before. If it fails while nobody waits for it, this is said at once.
    ///
    /// Its output goes to our stderr, since stdout is for results; under a full screen, nowhere.
    pub fn start(
        words: &[String],
        facts: &Facts<'_>,
        console: &Console,
        stop: CancellationToken,
    ) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        if console.has_screen() {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        } else {
            command.stdout(io::stderr());
        }
        command
            .env("SWARM_PATH", facts.path)
            .env("SWARM_NAME", facts.name)
            .env("SWARM_ID", facts.id.to_string())
            .env("SWARM_LINK", facts.link)
            .env("SWARM_BYTES", facts.bytes.to_string())
            .env("SWARM_SECONDS", format!("{:.3}", facts.took.as_secs_f64()));
        // A group of its own, so that what it starts can be ended with it.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.process_group(0).kill_on_drop(true).spawn();
        // A forced end at this moment waits until it can be found.
        let child = child.map(|child| Listed::new(child, &mut running));
        drop(running);
        let awaited = CancellationToken::new();
        let hook = (program.clone(), console.clone(), awaited.clone());
        let task = tokio::spawn(async move {
            let ended = match child {
                Ok(child) => watch(child, stop, RUN_MAX).await,
                Err(error) => Err(format!("cannot be run: {error}")),
            };
            let (program, console, awaited) = hook;
            ended.map_err(|why| {
                let failure = Failure::new(Code::Hook, "hook", format!("{program}: {why}"))
                    .hint("the download is complete and verified; only the program failed");
                if !awaited.is_cancelled() {
                    console.warn(inert(&failure.message));
                }
                failure
            })
        });
        Some(Self { task, program: program.clone(), console: console.clone(), awaited })
    }

    /// Waits for its end, and says that it does.
    ///
    /// # Errors
    /// If it failed, or had to be ended.
    pub async fn finish(self) -> Result<(), Failure> {
        if !self.task.is_finished() {
            self.console.note(format_args!("waiting for {} to end", inert(&self.program)));
        }
        self.ended().await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// If it failed, or had to be ended.
    pub async fn ended(self) -> Result<(), Failure> {
        self.awaited.cancel();
        self.task.await.map_err(Failure::bug).flatten()
    }
}

/// Refuses a program that is not there, before a long download rather than after it. `path` is where
/// programs are looked for.
///
/// # Errors
/// If there is no such program.
pub fn check(words: &[String], path: Option<&OsStr>) -> Result<(), Failure> {
    let Some(program) = words.first() else { return Ok(()) };
    let runs = |file: &Path| file.is_file() && access(file, Access::EXEC_OK).is_ok();
    let found = if program.contains('/') {
        runs(Path::new(program))
    } else {
        let folders = path.map(std::env::split_paths).into_iter().flatten();
        !program.is_empty() && folders.map(|f: PathBuf| f.join(program)).any(|file| runs(&file))
    };
    if found {
        return Ok(());
    }
    Err(Failure::usage(format!("on-complete: {program:?} is no program that can be run"))
        .hint("give the program first, and each of its arguments with an --on-complete of its own"))
}

/// Kills what runs, for an end that waits for nothing: it had its time since the stop that came before.
/// The process must end now.
pub fn kill_all() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    for group in running.iter() {
        // It may have ended by itself just now.
        let _ = kill_process_group(*group, Signal::KILL);
    }
    // Nothing is started any more.
    std::mem::forget(running);
}

/// A program that is ended with us, even if by force, and the group that it leads.
struct Listed {
    child: Child,
    group: Option<Pid>,
}

impl Listed {
    fn new(child: Child, running: &mut Vec<Pid>) -> Self {
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        running.extend(group);
        Self { child, group }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|group| Some(*group) != self.group);
    }
}

/// Waits for it, and ends it when it is time. Returns what went wrong.
async fn watch(mut run: Listed, stop: CancellationToken, limit: Duration) -> Result<(), String> {
    let why = tokio::select! {
        biased;
        ended = run.child.wait() => {
            return match ended {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("ended with {status}")),
                Err(error) => Err(error.to_string()),
            };
        }
        () = stop.cancelled() => "was ended before it was done".into(),
        () = time::sleep(limit) => format!("was ended after {}", Span(limit)),
    };
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(group) = run.group {
            // It may have ended by itself just now.
            let _ = kill_process_group(group, signal);
        }
        if time::timeout(END_MAX, run.child.wait()).await.is_ok() {
            break;
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Listed {
        let mut sleep = Command::new("sleep");
        let child = sleep.arg("1000").process_group(0).kill_on_drop(true).spawn().unwrap();
        Listed::new(child, &mut RUNNING.lock().unwrap())
    }

    #[tokio::test]
    async fn a_program_is_ended_when_the_user_ends_us_or_after_its_time() {
        let (stop, long) = (CancellationToken::new(), Duration::from_secs(1000));
        let limit = Duration::ZERO;
        let late = watch(sleeper(), stop.clone(), limit).await;
        assert_eq!(late, Err("was ended after 0ms".into()));
        stop.cancel();
        let stopped = watch(sleeper(), stop, long).await;
        assert_eq!(stopped, Err("was ended before it was done".into()));
    }

    #[test]
    fn a_program_that_is_not_there_is_refused_before_the_download() {
        let check = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(ToString::to_string).collect();
            check(&words, Some(OsStr::new("/nowhere:/bin:/usr/bin")))
                .map_err(|failure| failure.message)
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&["sh", "-c"]), Ok(()));
        assert_eq!(check(&["/bin/sh"]), Ok(()));
        for wrong in ["", "sh -c true", "no-such-program", "/bin", "/etc/passwd", "./sh"] {
            let message = format!("on-complete: {wrong:?} is no program that can be run");
            assert_eq!(check(&[wrong]), Err(message));
        }
    }
}
