//! Making a manifest and sharing what it describes: `create` and `seed`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use swarm_proto::{
    geometry::{BLOCK_LEN, PIECE_LEN_MAX},
    link::Endpoint,
    path::{NameError, check_name},
};

use super::settings::{NetworkArgs, OwnTrackerArgs, PeerArgs, SwarmArgs};
use crate::units::{Bytes, UnitError};

/// What goes into a manifest beside the files.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Manifest")]
pub struct ManifestArgs {
    /// Name of the share [default: the name of the file or folder]
    #[arg(long, value_parser = share_name)]
    pub name: Option<String>,
    /// Bytes in a piece: a power of two from 16K to 16M [default: by size]
    #[arg(long, value_name = "AMOUNT", value_parser = piece_length)]
    pub piece_length: Option<u32>,
    /// A note for those who fetch it
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
    /// A word to find it by; may be given several times
    #[arg(long = "tag", value_name = "WORD")]
    pub tags: Vec<String>,
    /// Sign it with this machine's key
    #[arg(long)]
    pub sign: bool,
    /// Share what symbolic links point to; without this a link is an error
    #[arg(long)]
    pub follow_symlinks: bool,
}

fn share_name(text: &str) -> Result<String, NameError> {
    check_name(text).map(|()| text.to_owned())
}

/// Reads the length of a piece.
pub(super) fn piece_length(text: &str) -> Result<u32, UnitError> {
    const EXPECTED: UnitError = UnitError::expected("a power of two from 16K to 16M");
    let Bytes(bytes) = text.parse().map_err(|_| EXPECTED)?;
    let length = u32::try_from(bytes).map_err(|_| EXPECTED)?;
    let will_do = length.is_power_of_two() && (BLOCK_LEN..=PIECE_LEN_MAX).contains(&length);
    if will_do { Ok(length) } else { Err(EXPECTED) }
}

const CREATE_EXAMPLES: &str = "\
Examples:
  swarm create ./weights                          writes weights.swarm into this folder
  swarm create ./weights -o /srv/weights.swarm    writes it there
  link=$(swarm create ./weights --tracker KEY@tracker.example:7000)
  find . -name '*.bin' -print0 | swarm create - -0 --name weights
                                                  only these, below the current folder

The link is printed on stdout, everything else on stderr.";

/// `swarm create`.
#[derive(Debug, Args)]
#[command(after_long_help = CREATE_EXAMPLES)]
pub struct CreateArgs {
    /// The file or folder to describe; - reads a list of files from stdin
    ///
    /// A list has one path a line, below the current folder, and the share has the files that are in
    /// it under these paths. To seed it, say where that folder is: `swarm seed NAME.swarm --data .`.
    /// What else is in the folder is not shared.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// Write the manifest to this file [default: NAME.swarm in this folder]
    #[arg(short, long, value_name = "FILE.swarm", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Paths on stdin end with a NUL, as `find -print0` writes them, and not with a line
    #[arg(short = '0', long)]
    pub null: bool,
    /// Print what would be in the manifest: no file is read and nothing is written
    #[arg(long)]
    pub dry_run: bool,
    /// Replace the manifest if it exists
    #[arg(long)]
    pub force: bool,
    /// A tracker to name in it; may be given several times
    #[arg(
        long = "tracker",
        value_name = "KEY@HOST:PORT",
        env = "SWARM_TRACKER",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub trackers: Vec<Endpoint>,
    #[command(flatten)]
    pub manifest: ManifestArgs,
    /// Sign with the key in this file [default: the one kept in SWARM_HOME]
    #[arg(long, value_name = "FILE", requires = "sign", help_heading = "Manifest", value_hint = ValueHint::FilePath)]
    pub identity: Option<PathBuf>,
}

const SEED_EXAMPLES: &str = "\
Examples:
  swarm seed ./weights
      Make a manifest, start a tracker, print `swarm get '…'` for the others, and serve.
  swarm seed ./weights --listen 10.0.0.7:6000
      The same, reachable at 10.0.0.7 port 6000, the tracker at port 6001.
  swarm seed ./weights --tracker KEY@tracker.example:7000
      Use a tracker that runs elsewhere (`swarm tracker` prints its KEY@HOST:PORT).
  swarm seed weights.swarm --data /mnt/weights
      Share what a manifest describes, after checking it.

Runs until Ctrl-C. The link stays good when the command is run again: it has the same key, and the
same port if nobody has taken that meanwhile and --listen does not say 0. The line to pass on is
printed on stdout, everything else on stderr.
Whoever reads the line may go away then, as in `swarm seed ./weights | head -1`: the share is
served on until Ctrl-C.";

/// `swarm seed`.
#[derive(Debug, Args)]
#[command(after_long_help = SEED_EXAMPLES)]
pub struct SeedArgs {
    /// The file or folder to share, or a manifest of it (FILE.swarm)
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// With a manifest: where its file or folder is [default: beside the manifest]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<PathBuf>,
    /// With a manifest: trust sizes and times instead of reading everything once
    #[arg(long)]
    pub skip_verify: bool,
    /// Also write the manifest to this file
    #[arg(long, value_name = "FILE.swarm", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    #[command(flatten)]
    pub manifest: ManifestArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub tracker: OwnTrackerArgs,
    #[command(flatten)]
    pub swarm: SwarmArgs,
    #[command(flatten)]
    pub peer: PeerArgs,
}
