//! `swarm bench tls`: the ciphers on their own, and a stream over loopback with them and without.

use std::time::{Duration, Instant};

use aws_lc_rs::aead::{
    AES_128_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use swarm_net::{Connection, Identity, Protocol, Security, Transport, socket};
use swarm_proto::message::Message;

use super::{machine::Machine, meter, on_a_thread, usage::Usage};
use crate::{
    context::Context,
    exit::{Code, Failure},
    units::Rate,
};

/// Bytes in a full TLS record (RFC 8446, section 5.1): what a stream seals at a time.
const RECORD: usize = 16 * 1024;
/// Bytes that each stream carries: about half a second.
const STREAM: u64 = 512 << 20;
/// Bytes of one message: what a fast peer is asked for.
const MESSAGE: usize = 1 << 20;
/// A loopback that takes longer than this does not work.
const PATIENCE: Duration = Duration::from_secs(60);

/// One cipher. Rates are bytes a second.
#[derive(Debug, Serialize)]
struct Cipher {
    cipher: &'static str,
    /// It is the one that two of our nodes on machines like this one agree on.
    used: bool,
    seal_one_core: f64,
    open_one_core: f64,
    seal_all_cores: f64,
}

/// One stream over loopback, both ends in this process.
#[derive(Debug, Serialize)]
struct Stream {
    transport: &'static str,
    rate: f64,
    /// User and system time of both ends.
    cpu_s_per_gib: Option<f64>,
}

/// Measures what encrypted connections cost, and prints it.
pub async fn run(cx: Context) -> Result<(), Failure> {
    let machine = Machine::here();
    let cores = machine.cores;
    let mut ciphers = Vec::new();
    for (cipher, algorithm) in
        [("AES-128-GCM", &AES_128_GCM), ("ChaCha20-Poly1305", &CHACHA20_POLY1305)]
    {
        cx.console.note(format_args!("measuring {cipher}"));
        let work = move || Cipher {
            cipher,
            used: algorithm == &AES_128_GCM,
            seal_one_core: seal_rate(algorithm, 1),
            open_one_core: open_rate(algorithm),
            seal_all_cores: seal_rate(algorithm, cores),
        };
        ciphers.push(on_a_thread(&cx, work).await?);
    }
    let mut streams = Vec::new();
    for (transport, name) in [(Transport::Tls, "tls"), (Transport::Plain, "plain")] {
        cx.console.note(format_args!("measuring a stream over loopback, {name}"));
        let measured = tokio::select! {
            () = cx.stop.cancelled() => return Err(Failure::interrupted()),
            measured = tokio::time::timeout(PATIENCE, stream(transport, name)) => measured,
        };
        let broken = |why: String| Failure::new(Code::Network, "loopback", why);
        let late = |_| broken("nothing moves over loopback".into());
        streams.push(measured.map_err(late)?.map_err(|why| broken(format!("loopback: {why}")))?);
    }
    cx.console.object(&json!({
        "bench": "tls",
        "version": env!("CARGO_PKG_VERSION"),
        "machine": machine,
        "ciphers": ciphers,
        "streams": streams,
    }))?;
    cx.console.result(render(&machine, &ciphers, &streams))
}

/// Bytes a second that one core encrypts with the cipher that is used between machines like this.
pub fn rate() -> f64 {
    seal_rate(&AES_128_GCM, 1)
}

fn key(algorithm: &'static Algorithm) -> LessSafeKey {
    let secret = [7; 32];
    let key = UnboundKey::new(algorithm, &secret[..algorithm.key_len()]);
    LessSafeKey::new(key.expect("the secret has the cipher's own length"))
}

/// A nonce may repeat here: nothing secret is sealed, and nobody sees it.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([1; 12])
}

fn seal_rate(algorithm: &'static Algorithm, threads: u32) -> f64 {
    meter::rate(threads, &|| {
        let (key, mut record) = (key(algorithm), vec![1; RECORD]);
        Box::new(move || {
            // It fails for records that are too long only, and this one has the usual length.
            let tag = key.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut record);
            std::hint::black_box(&tag).as_ref().map_or(0, |_| RECORD as u64)
        })
    })
}

fn open_rate(algorithm: &'static Algorithm) -> f64 {
    meter::rate(1, &|| {
        let (key, mut plain, mut opened) = (key(algorithm), vec![1; RECORD], vec![0; RECORD]);
        let tag = key.seal_in_place_separate_tag(nonce(), Aad::empty(), &mut plain);
        let sealed = plain.clone();
        Box::new(move || {
            let Ok(tag) = &tag else { return 0 };
            let done =
                key.open_separate_gather(nonce(), Aad::empty(), &sealed, tag.as_ref(), &mut opened);
            done.map_or(0, |()| RECORD as u64)
        })
    })
}

