//! The lines at the top: what it is, which view, how far, how fast and why not faster.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};
use swarm_node::State;

use super::{
    app::{App, Kind},
    palette::Palette,
};
use crate::{
    host::{Entry, Phase},
    output::{bottleneck, peers, percent, state},
    text::inert,
    units::{Bytes, Clock, Rate},
};

/// ` swarm get  weights          ● downloading  0:41  5 peers (1 seed) `
pub fn title(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let scene = app.scene();
    let verb = match app.kind {
        Kind::One { verb } => verb,
        Kind::Session => "tui",
    };
    let mut left = vec![Span::styled(format!(" swarm {verb}  "), palette.dim())];
    if let Some(entry) = app.subject() {
        left.push(Span::styled(inert(&entry.name), palette.strong()));
    }
    let mut right = Vec::new();
    if app.is_frozen() {
        right.push(Span::styled("frozen", palette.selected()));
        right.push(Span::raw("  "));
    }
    if app.stopping {
        right.push(Span::styled("stopping (q again to force)", palette.warn()));
    } else if let Some(snapshot) = app.subject().and_then(|entry| entry.snapshot.as_ref()) {
        let (mark, style) = mark(snapshot.state, palette);
        right.push(Span::styled(format!("{mark} {}", state(snapshot.state)), style));
        right.push(Span::raw(format!("  {}  {} ", Clock(scene.now.as_secs()), peers(snapshot))));
    }
    sides(frame, area, Line::from(left), Line::from(right));
}

const fn mark(state: State, palette: Palette) -> (&'static str, Style) {
    match state {
        State::Seeding => ("✓", palette.good()),
        State::Paused => ("‖", palette.warn()),
        State::DiskTrouble => ("!", palette.bad()),
        State::Stopped => ("■", palette.dim()),
        State::Checking | State::Downloading | State::Finishing => ("●", palette.down()),
    }
}

/// ` 1 Overview  2 Peers  3 Log        a1b2c3d9  900 × 1.00 MiB  → weights `
pub fn tabs(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let mut left = vec![Span::raw(" ")];
    for (n, page) in app.pages().iter().enumerate() {
        let style = if *page == app.page { palette.selected() } else { Style::new() };
        left.push(Span::styled(format!(" {} {} ", n + 1, page.spec().title), style));
    }
    let right = app.subject().map(|entry| {
        let path = inert(&entry.path.display().to_string());
        match &entry.share {
            Some(share) => {
                let (pieces, length) = (share.pieces, Bytes(share.piece_length.into()));
                format!("{}  {pieces} × {length}  → {path} ", share.swarm.short())
            }
            None => format!("→ {path} "),
        }
    });
    // The pages matter more than what was said when it began.
    let left = Line::from(left);
    let room = usize::from(area.width).saturating_sub(left.width() + 1);
    let right: String = right.unwrap_or_default().chars().take(room).collect();
    sides(frame, area, left, Line::styled(right, palette.dim()));
}

/// ` ██████████████████░░░░░░░  61.4 % `
pub fn bar(frame: &mut Frame<'_>, area: Rect, entry: &Entry, palette: Palette) {
    let (part, all) = match (&entry.phase, &entry.snapshot) {
        (Phase::Hashing { done, total }, _) => (*done, (*total).max(1)),
        (_, Some(snapshot)) => (snapshot.bytes_have, snapshot.bytes),
        _ => return,
    };
    let done = percent(part, all);
    let figure = format!(" {done:>5.1} % ");
    let room = usize::from(area.width).saturating_sub(figure.len() + 1);
    let full = (done / 100.0 * room as f64) as usize;
    let line = Line::from(vec![
        Span::raw(" "),
        Span::styled("█".repeat(full.min(room)), palette.good()),
        Span::styled("░".repeat(room.saturating_sub(full)), palette.dim()),
        Span::styled(figure, palette.strong()),
    ]);
    // Where there is no room for a bar the figure is what counts.
    let line = if room < 3 { Line::raw(format!("{done:.1} %")) } else { line };
    frame.render_widget(Paragraph::new(line), area);
}

