//! SHA-256 (FIPS 180-4) over vectors: each lane of each register works on its own message.
//!
//! Every word of the algorithm is a vector here that has this word of each message, and every
//! operation is the algorithm's on all lanes at once. What differs between instruction sets is how
//! the operations are called and how the words of a block get from the messages into lanes; a module
//! that defines those gets its `hash_lanes` function from the macro of that name.

/// First 32 bits of the fractions of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2),
/// sixteen rounds a row.
pub(super) const K: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

/// First 32 bits of the fractions of the square roots of the first 8 primes (FIPS 180-4, 5.3.3).
pub(super) const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Bytes in a block of the hash, not of a piece.
pub(super) const BLOCK: usize = 64;

/// A CPU that hashes `N` messages side by side.
pub(super) trait Lanes<const N: usize>: Copy {
    /// Digests of messages of one length, a multiple of 64 bytes. Two groups take less than twice as
    /// long as one.
    fn hash<const GROUPS: usize>(self, messages: [[&[u8]; N]; GROUPS]) -> [[[u8; 32]; N]; GROUPS];
}

/// Defines `hash_lanes` for code that may use the given CPU features.
///
/// The module has `LANES`, a vector type `V` and, with the same features, `splat`, `add`, `xor3`,
/// `choose`, `majority`, `rotate`, `shift`, `load` and `store`.
macro_rules! hash_lanes {
    ($features:literal) => {
        /// A vector of each group.
        type Vs<const GROUPS: usize> = [V; GROUPS];

        /// Digests of messages of one length, a multiple of 64 bytes, in groups of as many as there
        /// are lanes. Each round waits for the one before, and meanwhile another group has its turn.
        #[target_feature(enable = $features)]
        fn hash_lanes<const GROUPS: usize>(
            messages: [[&[u8]; LANES]; GROUPS],
        ) -> [[[u8; 32]; LANES]; GROUPS] {
            let mut state = [[splat(0); GROUPS]; 8];
            for (word, start) in state.iter_mut().zip(START) {
                *word = [splat(start); GROUPS];
            }
            let len = messages[0][0].len();
            for at in (0..len).step_by(BLOCK) {
                let mut w = [[splat(0); GROUPS]; 16];
                for (group, messages) in messages.iter().enumerate() {
                    for (words, word) in w.iter_mut().zip(load(messages, at)) {
                        words[group] = word;
                    }
                }
                compress(&mut state, w);
            }
            // A one bit, zeros, and the length in bits: a block of its own after whole blocks.
            let mut end = [[splat(0); GROUPS]; 16];
            end[0] = [splat(1 << 31); GROUPS];
            end[14] = [splat((len as u64 >> 29) as u32); GROUPS];
            end[15] = [splat((len as u32) << 3); GROUPS];
            compress(&mut state, end);

            let mut digests = [[[0; 32]; LANES]; GROUPS];
            for (i, words) in state.into_iter().enumerate() {
                for (digests, word) in digests.iter_mut().zip(words) {
                    for (digest, word) in digests.iter_mut().zip(store(word)) {
                        digest[4 * i..4 * i + 4].copy_from_slice(&word.to_be_bytes());
                    }
                }
            }
            digests
        }

        /// One block of each message (FIPS 180-4, 6.2.2).
        #[inline]
        #[target_feature(enable = $features)]
        fn compress<const GROUPS: usize>(state: &mut [Vs<GROUPS>; 8], mut w: [Vs<GROUPS>; 16]) {
            let mut v = *state;
            sixteen_rounds::<GROUPS, false>(&mut v, &mut w, &K[0]);
            sixteen_rounds::<GROUPS, true>(&mut v, &mut w, &K[1]);
            sixteen_rounds::<GROUPS, true>(&mut v, &mut w, &K[2]);
            sixteen_rounds::<GROUPS, true>(&mut v, &mut w, &K[3]);
            for (words, changes) in state.iter_mut().zip(v) {
                for (word, change) in words.iter_mut().zip(changes) {
                    *word = add(*word, change);
                }
            }
        }

        /// Sixteen rounds; but for the first sixteen the message schedule goes on, in place.
        #[inline]
        #[target_feature(enable = $features)]
        fn sixteen_rounds<const GROUPS: usize, const SCHEDULE: bool>(
            v: &mut [Vs<GROUPS>; 8],
            w: &mut [Vs<GROUPS>; 16],
            k: &[u32; 16],
        ) {
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *v;
            // The variables change roles from round to round, so that nothing is moved.
            macro_rules! round {
                ($i:literal, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
                    for n in 0..GROUPS {
                        if SCHEDULE {
                            let (w15, w2) = (w[($i + 1) % 16][n], w[($i + 14) % 16][n]);
                            let s0 = xor3(rotate::<7>(w15), rotate::<18>(w15), shift::<3>(w15));
                            let s1 = xor3(rotate::<17>(w2), rotate::<19>(w2), shift::<10>(w2));
                            w[$i][n] = add(add(w[$i][n], s0), add(w[($i + 9) % 16][n], s1));
                        }
                        let (a, e) = ($a[n], $e[n]);
                        let s1 = xor3(rotate::<6>(e), rotate::<11>(e), rotate::<25>(e));
                        let input = add($h[n], add(w[$i][n], splat(k[$i])));
                        let t1 = add(input, add(s1, choose(e, $f[n], $g[n])));
                        let s0 = xor3(rotate::<2>(a), rotate::<13>(a), rotate::<22>(a));
                        $d[n] = add($d[n], t1);
                        $h[n] = add(t1, add(s0, majority(a, $b[n], $c[n])));
                    }
                };
            }
            round!(0, a b c d e f g h);
            round!(1, h a b c d e f g);
            round!(2, g h a b c d e f);
            round!(3, f g h a b c d e);
            round!(4, e f g h a b c d);
            round!(5, d e f g h a b c);
            round!(6, c d e f g h a b);
            round!(7, b c d e f g h a);
            round!(8, a b c d e f g h);
            round!(9, h a b c d e f g);
            round!(10, g h a b c d e f);
            round!(11, f g h a b c d e);
            round!(12, e f g h a b c d);
            round!(13, d e f g h a b c);
            round!(14, c d e f g h a b);
            round!(15, b c d e f g h a);
            *v = [a, b, c, d, e, f, g, h];
        }
    };
}
