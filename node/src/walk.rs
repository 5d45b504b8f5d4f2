//! Finding the files of a share.

use std::{
    fs::{self, FileType, Metadata},
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use swarm_proto::{
    geometry::{FILES_MAX, GeometryError},
    path::{NameError, check_name},
};

use crate::{NodeError, stamp::Stamp, store::WORK_PREFIX};

/// What a share is made of: everything sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<FoundFile>,
    /// Folders that hold nothing.
    pub(crate) empty_folders: Vec<Vec<String>>,
}

/// A file of a share.
#[derive(Debug)]
pub(crate) struct FoundFile {
    /// Components below the root; none if the root is the file.
    pub(crate) path: Vec<String>,
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
    found.add(root, Vec::new(), &metadata, &mut folders)?;
    while let Some((folder, path)) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(NodeError::io("read", &folder))?;
        let mut empty = true;
        for entry in entries {
            let entry = entry.map_err(NodeError::io("read", &folder))?;
            empty = false;
            let disk = entry.path();
            let name = shareable_name(&entry.file_name().to_string_lossy(), &entry, &disk)?;
            let mut metadata = entry.metadata().map_err(NodeError::io("read", &disk))?;
            if metadata.is_symlink() {
                metadata = follow_link(&disk, &folder, follow)?;
            }
            let path = path.iter().cloned().chain([name]).collect();
            found.add(&disk, path, &metadata, &mut folders)?;
        }
        if empty {
            found.empty_folders.push(path);
        }
    }
    if found.files.is_empty() {
        return Err(NodeError::NothingToShare { path: root.into() });
    }
    found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found.empty_folders.sort_unstable();
    Ok(found)
}

impl Found {
    fn add(
        &mut self,
        disk: &Path,
        path: Vec<String>,
        metadata: &Metadata,
        folders: &mut Vec<(PathBuf, Vec<String>)>,
    ) -> Result<(), NodeError> {
        if metadata.is_dir() {
            folders.push((disk.into(), path));
        } else if metadata.is_file() {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            self.files.push(FoundFile { path, executable, stamp: metadata.into() });
        } else {
            let what = describe(metadata.file_type());
            return Err(NodeError::NotAFile { path: disk.into(), what });
        }
        let count = self.files.len() + self.empty_folders.len() + folders.len();
        if count > FILES_MAX as usize { Err(GeometryError::TooManyFiles.into()) } else { Ok(()) }
    }
}

fn shareable_name(name: &str, entry: &fs::DirEntry, disk: &Path) -> Result<String, NodeError> {
    let refused =
        |why| NodeError::Name { path: disk.into(), source: NameError { name: name.into(), why } };
    if entry.file_name().to_str().is_none() {
        return Err(refused("is not UTF-8"));
    }
    if name.starts_with(WORK_PREFIX) {
        return Err(refused("belongs to an unfinished download"));
    }
    check_name(name).map_err(|source| NodeError::Name { path: disk.into(), source })?;
    Ok(name.into())
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
