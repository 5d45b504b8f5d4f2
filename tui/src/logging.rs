//! The log: to stderr above the bars, or to a file.
//!
//! `SWARM_LOG` takes directives such as `swarm_node=trace,info` and wins over `-v`.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::Mutex,
};

use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, time::uptime},
};

use crate::{
    exit::{Code, Failure},
    output::{Console, on_terminal},
};

/// Starts the log. `verbose` counts the `-v`.
pub fn start(
    console: &Console,
    verbose: u8,
    quiet: bool,
    file: Option<&Path>,
) -> Result<(), Failure> {
    // A file is read afterwards by somebody who looks for a cause: it gets more.
    let verbose = if file.is_some() { verbose.max(2) } else { verbose };
    let filter = match std::env::var("SWARM_LOG") {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::try_new(&directives).map_err(|error| {
                Failure::usage(format!("SWARM_LOG: {error}"))
                    .hint("write directives such as SWARM_LOG=swarm_node=trace,info")
            })?
        }
        _ => EnvFilter::new(level(verbose, quiet)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match file {
        None => builder
            .with_timer(uptime())
            .with_ansi(on_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()))
            .with_writer(Stderr(console.clone()))
            .try_init(),
        Some(path) => builder.with_ansi(false).with_writer(Mutex::new(open(path)?)).try_init(),
    };
    started.map_err(|error| Failure::new(Code::Other, "log", error.to_string()))
}

const fn level(verbose: u8, quiet: bool) -> &'static str {
    match verbose {
        // What stops or harms a transfer is said by the console already.
        0 if quiet => "off",
        0 => "error",
        1 => "info",
        2 => "debug,rustls=info",
        _ => "trace",
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| Failure::file(path, &error))
}

/// Lines of the log on stderr, each written whole.
#[derive(Clone)]
struct Stderr(Console);

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_stderr(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
