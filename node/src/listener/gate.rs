//! How many handshakes one place may have under way.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Handshakes under way from one IPv4 address or IPv6 /64: more than a machine full of nodes needs,
/// few enough that one place cannot keep all others out.
const PLACE_MAX: u32 = 64;

/// Counts handshakes by place.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Held for one look-up.
    places: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// A handshake that was let in; dropped when it is over.
#[derive(Debug)]
pub(super) struct Pass {
    places: Arc<Mutex<HashMap<IpAddr, u32>>>,
    place: IpAddr,
}

impl Gate {
    /// Lets a handshake in, unless its place has too many under way.
    pub(super) fn enter(&self, from: IpAddr) -> Option<Pass> {
        let place = place(from);
        let mut places = lock(&self.places);
        let count = places.entry(place).or_default();
        if *count >= PLACE_MAX {
            return None;
        }
        *count += 1;
        Some(Pass { places: Arc::clone(&self.places), place })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut places = lock(&self.places);
        if let Some(count) = places.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                places.remove(&self.place);
            }
        }
    }
}

fn lock(places: &Mutex<HashMap<IpAddr, u32>>) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
    // Counting cannot panic half-way.
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One customer of the network: an IPv4 address, or a /64, of which anybody has all the addresses.
fn place(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_cannot_take_all() {
        let gate = Gate::default();
        let addr = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut passes: Vec<_> = (0..PLACE_MAX)
            .map(|i| gate.enter(addr(&format!("2001:db8::{i:x}"))).unwrap())
            .collect();
        assert!(gate.enter(addr("2001:db8::ffff:1")).is_none());
        assert!(gate.enter(addr("2001:db8:0:1::1")).is_some());
        assert!(gate.enter(addr("10.0.0.1")).is_some());
        passes.pop();
        assert!(gate.enter(addr("2001:db8::ffff:1")).is_some());
        passes.clear();
        assert!(lock(&gate.places).is_empty(), "nothing is kept of who has left");
    }
}
