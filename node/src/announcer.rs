//! One tracker, as a swarm sees it: a connection that is kept, and requests over it one at a time.
//!
//! The engine decides when to announce and how long to wait after a failure; this task only tries.
//! A connection that breaks while no announce is under way is reported like a failed one, so that the
//! engine soon tries again: a tracker that was restarted has forgotten us.

use std::{io, sync::Arc, time::Duration};

use swarm_engine::{Input, NoAnswer, TrackerIndex};
use swarm_net::{ConnectError, Connection, Protocol, ReadError, Security, Transport};
use swarm_proto::{
    announce::{Announce, TRACKER_VERSION, TrackerHello, TrackerReply, TrackerRequest},
    id::PeerId,
    link::Endpoint,
    manifest::Manifest,
    message::MANIFEST_PART_MAX,
};
use tokio::{
    sync::mpsc,
    time::{error::Elapsed, timeout},
};

use crate::endpoint::{self, EndpointError};

/// How long a tracker may take for its hello or for an answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the driver asks of a tracker's task.
#[derive(Debug)]
pub(crate) enum Ask {
    Announce(Announce),
    PutManifest,
}

/// Why a tracker gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrackerError {
    /// No connection.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The connection broke, or what came over it is no reply.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The tracker ended the connection.
    #[error("the tracker closed the connection")]
    Closed,
    /// The tracker did not answer in time.
    #[error("the tracker does not answer")]
    TimedOut,
    /// The tracker speaks a version of the protocol that we do not.
    #[error("the tracker speaks version {0} of the protocol, this node {TRACKER_VERSION}")]
    Version(u16),
    /// The tracker is not who it says it is, or answers something that was not asked.
    #[error("the tracker does not keep to the protocol")]
    Misbehaved,
}

impl From<io::Error> for TrackerError {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl From<Elapsed> for TrackerError {
    fn from(_: Elapsed) -> Self {
        Self::TimedOut
    }
}

/// How a node reaches one tracker.
#[derive(Debug, Clone)]
pub(crate) struct TrackerClient {
    pub(crate) security: Security,
    pub(crate) transport: Transport,
    pub(crate) me: PeerId,
    pub(crate) client: String,
    pub(crate) endpoint: Endpoint,
}

impl TrackerClient {
    /// Connects and exchanges hellos.
    pub(crate) async fn connect(&self) -> Result<TrackerConnection, TrackerError> {
        let Self { security, transport, endpoint, .. } = self;
        let mut conn = endpoint::connect(security, *transport, endpoint, Protocol::Tracker).await?;
        let hello =
            TrackerHello { version: TRACKER_VERSION, peer: self.me, client: self.client.clone() };
        conn.write(&hello).await?;
        let theirs = timeout(REPLY_TIMEOUT, conn.read::<TrackerHello>()).await??;
        let theirs = theirs.ok_or(TrackerError::Closed)?;
        if theirs.version != TRACKER_VERSION {
            return Err(TrackerError::Version(theirs.version));
        }
        if conn.peer().is_some_and(|proven| proven != theirs.peer) {
            return Err(TrackerError::Misbehaved);
        }
        Ok(TrackerConnection { conn })
    }
}

/// A connection to a tracker, past the hellos.
#[derive(Debug)]
pub(crate) struct TrackerConnection {
    conn: Connection,
}

impl TrackerConnection {
    /// Asks and waits for the answer.
    pub(crate) async fn request(
        &mut self,
        request: &TrackerRequest,
    ) -> Result<TrackerReply, TrackerError> {
        let exchange = async {
            self.conn.write(request).await?;
            self.conn.read().await?.ok_or(TrackerError::Closed)
        };
        timeout(REPLY_TIMEOUT, exchange).await?
    }

    /// Hands over a manifest, part by part. A tracker that refuses it is none the worse to us.
    pub(crate) async fn put(&mut self, manifest: &Manifest) -> Result<(), TrackerError> {
        let bytes = bytes::Bytes::from(manifest.encode());
        let too_long = |_| TrackerError::Misbehaved;
        let total = u32::try_from(bytes.len()).map_err(too_long)?;
        let mut sent = 0;
        while sent < bytes.len() {
            let end = bytes.len().min(sent + MANIFEST_PART_MAX);
            let request = TrackerRequest::PutManifest {
                swarm: manifest.id(),
                total,
                offset: u32::try_from(sent).map_err(too_long)?,
                data: bytes.slice(sent..end),
            };
            match self.request(&request).await? {
                TrackerReply::ManifestPut { received } if received as usize == end => sent = end,
                // It has it from somebody else by now, or starts anew: the next announce tells.
                TrackerReply::ManifestPut { .. } => return Ok(()),
                TrackerReply::Refused { why, .. } => {
                    tracing::debug!(?why, "tracker refuses the manifest");
                    return Ok(());
                }
                _ => return Err(TrackerError::Misbehaved),
            }
        }
        Ok(())
    }