/// Sends blocks from one end of a connection to the other.
async fn stream(transport: Transport, name: &'static str) -> Result<Stream, String> {
    let (mut from, mut to) = connect(transport).await?;
    let block = Message::Block { piece: 0, first: 0, data: Bytes::from(vec![1; MESSAGE]) };
    let (start, before) = (Instant::now(), Usage::now().cpu_s());
    let sending = tokio::spawn(async move {
        for _ in 0..STREAM / MESSAGE as u64 {
            from.write(&block).await.map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(from)
    });
    let mut left = STREAM;
    while left > 0 {
        match to.read::<Message>().await.map_err(|error| error.to_string())? {
            Some(Message::Block { data, .. }) => left = left.saturating_sub(data.len() as u64),
            Some(_) => {}
            None => return Err("the stream ended early".into()),
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = Usage::now().cpu_s().zip(before).map(|(after, before)| after - before);
    // The sender is done: the receiver has everything.
    sending.await.map_err(|error| error.to_string())??;
    let gib = STREAM as f64 / f64::from(1 << 30);
    Ok(Stream {
        transport: name,
        rate: STREAM as f64 / seconds,
        cpu_s_per_gib: cpu.map(|cpu| cpu / gib),
    })
}

async fn connect(transport: Transport) -> Result<(Connection, Connection), String> {
    let (here, there) = (Identity::generate(), Identity::generate());
    let listener = socket::listen(([127, 0, 0, 1], 0).into()).map_err(|error| error.to_string())?;
    let addr = listener.local_addr().map_err(|error| error.to_string())?;
    let (dialling, accepting) = (Security::new(&here, transport), Security::new(&there, transport));
    let accept = async {
        let (socket, _) = listener.accept().await.map_err(|error| error.to_string())?;
        accepting.accept(socket, Protocol::Peer).await.map_err(|error| error.to_string())
    };
    let dial = async {
        let dialled = dialling.dial(addr, Some(there.peer_id()), Protocol::Peer).await;
        dialled.map_err(|error| error.to_string())
    };
    tokio::try_join!(dial, accept)
}

fn render(machine: &Machine, ciphers: &[Cipher], streams: &[Stream]) -> String {
    let rate = |value: f64| Rate(value as u64).to_string();
    let mut lines = vec![
        format!("encryption in records of {} KiB on {}", RECORD / 1024, machine.describe()),
        String::new(),
        format!("{:<22}{:>13}{:>13}{:>13}", "", "encrypt", "decrypt", "encrypt,"),
        format!("{:<22}{:>13}{:>13}{:>13}", "", "one core", "one core", "all cores"),
    ];
    for cipher in ciphers {
        let used = if cipher.used { "  <- used between two of these" } else { "" };
        lines.push(format!(
            "{:<22}{:>13}{:>13}{:>13}{used}",
            cipher.cipher,
            rate(cipher.seal_one_core),
            rate(cipher.open_one_core),
            rate(cipher.seal_all_cores),
        ));
    }
    lines.push(format!("\n{:<22}{:>13}{:>13}", "one stream, loopback", "rate", "CPU a GiB"));
    for stream in streams {
        let cpu = stream.cpu_s_per_gib.map_or_else(|| "-".into(), |cpu| format!("{cpu:.2} s"));
        lines.push(format!("{:<22}{:>13}{cpu:>13}", stream.transport, rate(stream.rate)));
    }
    if let Some(tls) = streams.first() {
        let gbit = tls.rate * 8.0 / 1e9;
        lines.push(format!(
            "\nOne encrypted connection carries at most {} on this machine, both ends on it, a \
             network of {gbit:.1} Gbit/s.",
            rate(tls.rate)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::sample;

    #[test]
    fn ciphers_and_streams_are_measured() {
        for algorithm in [&AES_128_GCM, &CHACHA20_POLY1305] {
            assert!(seal_rate(algorithm, 1) > 0.0 && open_rate(algorithm) > 0.0);
        }
    }

    #[tokio::test]
    async fn both_transports_connect() {
        for transport in [Transport::Tls, Transport::Plain] {
            let (mut from, mut to) = connect(transport).await.unwrap();
            from.write(&Message::KeepAlive).await.unwrap();
            assert_eq!(to.read::<Message>().await.unwrap(), Some(Message::KeepAlive));
        }
    }

    #[test]
    fn the_table_has_ciphers_and_streams() {
        let gib = f64::from(1 << 30);
        let cipher = Cipher {
            cipher: "AES-128-GCM",
            used: true,
            seal_one_core: gib,
            open_one_core: gib,
            seal_all_cores: 2.0 * gib,
        };
        let stream = Stream { transport: "tls", rate: gib, cpu_s_per_gib: None };
        let text = render(&sample::report().machine, &[cipher], &[stream]);
        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            [
                "                            encrypt      decrypt     encrypt,",
                "                           one core     one core    all cores",
                "AES-128-GCM              1.00 GiB/s   1.00 GiB/s   2.00 GiB/s  <- used between two of these",
                "",
                "one stream, loopback           rate    CPU a GiB",
                "tls                      1.00 GiB/s            -",
                "",
                "One encrypted connection carries at most 1.00 GiB/s on this machine, both ends on it, \
                 a network of 8.6 Gbit/s.",
            ]
        );
    }
}
