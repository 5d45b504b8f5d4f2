//! What happens to the screen, what a key asks for, and what is to be done outside.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ratatui::crossterm::event::KeyEvent;
use swarm_engine::Priority;

use crate::{
    host::{Order, Remark, Session},
    screen::{history::Past, page::Page},
};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Action {
    /// News of the transfers, so long after the command began.
    Session(Duration, Arc<Session>),
    /// The engine or the program has something to say.
    Remark(Remark),
    /// What was shared and fetched before.
    Past(Vec<Past>),
    /// A second or so has passed since the command was so old.
    Tick(Duration),
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The wheel of the mouse was turned so many notches down.
    Wheel(isize),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// Everything is being stopped.
    Stopping,
    /// The process is to stop for a while.
    Suspended,
    /// The process goes on after it was suspended.
    Continued,
    /// Give the terminal back.
    Leave,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Show(Page),
    NextPage,
    PrevPage,
    /// The transfer after the selected one, or before it.
    NextEntry,
    PrevEntry,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    /// Look into the row.
    Open,
    /// One step back: close what lies over the page, drop the filter, go to the list.
    Back,
    Add,
    Command,
    Filter,
    Sort,
    Reverse,
    /// Pause, or go on.
    Pause,
    PauseAll,
    ResumeAll,
    /// Begin again with one that failed or was stopped.
    Retry,
    /// Take it off the list.
    Remove,
    /// And delete its data.
    Delete,
    LimitUp,
    LimitDown,
    Announce,
    Verify,
    CopyLink,
    Qr,
    OpenFolder,
    /// Files are wanted so much.
    Want(Priority),
    /// The chart shows more time, or less.
    ZoomOut,
    ZoomIn,
    Freeze,
    Mouse,
    Share(ShareChoice),
    Yes,
    No,
    Help,
    Suspend,
    Quit,
}

/// An answer to whether a finished download is shared on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareChoice {
    /// As it is set.
    Keep,
    /// Until as much was sent as is in it.
    Ratio,
    /// For an hour.
    Hour,
    Forever,
    Stop,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask whoever has the transfers.
    Order(Order),
    /// Put a text on the user's clipboard.
    Copy(String),
    /// Show a folder in the desktop's file manager.
    OpenFolder(PathBuf),
    /// Whether the terminal sends what the mouse does.
    Mouse(bool),
    /// End as after Ctrl-C.
    Quit,
    /// Stop the process as after Ctrl-Z.
    Suspend,
}
