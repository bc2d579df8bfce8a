//! Paths that were verified, by the certificate's digest: a public-key operation for each certificate, not for each
//! request. Validity and status are asked anew every time.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use ca_verifier::Gate;
use lru::LruCache;
use rustls_pki_types::CertificateDer;

use crate::{secret, server::now, unit::Peer};

#[derive(Debug)]
pub(crate) struct Paths(Mutex<LruCache<[u8; 32], Peer>>);

impl Paths {
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(most)))
    }

    /// Only a path that is valid is kept: otherwise strangers could push units out with rubbish. `presented` is the
    /// leaf and what came with it; a path that needs more than the configured CAs is not kept either.
    pub(crate) fn admit(&self, gate: &Gate, presented: &[CertificateDer<'_>]) -> Peer {
        let [leaf] = presented else { return Peer::admit(gate, Some(presented), now()) };
        let digest = secret::sha256(leaf);
        if let Some(known) = self.lock().get(&digest) {
            return known.clone();
        }
        let peer = Peer::admit(gate, Some(presented), now());
        if peer.is_admitted() {
            self.lock().put(digest, peer.clone());
        }
        peer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
