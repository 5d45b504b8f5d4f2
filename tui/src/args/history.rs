//! What was done before: `history`, `stats` and `ls`.

use clap::Args;

/// How a list is printed.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Leave out the line that names the columns
    ///
    /// Where stdout is no terminal, columns are parted by one tab, and amounts and times are plain
    /// numbers: bytes, seconds, and seconds since 1970.
    #[arg(long)]
    pub no_header: bool,
    /// Print the links too, to pass on
    #[arg(long)]
    pub links: bool,
}

/// `swarm history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// List at most this many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value = "50", conflicts_with = "all")]
    pub limit: usize,
    /// List all that are kept, which are 10000 at most
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub list: ListArgs,
}

/// `swarm ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    #[command(flatten)]
    pub list: ListArgs,
}
