//! Several transfers on one screen: `tui`.

use clap::{Args, ValueHint};

use super::settings::{FetchArgs, HookArgs, NetworkArgs, OwnTrackerArgs, PeerArgs, SwarmArgs};

const TUI_EXAMPLES: &str = "\
Examples:
  swarm tui                       go on with what the last one had; `a` or pasting adds more
  swarm tui ./weights             share a folder
  swarm tui 'swarm:?id=…' -o /data --seed ratio:2
  swarm tui a.swarm b.swarm       share what is beside these manifests, fetch the rest

A link is fetched; so is what a manifest describes, unless it is beside it; everything else is
shared. Without a tracker of somebody else's one runs in this process. `?` on the screen lists the
keys, and `:` takes commands.

What is open when it ends, or is killed, is open again the next time: paused stays paused, and
what is complete is read again only if its files have changed. `--fresh` begins with nothing. Of
two at a time the second begins with nothing, too.";

/// `swarm tui`.
#[derive(Debug, Args)]
#[command(after_long_help = TUI_EXAMPLES)]
pub struct TuiArgs {
    /// What to fetch or to share to begin with
    #[arg(value_name = "LINK|FILE.swarm|PATH", value_hint = ValueHint::AnyPath)]
    pub what: Vec<String>,
    /// Begin with nothing of the last session, and keep nothing of this one
    #[arg(long)]
    pub fresh: bool,
    /// Let the mouse's wheel scroll; else the mouse selects text as everywhere
    #[arg(long)]
    pub mouse: bool,
    #[command(flatten)]
    pub fetch: FetchArgs,
    #[command(flatten)]
    pub hook: HookArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub tracker: OwnTrackerArgs,
    #[command(flatten)]
    pub swarm: SwarmArgs,
    #[command(flatten)]
    pub peer: PeerArgs,
}
