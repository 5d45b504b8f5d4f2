//! What each key does.

use std::{path::PathBuf, time::Duration};

use swarm_engine::Priority;
use swarm_node::{Command, State};

use super::{
    Act, App, Confirm, EditLine, Effect, HISTORY_S, Kind, Modal, PAGE_ROWS, PromptKind, RowKey,
    ShareChoice,
};
use crate::{
    host::{Entry, Order, Origin, Phase},
    screen::{filter::Filter, page::Page},
    share::Policy,
    text::inert,
};

/// The spans that the chart can show, in seconds.
const CHART_S: [usize; 3] = [60, 300, HISTORY_S];

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

    /// What is done to one transfer.
    fn with_entry(&mut self, act: Act) -> Vec<Effect> {
        let banner = matches!(act, Act::Share(_)).then(|| self.banner()).flatten();
        let Some(entry) = banner.or_else(|| self.entry()).cloned() else {
            self.say(true, "there is no transfer; a adds one");
            return Vec::new();
        };
        let id = entry.id;
        let engine = |command| vec![Effect::Order(Order::Engine { id, command })];
        match act {
            Act::Pause => match entry.phase {
                Phase::Failed { .. } | Phase::Stopped { .. } => {
                    vec![Effect::Order(Order::Start(id))]
                }
                // There is no engine yet that could hold.
                Phase::Finding { .. } | Phase::Hashing { .. } if self.kind == Kind::Session => {
                    vec![Effect::Order(Order::Stop(id))]
                }
                _ if entry.is_paused() => engine(Command::Resume),
                _ => engine(Command::Pause),
            },
            Act::Retry => vec![Effect::Order(Order::Start(id))],
            Act::Remove => {
                let name = inert(&entry.name);
                self.say(false, format!("{name} is off the list; what is on the disk stays"));
                vec![Effect::Order(Order::Remove { id, delete: false })]
            }
            Act::Delete => {
                self.modal = Some(Modal::Confirm(confirm_delete(&entry)));
                Vec::new()
            }
            Act::Announce => {
                self.say(false, "asking the trackers now");
                engine(Command::Announce)
            }
            Act::Verify => {
                self.say(false, "reading everything again");
                engine(Command::Verify)
            }
            Act::CopyLink => match &entry.link {
                Some(link) => {
                    self.say(false, "link sent to the clipboard");
                    vec![Effect::Copy(link.clone())]
                }
                None => self.no_link(),
            },
            Act::Qr => match &entry.link {
                Some(link) => {
                    self.modal = Some(Modal::Qr(link.clone()));
                    Vec::new()
                }
                None => self.no_link(),
            },
            Act::OpenFolder => {
                let folder = entry.path.parent().unwrap_or(&entry.path);
                vec![Effect::OpenFolder(folder.to_owned())]
            }
            Act::Share(choice) => {
                let policy = match choice {
                    ShareChoice::Keep => entry.policy,
                    ShareChoice::Ratio => Policy::Ratio(1.0),
                    ShareChoice::Hour => Policy::Time(Duration::from_secs(3600)),
                    ShareChoice::Forever => Policy::Forever,
                    ShareChoice::Stop => Policy::Never,
                };
                let name = inert(&entry.name);
                self.say(
                    false,
                    match policy {
                        Policy::Never => format!("{name} is no longer shared"),
                        policy => format!("{name} is shared {}", policy.describe()),
                    },
                );
                vec![Effect::Order(Order::Share { id, policy })]
            }
            _ => Vec::new(),
        }
    }

    fn no_link(&mut self) -> Vec<Effect> {
        self.say(true, "it has no link yet");
        Vec::new()
    }

    /// Says how much the selected file is wanted, or all files in the selected folder.
    fn want(&mut self, priority: Priority) -> Vec<Effect> {
        let row = self.cursor().and_then(|at| self.rows.get(at));
        let Some((entry, share)) = self.entry().and_then(|e| Some((e, e.share.as_ref()?))) else {
            return Vec::new();
        };
        let files: Vec<u32> = match row {
            Some(RowKey::File(file)) => vec![*file],
            Some(RowKey::Folder(folder)) => {
                let all = (0..).zip(&share.files);
                let below = all.filter(|(_, file)| file.path.starts_with(folder));
                below.map(|(number, _)| number).collect()
            }
            _ => Vec::new(),
        };
        if files.is_empty() {
            self.say(true, "select a file or a folder first");
            return Vec::new();
        }
        let command = Command::SetPriority { files, priority };
        vec![Effect::Order(Order::Engine { id: entry.id, command })]
    }

    pub(super) fn show(&mut self, page: Page) {
        self.modal = None;
        if self.page != page {
            self.page = page;
            self.sort();
        }
    }

    fn turn(&mut self, by: usize) {
        let pages = self.pages();
        let at = pages.iter().position(|page| *page == self.page).unwrap_or(0);
        self.show(pages[(at + by) % pages.len()]);
    }

    /// Selects the next or the previous transfer, on any page.
    fn neighbour(&mut self, by: isize) {
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

    fn stride(&self) -> isize {
        (self.page.spec().step)(self).max(1) as isize
    }

    fn scroll(&mut self, rows: isize) {
        match &mut self.modal {
            Some(Modal::Help(top)) => *top = top.saturating_add_signed(rows),
            Some(_) => {}
            None => self.step(rows),
        }
    }

    fn open(&mut self) {
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

    fn back(&mut self) {
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

    fn sort_by_next(&mut self) {
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

    fn zoom(&mut self, out: bool) {
        let at = CHART_S.iter().position(|s| *s == self.chart_s).unwrap_or(0);
        let to = if out { at + 1 } else { at.saturating_sub(1) };
        self.chart_s = CHART_S[to.min(CHART_S.len() - 1)];
    }

    fn freeze(&mut self) {
        self.frozen = if self.is_frozen() { None } else { Some(self.live.clone()) };
        self.sort();
    }

    /// Asks before the end only if something would be lost by it.
    fn quit(&mut self) -> Vec<Effect> {
        let losses: Vec<_> =
            self.live.session.entries.iter().filter_map(|entry| loss(entry)).collect();
        // Who is asked and insists, with Ctrl-C, has answered.
        let asked =
            matches!(&self.modal, Some(Modal::Confirm(c)) if c.then.contains(&Effect::Quit));
        if losses.is_empty() || self.stopping || asked {
            self.modal = None;
            self.stopping = true;
            return vec![Effect::Quit];
        }
        let mut question = losses;
        question.push("Quit all the same?".into());
        self.modal = Some(Modal::Confirm(Confirm { question, then: vec![Effect::Quit] }));
        Vec::new()
    }
}

/// What it means to add this: a link is fetched, a `.swarm` file is a manifest, all else is shared.
/// The whole command that `swarm seed` prints is as good as its link, and quotes are left out.
pub fn order_of(text: &str) -> Order {
    let text = text.trim();
    let text = text.strip_prefix("swarm get ").map_or(text, str::trim);
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let text = quoted('\'').or_else(|| quoted('"')).unwrap_or(text);
    // What looks like another program's link is one too: it is told what is wrong with it.
    if text.starts_with("swarm:") || text.starts_with("magnet:") || text.contains("://") {
        return Order::AddLink { link: text.into(), output: None };
    }
    let path = PathBuf::from(text);
    match path.extension() {
        Some(extension) if extension == "swarm" => Order::AddManifest { path, output: None },
        _ => Order::AddPath { path },
    }
}

/// What is lost if the program ends now, in a sentence.
fn loss(entry: &Entry) -> Option<String> {
    let name = inert(&entry.name);
    if entry.hooked {
        return Some(format!("The program of --on-complete still runs for {name}."));
    }
    if entry.origin != Origin::Own {
        // What is verified stays, and is gone on from.
        return None;
    }
    if matches!(entry.phase, Phase::Hashing { .. }) {
        return Some(format!("{name} is still being read, which would begin anew."));
    }
    let snapshot = entry.snapshot.as_ref().filter(|_| entry.phase == Phase::Running)?;
    if snapshot.state != State::Seeding {
        return None;
    }
    let known = snapshot.trackers.iter().any(|tracker| tracker.seeds > 1);
    let complete = known || snapshot.peers.iter().any(|peer| peer.pieces >= snapshot.pieces);
    let wanted = !snapshot.peers.is_empty() || snapshot.totals.uploaded > 0;
    (wanted && !complete)
        .then(|| format!("Nobody else has all of {name} yet; others could not finish it."))
}

fn confirm_delete(entry: &Entry) -> Confirm {
    let path = inert(&entry.path.display().to_string());
    let question = match entry.origin {
        Origin::Downloaded => {
            vec![format!("Remove {} and delete what was downloaded?", inert(&entry.name)), path]
        }
        Origin::Own => vec![
            "These are YOUR OWN files, not a download. Delete the original?".into(),
            path,
            "d forgets the share and keeps the files.".into(),
        ],
    };
    let then = vec![Effect::Order(Order::Remove { id: entry.id, delete: true })];
    Confirm { question, then }
}
