//! The processes of a benchmark, as their owner sees them.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Stdio,
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    task::JoinSet,
    time,
};

use super::message::{GO, Job, News};
use crate::{
    config::Settings,
    exit::{Code, Failure},
};

/// News that wait for us. A part that has more waits for us in turn.
const NEWS_MAX: usize = 256;
/// How long a part may take to begin, and how long to end: far longer than any needs on a machine
/// that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// All parts that run. They end when it is dropped.
#[derive(Debug)]
pub struct Party {
    parts: Vec<Part>,
    news: mpsc::Receiver<(usize, Option<News>)>,
    sender: mpsc::Sender<(usize, Option<News>)>,
    /// The tasks that read what the parts say; `None` for a part that is gone without last words.
    readers: JoinSet<()>,
}

/// One process.
#[derive(Debug)]
struct Part {
    name: String,
    child: Child,
    /// It lives while this is open.
    stdin: Option<ChildStdin>,
    /// It has said that it is ready, and perhaps how it is reached, and nobody has asked yet.
    ready: Option<Option<String>>,
}

impl Party {
    /// Nobody yet.
    pub fn new() -> Self {
        let (sender, news) = mpsc::channel(NEWS_MAX);
        Self { parts: Vec::new(), news, sender, readers: JoinSet::new() }
    }

    /// Starts a part and tells it its job. Returns its number: they count from 0.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn start(
        &mut self,
        name: &str,
        folder: &Path,
        flags: &[OsString],
        job: &Job,
    ) -> Result<usize, Failure> {
        let number = self.parts.len();
        let (part, stdout) = Part::start(name, folder, flags).map_err(|error| {
            let failure = Failure::system(&error);
            Failure { message: format!("cannot start {name}: {}", failure.message), ..failure }
        })?;
        self.parts.push(part);
        self.readers.spawn(read(number, stdout, self.sender.clone()));
        self.tell(number, &json!(job).to_string()).await?;
        Ok(number)
    }

    /// Waits until a part that was just started is ready, and says how it is reached.
    ///
    /// # Errors
    /// If it fails, or takes too long.
    pub async fn ready(&mut self, number: usize) -> Result<Option<String>, Failure> {
        loop {
            if let Some(link) = self.parts.get_mut(number).and_then(|part| part.ready.take()) {
                return Ok(link);
            }
            match time::timeout(PATIENCE, self.next()).await {
                // They are ready in any order.
                Ok(Ok((of, News::Ready { link }))) => self.parts[of].ready = Some(link),
                Ok(Ok(_)) => {}
                Ok(Err(failure)) => return Err(failure),
                Err(_) => return Err(self.silent(number)),
            }
        }
    }

    /// Starts the clock of a part.
    pub async fn go(&mut self, number: usize) -> Result<(), Failure> {
        self.tell(number, GO).await
    }

    /// The next news, and whose. Cancel-safe.
    ///
    /// # Errors
    /// What a part failed with.
    pub async fn next(&mut self) -> Result<(usize, News), Failure> {
        // We hold a sender ourselves, so there is no end to it.
        let Some((number, news)) = self.news.recv().await else {
            return Err(gone("the last part"));
        };
        let name = self.name(number);
        match news {
            Some(News::Failed { code, message, hint }) => {
                let message = format!("{name}: {message}");
                Err(Failure { hint, ..Failure::new(code_of(code), "bench_part", message) })
            }
            Some(news) => Ok((number, news)),
            None => Err(gone(&name)),
        }
    }

    /// Lets all parts say their last words.
    pub fn dismiss(&mut self) {
        for part in &mut self.parts {
            part.stdin = None;
        }
    }

    /// Lets all parts end, and waits until they have.
    pub async fn end(mut self) -> Result<(), Failure> {
        self.dismiss();
        // A part that still has much to say must not wait for us.
        self.news.close();
        let mut silent = None;
        for (number, part) in self.parts.iter_mut().enumerate() {
            if time::timeout(PATIENCE, part.child.wait()).await.is_err() {
                // It is killed when it is dropped.
                silent = Some(number);
            }
        }
        silent.map_or(Ok(()), |number| Err(self.silent(number)))
    }

    fn silent(&self, number: usize) -> Failure {
        let (name, seconds) = (self.name(number), PATIENCE.as_secs());
        let message = format!("{name} did not answer for {seconds} s");
        Failure::new(Code::Other, "bench_part", message)
            .hint("run it again with SWARM_LOG_FILE=FILE, and report what is in the file")
    }

    fn name(&self, number: usize) -> String {
        self.parts.get(number).map_or_else(String::new, |part| part.name.clone())
    }

    async fn tell(&mut self, number: usize, line: &str) -> Result<(), Failure> {
        let Some(stdin) = self.parts.get_mut(number).and_then(|part| part.stdin.as_mut()) else {
            return Ok(());
        };
        match stdin.write_all(format!("{line}\n").as_bytes()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(gone(&self.name(number))),
        }
    }
}

