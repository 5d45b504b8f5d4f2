//! The first words between two peers: the dialling side's hello, then the accepting side's.
//!
//! A side that does not want to talk still says hello, and then goodbye with its reason.

use std::{io, time::Duration};

use swarm_engine::Target;
use swarm_net::{ConnectError, Connection, Protocol, ReadError, Security};
use swarm_proto::{
    id::PeerId,
    message::{Goodbye, Hello, Message, PROTOCOL_VERSION},
};
use tokio::time::timeout;

/// How long the other side may take for its hello once the connection is up.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Why two nodes do not talk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection broke, or what came over it is no hello.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The other side ended the connection without a word.
    #[error("the other side closed the connection")]
    Closed,
    /// The other side did not say hello in time.
    #[error("no hello in time")]
    TimedOut,
    /// It says that it is somebody else than the key that it proved, or than the one we wanted.
    #[error("the other side says that it is another node than expected")]
    Impostor,
    /// It speaks a version of the protocol that we do not.
    #[error("the other side speaks version {0} of the protocol, this one {PROTOCOL_VERSION}")]
    Version(u16),
    /// It answers for another swarm than the one we asked for.
    #[error("the other side answers for another swarm")]
    WrongSwarm,
}

impl From<io::Error> for HelloError {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

impl HelloError {
    /// What to tell the other side about it.
    pub(crate) const fn goodbye(&self) -> Goodbye {
        match self {
            Self::Version(_) => Goodbye::Version,
            Self::WrongSwarm => Goodbye::UnknownSwarm,
            Self::TimedOut => Goodbye::TimedOut,
            _ => Goodbye::Misbehaved,
        }
    }

    /// Whether somebody else answers at the address.
    pub(crate) const fn is_wrong_key(&self) -> bool {
        matches!(self, Self::Connect(ConnectError::WrongKey) | Self::Impostor)
    }
}

/// Dials a peer and exchanges hellos.
pub(crate) async fn dial(
    security: &Security,
    target: Target,
    ours: &Hello,
) -> Result<(Connection, Hello), HelloError> {
    let conn = security.dial(target.addr, target.id, Protocol::Peer).await?;
    introduce(conn, target.id, ours).await
}

/// Exchanges hellos as the dialling side.
pub(crate) async fn introduce(
    mut conn: Connection,
    expected: Option<PeerId>,
    ours: &Hello,
) -> Result<(Connection, Hello), HelloError> {
    conn.write(ours).await?;
    let theirs = read(&mut conn).await?;
    let checked = check(&conn, &theirs).and_then(|()| {
        if expected.is_some_and(|expected| expected != theirs.peer) {
            Err(HelloError::Impostor)
        } else if theirs.swarm != ours.swarm {
            Err(HelloError::WrongSwarm)
        } else {
            Ok(())
        }
    });
    match checked {
        Ok(()) => Ok((conn, theirs)),
        Err(error) => {
            part(conn, error.goodbye()).await;
            Err(error)
        }
    }
}

/// Reads the other side's hello.
pub(crate) async fn read(conn: &mut Connection) -> Result<Hello, HelloError> {
    let hello = timeout(HELLO_TIMEOUT, conn.read()).await.map_err(|_| HelloError::TimedOut)?;
    hello?.ok_or(HelloError::Closed)
}

/// Checks what can be checked of a hello without knowing the swarm.
pub(crate) fn check(conn: &Connection, hello: &Hello) -> Result<(), HelloError> {
    if hello.version != PROTOCOL_VERSION {
        return Err(HelloError::Version(hello.version));
    }
    // Over TLS the key is what counts, and the claim must not differ from it.
    if conn.peer().is_some_and(|proven| proven != hello.peer) {
        return Err(HelloError::Impostor);
    }
    Ok(())
}

/// Ends a connection with a reason.
pub(crate) async fn part(mut conn: Connection, why: Goodbye) {
    conn.queue(&Message::Goodbye(why));
    conn.close().await;
}
