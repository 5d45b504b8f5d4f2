//! Payloads that go from a file.

use std::{fs::File, io::Write};

use swarm_proto::codec::block_frame_head;

use super::*;

/// Longer than the kernel takes at once.
const LEN: usize = 1 << 20;
/// What is in the file before the payload.
const BEFORE: u64 = 1000;

fn file(payload: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[0xEE; BEFORE as usize]).unwrap();
    file.write_all(payload).unwrap();
    Arc::new(file)
}

fn payload(seed: u8) -> Bytes {
    (0..LEN).map(|i| (i / 251) as u8 ^ (i as u8).wrapping_add(seed)).collect()
}

fn queue(from: &mut Connection, piece: u32, file: Arc<File>) -> io::Result<()> {
    from.queue_from_file(&block_frame_head(piece, 0, LEN as u32), file, BEFORE, LEN)
}

#[tokio::test]
async fn payloads_arrive_whole_and_in_their_place_among_other_messages() {
    for transport in [Transport::Plain, Transport::Tls] {
        let (mut from, mut to) = Pair::new().connect(transport).await;
        from.queue(&Message::Have(vec![7]));
        queue(&mut from, 1, file(&payload(1))).unwrap();
        queue(&mut from, 2, file(&payload(2))).unwrap();
        from.queue(&Message::Choke);
        let sent = async { from.flush().await.unwrap() };
        let received = async {
            let mut all = Vec::new();
            while all.len() < 4 {
                all.push(to.read::<Message>().await.unwrap().unwrap());
            }
            all
        };
        let ((), all) = tokio::join!(sent, received);
        assert_eq!(from.queued(), 0, "{transport:?}");
        let block = |piece, data| Message::Block { piece, first: 0, data };
        let expected =
            [Message::Have(vec![7]), block(1, payload(1)), block(2, payload(2)), Message::Choke];
        assert!(all == expected, "{transport:?}");
    }
}

#[tokio::test]
async fn a_file_that_has_become_shorter_ends_the_connection() {
    for transport in [Transport::Plain, Transport::Tls] {
        let (mut from, mut to) = Pair::new().connect(transport).await;
        let file = file(&payload(1));
        file.set_len(BEFORE + LEN as u64 / 2).unwrap();
        // Owns its end, which is closed with it.
        let sent = async move {
            queue(&mut from, 1, file)?;
            from.flush().await
        };
        // As much as there is has to be taken before its end is noticed.
        let (sent, received) = tokio::join!(sent, to.read::<Message>());
        assert_eq!(sent.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{transport:?}");
        assert!(!matches!(received, Ok(Some(_))), "{received:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_sent_from_its_file_is_read() {
    // The kernel's own files have no pages to be sent, or are refused in other ways; all can be read.
    let Ok(special) = File::open("/proc/self/maps") else { return };
    let (mut from, mut to) = Pair::new().connect(Transport::Plain).await;
    from.queue_from_file(&block_frame_head(1, 0, 20), Arc::new(special), 0, 20).unwrap();
    let (sent, got) = tokio::join!(from.flush(), to.read::<Message>());
    sent.unwrap();
    let Some(Message::Block { piece: 1, first: 0, data }) = got.unwrap() else { panic!() };
    assert_eq!(data.len(), 20);
}
