//! Looking at a manifest and at what it describes: `show` and `verify`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// `swarm show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The manifest or link
    #[arg(value_name = "FILE.swarm|LINK", value_hint = ValueHint::FilePath)]
    pub source: String,
    /// List all files, however many there are
    #[arg(long)]
    pub all: bool,
}

/// `swarm verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The manifest
    #[arg(value_name = "FILE.swarm", value_hint = ValueHint::FilePath)]
    pub manifest: PathBuf,
    /// The file or folder that it describes [default: beside the manifest]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: Option<PathBuf>,
}
