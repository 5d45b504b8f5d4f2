//! Finding a manifest when only a link is at hand.
//!
//! Trackers and peers that the link names are asked, a few at a time, and again until one of them
//! has it or patience ends: a link is often passed on before its seeder is up. What comes back is
//! checked against the id, so it does not matter whom it comes from.

use std::{fmt, future::Future, thread, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use swarm_net::Protocol;
use swarm_proto::{
    announce::{Refusal, TrackerReply, TrackerRequest},
    geometry::RUN_BLOCKS_MAX,
    id::SwarmId,
    link::Endpoint,
    manifest::{MANIFEST_LEN_MAX, Manifest, ManifestError},
    message::{Goodbye, Hello, Message, PROTOCOL_VERSION},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    NodeError,
    announcer::{TrackerClient, TrackerError},
    blocking::blocking,
    endpoint::{self, EndpointError},
    hello::{self, HelloError},
};

/// Sources asked at a time. Each may hold a manifest of up to 256 MiB in our memory.
const PARALLEL: usize = 4;
/// How long one source is asked alone before another one is as well: mostly the first has it, and it may be
/// long (as Happy Eyeballs, RFC 8305, does with addresses).
const NEXT_AFTER: Duration = Duration::from_millis(250);
/// From how many bytes on a manifest is read with two threads: where that takes ten times what it costs to start one.
const TWO_THREADS_MIN: usize = 1 << 20;
/// How long a peer may take for one part of a manifest, 256 KiB at most.
const PART_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one source may take for the whole manifest.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(300);
/// First wait before all are asked again; doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest wait before all are asked again.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Somebody who may have the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Tracker(Endpoint),
    Peer(Endpoint),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tracker(endpoint) => write!(f, "tracker {endpoint}"),
            Self::Peer(endpoint) => write!(f, "peer {endpoint}"),
        }
    }
}

