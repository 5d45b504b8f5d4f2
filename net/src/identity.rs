//! A node's secret key and the file it lives in.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signer, SigningKey};
use swarm_proto::id::PeerId;

/// First line of a key file. The second is the 32-byte secret (RFC 8032 `seed`) in base32.
const HEADER: &str = "swarm-secret-key-1";
/// A key file is 72 bytes; what is longer than this is something else and is not read.
const FILE_LEN_MAX: u64 = 256;

/// A node's secret Ed25519 key and its public name.
#[derive(Clone)]
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// A new one from the OS's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self { key: SigningKey::from_bytes(&random_seed()) }
    }

    /// Reads the key file, or makes one that only its owner can read (0600).
    ///
    /// # Errors
    /// If the file cannot be read or made, is no key, or can be read by other users.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match Self::load(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        match Self::generate().save(path) {
            // Another process was faster: its key is the one.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Self::load(path),
            result => result,
        }
    }

    /// The public key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        PeerId::new(self.key.verifying_key().to_bytes())
    }

    /// Signs a message (Ed25519, RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    pub(crate) const fn key(&self) -> &SigningKey {
        &self.key
    }

    fn load(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path).map_err(|e| about(path, &e))?;
        check_private(path, &file)?;
        let mut text = String::new();
        file.take(FILE_LEN_MAX).read_to_string(&mut text).map_err(|e| about(path, &e))?;
        let seed = parse(&text).ok_or_else(|| {
            let why = "is not a swarm key file; move it away and a new key is made";
            io::Error::new(io::ErrorKind::InvalidData, format!("{} {why}", path.display()))
        })?;
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    /// Writes the file under a name of its own and links it into place, so that nobody ever sees
    /// half a key and an existing key is never replaced.
    fn save(self, path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| about(folder, &e))?;
        }
        let draft = draft_path(path);
        let mut file = create_private(&draft).map_err(|e| about(&draft, &e))?;
        let secret = BASE32_NOPAD.encode(&self.key.to_bytes()).to_ascii_lowercase();
        let result = writeln!(file, "{HEADER}\n{secret}")
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::hard_link(&draft, path));
        fs::remove_file(&draft).map_err(|e| about(&draft, &e))?;
        result.map_err(|e| about(path, &e))?;
        Ok(self)
    }
}

impl fmt::Debug for Identity {
    /// The public name only: secrets do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.peer_id().short())
    }
}

/// 32 bytes of the OS's randomness: a secret key, or the seed of an engine.
///
/// # Panics
/// If the OS gives no randomness, without which nothing here is safe to do.
#[must_use]
pub fn random_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random.fill(&mut seed).expect("the OS gives randomness");
    seed
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut lines = text.lines();
    let (header, secret, rest) = (lines.next()?, lines.next()?, lines.next());
    if header != HEADER || rest.is_some() {
        return None;
    }
    let seed = BASE32_NOPAD.decode(secret.to_ascii_uppercase().as_bytes()).ok()?;
    seed.try_into().ok()
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let tag = BASE32_NOPAD.encode(&random_seed()[..5]).to_ascii_lowercase();
    name.push(format!(".{tag}"));
    path.with_file_name(name)
}

fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn check_private(path: &Path, file: &fs::File) -> io::Result<()> {
    let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata()?) & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    let why = format!("{path} can be read by other users (mode {mode:03o}); run: chmod 600 {path}");
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/folder/key");
        let made = Identity::load_or_create(&path).unwrap();
        let read = Identity::load_or_create(&path).unwrap();
        assert_eq!(made.peer_id(), read.peer_id());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_debug_print_tells_no_secret() {
        let identity = Identity { key: SigningKey::from_bytes(&[7; 32]) };
        assert_eq!(format!("{identity:?}"), "Identity(5jfgyy7c)");
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let secret = "a".repeat(52);
        for text in [
            String::new(),
            "hello".into(),
            format!("{HEADER}\n{}", "a".repeat(51)),
            format!("{HEADER}\n{secret}\nmore"),
            format!("swarm-secret-key-2\n{secret}\n"),
        ] {
            let _ = fs::remove_file(&path);
            create_private(&path).unwrap().write_all(text.as_bytes()).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_a_public_one_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        Identity::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
