//! Whatever happened before, and whatever became of the working folder: a later run claims nothing
//! that does not verify, and gets everything.

use std::fs::File;

use proptest::prelude::*;

use super::{
    tests::{check, download, output, varied, work_folder},
    *,
};
use crate::testing::listing;

/// What the engine may have wanted of a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Write,
    Fetch,
    Forget,
}

/// What may have become of the working folder. Numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    FlipRecord(u32),
    CutRecord(u32),
    CutPart(u32, u64),
    RemovePart(u32),
    /// By a copy with one bit wrong.
    ReplacePart(u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![1 => Just(Step::Write), 3 => Just(Step::Fetch), 1 => Just(Step::Forget)]
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::None),
        any::<u32>().prop_map(Damage::FlipRecord),
        any::<u32>().prop_map(Damage::CutRecord),
        (0..3_u32, 0..50_000_u64).prop_map(|(part, len)| Damage::CutPart(part, len)),
        (0..3_u32).prop_map(Damage::RemovePart),
        (0..3_u32, any::<u32>()).prop_map(|(part, bit)| Damage::ReplacePart(part, bit)),
    ]
}

fn flip(bytes: &mut [u8], bit: u32) {
    if !bytes.is_empty() {
        let bit = bit as usize % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Does the damage, as far as there is anything to damage.
fn inflict(damage: Damage, work: &Path) -> io::Result<()> {
    let record = work.join("resume");
    let part = |number: u32| work.join("parts").join(number.to_string());
    match damage {
        Damage::None => Ok(()),
        Damage::FlipRecord(bit) => {
            let mut bytes = fs::read(&record)?;
            flip(&mut bytes, bit);
            fs::write(record, bytes)
        }
        Damage::CutRecord(len) => {
            let bytes = fs::read(&record)?;
            fs::write(record, &bytes[..len as usize % bytes.len()])
        }
        Damage::CutPart(number, len) => {
            File::options().write(true).open(part(number))?.set_len(len)
        }
        Damage::RemovePart(number) => fs::remove_file(part(number)),
        Damage::ReplacePart(number, bit) => {
            // A copy, so that it has the same rights.
            let copy = work.join("copy");
            fs::copy(part(number), &copy)?;
            let mut bytes = fs::read(&copy)?;
            flip(&mut bytes, bit);
            fs::write(&copy, bytes)?;
            fs::rename(copy, part(number))
        }
    }
}

proptest! {
    // Each case syncs a real disk a few times.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_later_run_claims_only_what_verifies(
        steps in prop::collection::vec((0..6_usize, step()), 0..12),
        damage in damage(),
    ) {
        let (sample, output) = (varied(), output());
        let mut first = download(&sample, output.path()).unwrap();
        let (pieces, mut recorded) = (first.pieces(), [false; 6]);
        for (piece, step) in steps {
            match step {
                // A file that gets its final name is not written to again, so the one that pieces
                // are forgotten of, the first, never becomes whole: it has a third piece.
                Step::Forget => {
                    first.store.submit(Job::Forget(pieces[piece % 2]));
                    recorded[piece % 2] = false;
                }
                // The engine writes no piece that it has.
                _ if recorded[piece] || piece == 2 => {}
                Step::Write => first.write(pieces[piece]),
                Step::Fetch => {
                    first.fetch(pieces[piece]);
                    recorded[piece] = true;
                }
            }
        }
        first.store.close();
        drop(first);
        // There may be nothing to damage.
        let _ = inflict(damage, &work_folder(&sample, &output));

        let mut second = download(&sample, output.path()).unwrap();
        for (&piece, recorded) in pieces.iter().zip(recorded) {
            let have = second.have.has(piece);
            // Nothing is lost without damage. What was only written may be found good, too.
            prop_assert!(have || !recorded || !matches!(damage, Damage::None));
            if have {
                let verifies = check(&second.store, &mut second.answers, &sample.manifest, piece);
                prop_assert_eq!(verifies, Ok(true));
            }
        }
        prop_assert_eq!(second.complete(), Ok(()));
        prop_assert!(listing(&output.path().join("share")) == listing(&sample.path));
    }
}
