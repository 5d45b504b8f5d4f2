//! Which files of a share are to be fetched: patterns for their paths.

use swarm_engine::Priority;
use swarm_proto::{geometry::FileIndex, manifest::Manifest};

use crate::NodeError;

/// What the user chose of a share. A pattern is matched against a file's path in the share, its
/// parts joined by `/`: `*` stands for anything within a part, `?` for one character of it, and the
/// part `**` for any number of parts. A pattern that fits a folder has all that is in it; one
/// without a `/` may fit at any depth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only files that fit one of these; all files if there is none.
    pub only: Vec<String>,
    /// And none that fits one of these.
    pub skip: Vec<String>,
}

impl Selection {
    /// The files that are wanted, in order; all if nothing was chosen.
    ///
    /// # Errors
    /// If a pattern fits no file, or all files are left out.
    pub fn files(&self, manifest: &Manifest) -> Result<Vec<FileIndex>, NodeError> {
        let priorities = self.resolve(manifest)?.unwrap_or_default();
        let wanted = |file: &FileIndex| priorities.get(file.as_usize()) != Some(&Priority::Skip);
        Ok(manifest.geometry().files().filter(wanted).collect())
    }

    /// How much each file is wanted, empty if all are wanted alike; `None` if nothing was chosen.
    pub(crate) fn resolve(&self, manifest: &Manifest) -> Result<Option<Vec<Priority>>, NodeError> {
        if self.only.is_empty() && self.skip.is_empty() {
            return Ok(None);
        }
        let files: Vec<_> = manifest.geometry().files().map(|file| parts(manifest, file)).collect();
        let mut used = vec![false; self.only.len() + self.skip.len()];
        let (of_only, of_skip) = used.split_at_mut(self.only.len());
        let wanted: Vec<bool> = files
            .iter()
            .map(|path| {
                let only = fits_any(&self.only, path, of_only);
                let skip = fits_any(&self.skip, path, of_skip);
                (only || self.only.is_empty()) && !skip
            })
            .collect();
        let mut patterns = self.only.iter().chain(&self.skip).zip(used);
        if let Some((pattern, _)) = patterns.find(|(_, used)| !used) {
            return Err(NodeError::NoSuchFile { pattern: pattern.clone() });
        }
        if !wanted.contains(&true) {
            return Err(NodeError::NothingSelected);
        }
        if !wanted.contains(&false) {
            return Ok(Some(Vec::new()));
        }
        let priority = |wanted| if wanted { Priority::Normal } else { Priority::Skip };
        Ok(Some(wanted.into_iter().map(priority).collect()))
    }
}

/// The parts of a file's path; the share's name if the share is a file.
fn parts(manifest: &Manifest, file: FileIndex) -> Vec<&str> {
    let path = &manifest.file(file).path;
    if path.is_empty() { vec![&manifest.info().name] } else { path.components().collect() }
}

/// Whether any pattern fits, and notes which do.
fn fits_any(patterns: &[String], path: &[&str], used: &mut [bool]) -> bool {
    let mut any = false;
    for (pattern, used) in patterns.iter().zip(used) {
        let fits = fits(pattern, path);
        *used |= fits;
        any |= fits;
    }
    any
}

fn fits(pattern: &str, path: &[&str]) -> bool {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let starts = if pattern.contains('/') { 0..=0 } else { 0..=path.len().saturating_sub(1) };
    !parts.is_empty() && starts.into_iter().any(|start| fits_parts(&parts, &path[start..]))
}

/// Whether the pattern fits the path, or a folder that it is in.
fn fits_parts(pattern: &[&str], path: &[&str]) -> bool {
    matches(
        pattern,
        path,
        true,
        |part| part == &"**",
        |part, name| {
            let (part, name): (Vec<char>, Vec<char>) =
                (part.chars().collect(), name.chars().collect());
            matches(&part, &name, false, |c| *c == '*', |c, n| *c == '?' || c == n)
        },
    )
}

