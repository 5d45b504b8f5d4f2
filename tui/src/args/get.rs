//! Fetching: `get`.

use clap::{Args, ValueHint};

use super::settings::{FetchArgs, HookArgs, NetworkArgs, PeerArgs, SwarmArgs};

const GET_EXAMPLES: &str = "\
Examples:
  swarm get 'swarm:?id=…'              fetch into this folder
  swarm get 'swarm:?id=…' -o /data     fetch into /data
  swarm get weights.swarm --seed never stop as soon as everything is verified
  swarm get 'swarm:?id=…' --only '*.bin' --skip 'old/**'
                                       fetch some of the files
  swarm get 'swarm:?id=…' -o - | tar x unpack a file while it arrives
  swarm get 'swarm:?id=…' --json       events for a program, one a line
  swarm get 'swarm:?id=…' --on-complete ./unpack --on-complete --quiet
                                       run `./unpack --quiet` when it is there

Put the link in quotes: it has characters that a shell treats specially.
Run the same command again after an interruption, and it goes on from where it was. The path
of what was fetched is printed on stdout, everything else on stderr.

Until all of the share is there, a hidden folder `.swarm-…` beside it holds what is needed to go
on: the manifest, what is verified, and pieces of files that are not complete. It goes when all is
there. Without a download of that name running it may be deleted; the next one begins anew.

With -o - the bytes of a share that is a single file go to stdout, in order, as soon as they are
verified. They are kept in a folder in TMPDIR until the end; nothing stays, so an interrupted
stream begins anew. A folder of that name is `-o ./-`.";

/// `swarm get`.
#[derive(Debug, Args)]
#[command(after_long_help = GET_EXAMPLES)]
pub struct GetArgs {
    /// The link or manifest of the share
    #[arg(value_name = "LINK|FILE.swarm", value_hint = ValueHint::FilePath)]
    pub source: String,
    /// Fetch only files that fit this pattern; may be given several times
    ///
    /// `*` and `?` stand for characters of one name, `**` for any number of folders. A folder has
    /// all that is in it. A pattern without a `/` fits at any depth. Without --only and --skip, an
    /// unfinished download goes on with the files that it had; --only '*' fetches all.
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,
    /// Leave out files that fit this pattern; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub skip: Vec<String>,
    /// Print what would be fetched, and where to: nothing is, and nothing is written
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub fetch: FetchArgs,
    #[command(flatten)]
    pub hook: HookArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub swarm: SwarmArgs,
    #[command(flatten)]
    pub peer: PeerArgs,
}
