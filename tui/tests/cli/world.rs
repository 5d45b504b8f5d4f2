//! Running the real program: a folder of its own for each test, and nothing of the user's.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use tempfile::TempDir;

/// No command of a test takes longer; one that hangs is killed, so that the test fails and says why.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder to work in, with the program's home beside it.
pub struct World {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 for a signal.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// A path in the folder that commands run in.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// The program's home.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes a file, and the folders that it is in.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_swarm"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SWARM_") {
                command.env_remove(name);
            }
        }
        command.args(args).current_dir(self.path("")).env("SWARM_HOME", self.home());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Running::start(self.command(args)).end()
    }

    /// Starts a command that runs on.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    /// Makes a manifest of `path`, and returns its link.
    pub fn create(&self, path: &str) -> String {
        let ran = self.run(&["create", path, "-q"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stdout.trim_end().into()
    }
}

/// A process that does not outlive its test, however that ends.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // Most have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that runs.
pub struct Running {
    child: Guarded,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<String>,
    /// The lines on stderr, as they come.
    told: mpsc::Receiver<String>,
    /// Ends the watchdog when it goes away.
    alive: mpsc::Sender<()>,
    seen: String,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut pipe = BufReader::new(child.stderr.take().unwrap());
        let (tell, told) = mpsc::channel();
        let stderr = thread::spawn(move || {
            let (mut text, mut end) = (String::new(), 0);
            while pipe.read_line(&mut text).unwrap() > 0 {
                // Most tests look at all of it at the end.
                let _ = tell.send(text[end..].trim_end().to_owned());
                end = text.len();
            }
            text
        });
        let (alive, ended) = mpsc::channel::<()>();
        let pid = Pid::from_child(&child);
        thread::spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let child = Guarded(child);
        Self { child, stdout, stderr, told, alive, seen: String::new() }
    }

    /// The next line on stdout.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).unwrap();
        self.seen += &line;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event of this kind; others are passed over.
    pub fn event(&mut self, kind: &str) -> Value {
        while let Some(line) = self.line() {
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind {
                return event;
            }
        }
        panic!("ended without {kind}: {}", self.seen);
    }

    /// Waits for a line on stderr that begins so.
    pub fn told(&self, start: &str) {
        assert!(self.told.iter().any(|line| line.starts_with(start)), "ended without {start}");
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    /// Stops it until SIGCONT. From now on it answers nobody: a signal alone may take a while to arrive.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
        wait_until_stopped(Pid::from_child(&self.child.0));
    }

    /// Ctrl-C, then waits for the end.
    pub fn stop(self) -> Ran {
        self.signal(Signal::INT);
        self.end()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// `kill -9`, and waits until nobody has its stderr any more: what it has started is gone, too.
    pub fn kill_and_outlive(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
        self.stderr.join().unwrap();
    }

    /// Closes our end of its stdout.
    pub fn close_stdout(self) -> Closed {
        let Self { child, stderr, alive, .. } = self;
        Closed { child, stderr, _alive: alive }
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ran {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let code = code(self.child.0.wait().unwrap());
        drop(self.alive);
        Ran { code, stdout: self.seen + &rest, stderr: self.stderr.join().unwrap() }
    }
}

/// A command whose output nobody reads.
pub struct Closed {
    child: Guarded,
    stderr: JoinHandle<String>,
    _alive: mpsc::Sender<()>,
}

impl Closed {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    pub fn end(mut self) -> Ran {
        let code = code(self.child.0.wait().unwrap());
        Ran { code, stdout: String::new(), stderr: self.stderr.join().unwrap() }
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// Bytes that do not repeat.
pub fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Asserts a failure: its code, its first line, and that advice follows.
pub fn assert_fails(ran: &Ran, code: i32, message: &str) {
    let mut lines = ran.stderr.lines();
    let error = lines.find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert_eq!((ran.code, error), (code, format!("error: {message}").as_str()), "{ran:?}");
    let hint = lines.next().unwrap_or_default();
    assert!(hint.starts_with("hint: "), "{ran:?}");
    assert_eq!(lines.next(), None, "{ran:?}");
    assert_eq!(ran.stdout, "", "{ran:?}");
}

/// Asserts that two paths hold the same files, folders and modes.
pub fn assert_same(a: &Path, b: &Path) {
    let ran = Command::new("diff").arg("-r").arg(a).arg(b).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

/// Waits until a child has stopped, but not ended.
pub fn wait_until_stopped(child: Pid) {
    let (_, status) = waitpid(Some(child), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "{status:?}");
}