/// Whether a sequence fits a pattern in which some elements stand for any number of others. It goes
/// back to the last of these only, which is enough, so that no pattern takes more than the product
/// of both lengths.
fn matches<P, T>(
    pattern: &[P],
    all: &[T],
    prefix: bool,
    is_any: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut at) = (0, 0);
    // Where to go on if the last wildcard takes one more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && (prefix || at == all.len()) {
            return true;
        }
        if p < pattern.len() && is_any(&pattern[p]) {
            retry = Some((p + 1, at));
            p += 1;
        } else if p < pattern.len() && at < all.len() && fits(&pattern[p], &all[at]) {
            (p, at) = (p + 1, at + 1);
        } else if let Some((after, from)) = retry.filter(|&(_, from)| from < all.len()) {
            retry = Some((after, from + 1));
            (p, at) = (after, from + 1);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use swarm_proto::manifest::{Extras, FileInfo, Info};

    use super::*;

    fn manifest() -> Manifest {
        let paths = ["LICENSE", "data/a.bin", "data/deep/b.bin", "docs/a.txt", "docs/data"];
        let file = |path: &&str| FileInfo {
            path: (*path).into(),
            length: 5,
            executable: false,
            root: None,
        };
        let info = Info {
            name: "share".into(),
            piece_length: 1 << 14,
            files: paths.iter().map(file).collect(),
            empty_folders: Vec::new(),
        };
        let digests = vec![swarm_proto::digest::sha256(b"hello"); 5];
        Manifest::build(info, digests, Extras::default()).unwrap()
    }

    fn resolve(only: &[&str], skip: &[&str]) -> Result<Option<Vec<Priority>>, NodeError> {
        let owned = |all: &[&str]| all.iter().map(|&pattern| pattern.into()).collect();
        Selection { only: owned(only), skip: owned(skip) }.resolve(&manifest())
    }

    /// The numbers of the files that are wanted.
    fn wanted(only: &[&str], skip: &[&str]) -> Vec<usize> {
        let all = resolve(only, skip).unwrap().unwrap();
        (0..5).filter(|&file| all.get(file) != Some(&Priority::Skip)).collect()
    }

    #[test]
    fn patterns_fit_paths_folders_and_names_at_any_depth() {
        assert_eq!(wanted(&["data/a.bin"], &[]), [1]);
        assert_eq!(wanted(&["./docs/"], &[]), [3, 4], "a folder");
        assert_eq!(wanted(&["*.bin"], &[]), [1, 2]);
        assert_eq!(wanted(&["data"], &[]), [1, 2, 4], "a name at any depth");
        assert_eq!(wanted(&["/data"], &[]), [1, 2]);
        assert_eq!(wanted(&["*/*.bin"], &[]), [1]);
        assert_eq!(wanted(&["**/*.bin"], &[]), [1, 2]);
        assert_eq!(wanted(&["data/**/b.bin"], &[]), [2]);
        assert_eq!(wanted(&["?ICENSE", "docs/a*t"], &[]), [0, 3]);
    }

    #[test]
    fn what_is_skipped_is_taken_from_what_is_chosen() {
        assert_eq!(wanted(&[], &["docs"]), [0, 1, 2]);
        assert_eq!(wanted(&["data"], &["deep"]), [1, 4]);
        assert_eq!(resolve(&["*"], &[]).unwrap(), Some(Vec::new()));
        assert_eq!(resolve(&[], &[]).unwrap(), None);
    }

    #[test]
    fn a_pattern_that_fits_nothing_is_an_error() {
        for (only, skip, text) in [
            (&["*.iso"][..], &[][..], "no file of the share fits '*.iso'"),
            (&[], &["Data"], "no file of the share fits 'Data'"),
            (&["data", ""], &[], "no file of the share fits ''"),
            (&["data"], &["*.bin", "data"], "every file is left out"),
        ] {
            assert_eq!(resolve(only, skip).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let name = "a".repeat(255);
        assert!(!fits(&"*a".repeat(100), &[&format!("{name}b")]));
        assert!(fits(&format!("{}*", "*a".repeat(100)), &[&format!("{name}b")]));
    }
}
