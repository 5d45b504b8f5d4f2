//! What lies over the page: a line to type in, a question, the help, a QR code.

use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::{
    app::{App, Confirm, Modal, Prompt},
    help,
    palette::Palette,
    qr,
};
use crate::text::inert;

/// Draws it. A line to type in stands where the footer is.
pub fn draw(frame: &mut Frame<'_>, area: Rect, footer: Rect, app: &App, palette: Palette) {
    match &app.modal {
        None => {}
        Some(Modal::Help(top)) => help::draw(frame, area, app, *top, palette),
        Some(Modal::Prompt(line)) => {
            let last = Rect { y: area.bottom().saturating_sub(1), height: 1, ..area };
            let at = if footer.height > 0 { footer } else { last.intersection(area) };
            prompt(frame, area, at, line, palette);
        }
        Some(Modal::Confirm(question)) => confirm(frame, area, question, palette),
        Some(Modal::Qr(text)) => qr::draw(frame, area, text, palette),
    }
}

/// `:limit up 10M▏`, what is wrong with it above.
fn prompt(frame: &mut Frame<'_>, area: Rect, at: Rect, prompt: &Prompt, palette: Palette) {
    let label = prompt.kind.label();
    let (before, after) = prompt.line.parts();
    let (before, after) = (inert(before), inert(after));
    let room = usize::from(at.width).saturating_sub(Span::raw(label).width() + 1);
    // What stands before the cursor matters more than what stands behind it.
    let hidden = Span::raw(before.as_str()).width().saturating_sub(room);
    let seen: String = before.chars().skip(hidden).collect();
    let line = Line::from(vec![
        Span::styled(label, palette.strong()),
        Span::raw(seen.as_str()),
        Span::raw(after),
    ]);
    let column = (Span::raw(label).width() + Span::raw(seen.as_str()).width()) as u16;
    frame.render_widget(Clear, at);
    frame.render_widget(Paragraph::new(line), at);
    if at.area() > 0 {
        let x = (at.x + column).min(at.right() - 1);
        frame.set_cursor_position(Position { x, y: at.y });
    }
    let above = match (&prompt.error, prompt.hints.as_slice()) {
        (Some(why), _) => Line::styled(format!(" {}", inert(why)), palette.bad()),
        (None, []) => return,
        (None, hints) => Line::styled(format!(" {}", hints.join("  ")), palette.dim()),
    };
    let above_at = Rect { y: at.y.saturating_sub(1), ..at }.intersection(area);
    if above_at.y < at.y {
        frame.render_widget(Clear, above_at);
        frame.render_widget(Paragraph::new(above), above_at);
    }
}

fn confirm(frame: &mut Frame<'_>, area: Rect, confirm: &Confirm, palette: Palette) {
    let mut lines: Vec<_> = confirm.question.iter().map(|line| Line::raw(line.as_str())).collect();
    lines.push(Line::from(vec![
        Span::styled("y", palette.strong()),
        Span::raw(" yes   "),
        Span::styled("n", palette.strong()),
        Span::raw(" no (Enter)"),
    ]));
    over(frame, area, " Sure? ", lines, palette);
}

/// A frame in the middle, as large as its lines.
fn over(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<Line<'_>>, palette: Palette) {
    let wide = lines.iter().map(Line::width).max().unwrap_or(0).max(title.len()) as u16 + 4;
    let area = middle(area, wide, lines.len() as u16 + 2);
    frame.render_widget(Clear, area);
    let block = Block::bordered().border_style(palette.warn()).title(title.to_owned());
    let lines: Vec<_> = lines
        .into_iter()
        .map(|mut line| {
            line.spans.insert(0, Span::raw(" "));
            line
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// The middle of an area, as large as wanted or as there is.
pub fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}