/// Why one source gave no manifest.
#[derive(Debug, thiserror::Error)]
enum OriginError {
    #[error(transparent)]
    Tracker(#[from] TrackerError),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("the tracker {}", refusal(*.0))]
    TrackerRefused(Refusal),
    #[error("the peer says that {}", in_words(*.0))]
    PeerRefused(Goodbye),
    #[error("what it sent is not the manifest of this link: {0}")]
    Bad(#[from] ManifestError),
    #[error("what it sent is the manifest of another swarm")]
    WrongSwarm,
    #[error("it does not keep to the protocol")]
    Misbehaved,
    #[error("it is too slow")]
    TooSlow,
}

impl OriginError {
    /// Whether asking again cannot help.
    const fn is_final(&self) -> bool {
        match self {
            Self::Tracker(TrackerError::Endpoint(e)) | Self::Endpoint(e) => e.is_final(),
            Self::Tracker(TrackerError::Version(_) | TrackerError::Misbehaved)
            | Self::Bad(_)
            | Self::WrongSwarm
            | Self::Misbehaved => true,
            Self::Hello(e) => {
                e.is_wrong_key() || matches!(e, HelloError::Version(_) | HelloError::WrongSwarm)
            }
            _ => false,
        }
    }
}

/// Where to look for a manifest.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) swarm: SwarmId,
    pub(crate) origins: Vec<Origin>,
    /// How to reach anybody; its endpoint is replaced by each origin's.
    pub(crate) client: TrackerClient,
    /// For how long to ask again those who did not answer or do not have it yet.
    pub(crate) patience: Duration,
}

impl Search {
    /// Asks until somebody has it.
    pub(crate) async fn run(mut self) -> Result<Manifest, NodeError> {
        let start = Instant::now();
        let mut wait = RETRY_FIRST;
        let mut failed = Vec::new();
        loop {
            let mut again = Vec::new();
            let asked = std::mem::take(&mut self.origins);
            let errors = match first_of(asked, |origin| self.ask(origin)).await {
                Ok(manifest) => return Ok(manifest),
                Err(errors) => errors,
            };
            for (origin, error) in errors {
                tracing::debug!(%origin, %error, "no manifest");
                let list = if error.is_final() { &mut failed } else { &mut again };
                list.push((origin, error));
            }
            if again.is_empty() || start.elapsed() + wait > self.patience {
                failed.extend(again);
                let tried =
                    failed.iter().map(|(origin, why)| (origin.to_string(), why.to_string()));
                return Err(NodeError::NoManifest { tried: tried.collect() });
            }
            self.origins = again.into_iter().map(|(origin, _)| origin).collect();
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// Asks one source once.
    async fn ask(&self, origin: Origin) -> (Origin, Result<Manifest, OriginError>) {
        let fetch = async {
            let bytes = match &origin {
                Origin::Tracker(endpoint) => self.ask_tracker(endpoint).await?,
                Origin::Peer(endpoint) => self.ask_peer(endpoint).await?,
            };
            // A second for the longest, in which this thread has other tasks to see to. The thread is
            // refused only when the program ends.
            let decoded = blocking(move || Ok(decode(&bytes))).await;
            let manifest = decoded.map_err(|_| OriginError::TooSlow)??;
            if manifest.id() == self.swarm { Ok(manifest) } else { Err(OriginError::WrongSwarm) }
        };
        let answer = timeout(SOURCE_TIMEOUT, fetch).await;
        (origin, answer.unwrap_or(Err(OriginError::TooSlow)))
    }

    async fn ask_tracker(&self, endpoint: &Endpoint) -> Result<Vec<u8>, OriginError> {
        let client = TrackerClient { endpoint: endpoint.clone(), ..self.client.clone() };
        let mut conn = client.connect().await?;
        let mut parts = Parts::default();
        while let Some(offset) = parts.next() {
            let request = TrackerRequest::GetManifest { swarm: self.swarm, offset };
            match conn.request(&request).await? {
                TrackerReply::ManifestPart { total, offset, data } => {
                    parts.add(total, offset, &data)?;
                }
                TrackerReply::Refused { why, .. } => return Err(OriginError::TrackerRefused(why)),
                _ => return Err(OriginError::Misbehaved),
            }
        }
        Ok(parts.bytes)
    }

    async fn ask_peer(&self, endpoint: &Endpoint) -> Result<Vec<u8>, OriginError> {
        let TrackerClient { security, transport, .. } = &self.client;
        let conn = endpoint::connect(security, *transport, endpoint, Protocol::Peer).await?;
        let (mut conn, _) = hello::introduce(conn, endpoint.key, &self.hello()).await?;
        conn.queue(&Message::HaveNone);
        let mut parts = Parts::default();
        while let Some(offset) = parts.next() {
            conn.queue(&Message::GetManifest { offset });
            let part = async {
                loop {
                    match conn.read().await.map_err(HelloError::Read)? {
                        Some(Message::ManifestPart { total, offset, data }) => {
                            return parts.add(total, offset, &data);
                        }
                        Some(Message::Goodbye(why)) => return Err(OriginError::PeerRefused(why)),
                        // It does not know that we want nothing else.
                        Some(_) => {}
                        None => return Err(HelloError::Closed.into()),
                    }
                }
            };
            within(PART_TIMEOUT, part).await?;
        }
        // Waits for the other side to end too, so that it does not take our next connection for a
        // second one.
        conn.close().await;
        Ok(parts.bytes)
    }

    fn hello(&self) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            swarm: self.swarm,
            peer: self.client.me,
            features: 0,
            client: self.client.client.clone(),
            listen_port: 0,
            request_bytes_max: 0,
            run_blocks_max: RUN_BLOCKS_MAX,
        }
    }
}

/// The first answer that is one: from the first source, or from the next ones if those before fail or take
/// their time.
///
/// # Errors
/// If there is none: what each says.
async fn first_of<S, T, E, Asked: Future<Output = (S, Result<T, E>)>>(
    sources: Vec<S>,
    ask: impl Fn(S) -> Asked,
) -> Result<T, Vec<(S, E)>> {
    let mut sources = sources.into_iter();
    let mut asked: FuturesUnordered<_> = sources.next().map(&ask).into_iter().collect();
    let mut errors = Vec::new();
    loop {
        let may_ask = asked.len() < PARALLEL && sources.len() > 0;
        tokio::select! {
            answer = asked.next() => match answer {
                None => return Err(errors),
                Some((_, Ok(found))) => return Ok(found),
                Some((source, Err(error))) => errors.push((source, error)),
            },
            () = sleep(NEXT_AFTER), if may_ask => {}
        }
        asked.extend(sources.next().map(&ask));
    }
}

async fn within(
    limit: Duration,
    work: impl Future<Output = Result<(), OriginError>>,
) -> Result<(), OriginError> {
    timeout(limit, work).await.unwrap_or(Err(OriginError::TooSlow))
}

/// A manifest that arrives in parts, in order.
#[derive(Debug, Default)]
struct Parts {
    /// Bytes in all, as the first part says.
    total: Option<u32>,
    bytes: Vec<u8>,
}

impl Parts {
    /// The offset of the part to ask for; `None` when all are here.
    fn next(&self) -> Option<u32> {
        // No more than `total` is ever taken.
        let here = u32::try_from(self.bytes.len()).ok()?;
        (self.total != Some(here)).then_some(here)
    }

