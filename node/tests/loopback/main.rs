//! Whole nodes over real sockets on loopback: what a user sees of them.

mod failing;
mod fetching;
mod world;
