//! Manifests on their way in.
//!
//! A manifest arrives in parts, from a member of its swarm, and is believed only when its bytes decode
//! and hash to the swarm's id. That takes about a second for the largest, so it is a step of its own,
//! [`Candidate::check`], which needs no registry: a server does it beside its connections.

use std::collections::HashMap;

use bytes::Bytes;
use swarm_proto::{
    announce::row_digest,
    id::{PeerId, SwarmId},
    manifest::Manifest,
    message::MANIFEST_PART_MAX,
};

use super::{Config, gauges::Gauges, keyed::Keyed};

/// While room for manifests is short, one of which nothing has come for this long is given up: twice
/// what a part takes over 70 kbit/s. Else a few keys that begin many and go on with none could keep
/// everybody's manifests out.
const STALLED_MS: u64 = 60_000;

/// All bytes of what may be a manifest have arrived.
#[derive(Debug)]
pub(crate) struct Candidate {
    swarm: SwarmId,
    bytes: Vec<u8>,
}

/// A manifest of this swarm, beyond doubt.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(super) swarm: SwarmId,
    pub(super) pieces: u32,
    /// [`row_digest`] of all pieces.
    pub(super) full_digest: u64,
    pub(super) bytes: Bytes,
}

impl Candidate {
    /// Decodes the bytes and compares the id; `None` if they are not this swarm's manifest.
    pub(crate) fn check(self) -> Option<Checked> {
        let manifest = Manifest::decode(&self.bytes).ok()?;
        if manifest.id() != self.swarm {
            return None;
        }
        let pieces = manifest.geometry().piece_count();
        // Kept for hours, so without the slack that growing left.
        let bytes = Bytes::from(self.bytes.into_boxed_slice());
        Some(Checked { swarm: self.swarm, pieces, full_digest: row_digest(0..pieces), bytes })
    }
}

/// What became of a part.
#[derive(Debug)]
pub(super) enum Part {
    /// So many bytes are here; more are to come.
    Received(u32),
    /// All are here.
    Complete(Candidate),
    /// It does not fit to what came before, or to the limits.
    Invalid,
    /// No room now.
    Full,
    /// The manifest is longer than any that is kept here.
    TooLong,
}

/// Manifests of which parts have arrived.
#[derive(Debug)]
pub(super) struct Uploads {
    open: HashMap<(PeerId, SwarmId), Upload, Keyed>,
}

#[derive(Debug)]
struct Upload {
    total: u32,
    bytes: Vec<u8>,
    started_ms: u64,
    /// When the last part came.
    touched_ms: u64,
}

impl Uploads {
    /// None yet.
    pub(super) fn new(keyed: Keyed) -> Self {
        Self { open: HashMap::with_hasher(keyed) }
    }

    /// Takes a part. A part at offset 0 begins anew.
    #[expect(clippy::too_many_arguments, reason = "the fields of one message, and the limits")]
    pub(super) fn put(
        &mut self,
        now_ms: u64,
        peer: PeerId,
        swarm: SwarmId,
        total: u32,
        offset: u32,
        data: &[u8],
        config: &Config,
        gauges: &Gauges,
    ) -> Part {
        let key = (peer, swarm);
        let end = offset as usize + data.len();
        let fits = !data.is_empty() && data.len() <= MANIFEST_PART_MAX && end <= total as usize;
        if !fits {
            self.drop_upload(&key, gauges);
            return Part::Invalid;
        }
        if total > config.manifest_len_max {
            return Part::TooLong;
        }
        if offset == 0 {
            self.drop_upload(&key, gauges);
            if !gauges.uploads.take(1, config.uploads_max as u64) {
                return Part::Full;
            }
            self.open.insert(
                key,
                Upload { total, bytes: Vec::new(), started_ms: now_ms, touched_ms: now_ms },
            );
        }
        let Some(upload) = self.open.get_mut(&key) else { return Part::Invalid };
        if upload.total != total || upload.bytes.len() != offset as usize {
            self.drop_upload(&key, gauges);
            return Part::Invalid;
        }
        if !gauges.upload_bytes.take(data.len() as u64, config.upload_bytes_max) {
            self.drop_upload(&key, gauges);
            return Part::Full;
        }
        upload.touched_ms = now_ms;
        upload.bytes.extend_from_slice(data);
        if end < total as usize {
            return Part::Received(end as u32);
        }
        let bytes = std::mem::take(&mut upload.bytes);
        gauges.upload_bytes.give_back(bytes.len() as u64);
        self.drop_upload(&key, gauges);
        Part::Complete(Candidate { swarm, bytes })
    }

    /// Forgets those that take too long, and, if others have no room, those that do not go on. Looks at
    /// all: they are few.
    pub(super) fn expire(&mut self, now_ms: u64, config: &Config, gauges: &Gauges) {
        let crowded = gauges.uploads.get() >= config.uploads_max as u64
            || gauges.upload_bytes.get() >= config.upload_bytes_max / 2;
        let is_late = |upload: &Upload| {
            now_ms >= upload.started_ms + config.upload_ms_max
                || crowded && now_ms >= upload.touched_ms + STALLED_MS
        };
        let late: Vec<_> =
            self.open.iter().filter(|(_, upload)| is_late(upload)).map(|(&key, _)| key).collect();
        for key in late {
            self.drop_upload(&key, gauges);
        }
    }

    fn drop_upload(&mut self, key: &(PeerId, SwarmId), gauges: &Gauges) {
        if let Some(upload) = self.open.remove(key) {
            gauges.upload_bytes.give_back(upload.bytes.len() as u64);
            gauges.uploads.give_back(1);
        }
    }
}
