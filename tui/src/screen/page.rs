//! The pages. Each is a file that says what its rows are and how it is drawn; this is their list.

use ratatui::{Frame, layout::Rect};

use super::{
    app::{App, RowKey},
    files, history, log, overview, peers, pieces, swarm, transfers,
};
use crate::look::Palette;

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Page {
    /// All transfers.
    Transfers,
    /// Some of everything about one.
    #[default]
    Overview,
    /// Its peers.
    Peers,
    /// Its pieces.
    Pieces,
    /// Its files.
    Files,
    /// Trackers, counts, efficiency.
    Swarm,
    /// What was said.
    Log,
    /// What was shared and fetched before.
    History,
}

/// What a page is.
#[derive(Debug)]
pub struct Spec {
    /// For the tabs.
    pub title: &'static str,
    /// For the help.
    pub about: &'static str,
    /// The rows that can be selected, filtered and in order.
    pub rows: fn(&App) -> Vec<RowKey>,
    /// The orders that its rows can have; the first is the usual one.
    pub sorts: &'static [Sort],
    /// Rows that Up and Down move by: 1, but for a map.
    pub step: fn(&App) -> usize,
    /// Draws everything between the head and the footer.
    pub draw: fn(&mut Frame<'_>, Rect, &App, Palette),
}

/// One order of a page's rows.
#[derive(Debug, Clone, Copy)]
pub struct Sort {
    /// As it is typed.
    pub name: &'static str,
    /// The title of the column that shows it, if one does.
    pub column: Option<&'static str>,
}

impl Sort {
    /// By what is in the column of this title.
    pub const fn by(name: &'static str, column: &'static str) -> Self {
        Self { name, column: Some(column) }
    }

    /// An order that no column shows.
    pub const fn unseen(name: &'static str) -> Self {
        Self { name, column: None }
    }
}

impl Spec {
    /// A list moves row by row.
    pub const fn one_by_one(_: &App) -> usize {
        1
    }
}

impl Page {
    /// Pages of a program that carries several transfers.
    pub const ALL: &'static [Self] = &[
        Self::Transfers,
        Self::Overview,
        Self::Peers,
        Self::Pieces,
        Self::Files,
        Self::Swarm,
        Self::Log,
        Self::History,
    ];

    /// Pages of a command that carries one.
    pub const OF_ONE: &'static [Self] =
        &[Self::Overview, Self::Peers, Self::Pieces, Self::Files, Self::Swarm, Self::Log];

    /// What it is.
    pub const fn spec(self) -> &'static Spec {
        match self {
            Self::Transfers => &transfers::PAGE,
            Self::Overview => &overview::PAGE,
            Self::Peers => &peers::PAGE,
            Self::Pieces => &pieces::PAGE,
            Self::Files => &files::PAGE,
            Self::Swarm => &swarm::PAGE,
            Self::Log => &log::PAGE,
            Self::History => &history::PAGE,
        }
    }
}
