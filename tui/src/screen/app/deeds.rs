//! What is done to one transfer.

use std::time::Duration;

use swarm_engine::Priority;
use swarm_node::Command;

use super::{Act, App, Confirm, Effect, Kind, Modal, RowKey, ShareChoice};
use crate::{
    host::{Entry, Order, Origin, Phase},
    share::Policy,
    text::inert,
};

impl App {
    /// What is done to one transfer.
    pub(super) fn with_entry(&mut self, act: Act) -> Vec<Effect> {
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
            Act::Delete if entry.origin == Origin::Downloaded && entry.share.is_none() => {
                let name = inert(&entry.name);
                self.say(false, format!("{name} is off the list; nothing of it was on the disk"));
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
    pub(super) fn want(&mut self, priority: Priority) -> Vec<Effect> {
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
}

fn confirm_delete(entry: &Entry) -> Confirm {
    let path = inert(&entry.path.display().to_string());
    let question = match entry.origin {
        Origin::Downloaded => {
            vec![format!("Remove {} and delete what was downloaded?", inert(&entry.name)), path]
        }
        Origin::Own if entry.fetched => {
            let name = inert(&entry.name);
            vec![format!("{name} was downloaded, and is shared by you. Delete it?"), path]
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
