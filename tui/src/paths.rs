//! Where the program keeps its own files.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;
use swarm_node::Identity;

use crate::exit::{Code, Failure};

/// The program's own folders. `None` where neither `SWARM_HOME` nor a home folder is known; commands
/// that need none of this work without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The configuration file; it need not exist.
    pub config: Option<PathBuf>,
    /// The history; it need not exist.
    pub history: Option<PathBuf>,
    /// The folder where `tui` keeps what is open; it need not exist.
    pub session: Option<PathBuf>,
    /// The folder of the keys.
    keys: Option<PathBuf>,
}

/// Whose key.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    /// The one that peers know us by.
    Node,
    /// The one that peers know a session by. Not the node's: a seeder and a session on one machine
    /// must be able to meet.
    Session,
    /// The one that a tracker of ours is known by.
    Tracker,
}

impl Paths {
    /// `SWARM_HOME` if it is set, else the folders of the platform (XDG on Unix).
    pub fn find(swarm_home: Option<OsString>) -> Self {
        if let Some(home) = swarm_home.filter(|home| !home.is_empty()).map(PathBuf::from) {
            let [config, history, session] =
                ["config.toml", "history.db", "session"].map(|name| Some(home.join(name)));
            return Self { config, history, session, keys: Some(home) };
        }
        etcetera::choose_base_strategy().map_or(
            Self { config: None, history: None, session: None, keys: None },
            |base| {
                let state = base.state_dir().unwrap_or_else(|| base.data_dir());
                Self {
                    config: Some(base.config_dir().join("swarm/config.toml")),
                    history: Some(state.join("swarm/history.db")),
                    session: Some(state.join("swarm/session")),
                    keys: Some(base.data_dir().join("swarm")),
                }
            },
        )
    }

    /// Our key: from `file` if the user named one, else the one kept from earlier runs. Made at the
    /// first use, so that a link that names it holds after a restart.
    pub fn identity(&self, key: Key, file: Option<&Path>) -> Result<Identity, Failure> {
        load(&self.key_file(key, file)?)
    }

    /// The same, for one process at a time: `None` if another one has the key. It is ours as long as
    /// the file is kept.
    pub fn identity_alone(
        &self,
        key: Key,
        file: Option<&Path>,
    ) -> Result<Option<(Identity, File)>, Failure> {
        let path = self.key_file(key, file)?;
        let identity = load(&path)?;
        let held = File::open(&path).map_err(|error| Failure::file(&path, &error))?;
        // A file system without locks is no reason to do without the key.
        let taken = matches!(held.try_lock(), Err(TryLockError::WouldBlock));
        Ok((!taken).then_some((identity, held)))
    }

    fn key_file(&self, key: Key, file: Option<&Path>) -> Result<PathBuf, Failure> {
        Ok(match (file, &self.keys) {
            (Some(file), _) => file.to_owned(),
            (None, Some(folder)) => {
                make_private(folder)?;
                folder.join(match key {
                    Key::Node => "identity.key",
                    Key::Session => "session.key",
                    Key::Tracker => "tracker.key",
                })
            }
            (None, None) => {
                return Err(Failure::new(
                    Code::Other,
                    "no_home",
                    "no home folder to keep the key in",
                )
                .hint("set SWARM_HOME to a folder, or give --identity FILE"));
            }
        })
    }
}

fn load(path: &Path) -> Result<Identity, Failure> {
    Identity::load_or_create(path).map_err(|error| {
        let code = match error.kind() {
            // The file can be read and is no key, or no secret.
            io::ErrorKind::InvalidData => Code::Other,
            _ => Code::Disk,
        };
        Failure::new(code, "identity", format!("key {}: {error}", path.display()))
            .hint("give another file with --identity, or another folder with SWARM_HOME")
    })
}

/// Makes a folder that only its owner can enter; one that exists is left as it is.
fn make_private(folder: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Failure::new(Code::Disk, "home", format!("folder {}: {error}", folder.display()))
            .hint("set SWARM_HOME to a folder that you may write to")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swarm_home_holds_everything() {
        let paths = Paths::find(Some("/x/swarm".into()));
        assert_eq!(paths.config, Some("/x/swarm/config.toml".into()));
        assert_eq!(paths.history, Some("/x/swarm/history.db".into()));
        assert_eq!(paths.keys, Some("/x/swarm".into()));
    }

    #[test]
    fn a_key_is_of_one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::find(Some(dir.path().into()));
        let first = paths.identity_alone(Key::Session, None).unwrap();
        assert!(first.is_some());
        assert!(paths.identity_alone(Key::Session, None).unwrap().is_none());
        drop(first);
        assert!(paths.identity_alone(Key::Session, None).unwrap().is_some());
    }

    #[test]
    fn an_empty_swarm_home_is_none() {
        assert_eq!(Paths::find(Some("".into())), Paths::find(None));
    }
}
