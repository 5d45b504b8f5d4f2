//! Finding the files of a share.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File, FileType, Metadata},
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, openat, statat},
    io::Errno,
};
use swarm_proto::{
    geometry::{FILES_MAX, GeometryError},
    path::{NameError, PathError, SharePath, check_name, components, faults},
};

use crate::{NodeError, stamp::Stamp};

/// How the name of every working folder begins. No share and nothing in one may be called so: it
/// could pose as the folder of another download.
pub(crate) const WORK_PREFIX: &str = ".swarm-";
/// How many bad names an error holds: enough to see what kind they are.
const BAD_NAMES_SHOWN: usize = 3;

/// What a share is made of: everything sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<FoundFile>,
    /// Folders that hold nothing.
    pub(crate) empty_folders: Vec<SharePath>,
    bad_names: BadNames,
}

/// Names that cannot be shared: what is wrong with the first few, and how many there are.
#[derive(Debug, Default)]
struct BadNames {
    first: Vec<String>,
    count: usize,
}

impl BadNames {
    fn add(&mut self, fault: &dyn fmt::Display) {
        self.count += 1;
        if self.first.len() < BAD_NAMES_SHOWN {
            self.first.push(fault.to_string());
        }
    }
}

/// A file of a share.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Where it is below the root; empty if the root is the file.
    pub(crate) path: SharePath,
    pub(crate) executable: bool,
    pub(crate) stamp: Stamp,
}

/// Finds every file below `root`, or `root` itself if it is a file. `root` may be a symbolic link;
/// links below it are followed only if `follow` says so. Whatever cannot be shared is an error:
/// nothing is left out silently.
pub(crate) fn walk(root: &Path, follow: bool) -> Result<Found, NodeError> {
    let mut found = Found::default();
    let metadata = fs::metadata(root).map_err(NodeError::io("read", root))?;
    // The list of folders to visit is itself bounded: each holds a file, a folder or nothing, and
    // all of these are counted.
    let mut folders = Vec::new();
    found.add(root, String::new(), &metadata, &mut folders)?;
    while let Some((folder, path)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(NodeError::io("read", &folder))?;
        let mut empty = true;
        for entry in entries {
            let entry = entry.map_err(NodeError::io("read", &folder))?;
            empty = false;
            let disk = entry.path();
            let name = match shareable_name(&entry.file_name()) {
                Ok(name) => name,
                Err(fault) => {
                    let path = joined(&path, &fault.name);
                    found.bad_names.add(&PathError { path, why: fault.into() });
                    continue;
                }
            };
            let mut metadata = entry.metadata().map_err(NodeError::io("read", &disk))?;
            if metadata.is_symlink() {
                metadata = follow_link(&disk, &folder, follow)?;
            }
            found.add(&disk, joined(&path, &name), &metadata, &mut folders)?;
        }
        if empty {
            found.empty_folders.push(path.into());
        }
    }
    found.finish(root)
}

/// Finds these files below the folder `root` and nothing else. Links are followed, on the way too,
/// only if `follow` says so.
pub(crate) fn pick(root: &Path, files: &[Vec<String>], follow: bool) -> Result<Found, NodeError> {
    let mut found = Found::default();
    let mut files: Vec<_> = files.iter().collect();
    files.sort_unstable();
    files.dedup();
    for path in files {
        let fault = path.iter().find_map(|name| {
            shareable_name(OsStr::new(name)).and_then(|name| check_name(&name)).err()
        });
        if let Some(fault) = fault {
            found.bad_names.add(&PathError { path: path.join("/"), why: fault.into() });
            continue;
        }
        let mut disk = root.to_path_buf();
        for name in path {
            disk.push(name);
            if !follow && disk.is_symlink() {
                return Err(NodeError::Symlink { path: disk });
            }
        }
        let metadata = fs::metadata(&disk).map_err(NodeError::io("read", &disk))?;
        if metadata.is_dir() {
            return Err(NodeError::Folder { path: disk });
        }
        found.add(&disk, path.join("/"), &metadata, &mut Vec::new())?;
    }
    found.finish(root)
}

