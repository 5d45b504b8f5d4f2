//! bincode with limits: what the manifest needs of it.
//!
//! `standard()`: integers are little-endian and of variable length, a list or text is its length
//! and its items, an option is a byte and its value. A length that arrives is checked against the
//! limit of its place and never trusted with an allocation.

use bincode::{
    BorrowDecode, Decode, Encode, config,
    de::{Decoder, read::Reader as _},
    enc::write::SizeWriter,
    error::DecodeError,
};

/// The encoding of a value.
pub(crate) fn encode(value: impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(value, config::standard())
        .expect("the encoder has no errors for the types that we have")
}

/// Bytes in the encoding of a value.
pub(crate) fn encoded_len(value: impl Encode) -> usize {
    let mut size = SizeWriter::default();
    bincode::encode_into_writer(value, &mut size, config::standard())
        .expect("the encoder has no errors for the types that we have");
    size.bytes_written
}

/// Reads a value that is the whole of `bytes` and takes no more than `MEMORY_MAX` bytes of memory.
pub(crate) fn decode<'a, T: BorrowDecode<'a, ()>, const MEMORY_MAX: usize>(
    bytes: &'a [u8],
) -> Result<T, DecodeError> {
    let config = config::standard().with_limit::<MEMORY_MAX>();
    let (value, consumed) = bincode::borrow_decode_from_slice(bytes, config)?;
    if consumed == bytes.len() { Ok(value) } else { Err(DecodeError::Other("bytes left over")) }
}

/// Reads a list of at most `max` items. Memory is taken as items arrive, not as they are announced.
pub(crate) fn list<D: Decoder, T: Decode<D::Context>>(
    decoder: &mut D,
    max: usize,
) -> Result<Vec<T>, DecodeError> {
    list_of(decoder, max, T::decode)
}

/// Like [`list`], with a function that reads an item.
pub(crate) fn list_of<D: Decoder, T>(
    decoder: &mut D,
    max: usize,
    mut item: impl FnMut(&mut D) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    /// Items that are given room before the first has arrived.
    const PROMPT: usize = 16;
    let len = length(decoder, max)?;
    let mut items = Vec::with_capacity(len.min(PROMPT));
    for _ in 0..len {
        decoder.claim_bytes_read(size_of::<T>())?;
        items.push(item(decoder)?);
    }
    items.shrink_to_fit();
    Ok(items)
}

/// Reads text of at most `max` bytes.
pub(crate) fn text<D: Decoder>(decoder: &mut D, max: usize) -> Result<String, DecodeError> {
    let mut text = String::new();
    text_onto(decoder, max, &mut text)?;
    Ok(text)
}

/// Reads text of at most `max` bytes, and appends it to what there is.
pub(crate) fn text_onto<D: Decoder>(
    decoder: &mut D,
    max: usize,
    text: &mut String,
) -> Result<(), DecodeError> {
    let len = length(decoder, max)?;
    decoder.claim_bytes_read(len)?;
    let reader = decoder.reader();
    // We only ever read from slices, which can show what comes.
    let shown = reader.peek_read(len).ok_or(DecodeError::UnexpectedEnd { additional: len })?;
    text.push_str(str::from_utf8(shown).map_err(|inner| DecodeError::Utf8 { inner })?);
    reader.consume(len);
    Ok(())
}

/// Reads a number. Some have several encodings, of which only the shortest is taken: one share must have one id.
pub(crate) fn number<D: Decoder>(decoder: &mut D) -> Result<u64, DecodeError> {
    // What begins with 251, 252 and 253 has 16, 32 and 64 bits, and all that is less is the number itself.
    let least = match decoder.reader().peek_read(1) {
        Some([251]) => 251,
        Some([252]) => 1 << 16,
        Some([253]) => 1 << 32,
        _ => 0,
    };
    let number = u64::decode(decoder)?;
    if number < least {
        Err(DecodeError::Other("a longer number than need be"))
    } else {
        Ok(number)
    }
}

/// Reads a length, which may be `max`.
pub(crate) fn length<D: Decoder>(decoder: &mut D, max: usize) -> Result<usize, DecodeError> {
    let len = number(decoder)?;
    usize::try_from(len).ok().filter(|&len| len <= max).ok_or(DecodeError::LimitExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Encode)]
    struct Words(Vec<String>);

    impl<C> Decode<C> for Words {
        fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
            list_of(decoder, 3, |decoder| text(decoder, 5)).map(Words)
        }
    }
    bincode::impl_borrow_decode!(Words);

    fn words(words: &[&str]) -> Words {
        Words(words.iter().copied().map(str::to_owned).collect())
    }

    fn read(bytes: &[u8]) -> Result<Words, String> {
        decode::<_, 200>(bytes).map_err(|error| error.to_string())
    }

    #[test]
    fn lists_and_texts_have_limits() {
        for good in [words(&[]), words(&["", "abcde", "é"])] {
            assert_eq!(read(&encode(&good)), Ok(good));
        }
        for long in [words(&["abcdef"]), words(&["", "", "", ""])] {
            assert_eq!(read(&encode(&long)), Err("LimitExceeded".into()));
        }
        assert!(
            decode::<Words, 50>(&encode(words(&["", ""]))).is_err(),
            "more memory than allowed"
        );
        assert!(read(&[1, 2, 0xff, 0xff]).unwrap_err().contains("Utf8"));
    }

    #[test]
    fn the_whole_input_is_read_and_no_more() {
        assert_eq!(read(&[1, 1, b'a', 0]), Err(r#"Other("bytes left over")"#.into()));
        assert!(read(&[1, 2, b'a']).unwrap_err().contains("UnexpectedEnd"));
    }

    #[test]
    fn only_the_shortest_encoding_of_a_number_is_taken() {
        struct Number(u64);
        impl<C> Decode<C> for Number {
            fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
                number(decoder).map(Self)
            }
        }
        bincode::impl_borrow_decode!(Number);
        let read = |bytes: &[u8]| decode::<Number, 8>(bytes).map(|Number(number)| number).ok();
        // Each of the longer forms, and the least number that needs it.
        for (tag, len, least) in [(251, 2, 251), (252, 4, 1 << 16), (253, 8, 1 << 32)] {
            let long = |number: u64| [&[tag], &number.to_le_bytes()[..len]].concat();
            assert_eq!(encode(least), long(least));
            assert_eq!(read(&long(least)), Some(least));
            for less in [least - 1, 0] {
                assert_eq!((read(&encode(less)), read(&long(less))), (Some(less), None));
            }
        }
        assert_eq!(read(&encode(u64::MAX)), Some(u64::MAX));
        assert_eq!(read(&[251, 251]), None, "cut short");
    }

    #[test]
    fn the_length_is_known_before() {
        let value = words(&["a", "bcd"]);
        assert_eq!(encoded_len(&value), encode(&value).len());
    }
}
