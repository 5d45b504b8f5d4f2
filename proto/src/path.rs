//! Names that a manifest may hold: those that every system can store and nobody is misled by.
//!
//! A name comes from a stranger and becomes a file. One that means something else on another
//! system (a device, a parent folder, a stream of another file), that two systems spell
//! differently, or that looks like another is refused, never rewritten: rewritten, two machines
//! would disagree on what they share.

mod share_path;

use std::{borrow::Cow, cmp::Ordering};

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

pub use share_path::{SharePath, components, folder_and_name, is_within};
use share_path::{compare_from, depth, shared_len};

/// The most bytes in one component: what the usual file systems of Linux allow.
pub const NAME_LEN_MAX: usize = 255;
/// The most bytes in a path with its separators: `PATH_MAX` of Linux.
pub const PATH_LEN_MAX: usize = 4096;
/// The most components in a path.
pub const DEPTH_MAX: usize = 64;

/// Why a name may not be in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name {name:?} {why}")]
pub struct NameError {
    /// The name, as given.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Why a path may not be in a manifest, alone or beside the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path:?}: {why}")]
pub struct PathError {
    /// The path, its components joined by `/`.
    pub path: String,
    /// What is wrong with it.
    pub why: PathFault,
}

/// What is wrong with a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// A component is no name for a file or folder.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It has no component.
    #[error("a file in a folder needs a name")]
    Empty,
    /// It has more components than [`DEPTH_MAX`].
    #[error("folders are nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// It is longer than [`PATH_LEN_MAX`].
    #[error("the path is longer than {PATH_LEN_MAX} bytes")]
    TooLong,
    /// It does not come after the path before it.
    #[error("the paths are not in order, or one is there twice")]
    Unsorted,
    /// What stands for a file or an empty folder is also a folder with something in it.
    #[error("lies in {0:?}, which is not a folder or said to be empty")]
    InsideFile(String),
    /// Another name in the folder differs by upper and lower case only.
    #[error("differs from {0:?} by upper and lower case only, and many systems cannot hold both")]
    Twin(String),
}

/// Checks one component of a path.
///
/// # Errors
/// If it is not a name that every machine can hold and no person is misled by.
pub fn check_name(name: &str) -> Result<(), NameError> {
    match fault(name) {
        None => Ok(()),
        Some(why) => Err(NameError { name: name.to_owned(), why }),
    }
}

/// Whether text can be printed as it is: it moves no cursor, turns no direction, hides nothing.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || is_invisible(c))
}

/// Checks that paths are in ascending order, each component compared by its bytes.
pub(crate) fn check_sorted<'a>(
    paths: impl IntoIterator<Item = &'a SharePath>,
) -> Result<(), PathError> {
    let mut last = None;
    for path in paths {
        if last.is_some_and(|last| path <= last) {
            return Err(PathError::new(path.as_str(), PathFault::Unsorted));
        }
        last = Some(path);
    }
    Ok(())
}

/// Reports everything that keeps these files and empty folders from being one share, for whoever
/// has to put all of it right.
pub fn faults<'a>(
    paths: impl IntoIterator<Item = &'a SharePath>,
    report: &mut dyn FnMut(PathError),
) {
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort_unstable();
    let examined = examine(paths, &mut |fault| {
        report(fault);
        Ok(())
    });
    debug_assert_eq!(examined, Ok(()), "nothing that is reported ends it");
}

/// Checks the paths of a share, which are sorted: each alone, and that they fit into one folder.
/// No path may lead through another, so a file is no folder and an empty folder is empty.
pub(crate) fn check_paths<'a>(
    paths: impl IntoIterator<Item = &'a SharePath>,
) -> Result<(), PathError> {
    examine(paths, &mut Err)
}

/// What is done about a fault: an error ends the examination.
type OnFault<'a> = &'a mut dyn FnMut(PathError) -> Result<(), PathError>;

fn examine<'a>(
    paths: impl IntoIterator<Item = &'a SharePath>,
    on_fault: OnFault<'_>,
) -> Result<(), PathError> {
    let mut last = "";
    // The folders on the way to `last`, the share's own first: the names in each so far.
    let mut open: Vec<Vec<Sibling<'_>>> = vec![Vec::new()];
    for path in paths.into_iter().map(SharePath::as_str) {
        let shared = shared_len(path, last);
        if let Some(why) = path_fault(path, last, shared) {
            on_fault(PathError::new(path, why))?;
            continue;
        }
        // The order has the paths below one folder side by side, so folders that this path is not
        // in are complete.
        let common = path[..shared].matches('/').count();
        let own = path[..shared].rfind('/').map_or(path, |end| &path[end + 1..]);
        for depth in (common + 1..open.len()).rev() {
            close(open.pop().unwrap_or_default(), last, depth, on_fault)?;
        }
        for name in components(own) {
            if let Err(why) = check_name(name) {
                on_fault(PathError::new(path, why.into()))?;
            }
            if let Some(folder) = open.last_mut() {
                folder.push(Sibling { folded: fold(name), name });
            }
            open.push(Vec::new());
        }
        // What is named last is no folder.
        open.pop();
        last = path;
    }
    while let Some(folder) = open.pop() {
        close(folder, last, open.len(), on_fault)?;
    }
    Ok(())
}

