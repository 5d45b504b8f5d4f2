//! What the settings mean: flag over environment over file over default, and where each came from.

mod file;

use std::{
    fmt,
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{ArgMatches, parser::ValueSource};
use serde::Serialize;
use serde_json::{Value, json};
use swarm_node::NodeConfig;
use swarm_proto::link::Endpoint;

pub use self::file::{File, TEMPLATE};
use crate::{
    args::{FetchArgs, HookArgs, NetworkArgs, OutputArgs, ProgressMode, SwarmArgs, TransportKind},
    exit::Failure,
    look::{Glyphs, Theme},
    share::Policy,
    text::shell_quoted,
    units::{Bytes, Limit, Patience},
};

/// The least memory that keeps a few peers busy.
const MEMORY_MIN: u64 = 1 << 20;
/// How long a download that nobody watches waits for the first or the next byte.
const TIMEOUT_UNWATCHED: Duration = Duration::from_secs(120);

/// Where a setting came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The command line.
    Flag,
    /// A `SWARM_*` variable.
    Env,
    /// The configuration file.
    File,
    /// Nowhere: nobody asked for anything else.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Env => "environment",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// A value and where it came from.
#[derive(Debug, Clone)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// Those who may have a manifest are asked for this long before the user hears that nobody had it:
/// who waits for longer without a word thinks that nothing happens. They are asked on after it.
const MANIFEST_ROUND: Duration = Duration::from_secs(1);

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: Setting<SocketAddr>,
    pub advertise: Setting<Option<String>>,
    pub transport: Setting<TransportKind>,
    pub trackers: Setting<Vec<Endpoint>>,
    pub upload_limit: Setting<Limit>,
    pub download_limit: Setting<Limit>,
    pub connections: Setting<u32>,
    pub upload_slots: Setting<u32>,
    pub memory: Setting<Bytes>,
    pub disk_threads: Setting<usize>,
    pub history: Setting<bool>,
    pub output: Setting<PathBuf>,
    pub seed: Setting<Policy>,
    pub timeout: Setting<Patience>,
    pub on_complete: Setting<Vec<String>>,
    pub progress: Setting<ProgressMode>,
    pub theme: Setting<Theme>,
    pub glyphs: Setting<Glyphs>,
}

/// What the command line says. A command that lacks a group of flags leaves it at its default.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    pub network: NetworkArgs,
    pub swarm: SwarmArgs,
    pub fetch: FetchArgs,
    pub hook: HookArgs,
}

impl Settings {
    /// Merges everything. `matches` tell flags from variables; `watched` is whether somebody sits in
    /// front of a terminal.
    pub fn resolve(
        matches: &ArgMatches,
        output: &OutputArgs,
        typed: Typed,
        file: File,
        watched: bool,
    ) -> Result<Self, Failure> {
        let origins = Origins(leaf(matches));
        let Typed { network, swarm, fetch, hook } = typed;
        let on_complete = match hook.on_complete.as_slice() {
            [] => None,
            // Nothing, where the file names a program.
            [none] if none.is_empty() => Some(Vec::new()),
            _ => Some(hook.on_complete),
        };
        let trackers = (!swarm.trackers.is_empty()).then_some(swarm.trackers);
        let patience = if watched { None } else { Some(TIMEOUT_UNWATCHED) };
        // Takes IPv4 as well, and becomes 0.0.0.0 on a machine without IPv6.
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let settings = Self {
            listen: origins.pick("listen", network.listen, file.listen, any),
            advertise: origins.pick(
                "advertise",
                network.advertise.map(Some),
                file.advertise.map(Some),
                None,
            ),
            transport: origins.pick(
                "transport",
                network.transport,
                file.transport,
                TransportKind::Tls,
            ),
            trackers: origins.pick("trackers", trackers, file.tracker, Vec::new()),
            upload_limit: origins.pick(
                "upload_limit",
                swarm.upload_limit,
                file.upload_limit,
                Limit(None),
            ),
            download_limit: origins.pick(
                "download_limit",
                swarm.download_limit,
                file.download_limit,
                Limit(None),
            ),
            connections: origins.pick("connections", swarm.connections, file.connections, 80),
            upload_slots: origins.pick("upload_slots", swarm.upload_slots, file.upload_slots, 8),
            memory: origins.pick("memory", swarm.memory, file.memory, Bytes(40 << 20)),
            disk_threads: origins.pick("disk_threads", swarm.disk_threads, file.disk_threads, 0),
            history: origins.pick("history", swarm.history, file.history, true),
            output: origins.pick("output", fetch.output, file.output, ".".into()),
            seed: origins.pick("seed", fetch.seed, file.seed, Policy::Needed),
            timeout: origins.pick("timeout", fetch.timeout, file.timeout, Patience(patience)),
            on_complete: origins.pick("on_complete", on_complete, file.on_complete, Vec::new()),
            progress: origins.pick("progress", output.progress, file.progress, ProgressMode::Auto),
            theme: origins.pick("theme", output.theme, file.theme, Theme::Default),
            glyphs: origins.pick(
                "glyphs",
                output.glyphs,
                file.glyphs,
                Glyphs::of_locale(|name| std::env::var(name).ok()),
            ),
        };
        settings.check()
    }