/// ` 600 MiB of 900 MiB   ↓ 80.0 MiB/s   ↑ 5.00 MiB/s   0:05 left …`, the most wanted first: what is
/// too long is cut at its end. `alone`: there is room for nothing else.
pub fn figures(frame: &mut Frame<'_>, area: Rect, entry: &Entry, alone: bool, palette: Palette) {
    let snapshot = match (&entry.phase, &entry.snapshot) {
        (Phase::Running, Some(snapshot)) => snapshot,
        (phase, _) => return phase_line(frame, area, phase, palette),
    };
    let totals = &snapshot.totals;
    let mut parts = Vec::new();
    if alone {
        let done = percent(snapshot.bytes_have, snapshot.bytes);
        parts.push(Span::styled(format!("{done:.1} %"), palette.strong()));
    }
    let down = Span::styled(format!("↓ {}", Rate(snapshot.down_rate)), palette.down());
    let up = Span::styled(format!("↑ {}", Rate(snapshot.up_rate)), palette.up());
    if matches!(snapshot.state, State::Seeding | State::Stopped) {
        parts.extend([up, Span::raw(format!("{} uploaded", Bytes(totals.uploaded)))]);
        parts.push(Span::raw(format!("{} shared", Bytes(snapshot.bytes))));
    } else {
        let narrow = area.width < 40;
        let amount = format!("{} of {}", Bytes(snapshot.bytes_have), Bytes(snapshot.bytes));
        if !narrow {
            parts.push(Span::raw(amount));
        }
        parts.extend([down, up]);
        let left = snapshot.eta_s.map_or_else(|| "-".into(), |eta| Clock(eta).to_string());
        parts.push(Span::styled(format!("{left} left"), palette.strong()));
        if let Some(why) = bottleneck(snapshot) {
            parts.push(Span::styled(why, palette.warn()));
        }
        let waste = totals.duplicate.saturating_mul(100) as f64 / totals.downloaded.max(1) as f64;
        parts.push(Span::raw(format!("dup {waste:.1} %")));
    }
    if totals.corrupt > 0 {
        parts.push(Span::styled(format!("bad {}", Bytes(totals.corrupt)), palette.bad()));
    }
    let gap = if area.width < 40 { " " } else { "   " };
    let mut line = vec![Span::raw(if area.width < 40 { "" } else { " " })];
    for (n, part) in parts.into_iter().enumerate() {
        if n > 0 {
            line.push(Span::raw(gap));
        }
        line.push(part);
    }
    frame.render_widget(Paragraph::new(Line::from(line)), area);
}

/// What a transfer waits for that does not run.
fn phase_line(frame: &mut Frame<'_>, area: Rect, phase: &Phase, palette: Palette) {
    let (text, style) = match phase {
        Phase::Finding => (" looking for somebody who has the manifest".into(), palette.warn()),
        Phase::Hashing { done, total } => {
            (format!(" reading and hashing: {} of {}", Bytes(*done), Bytes(*total)), palette.down())
        }
        Phase::Running => (String::new(), palette.dim()),
        Phase::Stopped { why } => {
            (format!(" stopped: {}; p starts it again", inert(why)), palette.dim())
        }
        Phase::Failed { message, hint } => {
            let hint = hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
            (format!(" {} (r tries again)", inert(&format!("{message}{hint}"))), palette.bad())
        }
    };
    frame.render_widget(Paragraph::new(Line::styled(text, style)), area);
}

/// One text at the left and one at the right. If both do not fit, the right one matters more, unless
/// nothing of the left one would be seen.
fn sides(frame: &mut Frame<'_>, area: Rect, left: Line<'_>, right: Line<'_>) {
    let wanted = right.width().min(area.width.into()) as u16;
    let most = area.width - area.width / 3;
    let width =
        if left.width() + right.width() < area.width.into() { wanted } else { wanted.min(most) };
    let [left_area, right_area] = [
        // A column stays free between them.
        Rect { width: (area.width - width).saturating_sub(1), ..area },
        Rect { x: area.x + (area.width - width), width, ..area },
    ];
    frame.render_widget(Paragraph::new(left), left_area);
    // What is cut is the end of the right text, not its start.
    frame.render_widget(Paragraph::new(right), right_area);
}