    /// Takes a part, if it is the one that was asked for. Room is made for what has arrived, not for
    /// what is announced.
    fn add(&mut self, total: u32, offset: u32, data: &[u8]) -> Result<(), OriginError> {
        let end = self.bytes.len() + data.len();
        let fits = offset as usize == self.bytes.len()
            && !data.is_empty()
            && end <= total as usize
            && total as usize <= MANIFEST_LEN_MAX
            && self.total.is_none_or(|known| known == total);
        if !fits {
            return Err(OriginError::Misbehaved);
        }
        self.total = Some(total);
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

const fn refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::NotFound => "does not have it; is the seeder running?",
        Refusal::Full => "is full",
        Refusal::TooOften => "wants to be asked less often",
        Refusal::Invalid => "finds the request invalid",
        Refusal::Forbidden => "does not allow it",
    }
}

/// What a goodbye means to a person.
const fn in_words(goodbye: Goodbye) -> &'static str {
    match goodbye {
        Goodbye::Shutdown => "it shuts down",
        Goodbye::SwarmStopped => "it has stopped this swarm",
        Goodbye::UnknownSwarm => "it does not have this swarm",
        Goodbye::TooManyPeers => "it has no room for another peer",
        Goodbye::Duplicate => "we are connected already",
        Goodbye::Myself => "it is this same node",
        Goodbye::NothingToExchange => "we have nothing for each other",
        Goodbye::Misbehaved => "we broke the protocol",
        Goodbye::CorruptData => "we sent data that does not verify",
        Goodbye::TimedOut => "we did not answer in time",
        Goodbye::Version => "it speaks another version of the protocol",
    }
}

/// Reads a manifest, a long one with two threads: nothing else can happen before it is read.
fn decode(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    if bytes.len() < TWO_THREADS_MIN {
        return Manifest::decode(bytes);
    }
    Manifest::decode_joined(bytes, &|first, second| {
        thread::scope(|scope| {
            // Where no thread can be had the first is left undone, and the reader does it itself.
            let started = thread::Builder::new().spawn_scoped(scope, first);
            second();
            drop(started);
        });
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Asks sources that answer after so many milliseconds, or fail then. Returns the answer, after how many
    /// milliseconds it came, and how many were asked.
    async fn ask(sources: &[(u64, bool)]) -> (Result<u64, usize>, u128, usize) {
        let (start, asked) = (Instant::now(), AtomicUsize::new(0));
        let answer = first_of(sources.to_vec(), |(after, good)| {
            asked.fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(Duration::from_millis(after)).await;
                ((after, good), if good { Ok(after) } else { Err(()) })
            }
        });
        let answer = answer.await.map_err(|errors| errors.len());
        (answer, start.elapsed().as_millis(), asked.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn another_source_is_asked_when_one_fails_or_is_slow() {
        assert_eq!(ask(&[]).await, (Err(0), 0, 0));
        assert_eq!(ask(&[(200, true), (1, true)]).await, (Ok(200), 200, 1));
        assert_eq!(ask(&[(20, false), (30, true), (1, true)]).await, (Ok(30), 50, 2));
        assert_eq!(ask(&[(9000, true), (40, true), (1, true)]).await, (Ok(40), 290, 2));
        assert_eq!(ask(&[(10, false), (20, false)]).await, (Err(2), 30, 2));
        // No more than four at a time: each may be a quarter of a gigabyte.
        assert_eq!(ask(&[(5000, true); 9]).await, (Ok(5000), 5000, 4));
    }

    #[test]
    fn parts_come_in_order_and_end() {
        let mut parts = Parts::default();
        assert_eq!(parts.next(), Some(0));
        parts.add(5, 0, b"abc").unwrap();
        assert_eq!(parts.next(), Some(3));
        parts.add(5, 3, b"de").unwrap();
        assert_eq!((parts.next(), parts.bytes.as_slice()), (None, &b"abcde"[..]));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let huge = u32::try_from(MANIFEST_LEN_MAX + 1).unwrap();
        for (total, offset, data) in
            [(5, 1, &b"a"[..]), (5, 0, b""), (2, 0, b"abc"), (0, 0, b""), (huge, 0, b"a")]
        {
            assert!(Parts::default().add(total, offset, data).is_err(), "{total} {offset}");
        }
        let mut parts = Parts::default();
        parts.add(5, 0, b"abc").unwrap();
        assert!(parts.add(6, 3, b"d").is_err(), "the total may not change");
        assert!(parts.add(5, 0, b"a").is_err(), "a part may not come twice");
    }
}
