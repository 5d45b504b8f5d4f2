//! One number that stands for everything that happened in a run.

use std::hash::{DefaultHasher, Hash, Hasher};

use swarm_engine::{Blocks, Input, Output, Time};
use swarm_proto::{
    codec::Frame,
    message::{Message, RawRun},
};

use super::world::NodeId;

/// Takes in every input and output of every engine, with its time.
///
/// With `SWARM_TRACE=1` in the environment it also prints them, one a line: the way to see what a
/// failing seed does.
#[derive(Debug)]
pub struct Trace {
    // `DefaultHasher::new` has fixed keys, unlike the one that a `HashMap` gets.
    hasher: DefaultHasher,
    print: bool,
}

impl Trace {
    /// Nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        let print = std::env::var_os("SWARM_TRACE").is_some_and(|value| value != "0");
        Self { hasher: DefaultHasher::new(), print }
    }

    /// What has happened so far, condensed. Two runs with the same value did the same, as far as a
    /// 64-bit hash can tell.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// An engine gets an input.
    pub fn input(&mut self, now: Time, node: NodeId, input: &Input) {
        let text = describe_input(input);
        self.note(now, node, '<', &text);
    }

    /// An engine wants something done.
    pub fn output(&mut self, now: Time, node: NodeId, output: &Output) {
        let text = describe_output(output);
        self.note(now, node, '>', &text);
    }

    fn note(&mut self, now: Time, node: NodeId, direction: char, text: &str) {
        (now, node.0, direction, text).hash(&mut self.hasher);
        if self.print {
            eprintln!("{now} n{} {direction} {text}", node.0);
        }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

/// The input in a line. Payload stands for itself by its length: the checker compares the bytes.
fn describe_input(input: &Input) -> String {
    match input {
        Input::Received { conn, message } => format!("{}: {}", conn.0, describe(message)),
        Input::Stored { run, leaves, .. } => {
            let sums: Vec<u8> = leaves.iter().map(|leaf| leaf.as_bytes()[0]).collect();
            format!("Stored {run:?} {sums:?}")
        }
        Input::BlocksRead { conn, run, data } => {
            let read = |blocks: &Blocks| match blocks {
                Blocks::Read(bytes) => Some(bytes.len()),
                Blocks::InPlace(_) => None,
            };
            format!("{}: read {run:?} {:?}", conn.0, data.as_ref().map(read))
        }
        other => format!("{other:?}"),
    }
}

fn describe_output(output: &Output) -> String {
    match output {
        Output::Send { conn, message } => format!("{}: {}", conn.0, describe(message)),
        Output::Store { run, data } => format!("Store {run:?} {}", data.len()),
        other => format!("{other:?}"),
    }
}

fn describe(message: &Message) -> String {
    let run = |run: &RawRun| format!("{}[{}+{}]", run.piece, run.first, run.count);
    match message {
        Message::Block { piece, first, data } => format!("Block {piece}[{first}] {}", data.len()),
        Message::Request(raw) => format!("Request {}", run(raw)),
        Message::Cancel(raw) => format!("Cancel {}", run(raw)),
        Message::Reject(raw) => format!("Reject {}", run(raw)),
        Message::Leaves { piece, leaves } => format!("Leaves {piece} {}", leaves.len()),
        Message::ManifestPart { .. } | Message::Bitfield(_) => {
            format!("{} bytes", message.encoded_len())
        }
        other => format!("{other:?}"),
    }
}
