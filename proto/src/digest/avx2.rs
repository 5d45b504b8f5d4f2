//! SHA-256 of eight messages at once, for CPUs with AVX2.
#![expect(
    unsafe_code,
    reason = "the compiler cannot know which CPU this runs on; a value of `Avx2` is the proof"
)]

use std::{arch::x86_64::*, mem::transmute};

use super::lanes::{BLOCK, K, Lanes, START};

const LANES: usize = 8;

type V = __m256i;

/// A CPU that has the instructions of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx2(());

impl Avx2 {
    /// This CPU, if it has them.
    pub(super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Lanes<LANES> for Avx2 {
    fn hash<const GROUPS: usize>(
        self,
        messages: [[&[u8]; LANES]; GROUPS],
    ) -> [[[u8; 32]; LANES]; GROUPS] {
        // SAFETY: the function needs avx2 and nothing else, and `detect`, which alone makes a value of
        // this type, has seen it.
        unsafe { hash_lanes(messages) }
    }
}

hash_lanes!("avx2");

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> V {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: V, b: V) -> V {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const N: u32>(a: V) -> V {
    let right = _mm256_srl_epi32(a, _mm_cvtsi32_si128(N.cast_signed()));
    let left = _mm256_sll_epi32(a, _mm_cvtsi32_si128((32 - N).cast_signed()));
    _mm256_or_si256(right, left)
}

#[inline]
#[target_feature(enable = "avx2")]
fn shift<const N: i32>(a: V) -> V {
    _mm256_srli_epi32::<N>(a)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: V, b: V, c: V) -> V {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

/// `b` where `a` is one, else `c`.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(a: V, b: V, c: V) -> V {
    _mm256_xor_si256(c, _mm256_and_si256(a, _mm256_xor_si256(b, c)))
}

/// `b`, but where `a` and `c` are both different from it. In the next round `a` is `b` and `b` is
/// `c`, so the compiler finds one of the two differences done.
#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: V, b: V, c: V) -> V {
    let outvoted = _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c));
    _mm256_xor_si256(b, outvoted)
}

/// The sixteen words at byte `at` of each message: word i of all messages in vector i.
#[inline]
#[target_feature(enable = "avx2")]
fn load(messages: &[&[u8]; LANES], at: usize) -> [V; 16] {
    let mut words = [splat(0); 16];
    words[..8].copy_from_slice(&load_half(messages, at));
    words[8..].copy_from_slice(&load_half(messages, at + BLOCK / 2));
    words
}

/// The eight words at byte `at` of each message.
///
/// A message's words are read as one vector, which makes a square of eight by eight; it is mirrored
/// at its diagonal in three steps that swap neighbours at distance 1, 2 and 4.
#[inline]
#[target_feature(enable = "avx2")]
fn load_half(messages: &[&[u8]; LANES], at: usize) -> [V; 8] {
    let big_endian = _mm256_set_epi32(
        0x0c0d_0e0f,
        0x0809_0a0b,
        0x0405_0607,
        0x0001_0203,
        0x0c0d_0e0f,
        0x0809_0a0b,
        0x0405_0607,
        0x0001_0203,
    );
    let mut rows = [splat(0); LANES];
    for (row, message) in rows.iter_mut().zip(messages) {
        let mut half = [0; BLOCK / 2];
        half.copy_from_slice(&message[at..at + BLOCK / 2]);
        // SAFETY: both are 32 bytes, and any bytes are a vector.
        let words = unsafe { transmute::<[u8; BLOCK / 2], V>(half) };
        *row = _mm256_shuffle_epi8(words, big_endian);
    }
    let mut pairs = rows;
    for i in (0..8).step_by(2) {
        pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    // Now vector 4i + j has, in each half q, word 4q + j of messages 4i to 4i + 3.
    let mut fours = pairs;
    for i in (0..8).step_by(4) {
        fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    let mut words = fours;
    for j in 0..4 {
        words[j] = _mm256_permute2x128_si256::<0x20>(fours[j], fours[4 + j]);
        words[4 + j] = _mm256_permute2x128_si256::<0x31>(fours[j], fours[4 + j]);
    }
    words
}

/// A word of each message.
#[inline]
#[target_feature(enable = "avx2")]
fn store(words: V) -> [u32; LANES] {
    // SAFETY: both are 32 bytes, and any bytes are numbers.
    unsafe { transmute::<V, [u32; LANES]>(words) }
}
