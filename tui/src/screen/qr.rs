//! A link as a QR code, over everything else.
//!
//! A camera wants dark on light with a light margin, whatever the terminal's theme is: here, and only
//! here, black and white are named.

use qrcode::{Color as Module, EcLevel, QrCode};
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    text::Line,
    widgets::{Clear, Paragraph, Wrap},
};

use crate::look::{Glyphs, Palette, Theme};

/// Light modules around the code. The standard asks for 4; 2 are enough for a camera that sees the
/// whole screen, and leave room for longer links.
const MARGIN: usize = 2;

/// Draws the code in the middle of the area, or says how much room it needs.
pub fn draw(frame: &mut Frame<'_>, area: Rect, text: &str, palette: Palette) {
    frame.render_widget(Clear, area);
    let say = |frame: &mut Frame<'_>, text: String| {
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
    };
    // The least redundancy: nothing is printed over it or torn off, and it is the smallest.
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::L) else {
        return say(frame, "The link is too long for a QR code. y copies it.".into());
    };
    let modules = Modules { side: code.width() + 2 * MARGIN, code: code.to_colors() };
    let (width, height) = modules.size(palette);
    if width > area.width.into() || height > area.height.into() {
        let Rect { width: have, height: rows, .. } = area;
        return say(
            frame,
            format!(
                "The code needs {width} columns and {height} rows, here are {have} and {rows}. \
                Make the terminal larger or its letters smaller, or copy the link with y."
            ),
        );
    }
    let place = Rect {
        x: area.x + (area.width - width as u16) / 2,
        y: area.y + (area.height - height as u16) / 2,
        width: width as u16,
        height: height as u16,
    };
    modules.draw(frame.buffer_mut(), place, palette);
    // Under it, if there is a row.
    if area.bottom() > place.bottom() {
        let hint = Line::from("Esc closes").centered().style(palette.dim());
        frame.render_widget(hint, Rect { y: place.bottom(), height: 1, ..area });
    }
}

struct Modules {
    /// Modules in a row, margins among them.
    side: usize,
    code: Vec<Module>,
}

impl Modules {
    fn dark(&self, x: usize, y: usize) -> bool {
        let inner = self.side - 2 * MARGIN;
        let (x, y) = (x.wrapping_sub(MARGIN), y.wrapping_sub(MARGIN));
        x < inner && y < inner && self.code[y * inner + x] == Module::Dark
    }

    /// Columns and rows that it takes: a cell is about twice as high as it is wide.
    const fn size(&self, palette: Palette) -> (usize, usize) {
        match palette.glyphs() {
            Glyphs::Ascii => (self.side * 2, self.side),
            Glyphs::Half | Glyphs::Block => (self.side, self.side.div_ceil(2)),
        }
    }

    fn draw(&self, buffer: &mut Buffer, area: Rect, palette: Palette) {
        let style = match palette.theme() {
            // Where colours are not wanted, what is drawn is what is light, as on most terminals.
            Theme::Mono => Style::new(),
            _ => Style::new().fg(Color::White).bg(Color::Black),
        };
        for (y, row) in area.rows().enumerate() {
            for (x, at) in row.columns().enumerate() {
                let light = |x, y| y >= self.side || !self.dark(x, y);
                let glyph = if palette.glyphs() == Glyphs::Ascii {
                    if light(x / 2, y) { '#' } else { ' ' }
                } else {
                    match (light(x, 2 * y), light(x, 2 * y + 1)) {
                        (true, true) => '█',
                        (true, false) => '▀',
                        (false, true) => '▄',
                        (false, false) => ' ',
                    }
                };
                // A letter leaves gaps that a background does not.
                let style =
                    if glyph == '#' { style.bg(style.fg.unwrap_or_default()) } else { style };
                buffer[(at.x, at.y)].set_char(glyph).set_style(style);
            }
        }
    }
}