/// What needs no look at the folder around the path, of which so many bytes are also those of the last.
fn path_fault(path: &str, last: &str, shared: usize) -> Option<PathFault> {
    if path.is_empty() {
        Some(PathFault::Empty)
    } else if depth(path) > DEPTH_MAX {
        Some(PathFault::TooDeep)
    } else if path.len() >= PATH_LEN_MAX {
        Some(PathFault::TooLong)
    } else if compare_from(path, last, shared) != Ordering::Greater {
        Some(PathFault::Unsorted)
    } else if !last.is_empty() && shared == last.len() && path[shared..].starts_with('/') {
        Some(PathFault::InsideFile(last.to_owned()))
    } else {
        None
    }
}

/// One name in a folder.
struct Sibling<'a> {
    folded: Cow<'a, str>,
    name: &'a str,
}

/// Checks the names in one folder, all of them, against each other. The folder is that many components down
/// this path.
fn close(
    mut names: Vec<Sibling<'_>>,
    path: &str,
    depth: usize,
    on_fault: OnFault<'_>,
) -> Result<(), PathError> {
    if names.is_sorted_by(|a, b| a.folded < b.folded) {
        return Ok(());
    }
    names.sort_unstable_by(|a, b| a.folded.cmp(&b.folded));
    for pair in names.windows(2).filter(|pair| pair[0].folded == pair[1].folded) {
        let path: Vec<_> = components(path).take(depth).chain([pair[1].name]).collect();
        on_fault(PathError::new(&path.join("/"), PathFault::Twin(pair[0].name.to_owned())))?;
    }
    Ok(())
}

impl PathError {
    fn new(path: &str, why: PathFault) -> Self {
        Self { path: path.to_owned(), why }
    }
}

/// A form that two names have in common if a file system that ignores case may take one for the
/// other. Coarser than any of them is: upper case first, so that `ß` and `ss` meet.
fn fold(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return name.to_ascii_lowercase().into();
        }
        return name.into();
    }
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

fn fault(name: &str) -> Option<&'static str> {
    if is_plain(name) {
        None
    } else if name.is_empty() {
        Some("is empty")
    } else if name.len() > NAME_LEN_MAX {
        Some("is longer than 255 bytes")
    } else if matches!(name, "." | "..") {
        Some("stands for another folder")
    } else if name.contains(['/', '\\']) {
        Some("has a path separator in it")
    } else if name.chars().any(char::is_control) {
        Some("has a control character in it")
    } else if name.contains(is_invisible) {
        Some("has a character in it that cannot be seen or turns the direction of text")
    } else if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        Some(r#"has one of < > : " | ? * in it, which Windows cannot store"#)
    } else if name.ends_with(['.', ' ']) {
        Some("ends in a dot or a space, which Windows drops")
    } else if is_device(name) {
        Some("is the name of a device on Windows, whatever follows its first dot")
    } else if !is_nfc(name) {
        Some("is not in Unicode normalisation form C; rename it to the composed form")
    } else {
        None
    }
}

/// Whether a name is beyond doubt, which nearly all are: a share may have a million of them. It is neither
/// as short nor as odd as what is looked into below.
fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let stem = name.split('.').next().unwrap_or_default();
    name.len() <= NAME_LEN_MAX
        && stem.len() >= 5
        && name.bytes().all(|b| plain(b) || b == b'.')
        && !name.ends_with('.')
}

/// Whether Windows opens a device by this name, in any folder (Microsoft, "Naming Files, Paths, and
/// Namespaces").
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    let is_port = |kind: &str| {
        let (head, number) = match stem.char_indices().nth(3) {
            Some((at, _)) => stem.split_at(at),
            None => return false,
        };
        head.eq_ignore_ascii_case(kind)
            && matches!(
                number,
                "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
            )
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].into_iter().any(is)
        || ["COM", "LPT"].into_iter().any(is_port)
}

