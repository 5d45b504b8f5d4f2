//! How much each file is wanted, remembered for a later run: the file `priorities` of the working
//! folder.
//!
//! ```text
//! magic       8 bytes   "SWFILES1"
//! swarm       32 bytes  id
//! files       u32       how many the share has
//! priorities  bytes     one a file: 0 skip, 1 low, 2 normal, 3 high
//! checksum    32 bytes  SHA-256 of all of the above
//! ```
//! Integers are little-endian. If it is not there, or does not read as this, all files are wanted
//! alike: it may cost time, never data.

use std::io;

use swarm_engine::Priority;
use swarm_proto::{digest::sha256, manifest::Manifest};

use super::work_folder::WorkFolder;

const NAME: &str = "priorities";
const MAGIC: &[u8; 8] = b"SWFILES1";
const HEAD_LEN: usize = 8 + 32 + 4;
const CHECKSUM_LEN: usize = 32;

/// In the order of their numbers.
const ALL: [Priority; 4] = [Priority::Skip, Priority::Low, Priority::Normal, Priority::High];

/// What an earlier run remembered; nothing if all files are wanted alike.
pub(crate) fn read(work: &WorkFolder, manifest: &Manifest) -> io::Result<Vec<Priority>> {
    let len_max = HEAD_LEN + manifest.geometry().file_count() as usize + CHECKSUM_LEN;
    let Some(bytes) = work.read(NAME, len_max as u64)? else { return Ok(Vec::new()) };
    Ok(decode(&bytes, manifest).unwrap_or_else(|| {
        tracing::warn!(path = %work.path().display(), "the choice of files is damaged: all are wanted");
        Vec::new()
    }))
}

/// Remembers it.
pub(crate) fn write(
    work: &WorkFolder,
    manifest: &Manifest,
    priorities: &[Priority],
) -> io::Result<()> {
    if priorities.is_empty() {
        return work.remove(NAME);
    }
    work.write(NAME, &encode(manifest, priorities))
}

fn encode(manifest: &Manifest, priorities: &[Priority]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC);
    bytes.extend(manifest.id().as_bytes());
    // One a file, and these fit.
    bytes.extend((priorities.len() as u32).to_le_bytes());
    bytes.extend(priorities.iter().map(|&priority| match priority {
        Priority::Skip => 0,
        Priority::Low => 1,
        Priority::Normal => 2,
        Priority::High => 3,
    }));
    bytes.extend(sha256(&bytes).as_bytes());
    bytes
}

fn decode(bytes: &[u8], manifest: &Manifest) -> Option<Vec<Priority>> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>()?;
    let (head, priorities) = body.split_at_checked(HEAD_LEN)?;
    let files = manifest.geometry().file_count();
    let known = sha256(body).as_bytes() == checksum
        && head[..8] == *MAGIC
        && head[8..40] == *manifest.id().as_bytes()
        && head[40..] == files.to_le_bytes()
        && priorities.len() == files as usize;
    if !known {
        return None;
    }
    priorities.iter().map(|&number| ALL.get(usize::from(number)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use swarm_proto::manifest::{Extras, FileInfo, Info};

    use super::*;

    fn manifest(name: &str) -> Manifest {
        let file = |n: u32| FileInfo {
            path: n.to_string().into(),
            length: 0,
            executable: false,
            root: None,
        };
        let info = Info {
            name: name.into(),
            piece_length: 1 << 14,
            files: (0..4).map(file).collect(),
            empty_folders: Vec::new(),
        };
        Manifest::build(info, Vec::new(), Extras::default()).unwrap()
    }

    #[test]
    fn a_choice_survives_and_a_damaged_one_is_none() {
        let manifest_a = manifest("a");
        let bytes = encode(&manifest_a, &ALL);
        assert_eq!(decode(&bytes, &manifest_a), Some(ALL.to_vec()));
        assert_eq!(decode(&bytes, &manifest("b")), None);
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len], &manifest_a), None, "{len}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bytes, &manifest_a), None, "{bit}");
        }
    }
}
