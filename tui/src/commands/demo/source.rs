//! What a demo shares when the user has nothing at hand.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::task;

use crate::{context::Context, exit::Failure, room, units::Bytes};

/// What to do if there is too little room.
pub const SMALLER: &str =
    "make it smaller with --size or --peers, or name another folder with --temp";

/// A file of random bytes, so that nothing on the way can make it smaller.
pub async fn random(cx: &Context, folder: &Path, bytes: u64) -> Result<PathBuf, Failure> {
    room::check(folder, bytes, SMALLER)?;
    let (path, stop) = (folder.join("random.bin"), cx.stop.clone());
    cx.console.note(format_args!("writing {} of random bytes", Bytes(bytes)));
    let file = path.clone();
    let written =
        task::spawn_blocking(move || write_random(&file, bytes, &mut || !stop.is_cancelled()));
    match written.await.map_err(io::Error::other) {
        Ok(Ok(true)) => Ok(path),
        Ok(Ok(false)) => Err(Failure::interrupted()),
        Ok(Err(error)) | Err(error) => Err(Failure::file(&path, &error)),
    }
}

/// Writes until done or `go_on` says no. Other bytes each time, or a copy of an earlier run would do.
fn write_random(path: &Path, bytes: u64, go_on: &mut dyn FnMut() -> bool) -> io::Result<bool> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut random = SplitMix(since.as_nanos() as u64);
    let (mut file, mut left, mut buffer) = (File::create_new(path)?, bytes, vec![0_u8; 1 << 20]);
    while left > 0 {
        if !go_on() {
            return Ok(false);
        }
        let len = left.min(buffer.len() as u64) as usize;
        for word in buffer.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        file.write_all(&buffer[..len])?;
        left -= len as u64;
    }
    Ok(true)
}

/// `SplitMix64` (Steele et al., 2014): a gigabyte a second, and nothing compresses it.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_files_have_their_length_and_differ() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        assert!(write_random(&a, (1 << 20) + 5, &mut || true).unwrap());
        assert!(write_random(&b, (1 << 20) + 5, &mut || true).unwrap());
        let (a, b) = (std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
        assert_eq!((a.len(), b.len()), ((1 << 20) + 5, (1 << 20) + 5));
        assert_ne!(a, b);
    }

    #[test]
    fn writing_stops_when_told_to() {
        let folder = tempfile::tempdir().unwrap();
        let done = write_random(&folder.path().join("a"), 5 << 20, &mut || false).unwrap();
        assert!(!done);
    }
}