/// Characters without a shape of their own that hide in a name or change how the rest is shown:
/// Unicode's bidirectional controls and those `Default_Ignorable_Code_Point`s that no script needs
/// to be read. Variation selectors stay allowed, since emoji come with them.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_fine() {
        for name in [
            "file-0001_b.tar.gz",
            "a",
            "README.md",
            ".hidden",
            "..rc",
            "a b",
            " leading",
            "Ünïcødé",
            "日本語.txt",
            "κόσμος",
            "❤\u{fe0f}.png",
            "console.log",
            "com10",
            "COM",
            "nul_",
            "auxiliary",
            "macro.print!.html",
            "x@1.0+build~3#[a]{b}(c)$%&'`=,;^-",
            &"n".repeat(255),
        ] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn names_that_mislead_or_cannot_be_stored_are_refused() {
        for (why, names) in [
            ("is empty", &[""][..]),
            ("stands for another folder", &[".", ".."]),
            ("has a path separator", &["a/b", "/", "a\\b", "\\\\?\\C"]),
            ("has a control character", &["a\0", "a\n", "\u{1b}[2J", "\u{7f}", "\u{85}"]),
            ("cannot be seen", &["a\u{202e}gpj.exe", "a\u{200b}", "\u{feff}a", "a\u{2066}"]),
            ("which Windows cannot store", &["a:b", "C:", "what?", "a*", "<a>", "a|b", "\"a\""]),
            ("ends in a dot or a space", &["a.", "a ", "...", " "]),
            (
                "is the name of a device",
                &["CON", "nul", "Aux.c", "com1", "COM¹.txt", "lpt9.tar.gz", "CONIN$", "prn .txt"],
            ),
            (
                "is not in Unicode normalisation form C",
                &["e\u{301}", "\u{212b}", "\u{1100}\u{1161}"],
            ),
        ] {
            for &name in names {
                let error = check_name(name).unwrap_err();
                assert!(error.why.contains(why), "{name:?}: {}", error.why);
            }
        }
        assert_eq!(check_name(&"é".repeat(128)).unwrap_err().why, "is longer than 255 bytes");
    }

    #[test]
    fn an_error_is_inert_when_printed() {
        let error = check_name("\u{1b}[2J\u{202e}").unwrap_err().to_string();
        assert!(is_printable(&error), "{error}");
    }

    fn check(paths: &[&str]) -> Result<(), String> {
        let paths: Vec<_> = paths.iter().copied().map(SharePath::from).collect();
        check_paths(&paths).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_unique_in_their_folder_whatever_their_case() {
        assert_eq!(check(&["a/x", "b/X", "x"]), Ok(()));
        let twin = |path: &str, other: &str| {
            let why = PathFault::Twin(other.to_owned());
            Err(PathError { path: path.to_owned(), why }.to_string())
        };
        assert_eq!(check(&["README", "a", "readme"]), twin("readme", "README"));
        assert_eq!(check(&["a/B", "a/b"]), twin("a/b", "B"));
        assert_eq!(check(&["Src/a", "lib/z", "src/b"]), twin("src", "Src"));
        assert_eq!(check(&["strasse", "straße"]), twin("straße", "strasse"));
        assert_eq!(check(&["ΣΊΣΥΦΟΣ", "σίσυφος"]), twin("σίσυφος", "ΣΊΣΥΦΟΣ"));
    }

    #[test]
    fn whoever_makes_a_share_is_told_all_that_is_wrong_with_it() {
        let paths = ["z.", "readme", "a/b:c/d", "a/b:c/e", "README", "fine", "a/x", "a/X"];
        let paths = paths.map(SharePath::from);
        let mut wrong = Vec::new();
        faults(&paths, &mut |fault| wrong.push(fault.path));
        assert_eq!(wrong, ["a/b:c/d", "a/x", "z.", "readme"]);
    }

    #[test]
    fn a_file_is_no_folder() {
        let error = check(&["a", "a/b"]).unwrap_err();
        assert_eq!(error, r#""a/b": lies in "a", which is not a folder or said to be empty"#);
        // Bytes order `a-b` between `a` and `a/b`, components do not.
        assert_eq!(check(&["a/b", "a-b"]), Ok(()));
        assert!(check(&["a-b", "a/b"]).is_err());
    }

    #[test]
    fn paths_are_sorted_and_none_is_there_twice() {
        for paths in [&["b", "a"][..], &["a", "a"], &["a/b", "a"]] {
            assert!(check(paths).unwrap_err().contains("not in order"), "{paths:?}");
        }
    }

    #[test]
    fn depth_and_length_have_an_end() {
        assert_eq!(check(&[&["d"; DEPTH_MAX].join("/")]), Ok(()));
        assert!(check(&[&["d"; DEPTH_MAX + 1].join("/")]).unwrap_err().contains("nested"));
        let name = "n".repeat(255);
        assert_eq!(check(&[&[name.as_str(); 16].join("/")]), Ok(()));
        assert!(check(&[&[name.as_str(); 17].join("/")]).unwrap_err().contains("longer than 4096"));
    }
}
