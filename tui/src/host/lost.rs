//! What could not be said because nobody took it in time is counted, and the count is said.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::Remark;
use crate::text::counted;

/// How many remarks were lost on one way, since that was last said.
#[derive(Debug, Clone, Default)]
pub struct Lost(Arc<AtomicU64>);

impl Lost {
    /// Sends a remark, and before it how many were lost. `send` says whether there was room.
    pub fn say(&self, remark: Remark, send: impl Fn(Remark) -> bool) {
        self.own_up(&send);
        if !send(remark) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// Says how many were lost, if there is room for that now.
    pub fn own_up(&self, send: impl Fn(Remark) -> bool) {
        let lost = self.0.swap(0, Relaxed);
        if lost > 0 {
            let text = format!("{} lost: too many at a time", counted(lost, "line"));
            if !send(Remark { entry: None, warn: true, text }) {
                self.0.fetch_add(lost, Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn what_is_lost_is_counted_and_said_when_there_is_room() {
        let (lost, room, heard) = (Lost::default(), Cell::new(1), RefCell::new(Vec::new()));
        let send = |remark: Remark| {
            let taken = room.get() > 0;
            if taken {
                room.set(room.get() - 1);
                heard.borrow_mut().push(remark.text);
            }
            taken
        };
        let say = |text: &str| {
            lost.say(Remark { entry: None, warn: false, text: text.into() }, send);
        };
        ["a", "b", "c"].into_iter().for_each(say);
        room.set(2);
        say("d");
        lost.own_up(send);
        assert_eq!(*heard.borrow(), ["a", "2 lines lost: too many at a time", "d"]);
    }
}
