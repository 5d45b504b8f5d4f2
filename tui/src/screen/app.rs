//! What the screen knows, and what each key and each piece of news does to it. Pure: time comes with
//! the news, and what must be done outside is returned.

mod act;
mod action;
mod adding;
mod deeds;
mod list;
mod modal;
mod moves;
mod past;
mod quit;
mod scene;
#[cfg(test)]
mod tests;
mod typing;
mod verb;

use std::{sync::Arc, time::Duration};

use ratatui::crossterm::event::KeyEvent;
use swarm_node::Snapshot;

pub use self::{
    action::{Act, Action, Effect, ShareChoice},
    adding::order_of,
    list::{ListState, RowKey, window},
    modal::{Confirm, EditLine, Modal, Prompt, PromptKind},
    scene::{HISTORY_S, Rates, Scene},
};
use super::{history::Past, keys, log::Log, page::Page};
use crate::{
    host::{Entry, EntryId, Remark},
    text::inert,
};

/// How long an answer to a key stays in the footer.
const NOTICE: Duration = Duration::from_secs(5);
/// Characters of an answer: more than any row shows.
const NOTICE_CHARS: usize = 300;
/// Rows are put in order again this often at most: what moves faster cannot be read.
const RESORT: Duration = Duration::from_secs(1);
/// Rows that a page key moves by: less than any page shows, so that nothing is skipped.
const PAGE_ROWS: usize = 10;

/// What kind of program the screen is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `get` or `seed`: it carries one transfer and ends with it.
    One {
        /// `get` or `seed`.
        verb: &'static str,
    },
    /// `tui`: it carries any number.
    Session,
}

/// An answer to a key, shown for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// It did not work.
    pub bad: bool,
    /// One line, safe to print.
    pub text: String,
    until: Duration,
}

/// The state of the screen.
#[derive(Debug)]
pub struct App {
    pub kind: Kind,
    pub page: Page,
    /// What lies over the page and takes the keys.
    pub modal: Option<Modal>,
    /// The answer to the last key.
    pub notice: Option<Notice>,
    /// The user asked for the end.
    pub stopping: bool,
    /// The terminal sends what the mouse does.
    pub mouse: bool,
    /// Seconds of rates that the chart shows.
    pub chart_s: usize,
    /// What was said.
    pub log: Log,
    /// What was shared and fetched before, as far as it was told.
    pub past: Vec<Past>,
    /// Columns and rows of the terminal, as far as they were told.
    pub size: (u16, u16),
    /// The commands that were typed, the latest last.
    said: Vec<String>,
    selected: Option<EntryId>,
    lists: [ListState; Page::ALL.len()],
    /// The rows of this page, in order.
    rows: Vec<RowKey>,
    sorted: Duration,
    /// There was news since.
    stale: bool,
    live: Scene,
    frozen: Option<Scene>,
}

impl App {
    /// Nothing is known yet.
    pub fn new(kind: Kind) -> Self {
        let page = match kind {
            Kind::One { .. } => Page::Overview,
            Kind::Session => Page::Transfers,
        };
        Self {
            kind,
            page,
            modal: None,
            notice: None,
            stopping: false,
            mouse: false,
            chart_s: 60,
            log: Log::default(),
            past: Vec::new(),
            size: (80, 24),
            said: Vec::new(),
            selected: None,
            lists: Default::default(),
            rows: Vec::new(),
            sorted: Duration::ZERO,
            stale: false,
            live: Scene::default(),
            frozen: None,
        }
    }

    /// What to draw.
    pub fn scene(&self) -> &Scene {
        self.frozen.as_ref().unwrap_or(&self.live)
    }

