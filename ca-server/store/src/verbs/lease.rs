//! Leases: work that one instance does at a time. The fence rises with each new holder, so that a holder who slept
//! past its lease cannot write.

use ca_verifier::Time;
use diesel::{dsl::case_when, prelude::*, query_dsl::methods::FilterDsl, upsert::excluded};

use crate::{
    StoreError, Tx,
    schema::lease,
    tx::{change_one, run},
};

impl Tx<'_> {
    /// Takes or prolongs a lease for `ttl_millis` from `now`; gives its fence, or `None` while another holds it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn acquire_lease(
        &mut self,
        name: &str,
        holder: &str,
        now: Time,
        ttl_millis: i64,
    ) -> Result<Option<i64>, StoreError> {
        let wanted = (
            lease::name.eq(name),
            lease::holder.eq(holder),
            lease::fence.eq(1_i64),
            lease::until.eq(now.millis().saturating_add(ttl_millis)),
        );
        let next_fence =
            case_when(lease::holder.eq(excluded(lease::holder)), lease::fence).otherwise(lease::fence + 1);
        let taken =
            diesel::insert_into(lease::table).values(wanted).on_conflict(lease::name).do_update().set((
                lease::holder.eq(excluded(lease::holder)),
                lease::fence.eq(next_fence),
                lease::until.eq(excluded(lease::until)),
            ));
        let taken = FilterDsl::filter(taken, lease::holder.eq(holder).or(lease::until.le(now.millis())));
        let taken = taken.returning(lease::fence);
        run!(self, connection => taken.get_result(connection).optional())
    }

    /// Checks that the lease still has this fence, and keeps it so until the transaction ends.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `lease` when another holder has taken over.
    pub fn check_fence(&mut self, name: &str, fence: i64) -> Result<(), StoreError> {
        // An update, not a read: on PostgreSQL its lock keeps others from taking over before the commit.
        let held = QueryDsl::filter(lease::table.find(name), lease::fence.eq(fence));
        change_one!(self, "lease", diesel::update(held).set(lease::fence.eq(lease::fence)))
    }
}
