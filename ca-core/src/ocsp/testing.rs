//! Requests for tests, good and bad.

use crate::encode::{explicit, octets, oid, sequence};

const NONCE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 2];

pub(super) fn extension(arcs: &[u64], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&oid(arcs), critical, &octets(value)])
}

pub(super) fn nonce(value: &[u8]) -> Vec<u8> {
    extension(NONCE, false, &octets(value))
}

/// One question for each id, with these request extensions.
pub(super) fn request(ids: &[&[u8]], extensions: &[Vec<u8>]) -> Vec<u8> {
    let questions: Vec<u8> = ids.iter().flat_map(|id| sequence(&[id])).collect();
    let extensions =
        if extensions.is_empty() { Vec::new() } else { explicit(2, &sequence(&[&extensions.concat()])) };
    sequence(&[&sequence(&[&sequence(&[&questions]), &extensions])])
}
