//! What the verbs behind `:` do: the same as keys, and a little more.

use swarm_node::Command;

use super::{Act, App, Effect, Kind};
use crate::{
    host::{Order, Origin},
    screen::{
        filter::Filter,
        page::Page,
        verbs::{self, Verb, Way, What, Which},
    },
};

impl App {
    /// Does what a line says.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub(super) fn run_line(&mut self, line: &str) -> Result<Vec<Effect>, String> {
        let act = match verbs::parse(line)? {
            Verb::Add(what) => return self.add_all(&what, super::order_of),
            Verb::Get(what) => return self.add_all(&what, getting),
            Verb::Seed(what) => {
                return self.add_all(&what, |path| Order::AddPath { path: path.into() });
            }
            Verb::Pause(which) => return self.engine(which, Command::Pause),
            Verb::Resume(which) => return self.engine(which, Command::Resume),
            Verb::Limit { way: Way::Up, rate, which } => {
                return self.engine(which, Command::LimitUpload(rate.0));
            }
            Verb::Limit { way: Way::Down, rate, which } => {
                return self.engine(which, Command::LimitDownload(rate.0));
            }
            Verb::Share { policy } => {
                let entry = self.entry().ok_or("there is no transfer")?;
                if entry.origin == Origin::Own {
                    return Err("what is yours is shared until you stop it".into());
                }
                return Ok(vec![Effect::Order(Order::Share { id: entry.id, policy })]);
            }
            Verb::Filter { words } => {
                self.lists[self.page as usize].filter = Filter::parse(&words.join(" "))?;
                self.sort();
                return Ok(Vec::new());
            }
            Verb::Sort { column } => return self.sort_by(&column.join(" ")),
            Verb::Show { page } => Act::Show(self.page_named(&page)?),
            Verb::Remove { delete } => {
                self.needs_session()?;
                if delete { Act::Delete } else { Act::Remove }
            }
            Verb::Retry => Act::Retry,
            Verb::Verify => Act::Verify,
            Verb::Announce => Act::Announce,
            Verb::Copy => Act::CopyLink,
            Verb::Qr => Act::Qr,
            Verb::Open => Act::OpenFolder,
            Verb::Help { .. } => Act::Help,
            Verb::Quit => Act::Quit,
            #[cfg(debug_assertions)]
            #[expect(clippy::panic, reason = "it is what was asked for")]
            Verb::Panic => panic!("asked for by :panic"),
        };
        Ok(self.act(act))
    }

    fn add_all(&self, what: &What, order: fn(&str) -> Order) -> Result<Vec<Effect>, String> {
        self.needs_session()?;
        let orders = what.what.iter().map(|text| match order(text) {
            Order::AddLink { link, .. } => Order::AddLink { link, output: what.output.clone() },
            Order::AddManifest { path, .. } => {
                Order::AddManifest { path, output: what.output.clone() }
            }
            order => order,
        });
        Ok(orders.map(Effect::Order).collect())
    }

    fn engine(&self, which: Which, command: Command) -> Result<Vec<Effect>, String> {
        let order = if which.all {
            Order::All(command)
        } else {
            let id = self.entry().ok_or("there is no transfer")?.id;
            Order::Engine { id, command }
        };
        Ok(vec![Effect::Order(order)])
    }

    fn sort_by(&mut self, column: &str) -> Result<Vec<Effect>, String> {
        let sorts = self.page.spec().sorts;
        let found = sorts.iter().position(|sort| sort.name.eq_ignore_ascii_case(column));
        let sort = found.ok_or_else(|| match sorts {
            [] => "this page has one order only".to_owned(),
            _ => {
                let names: Vec<_> = sorts.iter().map(|sort| sort.name).collect();
                format!("the columns are {}", names.join(", "))
            }
        })?;
        self.lists[self.page as usize].sort = sort;
        self.sort();
        Ok(Vec::new())
    }

    fn page_named(&self, name: &str) -> Result<Page, String> {
        let pages = self.pages();
        let begins = |page: &&Page| {
            let title = page.spec().title.to_lowercase();
            title.starts_with(&name.to_lowercase())
        };
        let titles = || pages.iter().map(|page| page.spec().title).collect::<Vec<_>>().join(", ");
        pages.iter().find(begins).copied().ok_or_else(|| format!("the pages are {}", titles()))
    }

    fn needs_session(&self) -> Result<(), String> {
        match self.kind {
            Kind::Session => Ok(()),
            Kind::One { verb } => {
                Err(format!("`swarm {verb}` carries one transfer; `swarm tui` any number"))
            }
        }
    }
}

/// What is fetched: a link, or what a manifest describes even if it is beside it.
fn getting(text: &str) -> Order {
    match super::order_of(text) {
        Order::AddPath { path } => Order::AddManifest { path, output: None },
        order => order,
    }
}
