//! `swarm config`: what is set, where it came from, and a file to set it in.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::{
    args::{ConfigArgs, ConfigCommand},
    config::{Settings, TEMPLATE},
    exit::{Code, Failure},
    output::Console,
    paths::Paths,
    text::inert,
};

impl ConfigArgs {
    /// Whether the command needs the file to be right.
    pub const fn reads_file(&self) -> bool {
        matches!(self.command, ConfigCommand::Show(_))
    }
}

/// Prints the settings or where they are kept, or writes a file of them.
pub fn run(
    console: &Console,
    paths: &Paths,
    settings: &Settings,
    args: &ConfigArgs,
) -> Result<(), Failure> {
    match args.command {
        ConfigCommand::Show(_) => show(console, paths, settings),
        ConfigCommand::Path => {
            let path = file(paths)?;
            console.object(&json!({ "path": path, "exists": path.exists() }))?;
            console.result(path.display())
        }
        ConfigCommand::Init { force } => {
            let path = file(paths)?;
            write(path, force)?;
            console.object(&json!({ "path": path }))?;
            console.result(path.display())
        }
    }
}

fn show(console: &Console, paths: &Paths, settings: &Settings) -> Result<(), Failure> {
    let rows = settings.rows();
    let file = paths.config.as_ref().filter(|path| path.exists());
    if console.is_json() {
        let settings: Map<String, Value> = rows
            .into_iter()
            .map(|row| (row.name.into(), json!({ "value": row.value, "origin": row.origin })))
            .collect();
        return console.object(&json!({ "file": file, "settings": settings }));
    }
    let file = file.map_or_else(|| "none".into(), |path| path.display().to_string());
    console.note(format_args!("configuration file: {file}"));
    let widest = rows.iter().map(|row| row.text.chars().count()).max().unwrap_or(0).min(24);
    for row in rows {
        let text = inert(&row.text);
        console.result(format_args!("{:<15} {text:<widest$}  {}", row.name, row.origin))?;
    }
    Ok(())
}

fn file(paths: &Paths) -> Result<&PathBuf, Failure> {
    paths.config.as_ref().ok_or_else(|| {
        Failure::new(Code::Other, "no_home", "no home folder to keep the configuration in")
            .hint("set SWARM_HOME to a folder, or name a file with --config")
    })
}

fn write(path: &Path, force: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::file(path, &error).hint("--force replaces it")
        }
        _ => Failure::file(path, &error),
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(force).create_new(!force);
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(TEMPLATE.as_bytes()).map_err(failed)
}
