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
    why,
};
use crate::{
    host::{Entry, Phase},
    look::Palette,
    text::inert,
    units::{Bytes, Clock, Rate},
    words::{peers, percent, status},
};

/// ` swarm get  weights          ● downloading  0:41  5 peers (1 seed) `
pub fn title(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let scene = app.scene();
    let verb = match app.kind {
        Kind::One { verb } => verb,
        Kind::Session => "tui",
    };
    let mut left = Vec::new();
    if area.width >= 40 || app.subject().is_none() {
        left.push(Span::styled(format!(" swarm {verb}  "), palette.dim()));
    }
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
        right.push(Span::styled(format!("{mark} {}", status(snapshot)), style));
        // A figure that does not fit is left out rather than cut.
        let figures =
            [format!("  {}", Clock(scene.now.as_secs())), format!("  {} ", peers(snapshot))];
        let mut room = usize::from(most(area)).saturating_sub(right.iter().map(Span::width).sum());
        for figure in figures.map(Span::raw) {
            if figure.width() > room {
                break;
            }
            room -= figure.width();
            right.push(figure);
        }
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
    let left = Line::from(titles(app, area.width.into(), palette));
    let room = usize::from(area.width).saturating_sub(left.width() + 1);
    let right = app.subject().map_or_else(String::new, |entry| about(entry, room));
    sides(frame, area, left, Line::styled(right, palette.dim()));
}

/// The pages, with as much of their names as there is room for: a space on both sides of each, one
/// between them, or all but the one that is shown as numbers.
fn titles(app: &App, room: usize, palette: Palette) -> Vec<Span<'static>> {
    let all: usize = app.pages().iter().map(|page| page.spec().title.len() + 2).sum();
    let wide = all + 2 * app.pages().len() < room;
    let named = all + app.pages().len() < room;
    let mut spans = vec![Span::raw(" ")];
    for (n, page) in app.pages().iter().enumerate() {
        let shown = *page == app.page;
        let mut text = (n + 1).to_string();
        if named || shown {
            text = format!("{text} {}", page.spec().title);
        }
        if wide {
            text = format!(" {text} ");
        }
        spans.push(Span::styled(text, if shown { palette.selected() } else { Style::new() }));
        if !wide {
            spans.push(Span::raw(" "));
        }
    }
    spans
}

/// Which share it is and where, as much of it as there is room for.
fn about(entry: &Entry, room: usize) -> String {
    let path = inert(&entry.path.display().to_string());
    let share = entry.share.as_ref().map(|share| {
        let id = share.swarm.short();
        let length = Bytes(share.piece_length.into());
        (format!("{id} "), format!("{id}  {} × {length} ", share.pieces))
    });
    let texts = match share {
        Some((id, pieces)) => vec![format!("{pieces} → {path} "), pieces, id],
        None => vec![format!("→ {path} ")],
    };
    texts.into_iter().find(|text| Span::raw(text).width() <= room).unwrap_or_default()
}

/// ` ██████████████████░░░░░░░  61.4 % `
pub fn bar(frame: &mut Frame<'_>, area: Rect, entry: &Entry, palette: Palette) {
    let (part, all) = match (&entry.phase, &entry.snapshot) {
        (Phase::Hashing { done, total }, _) => (*done, (*total).max(1)),
        (_, Some(snapshot)) => (snapshot.bytes_have, snapshot.bytes_wanted),
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

/// ` 600 MiB of 900 MiB   ↓ 80.0 MiB/s   ↑ 5.00 MiB/s   0:05 left …`, the most wanted first; a figure
/// that does not fit is left out rather than cut. `alone`: there is room for nothing else.
pub fn figures(frame: &mut Frame<'_>, area: Rect, entry: &Entry, alone: bool, palette: Palette) {
    let (Phase::Running, Some(snapshot)) = (&entry.phase, &entry.snapshot) else {
        // It has none. What it waits for has this line, and the next for what can be done.
        return why::cause(frame, area, entry, palette);
    };
    let totals = &snapshot.totals;
    let narrow = area.width < 40;
    // So that what stands behind does not jump.
    let width = if narrow { 0 } else { 10 };
    let down = Span::styled(format!("↓ {:>width$}", Rate(snapshot.down_rate)), palette.down());
    let up = Span::styled(format!("↑ {:>width$}", Rate(snapshot.up_rate)), palette.up());
    let mut parts = Vec::new();
    if alone {
        let done = percent(snapshot.bytes_have, snapshot.bytes_wanted);
        parts.push(Span::styled(format!("{done:.1} %"), palette.strong()));
    }
    if matches!(snapshot.state, State::Seeding | State::Stopped) {
        parts.extend([up, Span::raw(format!("{} uploaded", Bytes(totals.uploaded)))]);
        parts.push(Span::raw(format!("{} shared", Bytes(snapshot.bytes_have))));
    } else {
        let left = snapshot.eta_s.map_or_else(|| "-".into(), |eta| Clock(eta).to_string());
        if narrow {
            parts.extend([down, Span::styled(left, palette.strong()), up]);
        } else {
            let (have, all) = (Bytes(snapshot.bytes_have), Bytes(snapshot.bytes_wanted));
            parts.push(Span::raw(format!("{have:>8} of {all}")));
            parts.extend([down, up, Span::styled(format!("{left} left"), palette.strong())]);
        }
        let waste = totals.duplicate.saturating_mul(100) as f64 / totals.downloaded.max(1) as f64;
        parts.push(Span::raw(format!("dup {waste:.1} %")));
    }
    if totals.corrupt > 0 {
        parts.push(Span::styled(format!("bad {}", Bytes(totals.corrupt)), palette.bad()));
    }
    let (indent, gap) = if narrow { ("", " ") } else { (" ", "   ") };
    let mut line = Line::from(indent);
    for (n, part) in parts.into_iter().enumerate() {
        let gap = if n > 0 { gap } else { "" };
        // The first is shown as far as it goes.
        if n > 0 && line.width() + gap.len() + part.width() > usize::from(area.width) {
            break;
        }
        line.spans.extend([Span::raw(gap), part]);
    }
    frame.render_widget(line, area);
}

/// What the text at the right may take of a row in which not all fits.
const fn most(area: Rect) -> u16 {
    area.width - area.width / 3
}

/// One text at the left and one at the right. If both do not fit, the right one matters more, unless
/// nothing of the left one would be seen.
fn sides(frame: &mut Frame<'_>, area: Rect, left: Line<'_>, right: Line<'_>) {
    let wanted = right.width().min(area.width.into()) as u16;
    let fits = left.width() + right.width() < area.width.into();
    let width = if fits { wanted } else { wanted.min(most(area)) };
    let [left_area, right_area] = [
        // A column stays free between them.
        Rect { width: (area.width - width).saturating_sub(1), ..area },
        Rect { x: area.x + (area.width - width), width, ..area },
    ];
    frame.render_widget(Paragraph::new(left), left_area);
    // What is cut is the end of the right text, not its start.
    frame.render_widget(Paragraph::new(right), right_area);
}
