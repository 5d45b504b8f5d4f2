//! SHA-256 of sixteen messages at once, for CPUs with AVX-512.
#![expect(
    unsafe_code,
    reason = "the compiler cannot know which CPU this runs on; a value of `Avx512` is the proof"
)]

use std::{arch::x86_64::*, mem::transmute};

use super::lanes::{BLOCK, K, Lanes, START};

const LANES: usize = 16;

/// How far ahead of the block that is read the next ones are fetched, in bytes. The messages are more
/// streams than the CPU follows by itself: without this what is not in its cache is a tenth slower.
const AHEAD: usize = 2 * BLOCK;

type V = __m512i;

/// A CPU that has the instructions of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Avx512(());

impl Avx512 {
    /// This CPU, if it has them.
    pub(super) fn detect() -> Option<Self> {
        let here = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        here.then_some(Self(()))
    }
}

impl Lanes<LANES> for Avx512 {
    fn hash<const GROUPS: usize>(
        self,
        messages: [[&[u8]; LANES]; GROUPS],
    ) -> [[[u8; 32]; LANES]; GROUPS] {
        // SAFETY: the function needs avx512f and avx512bw and nothing else, and `detect`, which alone
        // makes a value of this type, has seen both.
        unsafe { hash_lanes(messages) }
    }
}

hash_lanes!("avx512f,avx512bw");

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(word: u32) -> V {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(a: V, b: V) -> V {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate<const N: i32>(a: V) -> V {
    _mm512_ror_epi32::<N>(a)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn shift<const N: u32>(a: V) -> V {
    _mm512_srli_epi32::<N>(a)
}

// The number that says what a ternary operation does is its truth table, and so what it makes of
// these three.
const A: i32 = 0b1111_0000;
const B: i32 = 0b1100_1100;
const C: i32 = 0b1010_1010;

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor3(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<{ A ^ B ^ C }>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn choose(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<{ A & B | !A & C }>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn majority(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi32::<{ A & B | A & C | B & C }>(a, b, c)
}

/// The sixteen words at byte `at` of each message: word i of all messages in vector i.
///
/// A message's words are read as one vector, which makes a square of sixteen by sixteen; it is
/// mirrored at its diagonal in four steps that swap neighbours at distance 1, 2, 4 and 8.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(messages: &[&[u8]; LANES], at: usize) -> [V; 16] {
    let big_endian = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut rows = [splat(0); LANES];
    for (row, message) in rows.iter_mut().zip(messages) {
        let next = message.as_ptr().wrapping_add(at + AHEAD);
        // It reads nothing and does not fault, wherever it points.
        _mm_prefetch::<_MM_HINT_T0>(next.cast());
        let mut block = [0; BLOCK];
        block.copy_from_slice(&message[at..at + BLOCK]);
        // SAFETY: both are 64 bytes, and any bytes are a vector.
        let words = unsafe { transmute::<[u8; BLOCK], V>(block) };
        *row = _mm512_shuffle_epi8(words, big_endian);
    }
    let mut pairs = rows;
    for i in (0..16).step_by(2) {
        pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    // Now vector 4i + j has, in each 128-bit quarter q, word 4q + j of messages 4i to 4i + 3.
    let mut fours = pairs;
    for i in (0..16).step_by(4) {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    let mut words = fours;
    for j in 0..4 {
        // Quarters 0 and 1, then 2 and 3, of two vectors; then the even or the odd of those.
        let low = _mm512_shuffle_i32x4::<0b01_00_01_00>(fours[j], fours[4 + j]);
        let high = _mm512_shuffle_i32x4::<0b11_10_11_10>(fours[j], fours[4 + j]);
        let later_low = _mm512_shuffle_i32x4::<0b01_00_01_00>(fours[8 + j], fours[12 + j]);
        let later_high = _mm512_shuffle_i32x4::<0b11_10_11_10>(fours[8 + j], fours[12 + j]);
        words[j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(low, later_low);
        words[4 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(low, later_low);
        words[8 + j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(high, later_high);
        words[12 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(high, later_high);
    }
    words
}

/// A word of each message.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store(words: V) -> [u32; LANES] {
    // SAFETY: both are 64 bytes, and any bytes are numbers.
    unsafe { transmute::<V, [u32; LANES]>(words) }
}
