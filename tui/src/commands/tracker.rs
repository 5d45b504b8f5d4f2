//! `swarm tracker`: tells those who share and fetch about each other.

use std::time::Instant;

use swarm_node::Transport;
use swarm_tracker::{Server, Stats};
use tokio::time::{self, Duration};

use super::Context;
use crate::{
    args::TrackerArgs,
    exit::Failure,
    output::json::Line,
    paths::Key,
    reach::link_host,
    services::{start_tracker, tracker_endpoint},
    text::counted,
};

/// How often it says what it holds.
const REPORT: Duration = Duration::from_secs(10);

/// Runs a tracker until told to stop.
pub async fn run(cx: Context, args: TrackerArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let identity = cx.paths.identity(Key::Tracker, args.identity.as_deref())?;
    let transport = cx.settings.transport.value.into();
    let server = start_tracker(&identity, cx.settings.listen.value, transport).await?;
    let done = serve(&cx, &server, transport).await;
    server.shutdown().await;
    done?;
    let seconds = begun.elapsed().as_secs_f64();
    cx.console.object(&Line::Stopped { swarm: None, seconds, uploaded: None })
}

async fn serve(cx: &Context, server: &Server, transport: Transport) -> Result<(), Failure> {
    let listen = server.listen_addr();
    let host = link_host(listen, cx.settings.advertise.value.as_deref());
    let tracker = tracker_endpoint(server, transport, host).to_string();
    cx.console.object(&Line::Listening { tracker: &tracker, listen })?;
    cx.console.result(&tracker)?;
    cx.console.note(format_args!("tracker listens on {listen}; give the line above to --tracker"));
    if transport == Transport::Plain {
        cx.console.warn("transport is plain: nothing is encrypted and nobody proves who they are");
    }
    let mut told = Stats::default();
    loop {
        tokio::select! {
            () = cx.stop.cancelled() => return Ok(()),
            () = time::sleep(REPORT) => {}
        }
        let stats = server.stats();
        if stats != told {
            told = stats;
            report(cx, stats)?;
        }
    }
}

fn report(cx: &Context, stats: Stats) -> Result<(), Failure> {
    let Stats { swarms, peers, connections, announces } = stats;
    cx.console.note(format_args!(
        "{}, {}, {}, {}",
        counted(swarms, "swarm"),
        counted(peers, "peer"),
        counted(connections, "connection"),
        counted(announces, "announce"),
    ));
    cx.console.object(&Line::Stats { swarms, peers, connections, announces })
}