    /// What no single value shows to be wrong.
    fn check(self) -> Result<Self, Failure> {
        if self.memory.value.0 < MEMORY_MIN {
            let least = Bytes(MEMORY_MIN);
            return Err(Failure::usage(format!("memory: at least {least} is needed")));
        }
        // As the flags do, which the file does not go through.
        let counts =
            [("connections", self.connections.value), ("upload-slots", self.upload_slots.value)];
        if let Some((name, _)) = counts.into_iter().find(|&(_, count)| count == 0) {
            return Err(Failure::usage(format!("{name}: at least 1 is needed")));
        }
        if let Some(host) = &self.advertise.value {
            let endpoint = Endpoint { key: None, host: host.clone(), port: 1 };
            endpoint.check().map_err(|_| {
                Failure::usage(format!("advertise: {host:?} is no host name or address"))
                    .hint("give a host without a port, such as example.org or 10.0.0.1")
            })?;
        }
        Ok(self)
    }

    /// Whether the user may be asked for how long a download is shared on: not who has said it on the
    /// command line, or has set that nothing is.
    pub fn asks_to_share(&self) -> bool {
        let said = matches!(self.seed.origin, Origin::Flag | Origin::Env);
        !said && self.seed.value != Policy::Never
    }

    /// The settings as the library takes them.
    pub fn node(&self) -> NodeConfig {
        let mut config = NodeConfig {
            listen: self.listen.value,
            // A host name cannot be announced; the tracker then says the address that it sees.
            advertise: self.advertise.value.as_ref().and_then(|host| host.parse().ok()),
            transport: self.transport.value.into(),
            disk_threads: self.disk_threads.value,
            manifest_patience: MANIFEST_ROUND,
            ..NodeConfig::default()
        };
        let engine = &mut config.engine;
        engine.upload_limit = self.upload_limit.value.0;
        engine.download_limit = self.download_limit.value.0;
        engine.connections_max = self.connections.value;
        // Half of the connections are left for those who dial us.
        engine.dials_max = self.connections.value.div_ceil(2);
        engine.upload_slots = self.upload_slots.value;
        // Downloading holds more at a time than uploading: it waits for the network and the disk.
        engine.buffer_bytes = self.memory.value.0 / 5 * 3;
        engine.send_bytes = self.memory.value.0 / 5 * 2;
        config
    }

    /// Every setting by name, for people and for programs.
    pub fn rows(&self) -> Vec<Row> {
        fn row<T>(
            name: &'static str,
            setting: &Setting<T>,
            text: impl Fn(&T) -> String,
            value: impl Fn(&T) -> Value,
        ) -> Row {
            let Setting { value: v, origin } = setting;
            Row { name, text: text(v), value: value(v), origin: *origin }
        }
        fn named<T: Serialize>(value: &T) -> String {
            json!(value).as_str().unwrap_or_default().to_owned()
        }
        let texts = |list: &Vec<Endpoint>| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        vec![
            row("listen", &self.listen, ToString::to_string, |v| json!(v)),
            row(
                "advertise",
                &self.advertise,
                |v| v.clone().unwrap_or_else(|| "-".into()),
                |v| json!(v),
            ),
            row("transport", &self.transport, named, |v| json!(v)),
            row(
                "tracker",
                &self.trackers,
                |v| if v.is_empty() { "-".into() } else { texts(v).join(",") },
                |v| json!(texts(v)),
            ),
            row("upload-limit", &self.upload_limit, ToString::to_string, |v| json!(v)),
            row("download-limit", &self.download_limit, ToString::to_string, |v| json!(v)),
            row("connections", &self.connections, ToString::to_string, |v| json!(v)),
            row("upload-slots", &self.upload_slots, ToString::to_string, |v| json!(v)),
            row("memory", &self.memory, ToString::to_string, |v| json!(v)),
            row("disk-threads", &self.disk_threads, ToString::to_string, |v| json!(v)),
            row("history", &self.history, ToString::to_string, |v| json!(v)),
            row("output", &self.output, |v| v.display().to_string(), |v| json!(v)),
            row("seed", &self.seed, ToString::to_string, |v| json!(v.to_string())),
            row("timeout", &self.timeout, ToString::to_string, |v| json!(v)),
            row(
                "on-complete",
                &self.on_complete,
                |v| if v.is_empty() { "-".into() } else { shell_line(v) },
                |v| json!(v),
            ),
            row("progress", &self.progress, named, |v| json!(v)),
            row("theme", &self.theme, named, |v| json!(v)),
            row("glyphs", &self.glyphs, named, |v| json!(v)),
        ]
    }
}

/// A setting as `config show` prints it.
#[derive(Debug)]
pub struct Row {
    /// Its name, that of the flag.
    pub name: &'static str,
    /// Its value for people; it can be typed again.
    pub text: String,
    /// Its value for programs.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// The matches of the innermost subcommand: the only ones that hold every flag that was typed.
fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| leaf(inner))
}

/// Words as a POSIX shell takes them.
fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| shell_quoted(word)).collect::<Vec<_>>().join(" ")
}

struct Origins<'a>(&'a ArgMatches);

impl Origins<'_> {
    fn pick<T>(&self, id: &str, typed: Option<T>, file: Option<T>, default: T) -> Setting<T> {
        match (typed, file) {
            (Some(value), _) => {
                let known = self.0.try_contains_id(id).is_ok();
                let source = if known { self.0.value_source(id) } else { None };
                let origin = match source {
                    Some(ValueSource::EnvVariable) => Origin::Env,
                    _ => Origin::Flag,
                };
                Setting { value, origin }
            }
            (None, Some(value)) => Setting { value, origin: Origin::File },
            (None, None) => Setting { value: default, origin: Origin::Default },
        }
    }
}

#[cfg(test)]
mod tests;
