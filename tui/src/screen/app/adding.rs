//! What it means to add something.

use std::path::PathBuf;

use crate::{host::Order, source::is_manifest};

/// What it means to add this: a link is fetched, a `.swarm` file is a manifest, all else is shared.
/// The whole command that `swarm seed` prints is as good as its link, and quotes are left out.
pub fn order_of(text: &str) -> Order {
    let text = text.trim();
    let text = text.strip_prefix("swarm get ").map_or(text, str::trim);
    let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    let text = quoted('\'').or_else(|| quoted('"')).unwrap_or(text);
    // What looks like another program's link is one too: it is told what is wrong with it.
    if text.starts_with("swarm:") || text.starts_with("magnet:") || text.contains("://") {
        return Order::AddLink { link: text.into(), output: None };
    }
    let path = PathBuf::from(text);
    if is_manifest(&path) {
        Order::AddManifest { path, output: None }
    } else {
        Order::AddPath { path }
    }
}
