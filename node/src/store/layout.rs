//! Where the part of each file is, below the folder of parts.
//!
//! ```text
//! 17          the 17th file
//! mod1/17     the same, where there are many files: the folder is its number modulo 16
//! in17/name   the same, under its own name, in a folder that will get its final name as a whole
//! ```
//!
//! Where a folder holds many small files, to give each of them its name costs half of what it costs to make
//! and write it. So their parts lie together, and are moved together once they are all there.

use std::{borrow::Cow, ops::Range};

use swarm_proto::{geometry::FileIndex, manifest::Manifest, path::is_within};

/// With more files than this the parts lie in several folders: those who make files in a folder and
/// whoever moves them out wait for each other, and where files are small that is all they do.
const FOLDER_FILES: u32 = 1024;
/// How many folders that are: some for each thread that makes files.
const FOLDERS: u32 = 16;
/// A folder with fewer files does not gain from being moved as a whole.
const WHOLE_MIN: usize = 8;
/// A longer file is of use before its neighbours are there.
const WHOLE_LEN_MAX: u64 = 256 << 10;

/// A folder of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folder {
    /// The folder of parts itself.
    Top,
    /// One of the folders for many files.
    Mod(u32),
    /// The folder of this file, the first in it, and of its neighbours.
    In(u32),
}

impl Folder {
    /// Its name in the folder of parts; none for that itself.
    pub(crate) fn name(self) -> Option<String> {
        match self {
            Self::Top => None,
            Self::Mod(rest) => Some(format!("mod{rest}")),
            Self::In(first) => Some(format!("in{first}")),
        }
    }
}

/// Where parts are.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Files in the share.
    files: u32,
    /// The files of each folder that is moved as a whole, in order.
    whole: Vec<Range<u32>>,
}

impl Layout {
    /// For the files of a share.
    pub(crate) fn new(manifest: &Manifest) -> Self {
        let files = &manifest.info().files;
        let folder = |at: usize| files[at].path.folder_and_name().map(|(folder, _)| folder);
        let (mut whole, mut first) = (Vec::new(), 0);
        while first < files.len() {
            let (here, mut end) = (folder(first), first + 1);
            while end < files.len() && folder(end) == here {
                end += 1;
            }
            let small = |at: usize| files[at].length <= WHOLE_LEN_MAX;
            // Paths are sorted, so what lies deeper in it comes right before or right after.
            let is_above = |other: usize| {
                here.is_none_or(|path| folder(other).is_some_and(|o| is_within(o, path)))
            };
            let deeper = (first > 0 && is_above(first - 1)) || (end < files.len() && is_above(end));
            if end - first >= WHOLE_MIN && !deeper && (first..end).all(small) {
                whole.push(first as u32..end as u32);
            }
            first = end;
        }
        Self { files: files.len() as u32, whole }
    }

    /// The folder that the part of a file is in.
    pub(crate) fn folder(&self, file: FileIndex) -> Folder {
        match self.whole_folder(file) {
            Some(files) => Folder::In(files.start),
            None if self.files > FOLDER_FILES => Folder::Mod(file.get() % FOLDERS),
            None => Folder::Top,
        }
    }

    /// The name of a part in this folder.
    pub(crate) fn name(manifest: &Manifest, folder: Folder, file: FileIndex) -> Cow<'_, str> {
        match (folder, manifest.file(file).path.folder_and_name()) {
            (Folder::In(_), Some((_, name))) => name.into(),
            _ => file.get().to_string().into(),
        }
    }

    /// The numbers of the files in the folder that a file is in, if that is moved as a whole.
    pub(crate) fn whole_folder(&self, file: FileIndex) -> Option<&Range<u32>> {
        let after = self.whole.partition_point(|files| files.start <= file.get());
        self.whole.get(after.checked_sub(1)?).filter(|files| files.contains(&file.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Sample;

    /// The folder and the name of each part, in the order of the files.
    fn parts(files: &[(&str, usize)]) -> Vec<String> {
        let manifest = Sample::new(files).manifest;
        let layout = Layout::new(&manifest);
        let part = |file| {
            let folder = layout.folder(file);
            let name = Layout::name(&manifest, folder, file);
            folder.name().map_or_else(|| name.to_string(), |folder| format!("{folder}/{name}"))
        };
        manifest.geometry().files().map(part).collect()
    }

    const EIGHT: [(&str, usize); 8] = [
        ("s/a", 1),
        ("s/b", 1),
        ("s/c", 1),
        ("s/d", 0),
        ("s/e", 1),
        ("s/f", 1),
        ("s/g", 1),
        ("s/h", 1),
    ];

    #[test]
    fn a_folder_of_small_files_is_kept_together() {
        let files = [&[("r", 1)], &EIGHT[..], &[("t/a", 1)]].concat();
        let mut expected = vec!["0"];
        expected.extend(["in1/a", "in1/b", "in1/c", "in1/d", "in1/e", "in1/f", "in1/g", "in1/h"]);
        expected.push("9");
        assert_eq!(parts(&files), expected);
    }

    #[test]
    fn one_with_few_files_or_a_long_one_or_another_folder_in_it_is_not() {
        let apart: Vec<String> = (0..8).map(|n| n.to_string()).collect();
        assert_eq!(parts(&EIGHT[1..]), apart[..7]);
        let long = (EIGHT[7].0, WHOLE_LEN_MAX as usize + 1);
        assert_eq!(parts(&[&EIGHT[..7], &[long]].concat()), apart);
        for deeper in ["s/0/x", "s/c2/x", "s/z/x"] {
            let all = parts(&[&EIGHT[..], &[(deeper, 1)]].concat());
            assert!(all.iter().all(|part| !part.contains("in")), "{all:?}");
        }
    }

    #[test]
    fn the_share_itself_may_be_such_a_folder() {
        let files: Vec<String> = (0..8).map(|n| format!("{n}")).collect();
        let files: Vec<(&str, usize)> = files.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(parts(&files)[7], "in0/7");
    }
}
