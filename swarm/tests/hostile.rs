//! Peers that say anything at any time, and a disk that fails as it likes: the engine's parts never
//! contradict each other, whatever happens.

mod stage;

use proptest::prelude::*;
use stage::{Stage, conn};
use swarm_engine::{Command, Config, DiskError, Input, Output, Priority, Side};
use swarm_proto::message::{Goodbye, Message, RawRun};

const PIECES: u32 = 6;

#[derive(Debug, Clone)]
enum Step {
    /// A peer connects, says what it has, serves us and wants to be served.
    Connect {
        number: u8,
        dialed: bool,
        have: u8,
    },
    Say {
        number: u8,
        message: Message,
    },
    /// A peer answers the oldest request to it that the test knows of.
    Answer {
        number: u8,
        honest: bool,
    },
    Leave {
        number: u8,
    },
    Store {
        error: Option<DiskError>,
    },
    Read {
        error: Option<DiskError>,
    },
    Leaves {
        right: bool,
    },
    Finish {
        good: bool,
    },
    Flush {
        bytes: u64,
    },
    Wait {
        ms: u64,
    },
    Order(Command),
}

fn run() -> impl Strategy<Value = RawRun> {
    (0..PIECES + 1, 0..5_u32, 0..5_u32).prop_map(|(piece, first, count)| RawRun {
        piece,
        first,
        count,
    })
}

fn message() -> impl Strategy<Value = Message> {
    let piece = 0..PIECES;
    let pieces = prop::collection::vec(piece.clone(), 0..4);
    prop_oneof![
        1 => Just(Message::HaveAll),
        10 => pieces.clone().prop_map(Message::Have),
        4 => pieces.prop_map(Message::DontHave),
        8 => Just(Message::Choke),
        20 => Just(Message::Unchoke),
        12 => Just(Message::Interested),
        4 => Just(Message::NotInterested),
        30 => run().prop_map(Message::Request),
        8 => run().prop_map(Message::Cancel),
        8 => run().prop_map(Message::Reject),
        4 => piece.clone().prop_map(Message::GetLeaves),
        4 => piece.prop_map(Message::Suggest),
        1 => Just(Message::KeepAlive),
        1 => Just(Message::Goodbye(Goodbye::Shutdown)),
    ]
}

fn error() -> impl Strategy<Value = Option<DiskError>> {
    prop_oneof![
        30 => Just(None),
        1 => Just(Some(DiskError::NoSpace)),
        1 => Just(Some(DiskError::Changed)),
        1 => Just(Some(DiskError::Failed("it fails".into()))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let number = 1..5_u8;
    let order = prop_oneof![
        Just(Command::Pause),
        Just(Command::Resume),
        Just(Command::Verify),
        Just(Command::LimitDownload(Some(100_000))),
        Just(Command::LimitDownload(None)),
        Just(Command::LimitUpload(Some(100_000))),
        Just(Command::SetPriority { files: vec![0], priority: Priority::Skip }),
        Just(Command::SetPriority { files: vec![0], priority: Priority::High }),
    ];
    prop_oneof![
        3 => (number.clone(), any::<bool>(), any::<u8>())
            .prop_map(|(number, dialed, have)| Step::Connect { number, dialed, have }),
        12 => (number.clone(), message()).prop_map(|(number, message)| Step::Say { number, message }),
        40 => (number.clone(), prop::bool::weighted(0.95))
            .prop_map(|(number, honest)| Step::Answer { number, honest }),
        1 => number.prop_map(|number| Step::Leave { number }),
        12 => error().prop_map(|error| Step::Store { error }),
        6 => error().prop_map(|error| Step::Read { error }),
        2 => any::<bool>().prop_map(|right| Step::Leaves { right }),
        1 => any::<bool>().prop_map(|good| Step::Finish { good }),
        2 => (0..2_000_000_u64).prop_map(|bytes| Step::Flush { bytes }),
        4 => (0..4000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => order.prop_map(Step::Order),
    ]
}

/// The stage, and which connection each peer last used.
struct Play {
    stage: Stage,
    conns: [u8; 5],
    next: u8,
}

impl Play {
    fn take(&mut self, step: Step) {
        let s = &mut self.stage;
        match step {
            Step::Connect { number, dialed, have } if self.next < u8::MAX => {
                self.next += 1;
                self.conns[usize::from(number)] = self.next;
                let side = if dialed { Side::Dialed } else { Side::Accepted };
                s.connect_as(self.next, number, side);
                let have = match have % 4 {
                    0 => Message::HaveNone,
                    1 => Message::Bitfield(vec![have & 0xFC].into()),
                    _ => Message::HaveAll,
                };
                for message in [have, Message::Unchoke, Message::Interested] {
                    s.receive(self.next, message);
                }
            }
            Step::Connect { .. } => {}
            Step::Say { number, message } => s.receive(self.conns[usize::from(number)], message),
            Step::Answer { number, honest } => {
                let number = self.conns[usize::from(number)];
                let at = s.out.iter().position(|output| {
                    matches!(output, Output::Send { conn: to, message: Message::Request(_) }
                        if *to == conn(number))
                });
                if let Some(Output::Send { message: Message::Request(raw), .. }) =
                    at.map(|at| s.out.remove(at))
                {
                    if honest {
                        s.answer(number, raw);
                    } else {
                        s.lie(number, raw);
                    };
                }
            }
            Step::Leave { number } => {
                let conn = conn(self.conns[usize::from(number)]);
                s.input(Input::Closed { conn, misbehaved: number == 4 });
            }
            Step::Store { error: None } => s.store(),
            Step::Store { error: Some(error) } => s.fail_stores(&error),
            Step::Read { error } => {
                for (conn, run) in s.reads() {
                    let failed = error.clone().map(|error| (run.piece(), error));
                    let data = failed.map_or_else(|| Ok(s.bytes(run).into()), Err);
                    s.input(Input::BlocksRead { conn, run, data });
                }
            }
            Step::Leaves { right } => {
                let asked = s.take(|output| match output {
                    Output::Check(piece) | Output::ReadLeaves(piece) => Some(*piece),
                    _ => None,
                });
                for piece in asked {
                    let number = if right { piece.get() } else { (piece.get() + 1) % PIECES };
                    let leaves = Ok(s.leaves(number));
                    s.input(Input::LeavesRead { piece, leaves });
                }
            }
            Step::Finish { good } => {
                for () in s.take(|output| matches!(output, Output::Finish).then_some(())) {
                    let failed = || DiskError::Failed("it fails".into());
                    s.input(Input::Finished(if good { Ok(()) } else { Err(failed()) }));
                }
            }
            Step::Flush { bytes } => {
                for number in self.conns {
                    s.input(Input::Flushed { conn: conn(number), bytes });
                }
            }
            Step::Wait { ms } => s.ms(ms),
            Step::Order(command) => s.command(command),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_contradicts_itself(
        have in prop::collection::btree_set(0..PIECES, 0..=PIECES as usize),
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let have: Vec<u32> = have.into_iter().collect();
        let config = Config { buffer_bytes: 200_000, upload_slots: 2, ..Config::default() };
        let mut play = Play { stage: Stage::new(PIECES, 4, &have, config), conns: [0; 5], next: 0 };
        for step in steps {
            play.take(step);
        }
        play.stage.snapshot();
    }
}
