//! Which way of hashing many messages is the fastest here.

use std::fmt;

use sha2::{Digest as _, Sha256};

#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512, lanes::Lanes};

/// A way of computing SHA-256 of many messages of one length. One that exists can be run: it is only
/// handed out where the CPU has the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Way);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One after the other by `sha2`, which uses SHA instructions if the CPU has them.
    OneByOne,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Kernel {
    /// The fastest on this CPU.
    #[must_use]
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(avx512) = Avx512::detect() {
                return Self(Way::Avx512(avx512));
            }
            if let Some(avx2) = Avx2::detect().filter(|_| !has_sha_instructions()) {
                return Self(Way::Avx2(avx2));
            }
        }
        Self(Way::OneByOne)
    }

    /// All that this CPU can run.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let ways = [
            Some(Way::OneByOne),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Way::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Way::Avx512),
        ];
        ways.into_iter().flatten().map(Self).collect()
    }

    /// Hashes each `len` bytes of `data`, in order. Both are multiples of 64 bytes, `data` also of
    /// `len`.
    pub(super) fn hash_each(self, data: &[u8], len: usize, emit: impl FnMut([u8; 32])) {
        self.hash_messages(data.len() / len, |number| &data[number * len..][..len], emit);
    }

    /// Hashes so many messages, in order. All have one length, a multiple of 64 bytes.
    pub(super) fn hash_messages<'a>(
        self,
        count: usize,
        message: impl Fn(usize) -> &'a [u8],
        mut emit: impl FnMut([u8; 32]),
    ) {
        match self.0 {
            Way::OneByOne => one_by_one((0..count).map(message), &mut emit),
            #[cfg(target_arch = "x86_64")]
            Way::Avx2(avx2) => in_lanes(avx2, count, &message, &mut emit),
            #[cfg(target_arch = "x86_64")]
            Way::Avx512(avx512) => in_lanes(avx512, count, &message, &mut emit),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::OneByOne if has_sha_instructions() => "SHA instructions",
            Way::OneByOne => "portable",
            #[cfg(target_arch = "x86_64")]
            Way::Avx2(_) => "AVX2, 8 lanes",
            #[cfg(target_arch = "x86_64")]
            Way::Avx512(_) => "AVX-512, 16 lanes",
        })
    }
}

fn one_by_one<'a>(messages: impl Iterator<Item = &'a [u8]>, emit: &mut impl FnMut([u8; 32])) {
    messages.for_each(|message| emit(Sha256::digest(message).into()));
}

/// Hashes two groups of `N` messages at a time. What is left at the end takes as long as one group or
/// two, the spare lanes doing the last message's work again, unless it is so little that one by one is
/// faster.
#[cfg(target_arch = "x86_64")]
fn in_lanes<'a, const N: usize>(
    lanes: impl Lanes<N>,
    count: usize,
    message: &impl Fn(usize) -> &'a [u8],
    emit: &mut impl FnMut([u8; 32]),
) {
    // Measured on Zen 5: all sixteen lanes take as long as seven messages with SHA instructions, where
    // vectors are slower it is more; and as long as less than two messages without.
    let worth = if has_sha_instructions() { N * 3 / 4 } else { 2 };
    for first in (0..count).step_by(2 * N) {
        let rest = (count - first).min(2 * N);
        let in_lane = |lane: usize| message(first + lane.min(rest - 1));
        let group = |group: usize| std::array::from_fn(|lane| in_lane(group * N + lane));
        if rest < worth {
            one_by_one((first..first + rest).map(message), emit);
        } else if rest <= N {
            let [digests] = lanes.hash([group(0)]);
            digests.into_iter().take(rest).for_each(&mut *emit);
        } else {
            let digests = lanes.hash([group(0), group(1)]);
            digests.into_iter().flatten().take(rest).for_each(&mut *emit);
        }
    }
}

/// Whether `sha2` uses SHA instructions.
fn has_sha_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(kernel: Kernel, data: &[u8], len: usize) {
        let mut digests = Vec::new();
        kernel.hash_each(data, len, |digest| digests.push(digest));
        let expected: Vec<[u8; 32]> =
            data.chunks(len).map(|message| Sha256::digest(message).into()).collect();
        assert_eq!(digests, expected, "{kernel}: {} bytes in messages of {len}", data.len());
    }

    #[test]
    fn every_number_of_messages_is_hashed_by_every_kernel() {
        let data: Vec<u8> = (0..40 * 192).map(|i| (i * 31 + (i >> 8) * 17) as u8).collect();
        for kernel in Kernel::available() {
            for count in 0..=40 {
                for len in [64, 128, 192] {
                    check(kernel, &data[..count * len], len);
                }
            }
        }
    }

    /// Of many bytes the length that is hashed with the message has more than 16 bits.
    #[test]
    fn long_messages_are_hashed_by_every_kernel() {
        let data: Vec<u8> = (0..16 * 16384).map(|i: u32| (i * 7 + (i >> 8)) as u8).collect();
        for kernel in Kernel::available() {
            check(kernel, &data, 16384);
            check(kernel, &data, 32768);
            check(kernel, &data, data.len());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_hashed_alike(
            (len, data) in (1..6_usize, 0..34_usize).prop_flat_map(|(blocks, count)| {
                let len = blocks * 64;
                (Just(len), prop::collection::vec(any::<u8>(), len * count))
            })
        ) {
            for kernel in Kernel::available() {
                check(kernel, &data, len);
            }
        }
    }
}
