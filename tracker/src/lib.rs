//! Who has which pieces: a pure registry, and the server around it.

pub mod registry;
mod server;

pub use server::{Server, ServerConfig, Stats};
