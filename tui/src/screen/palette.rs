//! Colours. Only the 16 of the terminal's own theme, on its own background, and never its white or
//! black: what is readable there is readable here. Every state is told by its glyph as well, so
//! nothing is lost without colours.

use ratatui::style::{Color, Modifier, Style};

/// The styles that widgets use.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    colour: bool,
}

impl Palette {
    /// Without colour only bold, dim and reverse are used.
    pub const fn new(colour: bool) -> Self {
        Self { colour }
    }

    const fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Verified, complete, well.
    pub const fn good(self) -> Style {
        self.of(Color::Green)
    }

    /// On its way in.
    pub const fn down(self) -> Style {
        self.of(Color::Cyan)
    }

    /// On its way out.
    pub const fn up(self) -> Style {
        self.of(Color::Magenta)
    }

    /// Under way, or not as it should be.
    pub const fn warn(self) -> Style {
        self.of(Color::Yellow)
    }

    /// Wrong.
    pub const fn bad(self) -> Style {
        self.of(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Frames, labels, what is missing.
    pub const fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Titles and figures that matter.
    pub const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The selected view.
    pub const fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