    /// Returns when the tracker ends the connection, or says something unasked.
    async fn ended(&mut self) {
        let _ = self.conn.read::<TrackerReply>().await;
    }
}

/// The task of one tracker of one swarm.
#[derive(Debug)]
pub(crate) struct Announcer {
    pub(crate) client: TrackerClient,
    pub(crate) index: TrackerIndex,
    pub(crate) manifest: Arc<Manifest>,
    /// Where answers go.
    pub(crate) driver: mpsc::UnboundedSender<Input>,
}

impl Announcer {
    /// Does what is asked until nobody can ask any more.
    pub(crate) async fn run(self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        let mut held = None;
        loop {
            let ask = tokio::select! {
                biased;
                ask = asks.recv() => ask,
                () = ended(&mut held) => {
                    held = None;
                    self.tell(self.failed(NoAnswer::Lost));
                    continue;
                }
            };
            let Some(ask) = ask else { return };
            let is_announce = matches!(ask, Ask::Announce(_));
            let result = self.serve(&mut held, ask).await;
            if let Err(error) = &result {
                held = None;
                let tracker = &self.client.endpoint;
                tracing::info!(%tracker, %error, "tracker does not answer");
            }
            match result {
                Ok(Some(input)) => self.tell(input),
                Ok(None) => {}
                // Lost while it took the manifest. An announce that waits finds that out by itself.
                Err(_) if !is_announce && !asks.is_empty() => {}
                Err(error) => self.tell(self.failed(no_answer(&error))),
            }
        }
    }

    async fn serve(
        &self,
        held: &mut Option<TrackerConnection>,
        ask: Ask,
    ) -> Result<Option<Input>, TrackerError> {
        let conn = match held {
            Some(conn) => conn,
            None => held.insert(self.client.connect().await?),
        };
        match ask {
            Ask::PutManifest => conn.put(&self.manifest).await.map(|()| None),
            Ask::Announce(announce) => {
                match conn.request(&TrackerRequest::Announce(announce)).await? {
                    TrackerReply::Announced(reply) => {
                        Ok(Some(Input::Announced { tracker: self.index, reply }))
                    }
                    TrackerReply::Refused { why, retry_s } => {
                        Ok(Some(self.failed(NoAnswer::Refused(why, retry_s))))
                    }
                    _ => Err(TrackerError::Misbehaved),
                }
            }
        }
    }

    const fn failed(&self, why: NoAnswer) -> Input {
        Input::AnnounceFailed { tracker: self.index, why }
    }

    fn tell(&self, input: Input) {
        // A driver that is gone needs no answer.
        let _ = self.driver.send(input);
    }
}

const fn no_answer(error: &TrackerError) -> NoAnswer {
    match error {
        TrackerError::Endpoint(EndpointError::Connect(ConnectError::WrongKey)) => {
            NoAnswer::WrongKey
        }
        _ => NoAnswer::Lost,
    }
}

/// Waits for the end of a connection, for ever if there is none.
async fn ended(held: &mut Option<TrackerConnection>) {
    match held {
        Some(conn) => conn.ended().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use swarm_net::Identity;
    use tokio::net::TcpListener;

    use super::*;
    use crate::testing::Sample;

    #[tokio::test]
    async fn a_tracker_that_is_lost_while_it_takes_the_manifest_is_reported() {
        let (sample, identity) = (Sample::file("film", 5), Identity::generate());
        let security = Security::new(&identity, Transport::Plain);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (driver, mut told) = mpsc::unbounded_channel();
        let client = TrackerClient {
            security: security.clone(),
            transport: Transport::Plain,
            me: identity.peer_id(),
            client: "node".into(),
            endpoint: Endpoint { key: None, host: "127.0.0.1".into(), port },
        };
        let (index, manifest) = (TrackerIndex(3), Arc::clone(&sample.manifest));
        let announcer = Announcer { client, index, manifest, driver };
        let (ask, asks) = mpsc::unbounded_channel();
        ask.send(Ask::PutManifest).unwrap();
        let task = tokio::spawn(announcer.run(asks));

        let (socket, _) = listener.accept().await.unwrap();
        let mut conn = security.accept(socket, Protocol::Tracker).await.unwrap();
        let hello = conn.read::<TrackerHello>().await.unwrap().unwrap();
        conn.write(&hello).await.unwrap();
        let request = conn.read::<TrackerRequest>().await.unwrap();
        assert!(matches!(request, Some(TrackerRequest::PutManifest { .. })), "{request:?}");
        drop(conn);
        let lost = told.recv().await;
        let lost = matches!(
            lost,
            Some(Input::AnnounceFailed { tracker: TrackerIndex(3), why: NoAnswer::Lost })
        );
        assert!(lost);
        drop(ask);
        task.await.unwrap();
    }
}
