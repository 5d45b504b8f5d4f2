//! The lines at the top: what it is, which view, how far, how fast and why not faster.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Paragraph,
};
use swarm_node::{Snapshot, State};

use super::{
    app::{App, Page},
    palette::Palette,
};
use crate::{
    output::{bottleneck, peers, percent, state},
    units::{Bytes, Clock, Rate},
};

/// ` swarm get  weights          ● downloading  0:41  5 peers (1 seed) `
pub fn title(frame: &mut Frame<'_>, area: Rect, app: &App, palette: Palette) {
    let scene = app.scene();
    let left = Line::from(vec![
        Span::styled(format!(" swarm {}  ", app.about.verb), palette.dim()),
        Span::styled(app.about.name.as_str(), palette.strong()),
    ]);
    let mut right = Vec::new();
    if app.is_frozen() {
        right.push(Span::styled("frozen", palette.selected()));
        right.push(Span::raw("  "));
    }
    if app.stopping {
        right.push(Span::styled("stopping (q again to force)", palette.warn()));
    } else if let Some(snapshot) = &scene.snapshot {
        let (mark, style) = mark(snapshot.state, palette);
        right.push(Span::styled(format!("{mark} {}", state(snapshot.state)), style));
        right.push(Span::raw(format!("  {}  {} ", Clock(scene.now.as_secs()), peers(snapshot))));
    }
    sides(frame, area, left, Line::from(right));
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
    for (n, page) in Page::ALL.into_iter().enumerate() {
        let style = if page == app.page { palette.selected() } else { Style::new() };
        left.push(Span::styled(format!(" {} {} ", n + 1, page.title()), style));
    }
    let about = &app.about;
    let pieces = app.scene().snapshot.as_ref().map_or(0, |snapshot| snapshot.pieces);
    let length = Bytes(about.piece_length.into());
    let right = format!("{}  {pieces} × {length}  → {} ", about.id, about.path);
    sides(frame, area, Line::from(left), Line::styled(right, palette.dim()));
}

/// ` ██████████████████░░░░░░░  61.4 % `
pub fn bar(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot, palette: Palette) {
    let done = percent(snapshot.bytes_have, snapshot.bytes);
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
pub fn figures(
    frame: &mut Frame<'_>,
    area: Rect,
    snapshot: &Snapshot,
    alone: bool,
    palette: Palette,
) {
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
