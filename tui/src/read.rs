//! Reading files of the user's, which may be anything.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Reads a file that may have at most `max` bytes; `None` if it has more. It may be something without
/// a length, or grow meanwhile.
///
/// # Errors
/// If it cannot be opened or read.
pub fn at_most(path: &Path, max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= max).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_fits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1234").unwrap();
        assert_eq!(at_most(&path, 4).unwrap().as_deref(), Some(&b"1234"[..]));
        assert_eq!(at_most(&path, 3).unwrap(), None);
        assert!(at_most(folder.path(), 3).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn what_has_no_length_has_an_end() {
        assert_eq!(at_most(Path::new("/dev/zero"), 1000).unwrap(), None);
    }
}
