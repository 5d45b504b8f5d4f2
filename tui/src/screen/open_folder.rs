//! Showing a folder in the desktop's file manager.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// The program that opens things on this system. It is given a path and nothing else; no shell reads
/// it.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Opens a folder and does not wait for it.
///
/// # Errors
/// In words, if there is no such program.
pub fn open(path: &Path) -> Result<(), String> {
    // Absolute, so that no name is taken for a flag.
    let path = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
    let child = Command::new(OPENER)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.map_err(|error| format!("{OPENER}: {error}"))?;
    // Somebody has to hear of its end.
    thread::spawn(move || child.wait());
    Ok(())
}
