//! Colours. Only the 16 of the terminal's own theme, on its own background, and never its white or
//! black: what is readable there is readable here. Every state is told by its glyph as well, so
//! nothing is lost without colours.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};
use serde::{Deserialize, Serialize};

use super::glyphs::Glyphs;

/// Which colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theme {
    /// The terminal's colours, for dark backgrounds
    Default,
    /// The darker of them, for light backgrounds
    Light,
    /// The brightest, and nothing dimmed
    HighContrast,
    /// None: bold, dim and reverse only
    Mono,
}

/// The styles and glyphs that widgets use.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    theme: Theme,
    glyphs: Glyphs,
}

impl Palette {
    /// Without colour the theme does not matter, and a glyph alone must tell a state.
    pub const fn new(theme: Theme, glyphs: Glyphs, colour: bool) -> Self {
        let theme = if colour { theme } else { Theme::Mono };
        let glyphs = match (theme, glyphs) {
            (Theme::Mono, Glyphs::Half) => Glyphs::Block,
            _ => glyphs,
        };
        Self { theme, glyphs }
    }

    /// Which glyphs there are.
    pub const fn glyphs(self) -> Glyphs {
        self.glyphs
    }

    /// Which colours there are.
    pub const fn theme(self) -> Theme {
        self.theme
    }

    const fn of(self, default: Color, light: Color, bright: Color) -> Style {
        match self.theme {
            Theme::Default => Style::new().fg(default),
            Theme::Light => Style::new().fg(light),
            Theme::HighContrast => Style::new().fg(bright),
            Theme::Mono => Style::new(),
        }
    }

    /// Verified, complete, well.
    pub const fn good(self) -> Style {
        self.of(Color::Green, Color::Green, Color::LightGreen)
    }

    /// On its way in.
    pub const fn down(self) -> Style {
        self.of(Color::Cyan, Color::Blue, Color::LightCyan)
    }

    /// On its way out.
    pub const fn up(self) -> Style {
        self.of(Color::Magenta, Color::Magenta, Color::LightMagenta)
    }

    /// Under way.
    pub const fn busy(self) -> Style {
        self.of(Color::Yellow, Color::Magenta, Color::LightYellow)
    }

    /// Not as it should be. Yellow cannot be read on white.
    pub const fn warn(self) -> Style {
        self.of(Color::Yellow, Color::Red, Color::LightYellow)
    }

    /// Wrong.
    pub const fn bad(self) -> Style {
        self.of(Color::Red, Color::Red, Color::LightRed).add_modifier(Modifier::BOLD)
    }

    /// Frames, labels, what is missing.
    pub const fn dim(self) -> Style {
        match self.theme {
            Theme::HighContrast => Style::new(),
            _ => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Titles and figures that matter.
    pub const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The selected view or row.
    pub const fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styles(palette: Palette) -> [Style; 9] {
        [
            palette.good(),
            palette.down(),
            palette.up(),
            palette.busy(),
            palette.warn(),
            palette.bad(),
            palette.dim(),
            palette.strong(),
            palette.selected(),
        ]
    }

    #[test]
    fn no_theme_relies_on_what_the_background_is() {
        for theme in [Theme::Default, Theme::Light, Theme::HighContrast, Theme::Mono] {
            for style in styles(Palette::new(theme, Glyphs::Block, true)) {
                let colour = style.fg.unwrap_or(Color::Reset);
                let risky = [Color::White, Color::Black, Color::Gray, Color::DarkGray];
                assert!(!risky.contains(&colour) && style.bg.is_none(), "{theme:?} {style:?}");
            }
        }
    }

    #[test]
    fn without_colours_there_are_none_and_glyphs_tell_all() {
        let palette = Palette::new(Theme::Light, Glyphs::Half, false);
        assert!(styles(palette).iter().all(|style| style.fg.is_none()));
        assert_eq!(palette.glyphs(), Glyphs::Block);
    }
}
