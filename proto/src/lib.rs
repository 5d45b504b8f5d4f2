//! What two machines of a swarm agree on: ids, geometry, digests, manifest, link, messages, codec.
//!
//! This crate does no I/O and knows no clock. Bytes become a checked type here, at the door; nobody
//! inside asks again.

pub mod announce;
mod bin;
pub mod bitfield;
pub mod codec;
pub mod digest;
pub mod geometry;
pub mod id;
pub mod link;
pub mod manifest;
pub mod message;
pub mod path;
pub mod tree;
