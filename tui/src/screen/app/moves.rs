//! Keys that only change what is seen.

use super::{App, HISTORY_S, Kind, Modal, RowKey};
use crate::screen::{filter::Filter, page::Page};

/// The spans that the chart can show, in seconds.
const CHART_S: [usize; 3] = [60, 300, HISTORY_S];

impl App {
    /// Turns to a page.
    pub(super) fn show(&mut self, page: Page) {
        self.modal = None;
        if self.page != page {
            self.page = page;
            self.sort();
        }
    }

    /// Turns so many pages on.
    pub(super) fn turn(&mut self, by: usize) {
        let pages = self.pages();
        let at = pages.iter().position(|page| *page == self.page).unwrap_or(0);
        self.show(pages[(at + by) % pages.len()]);
    }

    /// Selects the next or the previous transfer, on any page.
    pub(super) fn neighbour(&mut self, by: isize) {
        let entries = &self.scene().session.entries;
        let Some(last) = entries.len().checked_sub(1) else { return };
        let now = self.entry().map(|entry| entry.id);
        let at = entries.iter().position(|entry| Some(entry.id) == now).unwrap_or(0);
        self.selected = Some(entries[at.saturating_add_signed(by).min(last)].id);
        if self.page != Page::Transfers {
            self.lists[self.page as usize].cursor = None;
            self.sort();
        }
    }

    /// How many rows a key goes up or down.
    pub(super) fn stride(&self) -> isize {
        (self.page.spec().step)(self).max(1) as isize
    }

    /// Goes up or down, in the help if that is open.
    pub(super) fn scroll(&mut self, rows: isize) {
        match &mut self.modal {
            Some(Modal::Help(top)) => *top = top.saturating_add_signed(rows),
            Some(_) => {}
            None => self.step(rows),
        }
    }

    /// Goes into the selected row: shows it, or unfolds it.
    pub(super) fn open(&mut self) {
        let Some(row) = self.cursor().and_then(|at| self.rows.get(at)).cloned() else { return };
        match row {
            RowKey::Entry(id) => {
                self.selected = Some(id);
                self.show(Page::Overview);
            }
            row => {
                self.lists[self.page as usize].toggle(row);
                self.sort();
            }
        }
    }

    /// Takes back the last thing that hides something: a box, a filter, the cursor, the page.
    pub(super) fn back(&mut self) {
        if self.modal.take().is_some() {
            return;
        }
        let list = &mut self.lists[self.page as usize];
        if !list.filter.is_empty() {
            list.filter = Filter::default();
            self.sort();
        } else if list.cursor.take().is_none() && self.kind == Kind::Session {
            self.show(Page::Transfers);
        }
    }

    /// Puts the rows into the next order.
    pub(super) fn sort_by_next(&mut self) {
        let sorts = self.page.spec().sorts;
        if sorts.is_empty() {
            return;
        }
        let list = &mut self.lists[self.page as usize];
        list.sort = (list.sort + 1) % sorts.len();
        let name = sorts[list.sort].name;
        self.say(false, format!("sorted by {name}; S turns it round"));
        self.sort();
    }

    /// Shows more or less time on the chart.
    pub(super) fn zoom(&mut self, out: bool) {
        let at = CHART_S.iter().position(|s| *s == self.chart_s).unwrap_or(0);
        let to = if out { at + 1 } else { at.saturating_sub(1) };
        self.chart_s = CHART_S[to.min(CHART_S.len() - 1)];
    }

    /// Keeps everything as it is, or lets it go on.
    pub(super) fn freeze(&mut self) {
        self.frozen = if self.is_frozen() { None } else { Some(self.live.clone()) };
        self.sort();
    }
}
