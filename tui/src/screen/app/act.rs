//! What each key does.

use swarm_node::Command;

use super::{Act, App, Confirm, EditLine, Effect, Modal, PAGE_ROWS, PromptKind};
use crate::{host::Order, screen::page::Page};

impl App {
    /// Does what a key asks for. Returns what to do outside.
    pub(super) fn act(&mut self, act: Act) -> Vec<Effect> {
        match act {
            Act::Show(page) => self.show(page),
            Act::NextPage => self.turn(1),
            Act::PrevPage => self.turn(self.pages().len() - 1),
            Act::NextEntry => self.neighbour(1),
            Act::PrevEntry => self.neighbour(-1),
            Act::Up => self.scroll(-self.stride()),
            Act::Down => self.scroll(self.stride()),
            Act::Left => self.step(-1),
            Act::Right => self.step(1),
            Act::PageUp => self.scroll(-self.stride() * PAGE_ROWS as isize),
            Act::PageDown => self.scroll(self.stride() * PAGE_ROWS as isize),
            Act::First => self.scroll(isize::MIN),
            Act::Last => self.scroll(isize::MAX),
            Act::Open if self.page == Page::History => return self.with_past(act),
            Act::Open => self.open(),
            Act::Back => self.back(),
            Act::Add => self.prompt(PromptKind::Add, EditLine::default()),
            Act::Command => self.prompt(PromptKind::Command, EditLine::default()),
            Act::Filter => {
                let line = EditLine::new(self.list(self.page).filter.text());
                self.prompt(PromptKind::Filter, line);
            }
            Act::Sort => self.sort_by_next(),
            Act::Reverse => {
                let list = &mut self.lists[self.page as usize];
                list.reverse = !list.reverse;
                self.sort();
            }
            Act::LimitUp => self.prompt(PromptKind::LimitUp, EditLine::default()),
            Act::LimitDown => self.prompt(PromptKind::LimitDown, EditLine::default()),
            Act::ZoomIn | Act::ZoomOut => self.zoom(act == Act::ZoomOut),
            Act::Freeze => self.freeze(),
            Act::Help => {
                let open = matches!(self.modal, Some(Modal::Help(_)));
                self.modal = if open { None } else { Some(Modal::Help(0)) };
            }
            Act::No => self.modal = None,
            Act::Yes => {
                if let Some(Modal::Confirm(Confirm { then, .. })) = self.modal.take() {
                    self.stopping |= then.contains(&Effect::Quit);
                    return then;
                }
            }
            Act::Mouse => {
                self.mouse = !self.mouse;
                let what = if self.mouse {
                    "the wheel scrolls; m gives the mouse back"
                } else {
                    "the mouse is the terminal's again"
                };
                self.say(false, what);
                return vec![Effect::Mouse(self.mouse)];
            }
            Act::Suspend => return vec![Effect::Suspend],
            Act::Quit => return self.quit(),
            Act::Want(priority) => return self.want(priority),
            Act::PauseAll => return vec![Effect::Order(Order::All(Command::Pause))],
            Act::ResumeAll => return vec![Effect::Order(Order::All(Command::Resume))],
            Act::Pause
            | Act::Retry
            | Act::Remove
            | Act::Delete
            | Act::Announce
            | Act::Verify
            | Act::CopyLink
            | Act::Qr
            | Act::OpenFolder
            | Act::Share(_) => {
                let past = self.page == Page::History
                    && matches!(act, Act::CopyLink | Act::Qr | Act::OpenFolder);
                return if past { self.with_past(act) } else { self.with_entry(act) };
            }
        }
        Vec::new()
    }
}