impl Part {
    fn start(
        name: &str,
        folder: &Path,
        flags: &[OsString],
    ) -> std::io::Result<(Self, ChildStdout)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "part", "--quiet", "--progress", "none"]).args(flags).arg(folder);
        for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_setting(variable)) {
            command.env_remove(variable);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A Ctrl-C is for us: we end the others in order.
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        Ok((Self { name: name.into(), child, stdin, ready: None }, stdout))
    }
}

/// Whether a variable says what the flags of a part say, or should not say: a benchmark on loopback
/// is none of the business of the user's tracker.
fn is_setting(variable: &OsStr) -> bool {
    let name = variable.to_string_lossy();
    name.starts_with("SWARM_") && name != "SWARM_LOG" && name != "SWARM_LOG_FILE"
}

async fn read(number: usize, stdout: ChildStdout, news: mpsc::Sender<(usize, Option<News>)>) {
    let mut lines = BufReader::new(stdout).lines();
    let mut last = false;
    while let Ok(Some(line)) = lines.next_line().await {
        // It is our own program that talks.
        let Ok(said) = serde_json::from_str::<News>(&line) else { continue };
        last = matches!(said, News::Ended(_) | News::Failed { .. });
        if news.send((number, Some(said))).await.is_err() {
            return;
        }
    }
    if !last {
        // Then nobody listens any more.
        let _ = news.send((number, None)).await;
    }
}

/// A part was killed, or has panicked.
fn gone(name: &str) -> Failure {
    Failure::new(Code::Other, "bench_part", format!("{name} ended before it was done"))
        .hint("if memory is short, make it smaller with --size or --getters")
}

/// The flags that make the settings of a part those of its owner.
pub fn flags(settings: &Settings, local: bool) -> Vec<OsString> {
    let limit = |limit: Option<u64>| limit.map_or_else(|| "none".into(), |rate| rate.to_string());
    let mut flags: Vec<OsString> = Vec::new();
    let mut flag = |name: &str, value: String| flags.push(format!("--{name}={value}").into());
    let listen = if local { "127.0.0.1:0".into() } else { settings.listen.value.to_string() };
    flag("listen", listen);
    flag("transport", settings.transport.value.name().into());
    flag("upload-limit", limit(settings.upload_limit.value.0));
    flag("download-limit", limit(settings.download_limit.value.0));
    flag("connections", settings.connections.value.to_string());
    flag("upload-slots", settings.upload_slots.value.to_string());
    flag("memory", settings.memory.value.0.to_string());
    flag("disk-threads", settings.disk_threads.value.to_string());
    if !local {
        for tracker in &settings.trackers.value {
            flag("tracker", tracker.to_string());
        }
        if let Some(host) = &settings.advertise.value {
            flag("advertise", host.clone());
        }
    }
    flags
}

/// The exit code of a part as ours.
fn code_of(code: u8) -> Code {
    let all = [Code::Manifest, Code::Network, Code::Verification, Code::Disk, Code::Locked];
    all.into_iter().find(|known| *known as u8 == code).unwrap_or(Code::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_take_their_settings_from_flags_and_not_from_variables() {
        for (variable, setting) in [
            ("SWARM_TRACKER", true),
            ("SWARM_PROGRESS", true),
            ("SWARM_LOG", false),
            ("SWARM_LOG_FILE", false),
            ("PATH", false),
        ] {
            assert_eq!(is_setting(variable.as_ref()), setting, "{variable}");
        }
    }

    #[test]
    fn the_code_of_a_part_is_ours_where_it_means_the_same() {
        assert_eq!(code_of(6), Code::Disk);
        assert_eq!(code_of(4), Code::Network);
        // A part that is misused or interrupted is our own fault.
        assert_eq!(
            (code_of(2), code_of(130), code_of(77)),
            (Code::Other, Code::Other, Code::Other)
        );
    }
}
