//! Where something is in a share.

use std::{
    cmp::Ordering,
    fmt,
    path::{Path, PathBuf},
};

use bincode::{
    Encode,
    de::Decoder,
    enc::Encoder,
    error::{DecodeError, EncodeError},
};

use super::{DEPTH_MAX, NAME_LEN_MAX};
use crate::bin;

/// The path of a file or folder below the share's name: its components, joined by `/`. Empty: the share
/// itself. A share may have a million of them, so each is one text and not a list of texts.
///
/// The order is that of the components, each by its bytes: what lies in a folder is side by side. Not every
/// such path may be in a manifest ([`super::faults`] tells which), but a component never has a `/` in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SharePath(Box<str>);

impl SharePath {
    /// The components joined by `/`.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the share itself.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The components, the outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> + Clone {
        components(&self.0)
    }

    /// The folder that it is in, empty if that is the share itself, and its name there. `None` if it has none.
    #[must_use]
    pub fn folder_and_name(&self) -> Option<(&str, &str)> {
        folder_and_name(&self.0)
    }

    /// Where it is, if the share is at `root`.
    #[must_use]
    pub fn below(&self, root: &Path) -> PathBuf {
        // A file itself has nothing after its name, not even a separator.
        if self.is_empty() { root.into() } else { root.join(&*self.0) }
    }

    /// Reads one, by way of a text whose room is used again.
    pub(crate) fn decode<D: Decoder>(
        decoder: &mut D,
        text: &mut String,
    ) -> Result<Self, DecodeError> {
        text.clear();
        for nth in 0..bin::length(decoder, DEPTH_MAX)? {
            if nth > 0 {
                text.push('/');
            }
            let start = text.len();
            bin::text_onto(decoder, NAME_LEN_MAX, text)?;
            // Joined, it would be another path, which has another encoding.
            if text.len() == start || text[start..].contains('/') {
                return Err(DecodeError::Other("a component that is none"));
            }
        }
        Ok(Self::from(text.as_str()))
    }
}

/// As a list of texts: the encoding is older than this type.
impl Encode for SharePath {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (depth(&self.0) as u64).encode(encoder)?;
        self.components().try_for_each(|component| component.encode(encoder))
    }
}

impl<T: Into<Box<str>>> From<T> for SharePath {
    fn from(joined: T) -> Self {
        Self(joined.into())
    }
}

impl Ord for SharePath {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_from(&self.0, &other.0, shared_len(&self.0, &other.0))
    }
}

impl PartialOrd for SharePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The components of a path that are joined by `/`.
pub fn components(path: &str) -> impl Iterator<Item = &str> + Clone {
    // Nothing splits into one empty text.
    path.split('/').take(if path.is_empty() { 0 } else { usize::MAX })
}

/// The folder that something is in, empty if that is the share itself, and its name there. `None` if it is the
/// share itself.
#[must_use]
pub fn folder_and_name(path: &str) -> Option<(&str, &str)> {
    let split = path.rsplit_once('/').unwrap_or(("", path));
    (!path.is_empty()).then_some(split)
}

/// Whether a path is that of this folder or of something below it.
#[must_use]
pub fn is_within(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// How many components a path has.
pub(super) fn depth(path: &str) -> usize {
    if path.is_empty() { 0 } else { 1 + path.bytes().filter(|&byte| byte == b'/').count() }
}

/// How many bytes two paths begin with alike; less than that if a character would come apart.
pub(super) fn shared_len(a: &str, b: &str) -> usize {
    let alike = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a.floor_char_boundary(alike)
}

/// The order of two paths that begin with this many bytes alike.
pub(super) fn compare_from(a: &str, b: &str, shared: usize) -> Ordering {
    // What ends a component comes before all that could go on with it.
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    let [a, b] = [a, b].map(|path| path.bytes().skip(shared).map(rank));
    a.cmp(b)
}

#[cfg(test)]
mod tests {
    use bincode::Decode;
    use proptest::prelude::*;

    use super::*;

    struct Alone(SharePath);

    impl<C> Decode<C> for Alone {
        fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
            SharePath::decode(decoder, &mut "left over".into()).map(Self)
        }
    }
    bincode::impl_borrow_decode!(Alone);

    fn path(text: &str) -> SharePath {
        SharePath::from(text)
    }

    #[test]
    fn a_path_comes_apart_where_it_was_joined() {
        let apart = |text| path(text).components().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(apart(""), [""; 0]);
        assert_eq!(apart("a"), ["a"]);
        assert_eq!(apart("a/b c/d"), ["a", "b c", "d"]);
        assert_eq!(apart("a//b"), ["a", "", "b"]);
        assert_eq!(path("").folder_and_name(), None);
        assert_eq!(path("a").folder_and_name(), Some(("", "a")));
        assert_eq!(path("a/b/c").folder_and_name(), Some(("a/b", "c")));
    }

    #[test]
    fn what_is_below_a_folder_begins_with_all_of_its_name() {
        for (inner, outer) in [("a/b", "a"), ("a", "a"), ("a/b/c", "a/b"), ("a", ""), ("", "")] {
            assert!(is_within(inner, outer), "{inner:?} in {outer:?}");
        }
        for (inner, outer) in [("ab", "a"), ("a-b/c", "a"), ("a", "a/b"), ("", "a")] {
            assert!(!is_within(inner, outer), "{inner:?} in {outer:?}");
        }
    }

    #[test]
    fn a_component_that_is_none_is_refused() {
        let read = |components: &[&str]| {
            bin::decode::<Alone, 100>(&bin::encode(components)).map(|Alone(path)| path)
        };
        for (components, joined) in [(&["a", "b"][..], "a/b"), (&[], "")] {
            assert_eq!(read(components).unwrap(), path(joined));
            assert_eq!(bin::encode(path(joined)), bin::encode(components));
        }
        for none in [&[""][..], &["a", ""], &["a/b"], &["a", "/"]] {
            assert!(read(none).is_err(), "{none:?}");
        }
    }

    proptest! {
        /// `-` and `.` come before `/` by their bytes, but not in a component that goes on.
        #[test]
        fn the_order_is_that_of_components(
            a in prop::collection::vec("[a./-]{1,3}", 0..4),
            b in prop::collection::vec("[a./-]{1,3}", 0..4),
        ) {
            let [a, b] = [a, b].map(|list| path(&list.join("/")));
            prop_assert_eq!(a.cmp(&b), a.components().cmp(b.components()));
        }
    }
}