impl Found {
    /// Puts everything in order, if all of it can be shared.
    fn finish(mut self, root: &Path) -> Result<Self, NodeError> {
        if self.files.is_empty() && self.bad_names.count == 0 {
            return Err(NodeError::NothingToShare { path: root.into() });
        }
        self.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.empty_folders.sort_unstable();
        self.check_paths();
        match self.bad_names {
            BadNames { count: 0, .. } => Ok(self),
            BadNames { first, count } => Err(NodeError::Names { path: root.into(), first, count }),
        }
    }

    /// Finds what no manifest may hold, before anything is read.
    fn check_paths(&mut self) {
        let files = self.files.iter().map(|file| &file.path);
        // A share of one file has a name and no path.
        let files = files.filter(|path| !path.is_empty());
        let paths = files.chain(&self.empty_folders);
        faults(paths, &mut |fault| self.bad_names.add(&fault));
    }

    fn add(
        &mut self,
        disk: &Path,
        path: String,
        metadata: &Metadata,
        folders: &mut Vec<(PathBuf, String)>,
    ) -> Result<(), NodeError> {
        if metadata.is_dir() {
            folders.push((disk.into(), path));
        } else if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            self.files.push(FoundFile { path: path.into(), executable, stamp: metadata.into() });
        } else {
            let what = describe(metadata.file_type());
            return Err(NodeError::NotAFile { path: disk.into(), what });
        }
        let count =
            self.bad_names.count + self.files.len() + self.empty_folders.len() + folders.len();
        if count > FILES_MAX as usize { Err(GeometryError::TooManyFiles.into()) } else { Ok(()) }
    }
}

/// The names on the way to something in a share that is called `name` where it is.
pub(crate) fn names_below<'a>(name: &'a str, path: &'a str) -> Vec<&'a str> {
    std::iter::once(name).chain(components(path)).collect()
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.into() } else { format!("{folder}/{name}") }
}

/// Opens a file for reading, and does not wait for a pipe that somebody put in its place: that has no
/// other end, and would keep the thread for good. Reading from one fails.
pub(crate) fn open_file(path: impl AsRef<Path>) -> io::Result<File> {
    open_file_at(CWD, path.as_ref(), OFlags::empty())
}

/// The same for a path below an open folder, with more flags.
pub(crate) fn open_file_at(
    folder: impl AsFd,
    path: impl AsRef<Path>,
    more: OFlags,
) -> io::Result<File> {
    let (folder, path) = (folder.as_fd(), path.as_ref());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | more;
    let is_file = || {
        let there = statat(folder, path, AtFlags::empty())?;
        Ok::<_, Errno>(
            rustix::fs::FileType::from_raw_mode(there.st_mode) == rustix::fs::FileType::RegularFile,
        )
    };
    let opened = match openat(folder, path, flags | OFlags::NONBLOCK, Mode::empty()) {
        // A file server has a lease on the file, and was just asked to give it up: that ends.
        Err(Errno::AGAIN) if is_file()? => openat(folder, path, flags, Mode::empty()),
        opened => opened,
    };
    Ok(opened?.into())
}

/// A name as a manifest holds it, unless it is none of the share's at all.
fn shareable_name(name: &OsStr) -> Result<String, NameError> {
    let refused = |why| Err(NameError { name: name.to_string_lossy().into(), why });
    match name.to_str() {
        None => refused("is not UTF-8"),
        Some(name) if name.starts_with(WORK_PREFIX) => refused("belongs to an unfinished download"),
        Some(name) => Ok(name.into()),
    }
}

fn follow_link(link: &Path, folder: &Path, follow: bool) -> Result<Metadata, NodeError> {
    if !follow {
        return Err(NodeError::Symlink { path: link.into() });
    }
    let target = fs::canonicalize(link).map_err(NodeError::io("follow the link", link))?;
    let around = fs::canonicalize(folder).map_err(NodeError::io("read", folder))?;
    if around.starts_with(&target) {
        // Following it would never end.
        let what = "a link to a folder that it is in";
        return Err(NodeError::NotAFile { path: link.into(), what });
    }
    fs::metadata(&target).map_err(NodeError::io("read", link))
}

fn describe(file_type: FileType) -> &'static str {
    if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
