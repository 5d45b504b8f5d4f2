//! The configuration file.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de};
use swarm_proto::link::Endpoint;

use crate::{
    args::{ProgressMode, TransportKind},
    exit::{Code, Failure},
    look::{Glyphs, Theme},
    read,
    share::Policy,
    units::{Bytes, Limit, Patience},
};

/// The largest configuration file that is read: thousands of trackers.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What `config init` writes. Each setting is there with its default, commented out.
pub const TEMPLATE: &str = r##"# Settings of swarm. Every line with one # is a setting with its default.
# A flag of the same name wins over a SWARM_* variable, which wins over this file.

## How this machine is reached: [::] is every address, IPv4 as well; port 0 picks a free one.
## Unset: `swarm seed` and `swarm tui` take the same port each time, if it is free.
#listen = "[::]:0"
## The host that others can reach this machine at. Unset: the address that it has itself.
#advertise = "files.example.org"
## "tls", or "plain" for closed networks: unencrypted, and nobody proves who they are.
#transport = "tls"
## Trackers to ask beside those that a link names: "KEY@HOST:PORT".
#tracker = []

## Bytes a second: a number, or such as "10M" or "100Mbit"; "none" for no limit.
#upload-limit = "none"
#download-limit = "none"
## Peers to connect to, and peers to serve at a time.
#connections = 80
#upload-slots = 8
## Data held in memory.
#memory = "40MiB"
## Threads that read, write and hash; 0 for one a CPU, but 2 at least and 16 at most.
#disk-threads = 0
## Whether to keep what is shared and fetched in the history (`swarm history`).
#history = true

## The folder that downloads appear in.
#output = "."
## What to do after completion: "needed", "never", "forever", "ratio:R" or "time:D".
#seed = "needed"
## `swarm get` gives up when nothing was received or could be stored for this long; or "none".
## Unset: "none" on a terminal, else "2m".
#timeout = "2m"
## A program that `swarm get` and `swarm tui` run when everything is there, and its arguments; no
## shell reads them.
## `swarm get --help` tells what is in its environment.
#on-complete = []

## How progress is shown: "auto", "tui", "bar", "plain", "json" or "none".
#progress = "auto"

## The full screen: "default" for dark backgrounds, "light", "high-contrast" or "mono".
#theme = "default"
## What it is drawn with: "block", "half" (two pieces beside each other in a cell of the map) or
## "ascii". Unset: "block", or "ascii" where the locale is not UTF-8.
#glyphs = "block"
"##;

/// The configuration file. The names are those of the flags.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    pub(super) listen: Option<SocketAddr>,
    pub(super) advertise: Option<String>,
    pub(super) transport: Option<TransportKind>,
    #[serde(deserialize_with = "endpoints")]
    pub(super) tracker: Option<Vec<Endpoint>>,
    pub(super) upload_limit: Option<Limit>,
    pub(super) download_limit: Option<Limit>,
    pub(super) connections: Option<u32>,
    pub(super) upload_slots: Option<u32>,
    pub(super) memory: Option<Bytes>,
    pub(super) disk_threads: Option<usize>,
    pub(super) history: Option<bool>,
    pub(super) output: Option<PathBuf>,
    pub(super) seed: Option<Policy>,
    pub(super) timeout: Option<Patience>,
    pub(super) on_complete: Option<Vec<String>>,
    pub(super) progress: Option<ProgressMode>,
    pub(super) theme: Option<Theme>,
    pub(super) glyphs: Option<Glyphs>,
}

fn endpoints<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Endpoint>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parsed = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    parsed.map(Some).map_err(de::Error::custom)
}

impl File {
    /// Reads the file. One that does not exist is as good as an empty one, unless the user named it.
    pub fn read(path: Option<&Path>, named: bool) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let wrong =
            |why: String| Failure::new(Code::Usage, "config", format!("{}: {why}", path.display()));
        let text = match read::at_most(path, FILE_BYTES_MAX) {
            Ok(Some(bytes)) => String::from_utf8(bytes).map_err(|error| error.to_string()),
            Ok(None) => return Err(wrong("too long for a configuration file".into())),
            // Nor is it there if what should be its folder is none.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) && !named =>
            {
                return Ok(Self::default());
            }
            Err(error) => Err(error.to_string()),
        };
        let text = text.map_err(|why| {
            wrong(why).hint("name another file with --config; `swarm config init` writes a new one")
        })?;
        Self::parse(&text).map_err(|why| {
            wrong(why).hint(
                "correct the file; `swarm config init` writes one that explains every setting",
            )
        })
    }

    /// The settings in the text, or what is wrong with it, on one line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| 1 + text[..span.start].matches('\n').count());
            let message = error.message().replace('\n', ", ");
            line.map_or_else(|| message.clone(), |line| format!("line {line}: {message}"))
        })
    }
}
