//! Idempotency keys: a repeated request finds what its first sending made, in the same transaction.

use ca_verifier::Time;
use diesel::prelude::*;

use crate::{StoreError, Tx, schema::idempotency, tx::run};

/// What a key says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// First time: do it.
    Fresh,
    /// Done before, by the same request.
    Replay {
        /// What it made then.
        resource: String,
    },
    /// The key belongs to a different request.
    Mismatch,
}

impl Tx<'_> {
    /// Claims `key` of `actor` for the request with this digest, which makes `resource`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn claim_idempotency(
        &mut self,
        actor: &str,
        key: &str,
        request_sha256: &[u8; 32],
        resource: &str,
        at: Time,
    ) -> Result<Claim, StoreError> {
        let row = (
            idempotency::actor.eq(actor),
            idempotency::request_key.eq(key),
            idempotency::request_sha256.eq(request_sha256.as_slice()),
            idempotency::resource.eq(resource),
            idempotency::at.eq(at.millis()),
        );
        // Waits, on PostgreSQL, for another transaction that is claiming the same key.
        let claim = diesel::insert_into(idempotency::table).values(row).on_conflict_do_nothing();
        if run!(self, connection => claim.execute(connection))? == 1 {
            return Ok(Claim::Fresh);
        }
        let columns = (idempotency::request_sha256, idempotency::resource);
        let query = idempotency::table.find((actor, key)).select(columns);
        let (digest, resource): (Vec<u8>, String) = run!(self, connection => query.get_result(connection))?;
        Ok(if digest == request_sha256 { Claim::Replay { resource } } else { Claim::Mismatch })
    }
}
