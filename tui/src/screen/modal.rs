//! What lies over the page: a line to type in, a question, the help, a QR code.

use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph},
};

use super::{
    app::{App, Confirm, Modal, Prompt},
    help, qr,
};
use crate::{look::Palette, text::inert};

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

/// A question in a frame in the middle, as large as it needs; the answers stand in the frame itself, so
/// that they are seen wherever there is room for it.
fn confirm(frame: &mut Frame<'_>, area: Rect, confirm: &Confirm, palette: Palette) {
    let widest = confirm.question.iter().map(|line| Span::raw(line).width()).max().unwrap_or(0);
    let width = (widest.max(20) as u16).saturating_add(4).min(area.width);
    let room = usize::from(width.saturating_sub(4)).max(1);
    let lines: Vec<_> = confirm.question.iter().flat_map(|line| wrapped(line, room)).collect();
    let place = middle(area, width, (lines.len() as u16).saturating_add(2));
    let answers = Line::from(vec![
        Span::styled(" y", palette.strong()),
        Span::raw(" yes  "),
        Span::styled("n", palette.strong()),
        Span::raw(" no "),
    ]);
    let mut block = Block::bordered().border_style(palette.warn());
    block = if place.height > 1 {
        block.title(" Sure? ").title_bottom(answers)
    } else {
        block.title(answers)
    };
    let lines: Vec<_> = lines.into_iter().map(|line| Line::raw(format!(" {line}"))).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

/// A line in lines of this width at most, parted between words where that is possible.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let full = lines.last().map_or(0, |last| Span::raw(last).width());
        if full > 0 && full + Span::raw(word.trim_end()).width() > width {
            lines.push(String::new());
        }
        for c in word.chars() {
            let full = lines.last().is_some_and(|last| Span::raw(last).width() >= width);
            match c {
                ' ' if full => continue,
                _ if full => lines.push(String::new()),
                _ => {}
            }
            lines.last_mut().into_iter().for_each(|last| last.push(c));
        }
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_parted_between_words() {
        let question = "Remove share and delete what was downloaded?";
        assert_eq!(wrapped(question, 80), [question]);
        assert_eq!(wrapped(question, 16), ["Remove share and", "delete what was ", "downloaded?"]);
        assert_eq!(wrapped("out/weights", 4), ["out/", "weig", "hts"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
