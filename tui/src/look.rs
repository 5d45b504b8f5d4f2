//! How the full screen looks: what it is drawn with, and in which colours. Below all that names a
//! theme: the command line, the configuration and the screen.

mod glyphs;
mod palette;

pub use self::{
    glyphs::{Glyphs, flatten},
    palette::{Palette, Theme},
};
