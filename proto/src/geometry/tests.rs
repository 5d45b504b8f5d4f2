use super::*;

const K: u64 = 1024;

fn geometry(lengths: &[u64]) -> Geometry {
    Geometry::new(64 * 1024, lengths.iter().copied()).unwrap()
}

#[test]
fn pieces_never_span_files() {
    let g = geometry(&[100 * K, 0, 0, 1, 64 * K, 0]);
    assert_eq!(g.piece_count(), 4);
    let spans: Vec<_> =
        g.pieces().map(|p| g.span(p)).map(|s| (s.file.0, s.offset, s.len)).collect();
    assert_eq!(spans, [(0, 0, 65536), (0, 65536, 36 * 1024), (3, 0, 1), (4, 0, 65536)]);
    let counts: Vec<_> = g.files().map(|f| g.file_pieces(f).len()).collect();
    assert_eq!(counts, [2, 0, 0, 1, 1, 0]);
    let are_files: Vec<_> = g.pieces().map(|piece| g.is_file(piece)).collect();
    assert_eq!(are_files, [false, false, true, true]);
}

#[test]
fn every_piece_is_found_in_its_file() {
    let lengths = |count: u64| (0..count).map(|n| n * n * 7919 % 5 * (n % 11) * 32 * K);
    for count in [1, 2, 3, 10, 100, 1000] {
        let g = geometry(&lengths(count).collect::<Vec<_>>());
        let files = g.files().flat_map(|file| g.file_pieces(file).map(move |p| (p, file)));
        let found = g.pieces().map(|piece| (piece, g.span(piece).file));
        assert!(found.eq(files), "{count} files");
    }
}

#[test]
fn the_parts_of_a_run_lie_where_their_pieces_do() {
    let g = geometry(&[0, 3, 0, 0, 20 * K, 64 * K + 1, 0, 130 * K, 5, 0]);
    for piece in g.pieces() {
        for count in 1..=20 {
            let Some(run) = g.long_run(piece, 0, count) else { continue };
            let end = |part: BlockRun| {
                ((part.first + part.count) * BLOCK_LEN).min(g.piece_len(part.piece))
            };
            for (part, len) in g.parts_with_len(run) {
                assert_eq!(len, end(part) - part.offset(), "{run:?} {part:?}");
            }
            let last = g.parts(run).last().unwrap();
            let pieces = g.parts(run).map(|part| part.piece.0);
            assert!(pieces.eq(piece.0..=last.piece.0));
            assert_eq!(g.parts(run).map(|part| part.count).sum::<u32>(), count);
        }
    }
}

#[test]
fn the_last_block_of_a_piece_is_short() {
    let g = geometry(&[100 * K + 1]);
    let last = g.piece(1).unwrap();
    assert_eq!(g.block_count(last), 3);
    assert_eq!(g.run_len(g.run(last, 0, 3).unwrap()), 36 * 1024 + 1);
    assert_eq!(g.run_len(g.run(last, 2, 1).unwrap()), 4 * 1024 + 1);
}

#[test]
fn a_run_outside_its_piece_does_not_exist() {
    let g = geometry(&[64 * K]);
    let piece = g.piece(0).unwrap();
    assert!(g.run(piece, 0, 4).is_some());
    for (first, count) in [(0, 0), (0, 5), (4, 1), (u32::MAX, 1), (1, u32::MAX)] {
        assert_eq!(g.run(piece, first, count), None, "{first} {count}");
    }
    assert_eq!(g.piece(1), None);
}

#[test]
fn a_long_run_goes_on_into_the_pieces_that_follow() {
    let g = geometry(&[64 * K + 5, 0, 7, 20 * K]);
    let piece = |number| g.piece(number).unwrap();
    let parts = |run| {
        let parts = g.parts(run).map(|part| (part.piece.0, part.first, part.count));
        parts.collect::<Vec<_>>()
    };
    let run = g.long_run(piece(0), 3, 4).unwrap();
    assert_eq!(parts(run), [(0, 3, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1)]);
    assert_eq!(u64::from(g.run_len(run)), 16 * K + 5 + 7 + 16 * K);
    let data = vec![0; g.run_len(run) as usize];
    let lens = g.parts_of(run, &data).map(|(part, data)| (part.piece.0, data.len()));
    assert_eq!(lens.collect::<Vec<_>>(), [(0, 16384), (1, 5), (2, 7), (3, 16384)]);
    assert_eq!(parts(g.run(piece(0), 1, 2).unwrap()), [(0, 1, 2)]);
    // To the end of the share and no further, and never more than a request may name.
    assert!(g.long_run(piece(0), 3, 5).is_some());
    assert_eq!(g.long_run(piece(0), 3, 6), None);
    assert_eq!((g.long_run(piece(0), 4, 1), g.long_run(piece(0), 0, 0)), (None, None));
    let many = geometry(&[1; 100]);
    assert!(many.long_run(many.piece(0).unwrap(), 0, RUN_BLOCKS_MAX).is_some());
    assert_eq!(many.long_run(many.piece(0).unwrap(), 0, RUN_BLOCKS_MAX + 1), None);
}

#[test]
fn a_run_is_known_by_its_length() {
    let g = geometry(&[64 * K + 5, 0, 7, 20 * K]);
    for (first, count) in
        g.pieces().flat_map(|p| (0..5).flat_map(move |b| (1..9).map(move |c| ((p, b), c))))
    {
        let Some(run) = g.long_run(first.0, first.1, count) else { continue };
        assert_eq!(g.run_of_len(first.0, first.1, g.run_len(run) as usize), Some(run));
    }
    let of_len = |first, len: u64| g.run_of_len(g.piece(0).unwrap(), first, len as usize);
    // Inside a block, past the end, in no block.
    for (first, len) in
        [(3, 1), (3, 16 * K + 4), (3, 40 * K), (4, 1), (u32::MAX, 1), (0, 0), (0, u64::MAX)]
    {
        assert_eq!(of_len(first, len), None, "{first} {len}");
    }
    let many = geometry(&[1; 100]);
    assert_eq!(many.run_of_len(many.piece(0).unwrap(), 0, 65), None);
}

#[test]
fn limits_are_refused_before_anything_is_kept() {
    let err = |piece, lengths: &[u64]| Geometry::new(piece, lengths.iter().copied()).err();
    for piece in [0, 1, 8192, 65537, 3 << 14, 32 << 20, u32::MAX] {
        assert_eq!(err(piece, &[1]), Some(GeometryError::PieceLength(piece)));
    }
    assert_eq!(err(16384, &[u64::MAX]), Some(GeometryError::TooManyPieces));
    assert_eq!(err(16 << 20, &[1 << 46, 1]), Some(GeometryError::TooManyPieces));
    assert_eq!(err(16 << 20, &[1 << 46]), None);
}
