//! What is done to a run of the past.

use super::{Act, App, Effect, Modal, RowKey};
use crate::{
    host::{Order, Origin},
    screen::{history::Past, page::Page},
    text::inert,
};

impl App {
    /// The selected run of the past, while that page is shown.
    pub fn selected_past(&self) -> Option<&Past> {
        let row = self.cursor().and_then(|at| self.rows.get(at));
        match row {
            Some(RowKey::Record(id)) => self.past.iter().find(|past| past.id == *id),
            _ => None,
        }
    }

    /// What is done with the selected run of the history.
    pub(super) fn with_past(&mut self, act: Act) -> Vec<Effect> {
        let Some(past) = self.selected_past().cloned() else {
            self.say(true, "select a run first");
            return Vec::new();
        };
        match act {
            Act::OpenFolder => {
                let folder = past.path.parent().unwrap_or(&past.path);
                vec![Effect::OpenFolder(folder.to_owned())]
            }
            Act::CopyLink => {
                self.say(false, "link sent to the clipboard");
                vec![Effect::Copy(past.link)]
            }
            Act::Qr => {
                self.modal = Some(Modal::Qr(past.link));
                Vec::new()
            }
            Act::Open => {
                self.say(false, format!("{} is opened again", inert(&past.name)));
                self.show(Page::Transfers);
                vec![Effect::Order(open_again(past))]
            }
            _ => Vec::new(),
        }
    }
}

/// What was fetched goes on where it was; what is the user's own is shared as it is now.
fn open_again(past: Past) -> Order {
    match past.origin {
        Origin::Downloaded => {
            let output = past.path.parent().map(Into::into);
            Order::AddLink { link: past.link, output }
        }
        Origin::Own => Order::AddPath { path: past.path },
    }
}