    pub const fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The selected transfer, if there is any.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        let scene = self.scene();
        self.selected.and_then(|id| scene.entry(id)).or_else(|| scene.session.entries.first())
    }

    /// The selected transfer's latest snapshot.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.entry()?.snapshot.as_ref()
    }

    /// The transfer that the page is of, if it is of one.
    pub fn subject(&self) -> Option<&Arc<Entry>> {
        if matches!(self.page, Page::Transfers | Page::History) { None } else { self.entry() }
    }

    /// The state of a page's list.
    pub const fn list(&self, page: Page) -> &ListState {
        &self.lists[page as usize]
    }

    /// The rows of the page that is shown, filtered and in order. A row that has gone since they
    /// were put in order is still among them.
    pub fn rows(&self) -> &[RowKey] {
        &self.rows
    }

    /// The place of the selected row among the rows, if one is selected and still there.
    pub fn cursor(&self) -> Option<usize> {
        let key = self.cursor_key()?;
        self.rows.iter().position(|row| *row == key)
    }

    fn cursor_key(&self) -> Option<RowKey> {
        match self.page {
            Page::Transfers => self.entry().map(|entry| RowKey::Entry(entry.id)),
            page => self.list(page).cursor.clone(),
        }
    }

    /// The pages that there are here.
    pub const fn pages(&self) -> &'static [Page] {
        match self.kind {
            Kind::One { .. } => Page::OF_ONE,
            Kind::Session => Page::ALL,
        }
    }

    /// The finished download whose user has still to say for how long it is shared on.
    pub fn banner(&self) -> Option<&Arc<Entry>> {
        let entries = &self.scene().session.entries;
        entries.iter().find(|entry| !entry.decided && entry.is_shared_on())
    }

    /// Takes in what happened. Returns what to do outside.
    pub fn update(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Session(now, session) => {
                let first = self.live.session.entries.is_empty();
                let shown = self.selected.or_else(|| self.entry().map(|entry| entry.id));
                self.live.advance(now, session);
                if self.frozen.is_none() {
                    self.settle(first, shown);
                }
            }
            Action::Tick(now) => self.tick(now),
            Action::Remark(remark) => self.remark(&remark),
            Action::Past(past) => {
                self.past = past;
                if self.page == Page::History && self.frozen.is_none() {
                    self.sort();
                }
            }
            Action::Key(event) => return self.key(event),
            Action::Paste(text) => self.paste(&text),
            Action::Wheel(notches) => self.wheel(notches),
            Action::Resize(width, height) => {
                self.size = (width, height);
                self.sort();
            }
            Action::Stopping => self.stopping = true,
            Action::Suspended | Action::Continued | Action::Leave => {}
        }
        Vec::new()
    }

    /// Whether something on the screen moves with the clock alone.
    fn tick(&mut self, now: Duration) {
        self.live.now = self.live.now.max(now);
        if self.notice.as_ref().is_some_and(|notice| notice.until <= now) {
            self.notice = None;
        }
        if self.frozen.is_none() {
            // The last news may have come too soon after others.
            self.sort_if_due();
        }
    }

    fn remark(&mut self, remark: &Remark) {
        self.log.push(self.live.now, remark);
        if remark.warn && remark.entry.is_none() {
            // Most often the answer to what was just typed.
            let text: String = remark.text.chars().take(NOTICE_CHARS).collect();
            self.say(true, inert(&text));
        }
        if self.page == Page::Log && self.frozen.is_none() {
            self.sort();
        }
    }

    fn key(&mut self, event: KeyEvent) -> Vec<Effect> {
        if let Some(Modal::Prompt(_)) = &self.modal
            && !keys::is_for_the_process(event)
        {
            return self.type_key(event);
        }
        match keys::meaning(self, event) {
            Some(act) => {
                self.notice = None;
                self.act(act)
            }
            None => Vec::new(),
        }
    }

    /// What is pasted where nothing is typed is something to add.
    fn paste(&mut self, text: &str) {
        match &mut self.modal {
            Some(Modal::Prompt(prompt)) => prompt.line.insert(text),
            _ if self.kind == Kind::Session => {
                let mut line = EditLine::default();
                line.insert(text.trim());
                self.prompt(PromptKind::Add, line);
            }
            _ => {}
        }
    }

    fn wheel(&mut self, notches: isize) {
        match &mut self.modal {
            None => self.step(notches),
            Some(Modal::Help(top)) => *top = top.saturating_add_signed(notches),
            Some(_) => {}
        }
    }

    /// Says something in the footer.
    pub fn say(&mut self, bad: bool, text: impl Into<String>) {
        let until = self.live.now + NOTICE;
        self.notice = Some(Notice { bad, text: text.into(), until });
    }

    /// What is selected stays selected, and what is gone is not.
    fn settle(&mut self, first: bool, shown: Option<EntryId>) {
        let gone = shown.is_some_and(|id| self.live.entry(id).is_none());
        if gone {
            // The next one takes its place, as the rows are on the screen.
            let shown = shown.map(RowKey::Entry);
            let place = self.rows.iter().position(|row| Some(row) == shown.as_ref());
            let left =
                |row: &&RowKey| matches!(row, RowKey::Entry(id) if self.live.entry(*id).is_some());
            let next = place.and_then(|at| {
                let (before, after) = self.rows.split_at(at);
                after.iter().find(left).or_else(|| before.iter().rev().find(left)).cloned()
            });
            self.selected = match next {
                Some(RowKey::Entry(id)) => Some(id),
                _ => None,
            };
            // What a page of one transfer would show is another one.
            if self.kind == Kind::Session && self.page != Page::History {
                self.page = Page::Transfers;
            }
        }
        self.stale = true;
        if gone || first {
            self.sort();
        } else {
            self.sort_if_due();
        }
    }

    /// Puts the rows in order if something changed since, and it is not too soon.
    fn sort_if_due(&mut self) {
        // A piece is fetched in less than that; its row would be of one that is done long since.
        let patience = if self.page == Page::Pieces { Duration::ZERO } else { RESORT };
        if self.stale && self.scene().now.saturating_sub(self.sorted) >= patience {
            self.sort();
        }
    }

    /// Puts the rows of the page in order.
    fn sort(&mut self) {
        (self.sorted, self.stale) = (self.scene().now, false);
        self.rows = (self.page.spec().rows)(self);
    }

    /// Moves the selection by so many rows.
    fn step(&mut self, rows: isize) {
        let Some(last) = self.rows.len().checked_sub(1) else { return };
        // A log is read from its end.
        let start = if self.page == Page::Log { last } else { 0 };
        let at = match self.cursor() {
            Some(at) => at.saturating_add_signed(rows).min(last),
            None if self.page == Page::Log => last.saturating_add_signed(rows.min(0)),
            None => start,
        };
        self.select(at);
    }

    fn select(&mut self, at: usize) {
        let Some(row) = self.rows.get(at).cloned() else { return };
        match row {
            RowKey::Entry(id) => self.selected = Some(id),
            row => self.lists[self.page as usize].cursor = Some(row),
        }
    }
}
