//! `swarm create -`: the list of files on stdin.

use std::{
    io::{self, Read},
    path::{Component, Path},
    thread,
};

use swarm_proto::{geometry::FILES_MAX, manifest::MANIFEST_LEN_MAX};
use tokio::sync::oneshot;

use super::Context;
use crate::exit::{Code, Failure};

/// The longest list that is read: what is longer fits into no manifest.
const LIST_BYTES_MAX: usize = MANIFEST_LEN_MAX;

/// Reads stdin to its end: each path as its components below the current folder.
pub async fn of_stdin(cx: &Context, null: bool) -> Result<Vec<Vec<String>>, Failure> {
    // A thread of our own, left behind if the user gives up: one of the runtime would be waited for.
    let (say, read) = oneshot::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let limit = LIST_BYTES_MAX as u64 + 1;
        let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
        // Nobody listens any more if the user gave up.
        let _ = say.send(read.map(|_| bytes));
    });
    let bytes = tokio::select! {
        () = cx.stop.cancelled() => return Err(Failure::interrupted()),
        read = read => read.unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into())),
    };
    let bytes =
        bytes.map_err(|error| Failure::new(Code::Disk, "disk", format!("stdin: {error}")))?;
    parse(&bytes, if null { 0 } else { b'\n' })
}

/// The paths in a list whose entries end with this byte. Empty ones count for nothing.
fn parse(list: &[u8], end: u8) -> Result<Vec<Vec<String>>, Failure> {
    let too_long = || {
        Failure::usage("the list on stdin is longer than any share")
            .hint("make several shares of it")
    };
    if list.len() > LIST_BYTES_MAX {
        return Err(too_long());
    }
    let mut files = Vec::new();
    for (number, entry) in (1..).zip(list.split(|&byte| byte == end)) {
        if entry.is_empty() {
            continue;
        }
        if files.len() == FILES_MAX as usize {
            return Err(too_long());
        }
        files.push(components(entry).map_err(|why| {
            let (entry, hint) = (String::from_utf8_lossy(entry), "list paths below this folder");
            let what = if end == 0 { "entry" } else { "line" };
            Failure::usage(format!("stdin, {what} {number}: {entry:?} {why}")).hint(hint)
        })?);
    }
    if files.is_empty() {
        return Err(Failure::usage("the list on stdin names no file")
            .hint("list files, one a line; `find . -type f` does"));
    }
    Ok(files)
}

/// What a path leads through, or why it leads elsewhere.
fn components(entry: &[u8]) -> Result<Vec<String>, &'static str> {
    let text = str::from_utf8(entry).map_err(|_| "is not UTF-8")?;
    let mut names = Vec::new();
    for component in Path::new(text).components() {
        match component {
            Component::Normal(name) => names.extend(name.to_str().map(String::from)),
            Component::CurDir => {}
            Component::ParentDir => return Err("leads out of folders"),
            Component::RootDir | Component::Prefix(_) => return Err("begins at the root"),
        }
    }
    if names.is_empty() { Err("is this folder itself") } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_whatever_ends_them() {
        let read = |list: &[u8], end| {
            let files = parse(list, end).unwrap();
            files.iter().map(|path| path.join("|")).collect::<Vec<_>>()
        };
        assert_eq!(read(b"./a b/c\n\nd\n", b'\n'), ["a b|c", "d"]);
        assert_eq!(read(b"a\nb\0c//d/./e", 0), ["a\nb", "c|d|e"]);
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_named() {
        let refused = |list: &[u8], end| parse(list, end).unwrap_err().message;
        assert_eq!(refused(b"a\n/b\n", b'\n'), r#"stdin, line 2: "/b" begins at the root"#);
        assert_eq!(refused(b"a/../b", b'\n'), r#"stdin, line 1: "a/../b" leads out of folders"#);
        assert_eq!(refused(b"a\0\xff", 0), "stdin, entry 2: \"\u{fffd}\" is not UTF-8");
        assert_eq!(refused(b".\n", b'\n'), r#"stdin, line 1: "." is this folder itself"#);
        assert_eq!(refused(b"\n", b'\n'), "the list on stdin names no file");
    }

    #[test]
    fn a_list_that_fits_no_share_is_refused() {
        let list = "a\n".repeat(FILES_MAX as usize + 1);
        let message = parse(list.as_bytes(), b'\n').unwrap_err().message;
        assert_eq!(message, "the list on stdin is longer than any share");
    }
}
